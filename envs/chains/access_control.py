"""The access-control queue, which nothing ends and no discount fits (Sutton & Barto 2018, Example 10.2)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.chains.chain import Chain, Happenings

SERVERS = 10
PRIORITIES = (1.0, 2.0, 4.0, 8.0)  # what a customer pays
REJECT, ACCEPT = 0, 1


class AccessControl(Chain):
    """Ten servers and a queue of customers, who pay 1, 2, 4 or 8 to be served.

    At every step there is one customer, of each priority as likely. State `4 free + priority`, of `shape` (11, 4).
    Action 0 rejects; action 1 accepts, but rejects where no server is free. Then each busy server becomes free with
    probability 0.06, and the next customer comes.

    The book leaves open whether the server that has just been taken may become free at once. Here it may, as in the
    widely used code for the book: the best average reward is 2.7476 then, and 2.6732 if it may not.

    Args:
        freed_at_once: whether it may.
        max_steps: steps after which an episode is truncated; None for never.
    """

    shape = (SERVERS + 1, len(PRIORITIES))
    free_probability = 0.06

    def __init__(self, *, freed_at_once: bool = True, max_steps: int | None = None) -> None:
        parts = [
            self._after(free, priority, action, freed_at_once)
            for free in range(SERVERS + 1)
            for priority in range(len(PRIORITIES))
            for action in (REJECT, ACCEPT)
        ]
        happenings = Happenings(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        n_states = (SERVERS + 1) * len(PRIORITIES)
        start = np.zeros(n_states)
        start[-len(PRIORITIES) :] = 1 / len(PRIORITIES)  # all servers are free
        super().__init__(happenings, np.zeros(n_states, bool), start, n_actions=2, max_steps=max_steps)

    def _after(self, free: int, priority: int, action: int, freed_at_once: bool) -> tuple[NDArray[Any], ...]:
        """Return what follows one state and action."""
        accepted = action == ACCEPT and free > 0
        left = free - accepted
        candidates = SERVERS - left - (accepted and not freed_at_once)  # servers that may become free
        freed = np.repeat(np.arange(candidates + 1), len(PRIORITIES))
        coming = np.tile(np.arange(len(PRIORITIES)), candidates + 1)
        n = freed.size
        return (
            np.full(n, free * len(PRIORITIES) + priority),
            np.full(n, action),
            (left + freed) * len(PRIORITIES) + coming,
            np.repeat([self._chance(k, candidates) for k in range(candidates + 1)], len(PRIORITIES)) / len(PRIORITIES),
            np.full(n, PRIORITIES[priority] if accepted else 0.0),
        )

    def _chance(self, k: int, n: int) -> float:
        """Return the probability that k of n servers become free."""
        return math.comb(n, k) * self.free_probability**k * (1.0 - self.free_probability) ** (n - k)
