"""The training loop in one environment: it steps and checks, so that agents only learn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium

from rlkit.agent import Agent
from rlkit.callbacks import Callback
from rlkit.config import check_count
from rlkit.errors import InvalidTransition, SpaceError
from rlkit.rewind import Rewind
from rlkit.spaces import finder_of_faults, keeper
from rlkit.training import Training, checked_callbacks
from rlkit.transition import Transition

if TYPE_CHECKING:
    from rlkit.callbacks import Watcher
    from rlkit.compiled.run import CompiledRun

WORTH_COMPILING = 20_000  # steps of a run: in Python 0.1 s, and about 0.3 s go into loading a compiled loop
WORTH_A_STRETCH = 16  # steps: going into the compiled loop and back takes as long as these do in Python


class Trainer(Training):
    """Trains an agent in an environment; `run` may be called again and goes on where it stopped.

    One step: the agent acts, the environment steps, the transition is checked, the agent learns from it, its metrics
    are checked, callbacks are told. No transition ever crosses an episode. The environment's first reset takes the
    agent's seed. Logs get SB3's tags: `rollout/ep_rew_mean`, `rollout/ep_len_mean` and, where the environment's last
    info of an episode has `is_success`, `rollout/success_rate` (over the last 100 episodes),
    `rollout/exploration_rate`, `time/episodes`, `time/fps`, `time/time_elapsed`, `time/total_timesteps`, and
    `train/...` for the mean of each of the agent's metrics, for its `diagnostics` and, if it counts them, its
    `n_updates`; `features/clipped` and `features/collisions`, once there are any, count what linear features could not
    tell apart.

    Where agent and environment have a compiled form (`rlkit.compiled`), nobody watches every step, and there are enough
    steps, they are taken in a compiled loop: the same, to the bit, and a hundred times faster.

    Args:
        agent: what learns.
        env: what it learns in, one environment (`VectorTrainer` is for many at once).
        callbacks: what else watches; stable-baselines3's are taken, too (`rlkit.sb3.SB3Callback`).
        directory: the run's folder, for logs and checkpoints; None writes nothing. Where it holds a run already,
            a new one goes to `directory-2` and so on.
        checkpoint_every: steps between checkpoints. None: after 5 s, 10 s, 20 s and so on, and then once a minute, or
            less often if saving is slow. There is always one at the start, at the end of `run`, and when interrupted.
        keep_checkpoints: the newest that are kept, besides the best one (`keep_best`).
        log_every: steps between two rows of the log; None: 1000 of each environment.
        console: print each row as a table.
        progress: show a progress bar once two seconds have passed. None: if the standard error is a terminal.
        truth: whether to add `truth/...` to the log, the agent's exact error, where the environment knows its model and
            the problem is small, or its Riccati optimum (`rlkit.truth.TruthCallback` says what, and asks for it
            explicitly). At most 5 % of the time goes into it, besides solving the model once; rows that would cost more
            go without.
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

    def _set_out(self) -> None:
        env = self.env
        if not isinstance(env, gymnasium.Env):
            raise SpaceError(f"Trainer: the environment is a {type(env).__name__}, expected one gymnasium.Env")
        self._check_spaces()
        self._rewind = Rewind(env, recording=self.directory is not None)
        self._observation: Any = None
        self._in_episode = False
        self._keep, self._keep_action = keeper(env.observation_space), keeper(env.action_space)
        self._observation_fault = finder_of_faults(env.observation_space, bounds=False)
        self._action_fault = finder_of_faults(env.action_space, bounds=True)

    def _way_of_stepping(self, watchers: list[Callback]) -> Callable[[], None]:
        compiled = None if watchers else self._compiled_run()
        if compiled is not None:
            return lambda: self._take_stretch(compiled)

        def step_on() -> None:
            try:
                transition, metrics = self._take_step()
            except BaseException:
                self._leave_episode()
                raise
            for callback in watchers:
                callback.on_step(self, transition, metrics)
            if transition.terminated or transition.truncated:
                self._in_episode = False
                self._tell_of_episode(*self.episodes.end(self.info.get("is_success")))

        return step_on

    def _take_step(self) -> tuple[Transition, Mapping[str, Any]]:
        """Act, step, check, learn, check."""
        if not self._in_episode:
            self._begin_episode()
        agent, observation = self.agent, self._observation
        action = agent.act(observation, explore=True)
        if (fault := self._action_fault(action)) is not None:
            raise self._unfit_action(fault)
        seen, reward, terminated, truncated, self.info = self.env.step(action)
        if (fault := self._observation_fault(seen)) is not None:
            raise self._invalid("observation", fault)
        next_observation = self._keep(seen)
        if type(reward) is not float or not isfinite(reward):
            reward = self._checked_reward(reward)
        transition = Transition(observation, action, reward, next_observation, bool(terminated), bool(truncated))
        if self._rewind.actions is not None:
            self._rewind.actions.append(self._keep_action(action))
        try:
            metrics = agent.update(transition)
        except InvalidTransition as error:  # float32 holds less than was checked, for instance
            raise self._named(error) from None
        self.step += 1
        self._observation = next_observation
        self.episodes.total += reward
        self.episodes.length += 1
        if metrics and (bad := self._means.add(metrics)) is not None and self.stop_on_divergence:
            raise self._diverged(f"{bad} is {float(metrics[bad]):g}")
        return transition, metrics

    def _begin_episode(self) -> None:
        first = self.step == 0 and self.episodes.count == 0
        if first:
            self.agent.abandon_episode()
        seen, self.info = self._rewind.reset(self.agent.seed if first else None)
        if (fault := self._observation_fault(seen)) is not None:
            raise self._invalid("observation after reset", fault)
        self._observation = self._keep(seen)
        self._in_episode = True

    def _leave_episode(self) -> None:
        """Begin another one should the run go on: the environment has made a step that was not learnt from."""
        self._in_episode = False
        self.episodes.total, self.episodes.length = 0.0, 0
        self.agent.abandon_episode()

    def _checked_reward(self, reward: Any) -> float:
        try:
            number = float(reward)
        except (TypeError, ValueError, OverflowError):
            raise self._invalid("reward", f"is {reward!r}, expected a number") from None
        if not isfinite(number):
            raise self._invalid("reward", f"is {number}, which is not finite")
        return number

    def _compiled_run(self) -> CompiledRun | None:
        """Return the compiled loop that is to take the steps, None where Python is."""
        intervals = [self.log_every, self.checkpoint_every, *(every for every, _ in self._timed)]
        few = self._end - self.step < WORTH_COMPILING
        if few or self._rewind.needs_actions or not callable(getattr(self.agent, "compiled", None)):
            return None
        if min(interval for interval in intervals if interval is not None) < WORTH_A_STRETCH:
            return None
        from rlkit.compiled.run import CompiledRun

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

    def _place(self) -> dict[str, Any]:
        return {
            "in_episode": self._in_episode,
            "observation": self._observation,
            "environment": self._rewind.state(in_episode=self._in_episode) if self.step else None,
        }

    def _go_back(self, state: dict[str, Any]) -> None:
        self._in_episode = bool(state["in_episode"])
        self._observation = state["observation"]
        if state["environment"] is not None:
            self._rewind.restore(
                state["environment"], self._observation, self.episodes.total, in_episode=self._in_episode
            )


def train(
    agent: Agent,
    env: gymnasium.Env[Any, Any] | gymnasium.vector.VectorEnv[Any, Any, Any],
    *,
    steps: int,
    directory: str | Path | None = None,
    resume: bool = False,
    callbacks: Iterable[Watcher] = (),
    checkpoint_every: int | None = None,
    truth: bool = True,
    stop_on_divergence: bool = True,
) -> Training:
    """Train an agent in one line; called again with the same agent and environment, it continues.

    Args:
        agent, env, directory, callbacks, checkpoint_every, truth, stop_on_divergence: as for `Trainer`, or for
            `VectorTrainer` if `env` is a vector of environments.
        steps: how many more steps to take; with `resume`, how many the whole run has.
        resume: if `directory` holds a run of this agent, first bring it to its newest checkpoint; else begin one there.

    Returns:
        the trainer, with its counters and its folder.
    """
    trainer: Training | None = vars(agent).get("_trainer")
    same = trainer is not None and trainer.env is env and trainer.directory == (directory and Path(directory))
    if trainer is None or not same:
        trainer = _kind_for(env)(agent, env, directory=directory, checkpoint_every=checkpoint_every)
        vars(agent)["_trainer"] = trainer
    trainer.callbacks, trainer.truth = checked_callbacks(callbacks), truth
    trainer.stop_on_divergence = stop_on_divergence
    if resume and trainer.folder is None and directory is not None:
        trainer.resume(or_begin=True)
    steps = check_count("steps", steps, at_least=0)
    trainer.run(max(steps - trainer.step, 0) if resume else steps)
    return trainer


def _kind_for(env: Any) -> type[Training]:
    if not isinstance(env, gymnasium.vector.VectorEnv):
        return Trainer
    from rlkit.vector_trainer import VectorTrainer

    return VectorTrainer
