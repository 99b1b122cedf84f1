"""What every way of training does alike: it counts, logs, saves and stops, so that a trainer only steps."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tqdm import tqdm

from rlkit import checkpoint
from rlkit.agent import Agent
from rlkit.callbacks import Callback, Episode, is_sb3s, overrides
from rlkit.config import check_count
from rlkit.divergence import diverged, name_of, weights_are_finite
from rlkit.errors import CheckpointError, ConfigError, Diverged, InvalidTransition, SpaceError
from rlkit.interrupts import Interrupts
from rlkit.logger import Logger
from rlkit.run import RunFolder, describe, versions
from rlkit.statistics import EpisodeStatistics, Means

if TYPE_CHECKING:
    from rlkit.callbacks import Watcher
    from rlkit.trainer import Trainer

FIRST_SECONDS, SECONDS_BETWEEN_CHECKPOINTS = 5.0, 60.0  # so that a run that diverges soon has one to go back to
BAR_AFTER = 2.0  # seconds without a progress bar
SHARE_FOR_CHECKPOINTS = 0.05  # of the time, at most, where no interval is given


class Training:
    """A run of an agent in whatever it learns from: `Trainer` is in one environment, `VectorTrainer` in many.

    A subclass says in `_set_out` what it needs, in `_way_of_stepping` how steps are taken, and in `_place` and
    `_go_back` what of the environment is saved. The arguments and attributes are those of `Trainer`.
    """

    def __init__(
        self,
        agent: Agent,
        env: Any,
        *,
        callbacks: Iterable[Watcher] = (),
        directory: str | Path | None = None,
        checkpoint_every: int | None = None,
        keep_checkpoints: int = 3,
        log_every: int | None = None,
        console: bool = False,
        progress: bool | None = None,
        truth: bool = True,
        stop_on_divergence: bool = True,
    ) -> None:
        if not isinstance(agent, Agent):
            raise ConfigError(f"{type(self).__name__}: {agent!r} is not an Agent")
        self.agent = agent
        self.env = env
        self.callbacks = checked_callbacks(callbacks)
        self.directory = None if directory is None else Path(directory)
        self.checkpoint_every = None if checkpoint_every is None else check_count("checkpoint_every", checkpoint_every)
        self.keep_checkpoints = check_count("keep_checkpoints", keep_checkpoints)
        many = 1000 * getattr(env, "num_envs", 1)
        self.log_every = many if log_every is None else check_count("log_every", log_every)
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
        self._stopping = False
        self._awaits_env = False  # while environments step in processes of their own
        self._began = (0.0, 0)  # time and step at which the current call of run began
        self._end = 0  # the step at which it will end
        self._logged = 0  # step of the last row
        self._best: tuple[float, int] | None = None  # the highest score so far, and at which step
        self._is_described = False  # whether the folder says what the run is
        self._left: set[Path] = set()  # the checkpoints in the folder when the lock was let go
        self._saved = (-1, -1)  # step of the last checkpoint, and of the last row that it knows of
        self._tried = 0  # step of the last attempt at one
        self._tried_at = 0.0
        self._save_took = 0.0
        self._looked = 0  # the step up to which callbacks with an interval have had their calls
        self._due = 0  # the next step at which something other than stepping is due
        self._set_out()

    @property
    def problem(self) -> Any:
        """The one environment that is learnt in, for who measures against its model; None where none can be had."""
        return self.env

    @property
    def end(self) -> int:
        """The step at which the current call of `run` ends, if nobody stops it before; the last one's after it."""
        return self._end

    def _set_out(self) -> None:
        """Check that agent and environment suit each other, and make what stepping needs."""
        raise NotImplementedError

    def _way_of_stepping(self, watchers: list[Callback]) -> Callable[[], None]:
        """Return what takes the next step, or several, and tells `watchers` of each."""
        raise NotImplementedError

    def _place(self) -> dict[str, Any]:
        """Return where in the environment the run is, as plain data."""
        raise NotImplementedError

    def _go_back(self, state: dict[str, Any]) -> None:
        """Be where `_place` was called."""
        raise NotImplementedError

    def run(self, steps: int) -> None:
        """Learn from that many more steps.

        Raises:
            ConfigError: `steps` is not a whole number of at least 0.
            InvalidTransition: the environment or the agent gave something that is not finite or not in the spaces; it
                was not learnt from.
            Diverged: the agent reported a number that is not finite, or its parameters are not.
            CheckpointError: the agent holds something that has no saved form, or another process writes to the folder,
                or has gone on with this run.
            KeyboardInterrupt, SystemExit: SIGINT or SIGTERM came; the step was finished and a checkpoint written.
        """
        steps = check_count("steps", steps, at_least=0)
        self._watching = self._watchers()
        self._timed = [(c.every, c) for c in self._watching if c.every is not None and overrides(c, "on_every")]
        self.agent.prepare(self.step + steps)
        try:
            self._open()
            self._run_on(steps)
        finally:
            self._let_go()

    def _run_on(self, steps: int) -> None:
        self._began = (time.monotonic(), self.step)
        self._end = self.step + steps
        self._stopping = self._awaits_env = False
        with self.agent.computing():
            try:
                self._tell("on_start")
                self._learn()
            finally:
                try:
                    self._tell("on_stop")
                finally:
                    self.logger.close()

    def _learn(self) -> None:
        """Step until the run's end, or until somebody interrupts it, and save what came of it."""
        with Interrupts() as interrupts:
            try:
                self._loop(interrupts)
            except Exception:  # from the environment, the agent or a callback, or our own
                if not self._is_cut_off(interrupts):
                    with suppress(Exception):  # it is the first that counts
                        self._write_last_row()
                    raise
            except KeyboardInterrupt:
                if not self._is_cut_off(interrupts):
                    raise
            if interrupts.caught is None and self.step > self._logged:
                self._log()
            self._save(final=True)
        interrupts.raise_caught()

    def _is_cut_off(self, interrupts: Interrupts) -> bool:
        """Tell whether a signal that was caught here ended the environments' own processes in the midst of a step.

        A terminal's Ctrl-C reaches all processes. That step cannot finish, and nothing of it was learnt.
        """
        return self._awaits_env and interrupts.caught is not None and not interrupts.insisted

    def stop(self) -> None:
        """End the current `run` after this step; for callbacks."""
        self._stopping = True

    def resume(self, *, or_begin: bool = False) -> int:
        """Bring agent, counters and episode to the newest readable checkpoint in `directory`; return its step.

        From there, the run goes on exactly as if it had never stopped. No other process can write to the folder from
        here to the end of `run`.

        Args:
            or_begin: where there are no checkpoints at all, as when a run was killed before its first, let `run` begin
                one in this very folder.

        Raises:
            CheckpointError: there is no readable checkpoint, it is another agent's, the environment did not repeat
                the episode, or another process writes to the folder.
        """
        if self.directory is None:
            raise CheckpointError("there is no directory to resume from")
        folder = RunFolder(self.directory)
        if not or_begin and not folder.checkpoints.is_dir():
            raise CheckpointError(f"{folder.path}: holds no checkpoint that can be read")
        folder.lock.acquire()
        try:
            folder.sweep()
            if not or_begin or folder.saved():
                self._go_back_to(folder.newest())
                self._is_described = True
        except BaseException:
            folder.lock.release()
            raise
        self.folder = folder
        self.logger = Logger(folder.path, console=self.console, resume_from=self.step if self._is_described else -1)
        self._saved = (self.step, self._logged) if self._is_described else (-1, -1)
        self._tried, self._tried_at = self.step, time.monotonic()
        self._plan()
        return self.step

    def _go_back_to(self, saved: checkpoint.Checkpoint) -> None:
        checkpoint.restore(self.agent, saved)
        with checkpoint.reading(saved.path):
            if saved.trainer is None:
                raise CheckpointError("is an agent's, not a run's")
            nodes = saved.trainer.items()
            self._restore({name: saved.decoder.decode(node, None, f"trainer.{name}") for name, node in nodes})

    def _watchers(self) -> list[Callback]:
        """Return all callbacks: those given, and the truth, where it is wanted and there is a log to write it to."""
        if not self.truth or (self.directory is None and not self.console):
            return self.callbacks
        bare = getattr(self.problem, "unwrapped", None)
        known = [callable(getattr(bare, name, None)) for name in ("model", "optimum")]
        if not any(known) and getattr(bare, "P", None) is None:
            return self.callbacks
        from rlkit.truth.callback import TruthCallback, TruthInLog

        if any(isinstance(callback, TruthCallback) for callback in self.callbacks):
            return self.callbacks
        if self._truth is None:
            self._truth = TruthInLog()
        return [*self.callbacks, self._truth]

    def _loop(self, interrupts: Interrupts) -> None:
        self._awaiting = [callback for callback in self._watching if overrides(callback, "on_episode")]
        step_on = self._way_of_stepping([callback for callback in self._watching if overrides(callback, "on_step")])
        hidden = None if self.progress is None else not self.progress
        with tqdm(total=self._end - self.step, delay=BAR_AFTER, disable=hidden, unit="step", file=sys.stderr) as bar:
            while self.step < self._end and interrupts.caught is None and not self._stopping:
                before = self.step
                step_on()
                bar.update(self.step - before)
                if self.step >= self._due:
                    self._do_what_is_due()
                    self._tell_how_it_goes(bar)

    def _tell_how_it_goes(self, bar: Any) -> None:
        if not bar.disable and self.episodes.count:
            bar.set_postfix(ep_rew_mean=f"{self.episodes.means()['rollout/ep_rew_mean']:.4g}", refresh=False)

    def _tell(self, what: str, *arguments: Any, **keywords: Any) -> None:
        for callback in self._watching:
            getattr(callback, what)(self, *arguments, **keywords)

    def _tell_of_episode(self, total: float, length: int) -> None:
        for callback in self._awaiting:
            callback.on_episode(cast("Trainer", self), Episode(total, length, self.episodes.count))

    def _open(self) -> None:
        """Make the run's folder, with its description and a first checkpoint, unless that was done before."""
        if self.directory is not None:
            self._take_hold()
            if not self._is_described:
                self._describe()
        self._plan()

    def _take_hold(self) -> None:
        """Lock the folder, and make sure that the run in it is still ours to go on with."""
        if self.folder is None:
            self.folder = RunFolder.fresh(cast(Path, self.directory))
            self.logger = Logger(self.folder.path, console=self.console)
        if self.folder.lock.is_held:
            return
        self.folder.lock.acquire()
        if others := [path for path in self.folder.saved() if path not in self._left]:
            raise CheckpointError(
                f"{others[0]}: was written by another, who has gone on with this run since its step {self.step}; "
                "resume it from there"
            )

    def _let_go(self) -> None:
        if self.folder is not None and self.folder.lock.is_held:
            self._left = set(self.folder.saved())
            self.folder.lock.release()

    def _describe(self) -> None:
        assert self.folder is not None
        description = describe(self.agent, self.env)
        self.folder.write_config({**description, "versions": versions()})
        hyperparameters = {**self.agent.config.to_dict(), "agent": description["agent"], "seed": self.agent.seed}
        self.logger.hparams(hyperparameters, ["rollout/ep_rew_mean", "rollout/ep_len_mean"])
        self._save()
        self._is_described = True

    def _plan(self) -> None:
        self._due = self._logged + self.log_every
        if self.checkpoint_every is not None and self.folder is not None:
            self._due = min(self._due, self._tried + self.checkpoint_every)
        for every, _ in self._timed:
            self._due = min(self._due, self.step - self.step % every + every)
        self._looked = self.step

    def _do_what_is_due(self) -> None:
        for every, callback in self._timed:
            if self.step // every > self._looked // every:
                callback.on_every(cast("Trainer", self))
        if self.step >= self._logged + self.log_every:
            self._log()
        if self._is_save_due():
            self._save()
        self._plan()

    def _is_save_due(self) -> bool:
        if self._stopping or self.step >= self._end:  # the last one has to know of the last row, which comes first
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
        self._tell("on_log", final=self._stopping or self.step >= self._end)
        self.logger.flush()

    def _write_last_row(self) -> None:
        """Write what there is since the last row, whatever its numbers."""
        self._means.read_tensors()
        if self.step > self._logged:
            self._write_row()

    def _write_row(self) -> None:
        row = self.episodes.means()
        rate = getattr(self.agent, "exploration_rate", None)
        if rate is not None:
            row["rollout/exploration_rate"] = rate
        for tag in ("clipped", "collisions"):
            if count := getattr(self.agent, f"n_{tag}", 0):
                row[f"features/{tag}"] = count
        began, step = self._began
        elapsed = time.monotonic() - began
        row["time/episodes"] = self.episodes.count
        row["time/fps"] = (self.step - step) / max(elapsed, 1e-9)
        row["time/time_elapsed"] = elapsed
        row["time/total_timesteps"] = self.step
        if (n_updates := getattr(self.agent, "n_updates", None)) is not None:
            row["train/n_updates"] = n_updates
        row |= {f"train/{name}": mean for name, mean in self._means.take().items()}
        row |= {f"train/{name}": value for name, value in self.agent.diagnostics().items()}
        self.logger.scalars(row, self.step)
        self._logged = self.step

    def _read_tensors(self) -> None:
        if (bad := self._means.read_tensors()) is not None and self.stop_on_divergence:
            raise self._diverged(f"{bad} is not finite")

    def _check_weights(self) -> None:
        if self.stop_on_divergence and not weights_are_finite(self.agent):
            raise self._diverged("a weight is not finite")

    def _save(self, *, final: bool = False) -> None:
        """Write a checkpoint, if there is a folder and something new to save.

        A disk that is full costs a warning and no training, but at the end it is an error.
        """
        if self.folder is None or self._saved == (self.step, self._logged):
            return
        began = time.monotonic()
        self._read_tensors()
        self.logger.sync()
        path = self.folder.checkpoint_of(self.step)
        if self._is_written(path, final=final):
            self._saved = (self.step, self._logged)
            self.folder.prune(self.keep_checkpoints, self.step)
            self._tell("on_checkpoint", path)
        self._tried, self._tried_at = self.step, time.monotonic()
        self._save_took = self._tried_at - began

    def keep_best(self, score: float) -> bool:
        """Save the agent as `checkpoints/best.npz` if no score of this run was as high; tell whether it was.

        Without a folder nothing is saved. `Evaluation` calls this with the mean return.
        """
        if math.isnan(score) or (self._best is not None and score <= self._best[0]):
            return False
        before, self._best = self._best, (float(score), self.step)
        if self.folder is None:
            return True
        self._read_tensors()
        if self._is_written(self.folder.best, final=False):
            return True
        self._best = before
        return False

    def _is_written(self, path: Path, *, final: bool) -> bool:
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
            return True
        return False

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "logged": self._logged,
            "episodes": self.episodes.state_dict(),
            "means": self._means.state_dict(),
            "best": self._best,
            **self._place(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.step, self._logged = int(state["step"]), int(state["logged"])
        self.episodes.load_state_dict(state["episodes"])
        self._means.load_state_dict(state["means"])
        self._best = state.get("best")
        self._go_back(state)

    def _check_spaces(self, prefix: str = "") -> None:
        for role in ("observation_space", "action_space"):
            own, its = getattr(self.agent, role), getattr(self.env, prefix + role)
            if own != its:
                name = f"{name_of(self.env)}'s {prefix}{role}"
                raise SpaceError(f"{type(self).__name__}: {name} is {its}, the agent was made for {own}")

    def _unfit_action(self, fault: str, what: str = "action") -> Exception:
        """Return the error about an action that the environment must not see, and the agent's own if it has diverged.

        What was learnt on a device is read with the log, and until then such an agent may act already.
        """
        self._read_tensors()
        self._check_weights()
        return self._invalid(what, fault)

    def _invalid(self, what: str, fault: str) -> InvalidTransition:
        return InvalidTransition(f"{name_of(self.env)}, step {self.step + 1}: the {what} {fault}")

    def _named(self, error: InvalidTransition) -> InvalidTransition:
        """Return what an agent says of a transition with where that came from."""
        return InvalidTransition(f"{name_of(self.env)}, step {self.step + 1}: {error}")

    def _diverged(self, what: str) -> Diverged:
        saved = [] if self.folder is None else self.folder.saved()
        last = f"the last finite checkpoint is {saved[0]}" if saved else "no checkpoint was written"
        return diverged(self.agent, self.env, self.step, what, f"; {last}")


def checked_callbacks(callbacks: Iterable[Any]) -> list[Callback]:
    """Return them as a list, in which one of ours stands for those of stable-baselines3 (`rlkit.sb3.SB3Callback`).

    Raises:
        ConfigError: one is no callback.
    """
    checked = list(callbacks)
    for callback in checked:
        if not isinstance(callback, Callback) and not is_sb3s(callback):
            raise ConfigError(f"Trainer: {callback!r} is not a Callback")
    if all(isinstance(callback, Callback) for callback in checked):
        return checked
    from rlkit.sb3.callback import adapted

    return adapted(checked)
