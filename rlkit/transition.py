"""One step of experience: what an agent learns from."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Transition(NamedTuple):
    """One step of an environment, within one episode.

    Attributes:
        observation: what the agent saw.
        action: what it did.
        reward: what that paid.
        next_observation: what it saw then: the last observation of the episode when that ended, never the first of
            the next.
        terminated: the episode ended in a terminal state, whose value is 0.
        truncated: the episode was cut short; `next_observation` has a value like any other, so bootstrap from it.
    """

    observation: Any
    action: Any
    reward: float
    next_observation: Any
    terminated: bool
    truncated: bool


class Transitions(NamedTuple):
    """The same of N environments that run in parallel: one array a field, in which i is always environment i.

    Attributes:
        observation, next_observation: `(N, ...)`; where an episode ended, the next one is its last, as above.
        action: `(N, ...)`.
        reward: float64 `(N,)`.
        terminated, truncated: bool `(N,)`.
    """

    observation: NDArray[Any]
    action: NDArray[Any]
    reward: NDArray[np.float64]
    next_observation: NDArray[Any]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]


class Batch(NamedTuple):
    """B transitions, one array a field: observations `[B, ...]`, actions `[B, ...]`, the others `[B]`."""

    observation: NDArray[Any]
    action: NDArray[Any]
    reward: NDArray[np.float64]
    next_observation: NDArray[Any]
    terminated: NDArray[np.bool_]
