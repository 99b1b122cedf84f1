"""Update rules as pure functions on arrays, each with its equation and source; agents call them.

Notation: `q` is an action-value table `[S, A]`, `(s, a, r, s')` a transition; the value of s' is 0 if it is terminal.
Each function returns the error delta; the learner moves the entry by `alpha * delta`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]  # [S, A]


def q_learning_error(
    q: Table, observation: int, action: int, reward: float, next_observation: int, terminated: bool, gamma: float
) -> float:
    """Return delta = r + gamma max_a' q(s', a') - q(s, a) (Watkins 1989; Sutton & Barto 2018, equation 6.8)."""
    value = 0.0 if terminated else q[next_observation].max()
    return float(reward + gamma * value - q[observation, action])


def double_q_learning_error(
    moving: Table,
    other: Table,
    observation: int,
    action: int,
    reward: float,
    next_observation: int,
    terminated: bool,
    gamma: float,
) -> float:
    """Return delta = r + gamma q2(s', argmax_a' q1(s', a')) - q1(s, a) (van Hasselt 2010; S&B 2018, equation 6.10).

    Args:
        moving: q1, which chooses the action, and which delta is for.
        other: q2, which values it; as q2's errors are not those that q1's choice favoured, no bias towards high values.
    """
    value = 0.0 if terminated else other[next_observation, moving[next_observation].argmax()]
    return float(reward + gamma * value - moving[observation, action])
