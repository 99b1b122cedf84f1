"""Q-learning, tabular."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit import updates
from rlkit.agents.tabular import TabularControl
from rlkit.transition import Transition


class QLearning(TabularControl):
    """Learns the optimal action values from any behaviour that keeps trying everything, in a table.

    Watkins (1989); Sutton & Barto (2018), section 6.5.

    Departures: ties are broken at random while exploring; step sizes may fall with the number of visits.

    Attributes:
        q: action values, float64 `[S, A]`.
    """

    q: NDArray[np.float64]

    def setup(self) -> None:
        """Fill the table with `initial_value`."""
        super().setup()
        self.q = np.full(self.visits.shape, self.config.initial_value)  # [S, A]

    def values(self, observation: Any) -> NDArray[np.float64]:
        """Return q(s, .)."""
        values: NDArray[np.float64] = self.q[observation]  # [A] or [N, A]
        return values

    def update(self, t: Transition) -> Mapping[str, float]:
        """Move q(s, a) towards r + gamma max q(s', .)."""
        error = updates.q_learning_error(
            self.q, t.observation, t.action, t.reward, t.next_observation, t.terminated, self.config.gamma
        )
        self.q[t.observation, t.action] += self.step_size(t.observation, t.action) * error
        return {"td_error": error}
