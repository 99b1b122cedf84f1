"""Sweeps: many trials, each with hyperparameters of its own, of which the bad ones are given up early."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from rlkit.config import Config, check_count
from rlkit.errors import CheckpointError, ConfigError, RlkitError
from rlkit.experiments import study as optunas
from rlkit.experiments.objective import MakeEnv, Objective, TrialEnd, TrialRun
from rlkit.experiments.pool import Outcome, Pool
from rlkit.experiments.search import (
    Dimension,
    chosen,
    default_space,
    holds,
    label_of,
    plain,
    search_space,
    value_of,
    values_on_grid,
    with_values,
)
from rlkit.experiments.seeds import terminable
from rlkit.files import FolderLock, sweep_temporaries, write_whole
from rlkit.run import describe

if TYPE_CHECKING:
    import optuna

    from rlkit.agent import Agent

State = Literal["complete", "pruned", "failed", "running"]
EVAL, TRUTH, SHORT = "eval/mean_reward", "truth/rmsve", {"eval": "eval/mean_reward"}
DESCRIPTION = "sweep.json"
LARGEST_GRID = 100_000  # points
ALIKE = 3  # trials that fail, and none that does not, after which all are taken to


class Trial(NamedTuple):
    """One set of hyperparameters, and what came of it.

    Attributes:
        number: from 0, in the order in which they were proposed.
        state: `"complete"`; `"pruned"`, given up as worse than others, or because it diverged; `"failed"`; or
            `"running"`, which a sweep that goes on takes up again.
        value: the metric, the mean over the seeds in the end, or of a pruned trial as far as it went; None if it was
            never measured.
        hyperparameters: those that are searched, by name.
        values: the metric in the end, of each seed that got there.
        error: one sentence that says how it failed or diverged; None otherwise.
        folder: its own, with a run's folder for each seed.
    """

    number: int
    state: State
    value: float | None
    hyperparameters: dict[str, Any]
    values: tuple[float, ...]
    error: str | None
    folder: Path


@dataclass(frozen=True)
class Sweep:
    """What came of a sweep.

    Attributes:
        directory: its folder.
        agent: the class whose hyperparameters are searched.
        metric: what counts, a tag of the log.
        direction: whether more of it is better.
        space: where was looked, by the hyperparameter's name.
        trials: all of them, by number.
        config: the hyperparameters, but for those that are searched.
        importances: how much each hyperparameter matters among the good trials, shares of 1, the largest first
            (Watanabe, Bansal & Hutter 2023); nothing while there are few trials.
    """

    directory: Path
    agent: type[Agent]
    metric: str
    direction: optunas.Direction
    space: Mapping[str, Dimension]
    trials: Sequence[Trial]
    config: Config = field(repr=False)
    importances: Mapping[str, float] = field(default_factory=dict)

    @property
    def ranking(self) -> list[Trial]:
        """The complete trials, the best first; of equals, the earlier."""
        complete = [trial for trial in self.trials if trial.state == "complete"]
        sign = -1.0 if self.direction == "maximize" else 1.0
        return sorted(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number))

    @property
    def best(self) -> Trial | None:
        """The best complete trial; None if there is none."""
        return next(iter(self.ranking), None)

    @property
    def outside(self) -> dict[str, Any]:
        """The agent's own values that are not among those that are looked at; with any, no trial has all its own."""
        own = {name: value_of(self.config, name) for name in self.space}
        return {name: value for name, value in own.items() if not holds(self.space[name], value)}

    def config_of(self, trial: Trial) -> Config:
        """Return all hyperparameters of a trial."""
        return with_values(self.config, trial.hyperparameters)


def sweep(
    agent: type[Agent],
    env: str | MakeEnv,
    search: Mapping[str, Any] | None = None,
    *,
    steps: int,
    directory: str | Path,
    trials: int = 50,
    seeds: int | Iterable[int] = 1,
    hyperparameters: Mapping[str, Any] | None = None,
    workers: int | None = None,
    pool: Pool | None = None,
    sampler: optunas.Sampler = "tpe",
    pruner: optunas.Pruner = "median",
    metric: str | None = None,
    direction: optunas.Direction | None = None,
    measurements: int = 10,
    episodes: int = 10,
    evaluate_in: MakeEnv | None = None,
    seed: int = 0,
    on_trial: Callable[[Sweep, Trial], None] | None = None,
) -> Sweep:
    """Look for the hyperparameters that an agent learns best with; the same call again goes on where it stopped.

    Trials are proposed by Optuna, run in parallel, measured while they learn, and given up early where they are worse
    than others; one that fails is named, and the others go on. The first trial has the hyperparameters as they are, if
    the search includes all of them; `Sweep.outside` says which it does not. With one worker, the trials follow from
    `seed` alone, interrupted or not.

    The folder gets Optuna's `study.journal`, `trials.csv`, `best.toml` for `rlkit train --config`, pictures, and a
    folder for each trial, with the run of each seed in it. The best value of many is luckier than it is good: train
    with its hyperparameters and other seeds to see what they are worth.

    Args:
        agent: the class, such as `DQN`.
        env: what it learns in: a gymnasium id, or a function that makes it, in the run's process.
        search: where to look, by the hyperparameter's name (`rlkit.experiments.search_space` says how); None: around
            the agent's own values (`default_space`).
        steps: of each seed's run.
        directory: the sweep's folder; where it holds this sweep, it goes on.
        trials: how many there are to be in all, those of earlier calls included.
        seeds: how many each trial trains, 0, 1 and so on; or which. They come one after the other, and count alike.
        hyperparameters: that differ from the agent's own, and are not searched.
        workers: trials at once; None: as many as the cores that this process may use.
        pool: what they run on, such as `RayPool()`; None: processes on this machine (`ProcessPool(workers)`).
        sampler: who proposes: `"tpe"`, a tree-structured Parzen estimator (Bergstra et al. 2011), `"random"`, `"grid"`
            for all combinations in random order, or what makes one of Optuna's from a seed.
        pruner: who gives up: `"median"`, `"hyperband"`, `"none"`, or one of Optuna's.
        metric: a tag of the log: `"eval/mean_reward"`, `"eval/success_rate"`, `"truth/..."`, `"rollout/..."`. None:
            the mean return of an evaluation or, of an agent that evaluates a policy, `"truth/rmsve"`.
        direction: whether more is better; None: it is, but for errors, which is all `truth/...` except
            `truth/optimal_actions`.
        measurements: of each seed.
        episodes: of an evaluation, always from the same seed.
        evaluate_in: makes what is evaluated in; None: as `env`.
        seed: of the sampler.
        on_trial: hears of each trial that is over.

    Raises:
        ConfigError: Optuna is not installed; a hyperparameter, a range or a number that cannot be; a folder that holds
            another sweep; or both `workers` and `pool`.
        SpaceError: the agent has no use for the environment.
        CheckpointError: another process writes to the folder.
        RlkitError: the first three trials all failed.
        KeyboardInterrupt, SystemExit: SIGINT or SIGTERM came; the runs have written a checkpoint.
    """
    optunas.check_optuna()
    if workers is not None and pool is not None:
        raise ConfigError("sweep: a pool has its own workers, so say one of workers and pool")
    steps, trials = check_count("steps", steps), check_count("trials", trials)
    every = max(1, steps // check_count("measurements", measurements))
    make = _maker(env)
    world = make()
    trained = agent.for_env(world, seed=0, **dict(hyperparameters or {}))
    metric = _metric(metric, predicts=getattr(trained, "target_policy", None) is not None)
    config, asks_truth = trained.config, metric.startswith("truth/")
    space = default_space(config, gamma=not asks_truth) if search is None else search_space(config, search)
    objective = Objective(
        agent=agent,
        env=make,
        evaluate_in=evaluate_in or make,
        seeds=_seeds(seeds),
        steps=steps,
        metric=metric,
        every=every,
        episodes=check_count("episodes", episodes),
    )
    found = Sweep(Path(directory).resolve(), agent, metric, direction or _direction(metric), space, (), config)
    judge = optunas.pruner_of(pruner, every, steps, len(objective.seeds))
    description = {
        **{name: said for name, said in describe(trained, world).items() if name != "seed"},
        **_described(found, objective),
        "sampler": sampler if isinstance(sampler, str) else "custom",
        "pruner": pruner if isinstance(pruner, str) else "custom",
        "seed": seed,
    }
    world.close()
    driver = _Driver(found, objective, trials, sampler, judge, seed, on_trial)
    if pool is None:
        from rlkit.experiments.processes import ProcessPool

        pool = ProcessPool(workers)
    return driver.run(pool, description)


class _Live:
    """A trial under way."""

    def __init__(self, trial: optuna.Trial, done: Sequence[float], reported: Iterable[int]) -> None:
        self.trial = trial
        self.done = list(done)
        self.reported = set(reported)
        self.is_pruned = False


class _Driver:
    """Proposes trials, hears how they go, and notes what came of them."""

    def __init__(
        self,
        found: Sweep,
        objective: Objective,
        n_trials: int,
        sampler: optunas.Sampler,
        pruner: Any,
        seed: int,
        on_trial: Callable[[Sweep, Trial], None] | None,
    ) -> None:
        self.found, self.objective, self.n_trials = found, objective, n_trials
        self.sampler, self.pruner, self.seed = sampler, pruner, seed
        self.on_trial = on_trial
        self.grid = _grid(found.space, seed) if sampler == "grid" else None
        self.n_trials = n_trials if self.grid is None else min(n_trials, len(self.grid))
        self.distributions = optunas.distributions(found.space)
        optunas.sampler_of(sampler, seed, 0)  # refuses what is none, before anything is written
        self.n_failed = 0
        self.live: list[_Live] = []  # by the index that the pool gives them

    def run(self, pool: Pool, description: Mapping[str, Any]) -> Sweep:
        """Do all trials that are left."""
        directory = self.found.directory
        lock = FolderLock(directory)
        lock.acquire()
        try:
            _begin_or_go_on(directory, description, self.n_trials)
            with optunas.quiet(), terminable():
                self.study = optunas.open_study(directory, self.found.direction, self.pruner)
                for outcome in _closed(pool.map(self.objective, self._configs(), on_progress=self.hear)):
                    self._settle(outcome)
                return self._written(is_over=True)
        finally:
            lock.release()

    def hear(self, index: int, said: Mapping[str, float]) -> bool:
        """Take in how a trial goes; return whether it is to go on."""
        live = self.live[index]
        if "value" not in said or live.is_pruned:
            return not live.is_pruned
        step, place = int(said["step"]), int(said["seed"])
        mean = fmean([*live.done[:place], said["value"]])
        if step not in live.reported:
            live.trial.report(mean, step)
            live.reported.add(step)
        if step >= (place + 1) * self.objective.steps and len(live.done) == place:
            live.done.append(said["value"])
            live.trial.set_user_attr("values", live.done)
        if step >= said["steps"] or step < max(live.reported):  # at its end, or hearing again what was judged before
            return True
        live.is_pruned = live.trial.should_prune()
        return not live.is_pruned

    def _enqueue(self, number: int) -> None:
        """Have a point of the grid be the trial of a number, or the hyperparameters as they are the first."""
        import optuna

        if self.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,)):
            return  # it is there already: the sweep was killed just then
        if self.grid is not None:
            self.study.enqueue_trial(self.grid[number])
        elif number == 0 and not self.found.outside:
            now = {name: value_of(self.found.config, name) for name in self.found.space}
            self.study.enqueue_trial({name: label_of(value) for name, value in now.items()})

    def _configs(self) -> Iterator[TrialRun]:
        """Yield what is left to do: trials that were interrupted, and then new ones, proposed when they are drawn."""
        import optuna

        trials = self.study.get_trials(deepcopy=False)
        for frozen in trials:
            if frozen.state == optuna.trial.TrialState.RUNNING:
                yield self._config(
                    self._proposed(frozen), frozen.user_attrs.get("values", ()), frozen.intermediate_values
                )
        while (number := self._n_begun()) < self.n_trials:
            self._enqueue(number)
            self.study.sampler = optunas.sampler_of(self.sampler, self.seed, number)
            yield self._config(self.study.ask(self.distributions), (), ())

    def _proposed(self, frozen: optuna.trial.FrozenTrial) -> optuna.Trial:
        """Return a trial that was interrupted; where that was while it was proposed, draw the rest as it would be."""
        import optuna

        self.study.sampler = optunas.sampler_of(self.sampler, self.seed, frozen.number)
        live = optuna.trial.Trial(self.study, frozen._trial_id)
        missing = self.distributions.keys() - frozen.params.keys()
        for name, distribution in self.distributions.items() if missing else ():
            fixed = name in frozen.system_attrs.get("fixed_params", {}) or distribution.single()
            if name in frozen.params and not fixed:  # the generator has to come past it
                self.study.sampler.sample_independent(self.study, frozen, name, distribution)
            live._suggest(name, distribution)
        return live

    def _config(self, trial: optuna.Trial, done: Sequence[float], reported: Iterable[int]) -> TrialRun:
        self.live.append(_Live(trial, done, reported))
        values = self._hyperparameters(trial.params)
        directory = self._folder(trial.number)
        return TrialRun(trial.number, directory, with_values(self.found.config, values).to_dict(), tuple(done))

    def _n_begun(self) -> int:
        import optuna

        trials = self.study.get_trials(deepcopy=False)
        return sum(trial.state != optuna.trial.TrialState.WAITING for trial in trials)

    def _hyperparameters(self, labels: Mapping[str, Any]) -> dict[str, Any]:
        return {name: chosen(dimension, labels[name]) for name, dimension in self.found.space.items() if name in labels}

    def _folder(self, number: int) -> Path:
        return self.found.directory / "trials" / f"trial_{number:04d}"

    def _settle(self, outcome: Outcome[TrialRun, TrialEnd]) -> None:
        """Note what came of a trial, and write what is known so far."""
        from optuna.trial import TrialState

        live, end = self.live[outcome.index], outcome.value
        error = outcome.error if end is None else end.diverged
        if error is not None:
            live.trial.set_user_attr("error", error)
        if end is None:
            self.study.tell(live.trial, state=TrialState.FAIL)
        elif len(end.values) == len(self.objective.seeds) and not live.is_pruned:
            self.study.tell(live.trial, fmean(end.values))
        else:  # the sampler learns that diverging is bad, which a trial that failed would not tell it
            self.study.tell(live.trial, state=TrialState.PRUNED)
        found = self._written()
        self.n_failed += end is None
        if self.n_failed >= ALIKE and all(trial.state in ("failed", "running") for trial in found.trials):
            raise RlkitError(f"sweep: all of the first {ALIKE} trials failed, the last with: {error}")
        if self.on_trial is not None:
            self.on_trial(found, next(trial for trial in found.trials if trial.number == live.trial.number))

    def _written(self, *, is_over: bool = False) -> Sweep:
        """Write down what is known so far, and return it."""
        from rlkit.experiments.sweep_results import importances, write_pictures, write_results

        trials = [self._trial(frozen) for frozen in self.study.get_trials(deepcopy=False)]
        found = replace(self.found, trials=[trial for trial in trials if trial is not None])
        if is_over:
            found = replace(found, importances=importances(self.study))
            write_pictures(found)
        write_results(found, self.objective.steps)
        return found

    def _trial(self, frozen: optuna.trial.FrozenTrial) -> Trial | None:
        states: dict[str, State] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}
        if frozen.state.name not in states:
            return None
        return Trial(
            frozen.number,
            states[frozen.state.name],
            frozen.value if frozen.values else None,
            self._hyperparameters(frozen.params),
            tuple(frozen.user_attrs.get("values", ())),
            frozen.user_attrs.get("error"),
            self._folder(frozen.number),
        )


def _closed(outcomes: Iterator[Outcome[TrialRun, TrialEnd]]) -> Iterator[Outcome[TrialRun, TrialEnd]]:
    """Yield outcomes; whatever happens, the runs are over in the end."""
    try:
        yield from outcomes
    finally:
        close = getattr(outcomes, "close", None)
        if close is not None:
            close()


class _Registered:
    """Makes an environment from its gymnasium id, in whatever process; importing this has registered rlkit's own."""

    def __init__(self, identity: str) -> None:
        self.identity = identity

    def __call__(self) -> Any:
        import gymnasium

        return gymnasium.make(self.identity)


def _maker(env: str | MakeEnv) -> MakeEnv:
    if isinstance(env, str):
        return _Registered(env)
    if not callable(env):
        raise ConfigError(f"sweep: env={env!r}, expected a gymnasium id, or a function that makes an environment")
    return env


def _metric(asked: str | None, *, predicts: bool) -> str:
    if asked is None:
        return TRUTH if predicts else EVAL
    metric = SHORT.get(asked, asked)
    if "/" not in metric:
        raise ConfigError(f"sweep: metric={asked!r}, expected a tag of the log such as {EVAL} or {TRUTH}")
    return metric


def _direction(metric: str) -> optunas.Direction:
    return "minimize" if metric.startswith("truth/") and metric != "truth/optimal_actions" else "maximize"


def _seeds(seeds: int | Iterable[int]) -> tuple[int, ...]:
    chosen = tuple(seeds) if isinstance(seeds, Iterable) else tuple(range(check_count("seeds", seeds)))
    chosen = tuple(check_count("a seed", one, at_least=0) for one in chosen)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ConfigError(f"sweep: seeds={list(chosen)}, expected one or more different ones")
    return chosen


def _grid(space: Mapping[str, Dimension], seed: int) -> list[dict[str, Any]]:
    """Return all combinations, in random order."""
    values = {name: values_on_grid(name, dimension) for name, dimension in space.items()}
    size = math.prod(map(len, values.values()))
    if size > LARGEST_GRID:
        raise ConfigError(f"search: the grid has {size:,} points, expected at most {LARGEST_GRID:,}")
    points = [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]
    return [points[place] for place in np.random.default_rng(seed).permutation(len(points))]


def _described(found: Sweep, objective: Objective) -> dict[str, Any]:
    """Say what is looked for, and how, in plain values."""
    return {
        "search": {name: plain(dimension) for name, dimension in found.space.items()},
        "steps": objective.steps,
        "every": objective.every,
        "episodes": objective.episodes,
        "seeds": list(objective.seeds),
        "metric": found.metric,
        "direction": found.direction,
    }


def _begin_or_go_on(directory: Path, description: Mapping[str, Any], trials: int) -> None:
    """Write what the sweep is to its folder, or make sure that it is the same but for the number of its trials.

    Raises:
        ConfigError: it is another; or the folder holds something else.
    """
    file = directory / DESCRIPTION
    sweep_temporaries(directory)
    if file.exists():
        before, now = read_description(directory), json.loads(json.dumps(description, default=str))
        for name, value in now.items():
            if before.get(name) != value:
                raise ConfigError(
                    f"{directory}: holds another sweep, whose {name} is {before.get(name)!r}, not {value!r}"
                )
    elif taken := sorted(path.name for path in directory.iterdir() if path.name != ".lock"):
        raise ConfigError(f"{directory}: holds no sweep, but {taken[0]}; choose an empty folder")
    text = json.dumps({**description, "trials": trials}, indent=1, default=str)
    write_whole(file, lambda stream: stream.write(text.encode()))


def read_description(directory: Path) -> dict[str, Any]:
    """Return what the sweep in a folder is, as plain data.

    Raises:
        CheckpointError: there is none.
    """
    file = directory / DESCRIPTION
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{directory}: holds no sweep (there is no {DESCRIPTION})") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{file}: cannot be read ({error})") from error
    if not isinstance(said, dict):
        raise CheckpointError(f"{file}: is not a table of settings")
    return said
