"""The latest transitions of one environment or of several that run in parallel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlkit.errors import ConfigError
from rlkit.transition import Transitions


class Rollout:
    """Up to K transitions of each of N environments, oldest first; N is what the first transitions have.

    Row k + 1 is what happened in the same environment after row k, in the same episode unless `ended[k]`.

    Attributes:
        rows: K.
        count: how many rows are filled.
        observation, next_observation: `(K, N, ...)`.
        reward: float64 `(K, N)`.
        discount: gamma, 0 where the transition terminated; float64 `(K, N)`.
        ended: whether the transition terminated or was truncated; bool `(K, N)`.
        rho: importance-sampling ratio; float64 `(K, N)`.
    """

    observation: NDArray[Any]
    next_observation: NDArray[Any]
    reward: NDArray[np.float64]
    discount: NDArray[np.float64]
    ended: NDArray[np.bool_]
    rho: NDArray[np.float64]

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.count = 0
        for name in _ARRAYS:
            setattr(self, name, None)

    def add(self, t: Transitions, gamma: float, rho: ArrayLike = 1.0) -> None:
        """Append one transition of every environment.

        Raises:
            ConfigError: transitions of another number of environments are waiting to be learnt from.
        """
        if self.reward is None or self.reward.shape[1] != len(t.reward):
            self._make_room(t)
        k = self.count
        self.observation[k], self.next_observation[k] = t.observation, t.next_observation
        self.reward[k], self.rho[k] = t.reward, rho
        np.multiply(np.logical_not(t.terminated), gamma, out=self.discount[k])
        np.logical_or(t.terminated, t.truncated, out=self.ended[k])
        self.count += 1

    def drop(self, n: int) -> None:
        """Forget the n oldest rows."""
        kept = self.count = self.count - n
        if kept:
            for name in _ARRAYS:
                array = getattr(self, name)
                array[:kept] = array[n : n + kept]

    def _make_room(self, t: Transitions) -> None:
        if self.count:
            raise ConfigError(
                f"Rollout: transitions of {len(t.reward)} environments, where {self.count} of each of "
                f"{self.reward.shape[1]} wait to be learnt from"
            )
        seen, n_envs = np.asarray(t.observation), len(t.reward)
        self.observation = np.zeros((self.rows, *seen.shape), seen.dtype)
        self.next_observation = self.observation.copy()
        self.reward, self.discount, self.rho = (np.zeros((self.rows, n_envs)) for _ in range(3))
        self.ended = np.zeros((self.rows, n_envs), np.bool_)


_ARRAYS = tuple(Rollout.__annotations__)
