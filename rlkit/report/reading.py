"""Run folders as arrays: those of rlkit, and what stable-baselines3's logger and monitor leave behind."""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import CheckpointError, ConfigError, RlkitError, warn
from rlkit.run import RunFolder

Floats = NDArray[np.float64]
Source = str | os.PathLike[str]

PROGRESS = "progress.csv"
CONFIG = "config.json"
SWEEP, TRIALS = "sweep.json", "trials"  # what tells a sweep's folder, and the one in it that holds its runs
MONITOR = "monitor.csv"  # or what ends in .monitor.csv, one file for each environment of a run
STEPS = ("step", "time/total_timesteps")  # the columns that count: rlkit's, stable-baselines3's
RETURN = "rollout/ep_rew_mean"
LENGTH = "rollout/ep_len_mean"
WINDOW = 100  # episodes that stable-baselines3 averages over

_NUMBER = re.compile(r"(seed|run|trial)?[-_]?\d+", re.IGNORECASE)
_COUNTER = re.compile(r"[-_]\d+$")


class UnreadableRun(RlkitError):
    """A folder holds no run that could be read."""


@dataclass(frozen=True, eq=False)
class Run:
    """What one run has logged, and who learnt where.

    Attributes:
        folder: where it is.
        agent: the learner's class, or what the folder is called where no `config.json` says it.
        environment: gymnasium's id, "" where nothing says it.
        columns: by tag, float64 `(T,)`; NaN where a row has no such number. `step` is among them.
        seed: the agent's; None where nothing says it.
        hyperparameters: of the agent, those of nested ones by `name.field`.
        arguments: of the environment.
        wrappers: around the environment, in words.
        label: what the reader has called it, None where he has not.
    """

    folder: Path
    agent: str
    environment: str
    columns: Mapping[str, Floats] = field(repr=False)
    seed: int | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    wrappers: str = field(default="", repr=False)
    label: str | None = None

    def curve(self, tag: str) -> tuple[Floats, Floats]:
        """Return the steps at which a tag was logged, rising, and its values, both float64 `(T,)`; empty without it."""
        if tag not in self.columns:
            return np.empty(0), np.empty(0)
        steps, values = self.columns["step"], self.columns[tag]
        there = np.isfinite(values) & np.isfinite(steps)
        steps, values = steps[there][::-1], values[there][::-1]
        rising, last = np.unique(steps, return_index=True)  # of a step that is there twice, the later row
        return rising, values[last]


def read_runs(sources: Source | Iterable[Source] | Mapping[str, Source | Iterable[Source]]) -> list[Run]:
    """Read every run under some folders, in the order of their names; a warning names each that cannot be read.

    A run is a folder with a `progress.csv` (of rlkit, with its `config.json`, or of stable-baselines3's logger), or
    with `monitor.csv` files, whose episodes are averaged over the last hundred as stable-baselines3 does. The trials of
    a sweep are read only where the sweep's folder, or one in it, is named.

    Args:
        sources: run folders, folders of runs, or such files; or, by the name to give them, those.

    Raises:
        UnreadableRun: nothing is there, or no run among it can be read.
    """
    runs, notes = gather(sources)
    for note in notes:
        warn(note)
    return runs


def gather(sources: Source | Iterable[Source] | Mapping[str, Source | Iterable[Source]]) -> tuple[list[Run], list[str]]:
    """Return every run under some folders as `read_runs` does, and a sentence for each that cannot be read."""
    runs: dict[Path, Run] = {}
    notes: list[str] = []
    sweeps: dict[Path, Path] = {}
    for label, source in _listed(sources):
        if not source.exists():
            raise UnreadableRun(f"{source}: no such run")
        for folder in _folders(source, sweeps):
            if (known := folder.resolve()) in runs:
                continue
            try:
                runs[known] = read_run(folder, label=label)
            except UnreadableRun as error:
                notes.append(f"{error}; it is left out")
                continue
            if _has_lost_its_description(folder, runs[known]):
                notes.append(
                    f"{folder}: has lost its {CONFIG}; it goes by the folder's name, and nothing says its environment"
                )
    for known, sweep in sweeps.items():
        if not any(known in run.parents for run in runs):
            notes.append(f"{sweep}: is a sweep, whose trials are left out; name it to have them in")
    if not runs:
        where = ", ".join(str(source) for _, source in _listed(sources)) or "nothing"
        raise UnreadableRun(f"{where}: holds no run that can be read" + "".join(f" ({note})" for note in notes[:1]))
    return list(runs.values()), notes


def read_run(folder: Path, *, label: str | None = None) -> Run:
    """Read one run.

    Raises:
        UnreadableRun: its files are damaged, or hold no row.
    """
    monitors = _monitors(folder)
    try:
        if (folder / PROGRESS).is_file():
            columns, identity = _progress(folder / PROGRESS), _environment_in(monitors)
        else:
            columns, identity = _episodes(monitors), _environment_in(monitors)
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise UnreadableRun(f"{folder}: cannot be read ({error})") from error
    if not (folder / CONFIG).is_file():
        return Run(folder, _agent_by_name(folder, identity), identity, columns, label=label)
    try:
        config = RunFolder(folder).read_config()
    except CheckpointError as error:
        raise UnreadableRun(str(error)) from error
    return _described(folder, config, columns, label)


def _has_lost_its_description(folder: Path, run: Run) -> bool:
    """Whether rlkit has logged it, as the name of its column of steps says, and nothing tells who learnt where."""
    return (folder / PROGRESS).is_file() and not (folder / CONFIG).is_file() and STEPS[1] not in run.columns


def _described(folder: Path, config: Mapping[str, Any], columns: Mapping[str, Floats], label: str | None) -> Run:
    said = config.get("environment")
    said = said if isinstance(said, dict) else {"id": said or ""}
    arguments, seed, hyperparameters = said.get("arguments"), config.get("seed"), config.get("hyperparameters")
    return Run(
        folder,
        str(config.get("agent") or _agent_by_name(folder, "")),
        str(said.get("id") or ""),
        columns,
        seed=seed if isinstance(seed, int) else None,
        hyperparameters=dict(_flat(hyperparameters)) if isinstance(hyperparameters, dict) else {},
        arguments=arguments if isinstance(arguments, dict) else {},
        wrappers=re.sub(r" at 0x[0-9a-f]+", "", str(said.get("wrappers", ""))),
        label=label,
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _listed(sources: Any) -> Iterator[tuple[str | None, Path]]:
    if isinstance(sources, str | os.PathLike):
        yield None, Path(sources)
    elif isinstance(sources, Mapping):
        for label, within in sources.items():
            yield from ((str(label), path) for _, path in _listed(within))
    elif isinstance(sources, Iterable):
        for each in sources:
            yield from _listed(each)
    else:
        raise ConfigError(f"runs={sources!r}, expected folders")


def _folders(source: Path, sweeps: dict[Path, Path]) -> Iterator[Path]:
    """Walk to every folder that holds a run, in the order of names in which 10 follows 9.

    The trials of sweeps further down are left out, and the sweeps noted.
    """
    if source.is_file():
        yield source.parent
        return
    for place, folders, files in os.walk(source):
        folders.sort(key=_natural)
        if SWEEP in files and Path(place) != source and TRIALS in folders:
            folders.remove(TRIALS)
            sweeps[Path(place).resolve()] = Path(place)
        if PROGRESS in files or any(_is_monitor(name) for name in files):
            yield Path(place)


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _is_monitor(name: str) -> bool:
    return name == MONITOR or name.endswith(f".{MONITOR}")


def _monitors(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if _is_monitor(path.name))


def _agent_by_name(folder: Path, environment: str) -> str:
    """Guess from a folder's place who learnt: the nearest name that is no number, seed or environment."""
    short = environment.split("/")[-1]
    for part in reversed(folder.absolute().parts[1:]):
        name = part if part == short else _COUNTER.sub("", part)
        if not _NUMBER.fullmatch(part) and name != short:
            return name
    return folder.name


def _progress(path: Path) -> dict[str, Floats]:
    """Return a `progress.csv` by column, its steps named `step`."""
    with path.open(newline="", encoding="utf-8", errors="replace") as stream:
        header, *rows = list(csv.reader(stream)) or [[]]
    rows = [row for row in rows if len(row) == len(header)]  # a killed process may leave half a line
    counts = next((name for name in STEPS if name in header), None)
    if counts is None:
        raise ValueError(f"{path.name} has no column {' or '.join(STEPS)}")
    if not rows:
        raise ValueError(f"{path.name} holds no rows")
    columns = dict(zip(header, np.array([[_number(text) for text in row] for row in rows]).T, strict=True))
    return {"step": columns[counts], **columns}


def _number(text: str) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        return math.nan


def _episodes(paths: list[Path]) -> dict[str, Floats]:
    """Return what monitors of one run's environments say together: means over the last hundred episodes."""
    rows = []
    for path in paths:
        with path.open(newline="", encoding="utf-8", errors="replace") as stream:
            begun = float(_heading(stream.readline()).get("t_start", 0.0))
            found = [(begun + _number(row["t"]), _number(row["r"]), _number(row["l"])) for row in _dated(stream)]
        rows += [row for row in found if all(map(math.isfinite, row))]
    if not rows:
        raise ValueError("its monitor holds no episode")
    _, returns, lengths = np.array(sorted(rows)).T  # by the time at which they ended
    return {"step": np.cumsum(lengths), RETURN: _moving_mean(returns), LENGTH: _moving_mean(lengths)}


def _dated(stream: Iterable[str]) -> Iterator[dict[str, str]]:
    """Yield a monitor's episodes, its rows with a return, a length and a time."""
    for row in csv.DictReader(stream):
        if all(row.get(name) for name in "rlt"):
            yield row


def _heading(line: str) -> dict[str, Any]:
    """Return what a monitor's first line says, `#{"t_start": ..., "env_id": ...}`."""
    try:
        said = json.loads(line.removeprefix("#"))
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _environment_in(paths: list[Path]) -> str:
    for path in paths:
        with path.open(encoding="utf-8", errors="replace") as stream:
            identity = _heading(stream.readline()).get("env_id")
        if identity and identity != "None":
            return str(identity)
    return ""


def _moving_mean(values: Floats) -> Floats:
    """Return the mean of the last hundred values, or of those there are, `(T,)`."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    last = np.arange(1, len(values) + 1)
    first = np.maximum(last - WINDOW, 0)
    return np.asarray((sums[last] - sums[first]) / (last - first))
