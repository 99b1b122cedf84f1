"""Uniform replay of n-step transitions, made when they are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from gymnasium import Space
from numpy.typing import NDArray

from rlkit.compiling import njit
from rlkit.replay.uniform import ReplayBuffer
from rlkit.transition import Transition


class NStepBatch(NamedTuple):
    """B transitions with up to n rewards each, one array a field: observations and actions `[B, ...]`, the rest `[B]`.

    Attributes:
        observation, action: where it began and what was done.
        reward: r_1 + gamma r_2 + ... + gamma^(m-1) r_m, where m = n unless the episode ended before.
        next_observation: what was seen after the m-th reward.
        discount: what the value of `next_observation` is multiplied with: gamma^m, or 0 if that is terminal.
        weight: what the loss is multiplied with: 1, or the importance weight of a prioritised draw.
        row: where in the buffer it began.
    """

    observation: NDArray[Any]
    action: NDArray[Any]
    reward: NDArray[np.float64]
    next_observation: NDArray[Any]
    discount: NDArray[np.float64]
    weight: NDArray[np.float64]
    row: NDArray[np.int64]


class NStepReplay(ReplayBuffer):
    """Draws n-step transitions uniformly, made from the stored single ones when they are drawn.

    The return of n rewards as in S&B (2018), equation 7.1, from replay as in Hessel et al. (2018): without a correction
    for the n - 1 later actions being an earlier policy's. It never crosses an episode: a shorter one ends where the
    episode did, with no value if that terminated and with the value of its last observation if it was truncated. One
    that would reach beyond the newest transition ends there, with the value of what was seen then.

    A transition that does not begin where the one before it ended begins another episode, whether or not its forerunner
    said that it had ended; so transitions in no particular order are good for n = 1 only.

    Args:
        capacity, observation_space, action_space: as for `ReplayBuffer`, and so the memory, but for one byte a row.
        n_steps: n.
        gamma: discount of later rewards.
    """

    def __init__(
        self,
        capacity: int,
        observation_space: Space[Any],
        action_space: Space[Any],
        *,
        n_steps: int = 1,
        gamma: float = 0.99,
    ) -> None:
        super().__init__(capacity, observation_space, action_space)
        self.n_steps, self.gamma = n_steps, gamma
        self._ended = np.zeros(capacity, np.bool_)
        self._expected: Any = None  # the newest transition's next observation, as the caller's object

    def add(self, transition: Transition) -> None:
        """Store a transition, over the oldest one when the buffer is full."""
        at, before = self.added % self.capacity, (self.added - 1) % self.capacity
        if self.n_steps > 1 and self.added and transition.observation is not self._expected:
            went_on = np.array_equal(transition.observation, self._rows.next_observation[before])
            self._ended[before] |= not went_on
        super().add(transition)
        self._ended[at] = transition.terminated or transition.truncated
        self._expected = transition.next_observation

    def sample(self, batch_size: int, rng: np.random.Generator) -> NStepBatch:
        """Draw transitions uniformly, with replacement."""
        return self.take(rng.integers(len(self), size=batch_size), np.ones(batch_size))

    def take(self, row: NDArray[np.int64], weight: NDArray[np.float64]) -> NStepBatch:
        """Return the n-step transitions that begin at rows `[B]`."""
        rows, newest = self._rows, (self.added - 1) % self.capacity
        last, returns, discount = np.empty_like(row), np.empty(len(row)), np.empty(len(row))
        look_ahead(
            row, newest, self.n_steps, self.gamma, rows.reward, self._ended, rows.terminated, last, returns, discount
        )
        seen = rows.next_observation[last]
        return NStepBatch(rows.observation[row], rows.action[row], returns, seen, discount, weight, row)

    def _columns(self) -> dict[str, NDArray[Any]]:
        return {**super()._columns(), "ended": self._ended}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what another buffer of the same capacity and spaces gave.

        Raises:
            CheckpointError: the rows do not fit this buffer.
        """
        super().load_state_dict(state)
        self._expected = None


@njit(cache=True)
def look_ahead(
    row: Any,
    newest: int,
    n_steps: int,
    gamma: float,
    reward: Any,
    ended: Any,
    terminated: Any,
    last: Any,
    returns: Any,
    discount: Any,
) -> None:
    """G = r_1 + gamma r_2 + ... + gamma^(m-1) r_m, m <= n  (S&B 2018, equation 7.1, but for the value at its end).

    Args:
        row: where each of B begins, int64 `(B,)`.
        newest: the row that was written last; the one after it is the oldest.
        n_steps: n.
        gamma: discount.
        reward, ended, terminated: of every row, `(capacity,)`.
        last: takes the row of r_m, int64 `(B,)`.
        returns: takes G, float64 `(B,)`.
        discount: takes gamma^m, or 0 if row `last` terminated, float64 `(B,)`.
    """
    for b in range(len(row)):
        at, scale = row[b], 1.0
        total = reward[at]
        for _ in range(n_steps - 1):
            if ended[at] or at == newest:
                break
            at = at + 1 if at + 1 < len(reward) else 0
            scale *= gamma
            total += scale * reward[at]
        last[b], returns[b] = at, total
        discount[b] = 0.0 if terminated[at] else scale * gamma
