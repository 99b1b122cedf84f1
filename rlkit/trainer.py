"""The training loop: it steps, counts, checks, logs and saves, so that agents only learn."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from tqdm import tqdm

from rlkit import checkpoint
from rlkit.agent import Agent
from rlkit.callbacks import Callback, Episode, overrides
from rlkit.compiled.run import CompiledRun
from rlkit.config import check_count
from rlkit.divergence import diverged, name_of
from rlkit.errors import CheckpointError, ConfigError, Diverged, InvalidTransition, SpaceError
from rlkit.interrupts import Interrupts
from rlkit.logger import Logger
from rlkit.rewind import Rewind
from rlkit.run import RunFolder, versions
from rlkit.spaces import finder_of_faults, keeper
from rlkit.statistics import EpisodeStatistics, Means
from rlkit.transition import Transition

FIRST_SECONDS, SECONDS_BETWEEN_CHECKPOINTS = 5.0, 60.0  # so that a run that diverges soon has one to go back to
SHARE_FOR_CHECKPOINTS = 0.05  # of the time, at most, where no interval is given
WORTH_COMPILING = 20_000  # steps of a run: in Python 0.1 s, and about 0.3 s go into loading a compiled loop
WORTH_A_STRETCH = 16  # steps: going into the compiled loop and back takes as long as these do in Python


class Trainer:
    """Trains an agent in an environment; `run` may be called again and goes on where it stopped.

    One step: the agent acts, the environment steps, the transition is checked, the agent learns from it, its metrics
    are checked, callbacks are told. No transition ever crosses an episode. The environment's first reset takes
    the agent's seed. Logs get SB3's tags: `rollout/ep_rew_mean`, `rollout/ep_len_mean` (over the last 100 episodes),
    `rollout/exploration_rate`, `time/fps`, `time/total_timesteps`, and `train/...` for the mean of each of the agent's
    metrics; `features/clipped` and `features/collisions`, once there are any, count what linear features could not tell
    apart.

    Where agent and environment have a compiled form (`rlkit.compiled`), nobody watches every step, and there are enough
    steps, they are taken in a compiled loop: the same, to the bit, and a hundred times faster.

    Args:
        agent: what learns.
        env: what it learns in, one environment (not a vector of them).
        callbacks: what else watches.
        directory: the run's folder, for logs and checkpoints; None writes nothing. Where it holds a run already,
            a new one goes to `directory-2` and so on.
        checkpoint_every: steps between checkpoints. None: after 5 s, 10 s, 20 s and so on, and then once a minute, or
            less often if saving is slow. There is always one at the start, at the end of `run`, and when interrupted.
        keep_checkpoints: the newest that are kept.
        log_every: steps between two rows of the log.
        console: print each row as a table.
        progress: show a progress bar once two seconds have passed. None: if the standard error is a terminal.
        truth: whether to add `truth/...` to the log, the agent's exact error, where the environment knows its model and
            the problem is small (`rlkit.truth.TruthCallback` says what, and asks for it explicitly). At most 5 % of the
            time goes into it, besides solving the model once; rows that would cost more go without.
        stop_on_divergence: whether a TD error, or another number that the agent reports, beyond 1e150 ends the run, as
            do weights that are not finite. False goes on with whatever numbers come, and warns, once, that there are
            no checkpoints of such.

    Every checkpoint is finite: the last one before a divergence stays.

    Attributes:
        step: transitions learnt from.
        episodes: episodes finished; returns and lengths of the last hundred.
        info: what the environment added to its last step.
        logger: where callbacks may log to, at `step`.
        folder: the run's folder; None without a directory, and before `run` or `resume`.

    Raises:
        SpaceError: the agent was made for other spaces than the environment has, or this is no environment.
        ConfigError: this is no agent, a callback is none, or a number is not a whole one of at least 1.
    """

    def __init__(
        self,
        agent: Agent,
        env: gymnasium.Env[Any, Any],
        *,
        callbacks: Iterable[Callback] = (),
        directory: str | Path | None = None,
        checkpoint_every: int | None = None,
        keep_checkpoints: int = 3,
        log_every: int = 1000,
        console: bool = False,
        progress: bool | None = None,
        truth: bool = True,
        stop_on_divergence: bool = True,
    ) -> None:
        _check_pair(agent, env)
        self.agent = agent
        self.env = env
        self.callbacks = _checked_callbacks(callbacks)
        self.directory = None if directory is None else Path(directory)
        self.checkpoint_every = None if checkpoint_every is None else check_count("checkpoint_every", checkpoint_every)
        self.keep_checkpoints = check_count("keep_checkpoints", keep_checkpoints)
        self.log_every = check_count("log_every", log_every)
        self.console = console
        self.progress = progress
        self.truth = truth
        self.stop_on_divergence = stop_on_divergence

        self.step = 0
        self.episodes = EpisodeStatistics()
        self.info: dict[str, Any] = {}
        self.logger = Logger(None, console=console)
        self.folder: RunFolder | None = None

        self._watching: list[Callback] = []
        self._awaiting: list[Callback] = []  # those that are told of episodes
        self._timed: list[tuple[int, Callback]] = []  # those with an interval of their own
        self._truth: Callback | None = None  # made when first used
        self._means = Means()
        self._rewind = Rewind(env, recording=directory is not None)
        self._observation: Any = None
        self._in_episode = False
        self._stopping = False
        self._keep = keeper(env.observation_space)
        self._observation_fault = finder_of_faults(env.observation_space, bounds=False)
        self._action_fault = finder_of_faults(env.action_space, bounds=True)
        self._began = (0.0, 0)  # time and step at which the current call of run began
        self._end = 0  # the step at which it will end
        self._logged = 0  # step of the last row
        self._saved = (-1, -1)  # step of the last checkpoint, and of the last row that it knows of
        self._tried = 0  # step of the last attempt at one
        self._tried_at = 0.0
        self._save_took = 0.0
        self._due = 0  # the next step at which something other than stepping is due

    def run(self, steps: int) -> None:
        """Learn from that many more steps.

        Raises:
            ConfigError: `steps` is not a whole number of at least 0.
            InvalidTransition: the environment or the agent gave something that is not finite or not in the spaces; it
                was not learnt from.
            Diverged: the agent reported a number that is not finite, or its parameters are not.
            CheckpointError: the agent holds something that has no saved form.
            KeyboardInterrupt, SystemExit: SIGINT or SIGTERM came; the step was finished and a checkpoint written.
        """
        steps = check_count("steps", steps, at_least=0)
        self._watching = self._watchers()
        self._timed = [(c.every, c) for c in self._watching if c.every is not None and overrides(c, "on_every")]
        self.agent.prepare(self.step + steps)
        self._open()
        self._began = (time.monotonic(), self.step)
        self._end = self.step + steps
        self._stopping = False
        try:
            for callback in self._watching:
                callback.on_start(self)
            with Interrupts() as interrupts:
                try:
                    self._loop(interrupts)
                except Diverged:
                    self._write_row()
                    raise
                if interrupts.caught is None and self.step > self._logged:
                    self._log()
                self._save(final=True)
            interrupts.raise_caught()
        finally:
            try:
                for callback in self._watching:
                    callback.on_stop(self)
            finally:
                self.logger.close()

    def stop(self) -> None:
        """End the current `run` after this step; for callbacks."""
        self._stopping = True

    def resume(self) -> int:
        """Bring agent, counters and episode to the newest readable checkpoint in `directory`; return its step.

        From there, the run goes on exactly as if it had never stopped.

        Raises:
            CheckpointError: there is no readable checkpoint, it is another agent's, or the environment did not repeat
                the episode.
        """
        if self.directory is None:
            raise CheckpointError("there is no directory to resume from")
        folder = RunFolder(self.directory)
        saved = folder.newest()
        checkpoint.restore(self.agent, saved)
        with checkpoint.reading(saved.path):
            if saved.trainer is None:
                raise CheckpointError("is an agent's, not a run's")
            nodes = saved.trainer.items()
            self._restore({name: saved.decoder.decode(node, None, f"trainer.{name}") for name, node in nodes})
        self.folder = folder
        self.logger = Logger(folder.path, console=self.console, resume_from=self.step)
        self._saved = (self.step, self._logged)
        self._tried, self._tried_at = self.step, time.monotonic()
        folder.sweep()
        self._plan()
        return self.step

    def _watchers(self) -> list[Callback]:
        """Return all callbacks: those given, and the truth, where it is wanted and there is a log to write it to."""
        bare = self.env.unwrapped
        unknown = not callable(getattr(bare, "model", None)) and getattr(bare, "P", None) is None
        if not self.truth or unknown or (self.directory is None and not self.console):
            return self.callbacks
        from rlkit.truth.callback import TruthCallback, TruthInLog

        if any(isinstance(callback, TruthCallback) for callback in self.callbacks):
            return self.callbacks
        if self._truth is None:
            self._truth = TruthInLog()
        return [*self.callbacks, self._truth]

    def _loop(self, interrupts: Interrupts) -> None:
        self._awaiting = [callback for callback in self._watching if overrides(callback, "on_episode")]
        watchers = [callback for callback in self._watching if overrides(callback, "on_step")]
        compiled = None if watchers else self._compiled_run()
        hidden = None if self.progress is None else not self.progress
        with tqdm(total=self._end - self.step, delay=2, disable=hidden, unit="step", file=sys.stderr) as bar:
            while self.step < self._end and interrupts.caught is None and not self._stopping:
                before = self.step
                if compiled is not None:
                    self._take_stretch(compiled)
                else:
                    self._take_watched_step(watchers)
                bar.update(self.step - before)
                if self.step >= self._due:
                    self._do_what_is_due()

    def _compiled_run(self) -> CompiledRun | None:
        """Return the compiled loop that is to take the steps, None where Python is."""
        intervals = [self.log_every, self.checkpoint_every, *(every for every, _ in self._timed)]
        if self._end - self.step < WORTH_COMPILING or self._rewind.needs_actions:
            return None
        if min(interval for interval in intervals if interval is not None) < WORTH_A_STRETCH:
            return None
        return CompiledRun.of(self.agent, self.env)

    def _take_stretch(self, run: CompiledRun) -> None:
        """Take steps in the compiled loop, until something else is due, or somebody is to be told of an episode."""
        if not self._in_episode and self.step == 0:
            self._begin_episode()
        episodes, means = self.episodes, self._means
        run.in_episode, run.length, run.total = self._in_episode, episodes.length, episodes.total
        run.error_sum = means.sum_of("td_error")
        stretch = run.stretch(
            min(self._due, self._end) - self.step,
            1 if self._awaiting else None,
            stop_on_divergence=self.stop_on_divergence,
        )
        self.step += stretch.steps
        self._observation, self._in_episode, self.info = self._keep(run.observation()), run.in_episode, {}
        means.advance("td_error", run.error_sum, stretch.steps)
        returns, lengths = stretch.returns.tolist(), stretch.lengths.tolist()
        episodes.extend(returns, lengths, run.total, run.length)
        if stretch.diverged:
            raise self._diverged(f"td_error is {stretch.error:g}")
        if self._awaiting and returns:
            self._tell_of_episode(returns[0], lengths[0])

    def _take_watched_step(self, watchers: list[Callback]) -> None:
        transition, metrics = self._take_step()
        for callback in watchers:
            callback.on_step(self, transition, metrics)
        if transition.terminated or transition.truncated:
            self._in_episode = False
            self._tell_of_episode(*self.episodes.end())

    def _take_step(self) -> tuple[Transition, Mapping[str, Any]]:
        """Act, step, check, learn, check."""
        if not self._in_episode:
            self._begin_episode()
        agent, observation = self.agent, self._observation
        action = agent.act(observation, explore=True)
        if (fault := self._action_fault(action)) is not None:
            raise self._invalid("action", fault)
        seen, reward, terminated, truncated, self.info = self.env.step(action)
        next_observation = self._keep(seen)
        if (fault := self._observation_fault(next_observation)) is not None:
            raise self._invalid("observation", fault)
        reward = self._checked_reward(reward)
        transition = Transition(observation, action, reward, next_observation, bool(terminated), bool(truncated))
        if self._rewind.actions is not None:
            self._rewind.actions.append(action)
        metrics = agent.update(transition)
        self.step += 1
        self._observation = next_observation
        self.episodes.total += reward
        self.episodes.length += 1
        if metrics and (bad := self._means.add(metrics)) is not None and self.stop_on_divergence:
            raise self._diverged(f"{bad} is {float(metrics[bad]):g}")
        return transition, metrics

    def _begin_episode(self) -> None:
        first = self.step == 0 and self.episodes.count == 0
        seen, self.info = self._rewind.reset(self.agent.seed if first else None)
        self._observation = self._keep(seen)
        if (fault := self._observation_fault(self._observation)) is not None:
            raise self._invalid("observation after reset", fault)
        self._in_episode = True

    def _tell_of_episode(self, total: float, length: int) -> None:
        for callback in self._awaiting:
            callback.on_episode(self, Episode(total, length, self.episodes.count))

    def _checked_reward(self, reward: Any) -> float:
        try:
            number = float(reward)
        except (TypeError, ValueError, OverflowError):
            raise self._invalid("reward", f"is {reward!r}, expected a number") from None
        if not math.isfinite(number):
            raise self._invalid("reward", f"is {number}, which is not finite")
        return number

    def _open(self) -> None:
        """Make the run's folder, with its description and a first checkpoint, unless that was done before."""
        if self.directory is None or self.folder is not None:
            self._plan()
            return
        self.folder = RunFolder.fresh(self.directory)
        self.logger = Logger(self.folder.path, console=self.console)
        description = describe(self.agent, self.env)
        self.folder.write_config({**description, "versions": versions()})
        hyperparameters = {**self.agent.config.to_dict(), "agent": description["agent"], "seed": self.agent.seed}
        self.logger.hparams(hyperparameters, ["rollout/ep_rew_mean", "rollout/ep_len_mean"])
        self._save()
        self._plan()

    def _plan(self) -> None:
        self._due = self._logged + self.log_every
        if self.checkpoint_every is not None and self.folder is not None:
            self._due = min(self._due, self._tried + self.checkpoint_every)
        for every, _ in self._timed:
            self._due = min(self._due, self.step - self.step % every + every)

    def _do_what_is_due(self) -> None:
        for every, callback in self._timed:
            if self.step % every == 0:
                callback.on_every(self)
        if self.step >= self._logged + self.log_every:
            self._log()
        if self._is_save_due():
            self._save()
        self._plan()

    def _is_save_due(self) -> bool:
        if self._stopping or self.step == self._end:  # the last one has to know of the last row, which comes first
            return False
        if self.checkpoint_every is not None:
            return self.step >= self._tried + self.checkpoint_every
        now = time.monotonic()
        pause = min(max(self._tried_at - self._began[0], FIRST_SECONDS), SECONDS_BETWEEN_CHECKPOINTS)
        return now - self._tried_at >= max(pause, self._save_took / SHARE_FOR_CHECKPOINTS)

    def _log(self) -> None:
        """Write a row: what has been learnt since the last one."""
        self._read_tensors()
        self._check_weights()
        self._write_row()
        for callback in self._watching:
            callback.on_log(self, final=self._stopping or self.step == self._end)
        self.logger.flush()

    def _write_row(self) -> None:
        row = self.episodes.means()
        rate = getattr(self.agent, "exploration_rate", None)
        if rate is not None:
            row["rollout/exploration_rate"] = rate
        for tag in ("clipped", "collisions"):
            if count := getattr(self.agent, f"n_{tag}", 0):
                row[f"features/{tag}"] = count
        began, step = self._began
        row["time/fps"] = (self.step - step) / max(time.monotonic() - began, 1e-9)
        row["time/total_timesteps"] = self.step
        row |= {f"train/{name}": mean for name, mean in self._means.take().items()}
        self.logger.scalars(row, self.step)
        self._logged = self.step

    def _read_tensors(self) -> None:
        if (bad := self._means.read_tensors()) is not None and self.stop_on_divergence:
            raise self._diverged(f"{bad} is not finite")

    def _check_weights(self) -> None:
        w = getattr(self.agent, "w", None)
        if self.stop_on_divergence and isinstance(w, np.ndarray) and w.dtype.kind == "f" and not np.isfinite(w).all():
            raise self._diverged("a weight is not finite")

    def _save(self, *, final: bool = False) -> None:
        """Write a checkpoint, if there is a folder and something new to save.

        A disk that is full costs a warning and no training, but at the end it is an error.
        """
        if self.folder is None or self._saved == (self.step, self._logged):
            return
        began = time.monotonic()
        self._read_tensors()
        self.logger.flush()
        path = self.folder.checkpoint_of(self.step)
        try:
            checkpoint.save(path, self.agent, self._state())
        except CheckpointError as error:
            if final or not isinstance(error.__cause__, OSError):
                raise
            self.logger.warn(f"{error}; the run goes on, and the last checkpoint stays")
        except Diverged as error:
            if self.stop_on_divergence:
                raise self._diverged(str(error)) from None
            self.logger.warn(f"{error}: of that there are no checkpoints, and the last finite one stays")
        else:
            self._saved = (self.step, self._logged)
            self.folder.prune(self.keep_checkpoints)
            for callback in self._watching:
                callback.on_checkpoint(self, path)
        self._tried, self._tried_at = self.step, time.monotonic()
        self._save_took = self._tried_at - began

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "logged": self._logged,
            "episodes": self.episodes.state_dict(),
            "means": self._means.state_dict(),
            "in_episode": self._in_episode,
            "observation": self._observation,
            "environment": self._rewind.state(in_episode=self._in_episode) if self.step else None,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.step, self._logged = int(state["step"]), int(state["logged"])
        self.episodes.load_state_dict(state["episodes"])
        self._means.load_state_dict(state["means"])
        self._in_episode = bool(state["in_episode"])
        self._observation = state["observation"]
        if state["environment"] is not None:
            self._rewind.restore(
                state["environment"], self._observation, self.episodes.total, in_episode=self._in_episode
            )

    def _invalid(self, what: str, fault: str) -> InvalidTransition:
        return InvalidTransition(f"{name_of(self.env)}, step {self.step + 1}: the {what} {fault}")

    def _diverged(self, what: str) -> Diverged:
        saved = [] if self.folder is None else self.folder.saved()
        last = f"the last finite checkpoint is {saved[0]}" if saved else "no checkpoint was written"
        return diverged(self.agent, self.env, self.step, what, f"; {last}")


def train(
    agent: Agent,
    env: gymnasium.Env[Any, Any],
    *,
    steps: int,
    directory: str | Path | None = None,
    resume: bool = False,
    callbacks: Iterable[Callback] = (),
    checkpoint_every: int | None = None,
    truth: bool = True,
    stop_on_divergence: bool = True,
) -> Trainer:
    """Train an agent in one line; called again with the same agent and environment, it continues.

    Args:
        agent, env, directory, callbacks, checkpoint_every, truth, stop_on_divergence: as for `Trainer`.
        steps: how many more steps to take; with `resume`, how many the whole run has.
        resume: if `directory` holds a run of this agent, first bring it to its newest checkpoint.

    Returns:
        the trainer, with its counters and its folder.
    """
    trainer: Trainer | None = vars(agent).get("_trainer")
    same = trainer is not None and trainer.env is env and trainer.directory == (directory and Path(directory))
    if trainer is None or not same:
        trainer = Trainer(agent, env, directory=directory, checkpoint_every=checkpoint_every)
        vars(agent)["_trainer"] = trainer
    trainer.callbacks, trainer.truth = _checked_callbacks(callbacks), truth
    trainer.stop_on_divergence = stop_on_divergence
    if resume and trainer.folder is None and directory is not None and RunFolder(directory).saved():
        trainer.resume()
    steps = check_count("steps", steps, at_least=0)
    trainer.run(max(steps - trainer.step, 0) if resume else steps)
    return trainer


def describe(agent: Agent, env: gymnasium.Env[Any, Any]) -> dict[str, Any]:
    """Return what a run's `config.json` says about who learns where."""
    return {
        "agent": type(agent).__name__,
        "hyperparameters": agent.config.to_dict(),
        "seed": agent.seed,
        "environment": {
            "id": name_of(env),
            "arguments": dict(env.spec.kwargs) if env.spec is not None else {},
            "wrappers": str(env),
        },
    }


def _check_pair(agent: Any, env: Any) -> None:
    if not isinstance(agent, Agent):
        raise ConfigError(f"Trainer: {agent!r} is not an Agent")
    if not isinstance(env, gymnasium.Env):
        raise SpaceError(f"Trainer: the environment is a {type(env).__name__}, expected one gymnasium.Env")
    for role in ("observation_space", "action_space"):
        own, its = getattr(agent, role), getattr(env, role)
        if own != its:
            raise SpaceError(f"Trainer: {name_of(env)}'s {role} is {its}, the agent was made for {own}")


def _checked_callbacks(callbacks: Iterable[Any]) -> list[Callback]:
    checked = list(callbacks)
    for callback in checked:
        if not isinstance(callback, Callback):
            raise ConfigError(f"Trainer: {callback!r} is not a Callback")
    return checked
