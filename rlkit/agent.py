"""What learns: agents, from one transition at a time, or from batches of a replay buffer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rlkit.config import bounded
from rlkit.errors import ConfigError
from rlkit.policy import Policy
from rlkit.transition import Transition, Transitions

if TYPE_CHECKING:
    from rlkit.replay import ReplayBuffer


class Agent(Policy):
    """A policy that learns, one transition at a time. See `Policy` for how it is made.

    An agent that explores less and less may have a property `exploration_rate`, which is then logged. What it exposes
    by `state_values`, `action_values` and `state_features` is measured against the exact answer, where the environment
    knows it (`rlkit.truth`).

    Attributes:
        target_policy: the policy whose values it learns, `[S]` actions, `[S, A]` probabilities or anything with
            `probs(state)`; None where it learns the best one's.
        behaviour_policy: the policy that acts while it learns `target_policy`'s values, alike; None if the same does.
        follows_semi_gradient: whether it may diverge where expected TD does (gradient-TD methods say no).
        is_emphatic: whether it weighs states by `rlkit.truth.emphasis` instead of by how often they are visited.
        average_reward: its estimate of the average reward of a step, if it learns that instead of discounting.

    Where its TD fixed point is another than TD(0)'s, a `lam` or `n_steps` of its own or of its `Config` says so.
    """

    target_policy: Any = None
    behaviour_policy: Any = None
    follows_semi_gradient: ClassVar[bool] = True
    is_emphatic: ClassVar[bool] = False
    average_reward: float | None = None

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(Policy.Config):
        """Hyperparameters that every agent has."""

        gamma: float = bounded(0.99, at_least=0, up_to=1, help="discount of later rewards")

    def prepare(self, total_steps: int) -> None:
        """Hear, before a run, how many transitions there will have been after it: for schedules; here nothing."""

    def abandon_episode(self) -> None:
        """Hear that the episode under way will not go on, so that nothing of it reaches into the next; here nothing.

        Trainers say so before they begin the first episode of a run; say so where you reset an environment yourself
        before its episode has ended.
        """

    def update(self, transition: Transition) -> Mapping[str, Any]:
        """Learn from one transition.

        A `terminated` transition bootstraps with 0, a `truncated` one with the value of its `next_observation`.

        Returns:
            numbers to log, by name: floats, or zero-dimensional torch tensors, which are read when the log is written.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it learns: define update()")

    def diagnostics(self) -> Mapping[str, float]:
        """Return more numbers to log, as `train/...`: asked for when a row of the log is written; here none.

        What would cost time in every update, norms of gradients for instance, belongs here.
        """
        return {}

    def computing(self) -> AbstractContextManager[Any]:
        """Return a context that a run is to take place in; here one that does nothing.

        A deep agent sets in it what it wants of torch, the number of threads for instance, and restores it afterwards.
        """
        return nullcontext()

    def act_batch(self, observations: NDArray[Any], *, explore: bool = True) -> NDArray[Any]:
        """Return actions `(N, ...)` for the observations `(N, ...)` of N environments that run in parallel."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it acts so: define act_batch()")

    def update_batch(self, transitions: Transitions, valid: NDArray[np.bool_] | None = None) -> Mapping[str, Any]:
        """Learn from one transition of each of N environments that run in parallel.

        Args:
            transitions: what `update` would be told, one array a field; i is environment i at every call.
            valid: bool `(N,)`, which of them are transitions; None: all. In the others an episode began in this step,
                which there is nothing to learn from.

        Returns:
            numbers to log, as `update` does.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it learns so: define update_batch()")

    def action_values(self, observations: Any) -> NDArray[Any] | None:  # noqa: ARG002 (for subclasses)
        """Return the action values `[N, A]` of N observations, stacked; None, as here, if it has none."""
        return None

    def q_values(self, observations: Any, actions: Any) -> NDArray[Any] | None:
        """Return the values `[N]` of N observations and actions, both stacked: here out of `action_values`, or None."""
        values = self.action_values(observations)
        return None if values is None else values[np.arange(len(values)), np.asarray(actions) - self.action_space.start]

    def state_values(self, observations: Any) -> NDArray[Any] | None:
        """Return the values `[N]` of N observations: here the largest action values, None if it has none."""
        values = self.action_values(observations)
        return None if values is None else values.max(axis=1)

    def state_features(self, observations: Any) -> NDArray[Any] | None:  # noqa: ARG002 (for subclasses)
        """Return the features `[N, D]` that its values are linear in; None, as here, if they are linear in nothing."""
        return None


class ReplayAgent(Agent):
    """An agent that stores its transitions and learns from batches of them (Lin 1992).

    To learn from transitions that are there already, store them by `agent.buffer.add` and call `replay`.

    Attributes:
        buffer: the latest `buffer_size` transitions.
        n_stored: how many transitions were ever stored.
    """

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(Agent.Config):
        """Hyperparameters of learning from replay, with SB3's names."""

        buffer_size: int = bounded(1_000_000, at_least=1, help="transitions kept; the oldest goes first")
        batch_size: int = bounded(256, at_least=1, help="transitions in a batch, drawn with replacement")
        learning_starts: int = bounded(100, at_least=0, help="transitions stored before learning starts")
        train_freq: int = bounded(1, at_least=1, help="transitions between two rounds of learning")
        gradient_steps: int = bounded(1, at_least=1, help="batches learnt from in a round")

    buffer: ReplayBuffer
    n_stored: int

    def setup(self) -> None:
        """Make the buffer; a subclass calls this first (`super().setup()`)."""
        self.buffer = self.make_buffer()
        self.n_stored = 0

    def make_buffer(self) -> ReplayBuffer:
        """Return an empty buffer: here a uniform one of single transitions."""
        from rlkit.replay import ReplayBuffer

        return ReplayBuffer(self.config.buffer_size, self.observation_space, self.action_space)

    def update(self, transition: Transition) -> Mapping[str, Any]:
        """Store the transition; when a round is due, learn from `gradient_steps` batches."""
        self.buffer.add(transition)
        self.n_stored += 1
        if self.n_stored > self.config.learning_starts and self.n_stored % self.config.train_freq == 0:
            return self.replay(self.config.gradient_steps)
        return {}

    def replay(self, gradient_steps: int) -> Mapping[str, Any]:
        """Learn from so many batches of what is stored; return the last one's numbers to log.

        Raises:
            ConfigError: nothing is stored.
        """
        self._check_stored()
        metrics: Mapping[str, Any] = {}
        for _ in range(gradient_steps):
            metrics = self.learn_batch(self.buffer.sample(self.config.batch_size, self.rng))
        return metrics

    def _check_stored(self) -> None:
        if not len(self.buffer):
            raise ConfigError(f"{type(self).__name__}.replay: the buffer is empty; store transitions before")

    def learn_batch(self, batch: Any) -> Mapping[str, Any]:
        """Learn from one batch.

        Args:
            batch: what the buffer's `sample` returns: here a `rlkit.transition.Batch`.

        Returns:
            numbers to log, as `update` does.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it learns: define learn_batch()")
