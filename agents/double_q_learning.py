"""Double Q-learning, tabular."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit import updates
from rlkit.agents.tabular import TabularControl
from rlkit.transition import Transition


class DoubleQLearning(TabularControl):
    """Learns the optimal action values without Q-learning's bias towards high ones, in two tables.

    van Hasselt (2010); Sutton & Barto (2018), section 6.7.

    Departures: ties are broken at random while exploring; step sizes may fall with the number of visits, both tables'
    together.

    Attributes:
        q: the two tables of action values, float64 `[2, S, A]`.
    """

    q: NDArray[np.float64]

    def setup(self) -> None:
        """Fill both tables with `initial_value`."""
        super().setup()
        self.q = np.full((2, *self.visits.shape), self.config.initial_value)  # [2, S, A]

    def values(self, observation: Any) -> NDArray[np.float64]:
        """Return (q1(s, .) + q2(s, .)) / 2."""
        values: NDArray[np.float64] = 0.5 * (self.q[0, observation] + self.q[1, observation])  # [A] or [N, A]
        return values

    def update(self, t: Transition) -> Mapping[str, float]:
        """Move one of the tables, chosen by a coin, towards what the other says about its own greedy action."""
        i = int(self.rng.integers(2))
        error = updates.double_q_learning_error(
            self.q[i],
            self.q[1 - i],
            t.observation,
            t.action,
            t.reward,
            t.next_observation,
            t.terminated,
            self.config.gamma,
        )
        self.q[i, t.observation, t.action] += self.step_size(t.observation, t.action) * error
        return {"td_error": error}
