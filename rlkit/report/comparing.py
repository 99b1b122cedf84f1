"""Who is compared with whom: runs sorted into methods and tasks, on common steps."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import ConfigError
from rlkit.report.reading import RETURN, Run

Floats = NDArray[np.float64]

EVALUATION = "eval/mean_reward"
POINTS = 100  # of a curve whose runs were logged at different steps
MOST_POINTS = 200  # of any curve; of more, some are left out
NAMED = 3  # hyperparameters in a method's name; of more, a number tells them apart
UNKNOWN = "unknown environment"
DIGITS = 4  # of a float in a name
LONGEST = 24  # characters of a value in a name

_BETTER_HIGH = ("truth/optimal_actions", "truth/optimal_share")
_BETTER_LOW = ("truth/", "train/loss", "train/critic_loss", "train/actor_loss", "train/td_error", "bellman/")


@dataclass(frozen=True)
class Comparison:
    """Runs by method and task.

    Attributes:
        methods: what is compared, in the order in which it was found.
        tasks: what it is compared on, alike.
        cells: the runs of a method on a task; no entry where there are none.
    """

    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    cells: Mapping[tuple[str, str], tuple[Run, ...]]


@dataclass(frozen=True)
class Curve:
    """One tag of several runs on common steps.

    Attributes:
        steps: float64 `(T,)`.
        values: float64 `(N, T)`.
        runs: the N runs.
        interpolated: whether the runs were logged at other steps than these.
    """

    steps: Floats
    values: Floats
    runs: tuple[Run, ...]
    interpolated: bool

    def at(self, step: float) -> Floats:
        """Return every run's value at a step between the first and the last, linear between its neighbours, `(N,)`."""
        return np.array([np.interp(step, self.steps, row) for row in self.values])


def is_better_low(tag: str) -> bool:
    """Tell whether less of a tag is better: it is of errors and losses, not of returns."""
    return tag.startswith(_BETTER_LOW) and tag not in _BETTER_HIGH


def choose_metric(runs: Iterable[Run]) -> str:
    """Return what to compare runs by: the evaluation's return, else the last hundred episodes', else an exact error.

    Raises:
        ConfigError: nothing of that was logged.
    """
    runs = list(runs)
    tags = sorted({tag for run in runs for tag in run.columns if tag.startswith("truth/")})
    preferred = [EVALUATION, RETURN, *(tag for tag in ("truth/policy_regret", "truth/rmsve") if tag in tags), *tags]
    shares = {tag: sum(bool(run.curve(tag)[0].size) for run in runs) for tag in preferred}
    best = max(shares.values(), default=0)
    if not best:
        raise ConfigError(f"no run has logged {EVALUATION}, {RETURN} or truth/...; --metric names what to compare")
    return next(tag for tag in preferred if shares[tag] == best)


def arrange(runs: Sequence[Run], group: Sequence[str], notes: list[str]) -> Comparison:
    """Sort runs into methods and tasks, adding a sentence to `notes` for each that is left out.

    A task is an environment with its arguments. A method is an agent with its hyperparameters: those that differ on
    one task become part of its name, so that unlike runs are never pooled unasked.

    Args:
        runs: at least one.
        group: what makes a method instead: "agent", "folder" (the one that the run's is in), hyperparameters by name.
        notes: takes the sentences.

    Raises:
        ConfigError: `group` names nothing that the runs have.
    """
    tasks = _tasks(_located(runs, notes))
    methods = _grouped(runs, group) if group else _methods(runs, tasks)
    cells: dict[tuple[str, str], list[Run]] = {}
    for run, method, task in zip(runs, methods, tasks, strict=True):
        cells.setdefault((method, task), []).append(run)
    if group:
        notes += _pooled(cells)
    kept = {cell: _distinct(its, notes) for cell, its in cells.items()}
    return Comparison(tuple(dict.fromkeys(methods)), tuple(dict.fromkeys(tasks)), kept)


def aligned(runs: Sequence[Run], tag: str) -> Curve:
    """Put runs' curves on common steps, from where all have begun to where the first ends.

    Where all were logged at the same steps, these are kept, at most two hundred of them. Else there are a hundred, and
    values are linear between their neighbours. Runs without the tag are left out, as are those that end before another
    one begins.

    Args:
        runs: at least one that has logged the tag.
        tag: which.
    """
    found = [(run, *run.curve(tag)) for run in runs]
    found = [(run, steps, values) for run, steps, values in found if steps.size]
    first = common_step([(steps[0], steps[-1]) for _, steps, _ in found])
    found = [each for each in found if each[1][0] <= first <= each[1][-1]]
    last = min(steps[-1] for _, steps, _ in found)
    within = [steps[(steps >= first) & (steps <= last)] for _, steps, _ in found]
    same = all(np.array_equal(steps, within[0]) for steps in within)
    steps = _thinned(within[0]) if same else np.linspace(first, last, POINTS if first < last else 1)
    values = np.array([np.interp(steps, its, logged) for _, its, logged in found])  # [N, T]
    return Curve(steps, values, tuple(run for run, _, _ in found), not same)


def common_step(spans: Sequence[tuple[float, float]]) -> float:
    """Return the step at which the last of some runs begins, of those that begin before all others have ended."""
    return float(min(max(begin for begin, _ in spans), max(end for _, end in spans)))


def _thinned(steps: Floats) -> Floats:
    """Return at most two hundred of some steps, the first and the last among them."""
    if steps.size <= MOST_POINTS:
        return steps
    chosen = np.linspace(0, steps.size - 1, MOST_POINTS).round().astype(np.intp)
    return np.asarray(steps[chosen])


def _distinct(runs: list[Run], notes: list[str]) -> tuple[Run, ...]:
    """Leave out a seed's second run, which is the first one over again and would make intervals too narrow."""
    kept: dict[Any, Run] = {}
    for number, run in enumerate(runs):
        key = (run.seed, _spelt(run.hyperparameters)) if run.seed is not None else (None, number)
        other = kept.get(key)
        if other is None:
            kept[key] = run
            continue
        longer, shorter = (other, run) if _length(other) >= _length(run) else (run, other)
        kept[key] = longer
        twice = f"is seed {run.seed} of the same method again, like {longer.folder}"
        notes.append(f"{shorter.folder}: {twice}; it is left out")
    return tuple(kept.values())


def _length(run: Run) -> float:
    return float(np.nanmax(run.columns["step"], initial=0.0))


def _pooled(cells: Mapping[tuple[str, str], list[Run]]) -> list[str]:
    """Say where runs with different hyperparameters count as one method."""
    return [
        f"{method} on {task}: its runs differ in {', '.join(keys)}, and count as one method"
        for (method, task), runs in cells.items()
        if (keys := _varying([run.hyperparameters for run in runs]))
    ]


def _grouped(runs: Sequence[Run], group: Sequence[str]) -> list[str]:
    known = {key for run in runs for key in run.hyperparameters}
    for name in group:
        if name not in ("agent", "folder") and name not in known:
            raise ConfigError(f"group={name!r}, expected agent, folder, or one of {', '.join(sorted(known)) or 'none'}")
    written = _written([run.hyperparameters for run in runs], group)
    return [_named(run, group, words) for run, words in zip(runs, written, strict=True)]


def _named(run: Run, group: Sequence[str], words: Mapping[str, str]) -> str:
    parts = {"agent": run.label or run.agent, "folder": run.folder.absolute().parent.name}
    return " ".join(parts.get(name) or f"{name}={words[name]}" for name in group)


def _methods(runs: Sequence[Run], tasks: Sequence[str]) -> list[str]:
    """Name every run's method: the agent, and what its runs on one task differ in."""
    differing: dict[str, list[str]] = {}
    for who in dict.fromkeys(map(_who, runs)):
        keys: dict[str, None] = {}
        for task in dict.fromkeys(tasks):
            its = [run for run, where in zip(runs, tasks, strict=True) if (_who(run), where) == (who, task)]
            keys |= dict.fromkeys(_varying([run.hyperparameters for run in its]))
        differing[who] = list(keys)
    full = [(_who(run), _values(run, differing[_who(run)])) for run in runs]
    short: dict[int, str] = {}
    for who, keys_of_it in differing.items():
        places = [place for place, run in enumerate(runs) if _who(run) == who]
        its = [runs[place] for place in places]
        named = _telling(its, keys_of_it)
        for place, words in zip(places, _written([run.hyperparameters for run in its], named), strict=True):
            short[place] = " ".join([who, *(f"{key}={words[key]}" for key in named)])
    return _told_apart([short[place] for place in range(len(runs))], full)


def _telling(runs: Sequence[Run], keys: Sequence[str]) -> list[str]:
    """Choose the few hyperparameters that tell runs apart as well as all of them do, at most three."""
    chosen: list[str] = []
    wanted = len({_values(run, keys) for run in runs})
    while len(chosen) < NAMED and len({_values(run, chosen) for run in runs}) < wanted:
        chosen.append(max(keys, key=lambda key: len({_values(run, [*chosen, key]) for run in runs})))
    return [key for key in keys if key in chosen]


def _values(run: Run, keys: Sequence[str]) -> str:
    return _spelt([run.hyperparameters.get(key) for key in keys])


def _who(run: Run) -> str:
    return run.label or run.agent


def _located(runs: Sequence[Run], notes: list[str]) -> list[Run]:
    """Put in place of a run of which only the environment's id is known one that says more, if all those agree."""
    described: dict[str, dict[str, Run]] = {}
    for run in runs:
        if run.wrappers and run.environment:
            described.setdefault(run.environment, {}).setdefault(f"{_spelt(run.arguments)} {run.wrappers}", run)
    located: list[Run] = []
    guessed: Counter[str] = Counter()
    for run in runs:
        others = list(described.get(run.environment, {}).values())
        alike = not run.wrappers and not run.arguments and len(others) == 1
        located.append(others[0] if alike else run)
        guessed[run.environment] += alike
    for environment, count in (+guessed).items():
        taken = "taken to be on the one that others describe"
        notes.append(f"{environment}: runs that say no more of it than the name, {count}, are {taken}")
    return located


def _tasks(runs: Sequence[Run]) -> list[str]:
    """Name every run's task: the environment's id, and the arguments in which those of one id differ."""
    full = [(run.environment, _spelt(run.arguments), run.wrappers) for run in runs]
    short = []
    for run in runs:
        differing = _varying([other.arguments for other in runs if other.environment == run.environment])
        short.append(
            " ".join([run.environment or UNKNOWN, *(f"{key}={_brief(run.arguments.get(key))}" for key in differing)])
        )
    return _told_apart(short, full)


def _told_apart(names: Sequence[str], meanings: Sequence[Any]) -> list[str]:
    """Number the names that mean more than one thing."""
    numbers: dict[str, dict[Any, int]] = {}
    for name, meaning in zip(names, meanings, strict=True):
        its = numbers.setdefault(name, {})
        its.setdefault(meaning, len(its) + 1)
    return [
        f"{name} ({numbers[name][meaning]})" if len(numbers[name]) > 1 else name
        for name, meaning in zip(names, meanings, strict=True)
    ]


def _varying(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    keys = dict.fromkeys(key for table in tables for key in table)
    return [key for key in keys if len({_spelt(table.get(key)) for table in tables}) > 1]


def _spelt(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _written(tables: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[dict[str, str]]:
    """Write some entries of tables; floats with few digits, where these still tell a key's values apart."""
    columns = {}
    for key in keys:
        values = [table.get(key) for table in tables]
        few = [float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value for value in values]
        alike = len({_spelt(value) for value in few}) < len({_spelt(value) for value in values})
        columns[key] = [_brief(value) for value in (values if alike else few)]
    return [{key: column[place] for key, column in columns.items()} for place in range(len(tables))]


def _brief(value: Any) -> str:
    text = " ".join((value if isinstance(value, str) else _spelt(value)).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
