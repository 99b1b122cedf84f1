"""`rlkit train AGENT ENV --seeds 10`: many runs of one experiment, in a folder that says what it is."""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rlkit.cli import UsageError
from rlkit.cli._environments import EnvironmentSaid
from rlkit.cli._runs import command_to_resume
from rlkit.cli._text import columns
from rlkit.cli._words import LOCAL
from rlkit.errors import CheckpointError

if TYPE_CHECKING:
    from rlkit.agent import Agent
    from rlkit.callbacks import Callback
    from rlkit.experiments import Pool, SeedRun

DESCRIPTION = "experiment.json"
FAILED = 1  # exit code
TRUTHS = 3  # of the exact errors, those that the table has room for


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is trained where; kept as `experiment.json` in the experiment's folder.

    Attributes:
        agent_class: its class.
        said: the environment.
        hyperparameters: as plain data.
        seeds: one for each run.
        steps: of each run.
        eval_every: steps between evaluations; 0 for none on the way.
    """

    agent_class: type[Agent]
    said: EnvironmentSaid
    hyperparameters: Mapping[str, Any]
    seeds: tuple[int, ...]
    steps: int
    eval_every: int

    def make(self, seed: int) -> tuple[Agent, Any]:
        """Make an agent and its environment."""
        env = self.said.make()
        return self.agent_class.for_env(env, seed=seed, **self.hyperparameters), env

    def judge(self) -> Any:
        """Make the environment that it is evaluated in."""
        return self.said.make(limited=True)

    def watchers(self, episodes: int) -> list[Callback]:
        """Make what evaluates a run on its way."""
        from rlkit.evaluation import Evaluation

        if self.eval_every == 0:
            return []
        return [Evaluation(self.judge(), every=self.eval_every, episodes=episodes, picture=False)]

    def write(self, folder: Path) -> None:
        """Write the description, whole or not at all."""
        from rlkit.files import write_whole
        from rlkit.run import versions

        said = {
            "agent": self.agent_class.__name__,
            "module": self.agent_class.__module__,
            "environment": {"id": self.said.identity, "arguments": self.said.arguments, "name": self.said.name},
            "hyperparameters": dict(self.hyperparameters),
            "seeds": list(self.seeds),
            "steps": self.steps,
            "eval_every": self.eval_every,
            "versions": versions(),
        }
        text = json.dumps(said, indent=2, default=str) + "\n"
        write_whole(folder / DESCRIPTION, lambda stream: stream.write(text.encode()))


def is_experiment(folder: Path) -> bool:
    """Tell whether a folder holds an experiment rather than a run."""
    return (folder / DESCRIPTION).is_file()


def read_experiment(folder: Path, agent_class: type[Agent] | None, environment: str = "") -> Experiment:
    """Read what a folder's experiment is.

    Args:
        folder: the experiment's.
        agent_class: of the agent, where that is not rlkit's own; a file's word alone imports nothing.
        environment: as the command line names it, if it does.

    Raises:
        CheckpointError: the description cannot be read, or is of another agent.
    """
    from rlkit.cli._environments import environment_of
    from rlkit.cli._runs import agent_class_of

    file = folder / DESCRIPTION
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        found_class = agent_class_of(said, folder, agent_class)
        found = environment_of(said, folder, environment)
        return Experiment(
            agent_class=found_class,
            said=found._replace(name=str(said["environment"].get("name", found.name))),
            hyperparameters=dict(said["hyperparameters"]),
            seeds=tuple(map(int, said["seeds"])),
            steps=int(said["steps"]),
            eval_every=int(said["eval_every"]),
        )
    except (OSError, ValueError, OverflowError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{file}: cannot be read ({type(error).__name__}: {error})") from error


def pool_of(workers: int | None, patience: float, ray: str | None) -> Pool:
    """Return what the runs are to run on.

    Raises:
        UsageError: Ray is asked for, and is not installed.
    """
    if ray is None:
        from rlkit.experiments.processes import ProcessPool

        return ProcessPool(workers, patience=patience)
    try:
        import ray as _  # noqa: F401  (an extra)
    except ImportError:
        raise UsageError("--ray: Ray is not installed (pip install rlkit[ray])") from None
    from rlkit.experiments.ray_pool import RayPool

    pool: Pool = RayPool(None if ray == LOCAL else ray, workers=workers, patience=patience)
    return pool


def train(experiment: Experiment, folder: Path, pool: Pool, *, episodes: int, as_json: bool) -> int:
    """Do what is left of an experiment, and say what came of it; return the exit code."""
    from rlkit.experiments import SeedPlan, run_seeds

    plan = SeedPlan(make=experiment.make, steps=experiment.steps, directory=folder)
    finished = sum(plan.result_of(seed) is not None for seed in experiment.seeds)
    began = time.perf_counter()
    try:
        runs = run_seeds(
            experiment.make,
            experiment.seeds,
            steps=experiment.steps,
            directory=folder,
            pool=pool,
            evaluate_in=experiment.judge,
            callbacks=functools.partial(experiment.watchers, episodes),
        )
    except (KeyboardInterrupt, SystemExit) as stop:
        _leave(stop, _again(experiment, folder))
    seconds = time.perf_counter() - began
    say = _as_json if as_json else _report
    print(say(experiment, folder, runs, seconds, finished))
    return FAILED if any(run.error for run in runs) else 0


def _leave(stop: BaseException, again: str) -> NoReturn:
    where = f"stopped; {again} goes on"
    if isinstance(stop, KeyboardInterrupt):
        raise KeyboardInterrupt(where) from None
    print(f"rlkit: {where}", file=sys.stderr)
    raise stop


def _again(experiment: Experiment, folder: Path) -> str:
    return command_to_resume(experiment.agent_class, experiment.said, folder)


def _report(experiment: Experiment, folder: Path, runs: Sequence[SeedRun], seconds: float, finished: int) -> str:
    failed = [run for run in runs if run.error]
    name, where = experiment.agent_class.__name__, experiment.said.name
    count = "1 seed" if len(runs) == 1 else f"{len(runs)} seeds"
    lines = [f"{name} on {where}, {count} of {experiment.steps:,} steps, in {seconds:.1f} s:", "", _table(runs)]
    lines += [f"  {run.seed}: {run.error}" for run in failed]
    lines += ["", _summary(runs)]
    if finished:
        lines.append(f"{finished} of {len(runs)} {'was' if finished == 1 else 'were'} finished before")
    if failed:
        lines.append(f"{len(failed)} of {len(runs)} failed; {_again(experiment, folder)} tries again")
    lines.append(f"{folder}: rlkit report {folder}; tensorboard --logdir {folder}")
    return "\n".join(lines)


def _table(runs: Sequence[SeedRun]) -> str:
    from statistics import fmean

    truths = list(dict.fromkeys(name for run in runs for name in run.truth))[:TRUTHS]
    rows = [["seed", "steps", "seconds", "mean return", *truths]]
    for run in runs:
        mean = "failed" if run.error else f"{fmean(run.returns):.5g}" if run.returns else ""
        exact = [f"{run.truth[name]:.3g}" if name in run.truth else "" for name in truths]
        rows.append([str(run.seed), f"{run.steps:,}", "" if run.error else f"{run.seconds:.1f}", mean, *exact])
    return columns(rows)


def _summary(runs: Sequence[SeedRun]) -> str:
    means = _means(runs)
    if not means:
        return "mean return: none"
    mean, deviation = _spread(means)
    if deviation is None:
        return f"mean return {mean:.5g}; one seed says nothing of how far others are off"
    episodes = ", ".join(str(count) for count in sorted({len(run.returns) for run in runs if run.returns}))
    spread = f"the standard deviation of {len(means)} seeds, {episodes} episodes each"
    return f"mean return {mean:.5g} +- {deviation:.2g}, {spread}"


def _as_json(experiment: Experiment, folder: Path, runs: Sequence[SeedRun], seconds: float, finished: int) -> str:
    mean, deviation = _spread(_means(runs))
    found = {"agent": experiment.agent_class.__name__, "environment": experiment.said.identity}
    answer = {**found, "steps": experiment.steps, "seconds": round(seconds, 3)}
    answer |= {"mean_return": mean, "deviation": deviation, "failed": sum(run.error is not None for run in runs)}
    answer["finished_before"] = finished
    answer |= {"runs": [{**run._asdict(), "folder": str(run.folder)} for run in runs], "folder": str(folder)}
    return json.dumps(answer)


def _means(runs: Sequence[SeedRun]) -> list[float]:
    from statistics import fmean

    return [fmean(run.returns) for run in runs if run.returns]


def _spread(means: Sequence[float]) -> tuple[float | None, float | None]:
    from statistics import fmean, stdev

    return fmean(means) if means else None, stdev(means) if len(means) > 1 else None
