"""What learners of action values share: exploration, action features, and what they take for the next value."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.agents.linear import LinearAgent
from rlkit.compiled.control import Control
from rlkit.compiled.exploration import EpsilonGreedy, Softmax, epsilon_at
from rlkit.compiled.learners import N_UPDATES, NONE, PENDING
from rlkit.config import bounded, described
from rlkit.errors import CheckpointError, SpaceError
from rlkit.features import ActionBlocks, ActionFeatures, Features


class LinearControl(LinearAgent):
    """Learns action values, linear in features, and acts on them: q(s, a) = w . phi(s, a)."""

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(LinearAgent.Config):
        """Hyperparameters of linear control; exploration has SB3's names."""

        features: Features | ActionFeatures | None = described(  # type: ignore[assignment] # more kinds than elsewhere
            None, "of observations (a block for each action), or of observations and actions; None: a table"
        )
        exploration_initial_eps: float = bounded(1.0, at_least=0, up_to=1, help="share of random actions at first")
        exploration_final_eps: float = bounded(0.1, at_least=0, up_to=1, help="share of random actions in the end")
        exploration_fraction: float = bounded(
            0.0,
            at_least=0,
            up_to=1,
            help="share of a run in which it goes from the one to the other; 0: the final at once",
        )
        temperature: float | None = bounded(
            None, above=0, help="act by softmax of the values at this temperature instead"
        )

    def setup(self) -> None:
        """Make what every linear learner has, and the schedule of exploration."""
        super().setup()
        self._decay = np.zeros(1)

    def make_features(self) -> ActionFeatures:
        """Return features of observation and action."""
        features = self.config.features
        if not isinstance(features, ActionFeatures):
            return ActionBlocks(of=self.observation_features(), n_actions=int(self.action_space.n))
        features.check_spaces(self.observation_space, self.action_space)
        return features

    def prepare(self, total_steps: int) -> None:
        """Let exploration fall over a share of all steps."""
        self._decay[0] = self.config.exploration_fraction * total_steps

    def target(self) -> Any:
        """Return what is taken for the value of the next observation: a kind of `rlkit.compiled.control`."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it looks ahead to: define target()")

    def policy(self) -> EpsilonGreedy | Softmax:
        """Return how it explores."""
        config = self.config
        if config.temperature is not None:
            return Softmax(config.temperature)
        return EpsilonGreedy(config.exploration_initial_eps, config.exploration_final_eps, self._decay)

    def learner(self) -> Control:
        """Return the learner.

        Raises:
            CheckpointError: a file said that an action is pending which does not exist.
        """
        if not NONE <= self._counts[PENDING] < self.action_space.n:
            raise CheckpointError(f"{type(self).__name__}: action {self._counts[PENDING]} is pending, and is none")
        return Control(
            features=self.features.parameters,
            target=self.target(),
            policy=self.policy(),
            rule=self.rule(),
            schedule=self.schedule(),
            gamma=self.config.gamma,
            phi=self.phi(),
            next_phi=self.phi(),
            q=np.zeros(self.action_space.n),
            counts=self._counts,
            owners=self._owners,
            stream=self._stream,
        )

    def act(self, observation: Any, *, explore: bool = False) -> int:
        """Return the greedy action, the lowest where several are; with `explore`, one to learn from."""
        if not explore:
            return int(self.features.values(observation, self.w).argmax())
        pending = self._counts[PENDING]
        if NONE < pending < self.action_space.n:  # what compiled code would find, without the way there
            self._counts[PENDING] = NONE
            return int(pending)
        learner, act, _ = self._parts()
        return act(learner, self.as_input(observation))

    def probs(self, observation: Any) -> NDArray[np.float64]:
        """Return how likely each action is while it explores as it does now, float64 `(A,)`."""
        q, policy = self.action_values(np.asarray(observation)[None])[0], self.policy()
        if isinstance(policy, Softmax):
            weights: NDArray[np.float64] = np.exp((q - q.max()) / policy.temperature)
            weights /= weights.sum()
            return weights
        greedy, epsilon = q == q.max(), epsilon_at(policy, self._counts[N_UPDATES])
        shares: NDArray[np.float64] = epsilon / q.size + (1.0 - epsilon) * greedy / greedy.sum()
        return shares

    @property
    def exploration_rate(self) -> float | None:
        """The current share of random actions; None with softmax."""
        policy = self.policy()
        return float(epsilon_at(policy, self._counts[N_UPDATES])) if isinstance(policy, EpsilonGreedy) else None

    @property
    def q(self) -> NDArray[np.float64]:
        """The action values of every state, float64 `(S, A)`: of a table, what is learnt, to be written to as well.

        Raises:
            SpaceError: the observations are not numbered.
        """
        n_states = self._count_states()
        return self.w.reshape(-1, n_states).T if self.is_table else self.action_values(np.arange(n_states))

    def action_values(self, observations: Any) -> NDArray[np.float64]:
        """Return q of N observations, float64 `(N, A)`."""
        values: NDArray[np.float64] = self.features.all_values(observations, self.w)
        return values

    def _count_states(self) -> int:
        if not isinstance(self.observation_space, spaces.Discrete):
            raise SpaceError(f"{type(self).__name__}.q: observations have no numbers; ask action_values(observations)")
        return int(self.observation_space.n)
