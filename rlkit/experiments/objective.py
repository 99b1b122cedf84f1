"""What a worker does for a trial of a sweep: it trains an agent for each seed in turn, and tells how good it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from rlkit.callbacks import Callback
from rlkit.errors import ConfigError, Diverged
from rlkit.experiments.pool import Tell, sentence_of
from rlkit.experiments.seeds import latest_in, wait_for, write_error

if TYPE_CHECKING:
    import gymnasium

    from rlkit.agent import Agent
    from rlkit.trainer import Trainer

MakeEnv: TypeAlias = "Callable[[], gymnasium.Env[Any, Any]]"


class TrialRun(NamedTuple):
    """What a worker has to know of a trial.

    Attributes:
        number: which it is, from 0.
        directory: its folder; each seed has one in it, `seed_0` and so on.
        hyperparameters: all of them, as plain data.
        done: what came of the seeds that are through already.
    """

    number: int
    directory: Path
    hyperparameters: dict[str, Any]
    done: tuple[float, ...] = ()


class TrialEnd(NamedTuple):
    """What came of a trial: the metric in the end, seed by seed, as far as it went; and how it diverged, if it did."""

    values: tuple[float, ...]
    diverged: str | None = None


@dataclass(frozen=True)
class Objective:
    """Trains an agent with given hyperparameters, once for each seed, and measures it while it learns.

    The seeds come one after the other, so that a trial that is bad is given up before its second seed.

    Args:
        agent: its class.
        env: makes what it learns in.
        evaluate_in: makes what it is evaluated in.
        seeds: of the agents; every trial has the same.
        steps: of each seed.
        metric: a tag of the log.
        every: steps between measurements.
        episodes: of an evaluation.
    """

    agent: type[Agent]
    env: MakeEnv
    evaluate_in: MakeEnv
    seeds: tuple[int, ...]
    steps: int
    metric: str
    every: int
    episodes: int

    def folder_of(self, trial: TrialRun) -> Path:
        """Return a trial's folder, for pools whose machines do not share it."""
        return trial.directory

    def __call__(self, trial: TrialRun, tell: Tell) -> TrialEnd:
        """Do what is left of a trial."""
        values = list(trial.done)
        for place in range(len(values), len(self.seeds)):
            report = Report(self, place, tell)
            try:
                self._train(trial, place, report)
            except Diverged as error:
                return TrialEnd(tuple(values), sentence_of(error))
            except Exception:
                write_error(trial.directory)
                raise
            if report.is_stopped:
                break
            values.append(report.value)
        return TrialEnd(tuple(values))

    def _train(self, trial: TrialRun, place: int, report: Report) -> None:
        """Do what is left of one seed's run."""
        from rlkit.trainer import Trainer

        env = self.env()
        agent = self.agent.for_env(env, seed=self.seeds[place], **trial.hyperparameters)
        watchers = [*self._measurements(), report]
        folder = trial.directory / f"seed_{self.seeds[place]}"
        wait_for(folder)
        trainer = Trainer(agent, env, callbacks=watchers, directory=folder, keep_checkpoints=1, progress=False)
        trainer.resume(or_begin=True)
        trainer.run(max(self.steps - trainer.step, 0))
        if not report.is_stopped and report.measured_at != trainer.step:
            for watcher in watchers:
                watcher.on_every(trainer)
            trainer.logger.close()
        if not report.is_stopped and not math.isfinite(report.value):
            logged = ", ".join(sorted(trainer.logger.latest))
            raise ConfigError(f"{self.metric} is {report.value} in the end; logged: {logged}")

    def _measurements(self) -> list[Callback]:
        """Return what logs the metric."""
        if self.metric.startswith("eval/"):
            from rlkit.evaluation import Evaluation

            judge = self.evaluate_in()
            return [Evaluation(judge, every=self.every, episodes=self.episodes, picture=False, keep_best=False)]
        if self.metric.startswith("truth/"):
            from rlkit.truth.callback import TruthCallback

            return [TruthCallback(every=self.every)]
        return []


class Report(Callback):
    """Tells what was measured last, and ends the run when it is not to go on.

    Attributes:
        value: the metric as it was measured last; nan before that.
        measured_at: the step at which it was.
        is_stopped: whether the run was not to go on.
    """

    def __init__(self, objective: Objective, place: int, tell: Tell) -> None:
        self.every: int = objective.every
        self.metric = objective.metric
        self.before, self.steps = place * objective.steps, len(objective.seeds) * objective.steps
        self.place, self.tell, self.end = place, tell, objective.steps
        self.value, self.measured_at = math.nan, -1
        self.is_stopped = False

    def on_start(self, trainer: Trainer) -> None:
        """Tell again what was measured where the run goes on: when it was interrupted, nobody may have listened."""
        if trainer.folder is not None and 0 < trainer.step < self.end and trainer.step % self.every == 0:
            trainer.logger.latest |= latest_in(trainer.folder.path, trainer.step)
            self.on_every(trainer)

    def on_every(self, trainer: Trainer) -> None:
        """Tell the metric."""
        found: Mapping[str, float] = trainer.episodes.means() if self.metric.startswith("rollout/") else {}
        self.value = found.get(self.metric, trainer.logger.latest.get(self.metric, math.nan))
        self.measured_at = trainer.step
        if math.isfinite(self.value):
            self._say(trainer, {"value": self.value, "seed": self.place})

    def on_log(self, trainer: Trainer, *, final: bool) -> None:  # noqa: ARG002 (what a callback is called with)
        """Tell that the run goes on."""
        self._say(trainer, {})

    def _say(self, trainer: Trainer, more: Mapping[str, float]) -> None:
        if not self.tell({"step": self.before + trainer.step, "steps": self.steps, **more}):
            self.is_stopped = True
            trainer.stop()
