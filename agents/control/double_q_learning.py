"""Double Q-learning, linear or tabular."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.agents.control.base import LinearControl
from rlkit.compiled.double import DoubleControl
from rlkit.updates import OneStep


class DoubleQLearning(LinearControl):
    """Learns the optimal action values twice over, and so without Q-learning's bias towards high ones.

    van Hasselt (2010); Sutton & Barto (2018), section 6.7. A coin says which of the two moves towards what the other
    says of its greedy action. It acts on their mean.

    Departures: ties are broken at random while exploring; step sizes may fall with the number of visits, both tables'
    together.

    Attributes:
        w: both sets of weights, float64 `(2, n_features)`.
    """

    def setup(self) -> None:
        """Make two sets of weights."""
        super().setup()
        self.w = np.full((2, self.features.n_features), self.config.initial_value)

    def rule(self) -> OneStep:
        """Move one set by alpha delta phi(s, a)."""
        return OneStep(self.w.reshape(-1))

    def learner(self) -> DoubleControl:  # type: ignore[override] # another learner of action values
        """Return the learner."""
        return DoubleControl(
            features=self.features.parameters,
            policy=self.policy(),
            rule=self.rule(),
            schedule=self.schedule(),
            gamma=self.config.gamma,
            n_features=self.features.n_features,
            phi=self.phi(),
            next_phi=self.phi(),
            q=np.zeros(self.action_space.n),
            other=np.zeros(self.action_space.n),
            counts=self._counts,
            owners=self._owners,
            stream=self._stream,
        )

    @property
    def q(self) -> NDArray[np.float64]:
        """Both sets of action values of every state, float64 `(2, S, A)`: of tables, what is learnt, to be written to.

        Raises:
            SpaceError: the observations are not numbered.
        """
        n_states = self._count_states()
        if self.is_table:
            return self.w.reshape(2, -1, n_states).transpose(0, 2, 1)
        return np.stack([self.features.all_values(np.arange(n_states), w) for w in self.w])

    def act(self, observation: Any, *, explore: bool = False) -> int:
        """Return the greedy action of the mean, the lowest where several are; with `explore`, one to learn from."""
        if not explore:
            both = [self.features.values(observation, w) for w in self.w]
            return int((0.5 * (both[0] + both[1])).argmax())
        return super().act(observation, explore=True)

    def action_values(self, observations: Any) -> NDArray[np.float64]:
        """Return the mean of both for N observations, float64 `(N, A)`."""
        both = [self.features.all_values(observations, w) for w in self.w]
        values: NDArray[np.float64] = 0.5 * (both[0] + both[1])
        return values
