"""The state of one search for v*: the iterate, what has been proven about it, and how many sweeps are left."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rlkit.bellman.bounds import midrange, rounding_slack
from rlkit.bellman.model import OnSweep, Sweeps
from rlkit.bellman.sparse import sweeps
from rlkit.bellman.value_iteration import after_backup
from rlkit.mdp import FiniteMDP

PROGRESS = 0.9
"""A sweep that leaves more than this share of the bound, near what rounding costs, tells that no more can be had."""


class Search:
    """One question (an MDP, a discount, a tolerance) and the best answer so far.

    Attributes:
        v: the iterate, float64 `(S,)`.
        low, high: the range of `T u - u` over the states that are not terminal, of the u that v = T u was made from.
        spread: the standard deviation of those entries.
        policy: the actions that attained T u, int32 `(S,)`.
        bound: what is proven about `v + shift`; inf before the first synchronous sweep.
        resolved: whether only float64's rounding is left.
        used: sweeps made, `limit` those allowed.
    """

    def __init__(self, mdp: FiniteMDP, gamma: float, tol: float, limit: int, on_sweep: OnSweep | None) -> None:
        matrix = mdp.transitions
        self.mdp, self.gamma, self.tol, self.limit, self.on_sweep = mdp, gamma, tol, limit, on_sweep
        self.rows: tuple[Any, Any, Any, Any, Any] = (
            matrix.indptr,
            matrix.indices,
            matrix.data,
            mdp.rewards,
            mdp.terminal,
        )
        self.v = sweeps.lower_bound(*self.rows, mdp.has_terminal, gamma)
        self.policy = np.empty(mdp.n_states, np.int32)
        self.spare = np.empty(mdp.n_states)
        self.live = mdp.n_states - int(mdp.terminal.sum())
        self.low, self.high, self.spread = -np.inf, np.inf, np.inf
        self.shift, self.bound, self.resolved = 0.0, np.inf, False
        self.used = 0.0

    @property
    def left(self) -> int:
        """Whole sweeps that may still be made."""
        return self.limit - math.ceil(self.used)

    @property
    def done(self) -> bool:
        """Whether to stop: proven well enough, or as well as can be."""
        return self.bound <= self.tol or self.resolved or self.left < 1

    def improve(self) -> None:
        """Make one synchronous sweep, v <- T v, and certify the outcome."""
        low, high, total, squares = sweeps.improve(*self.rows, self.gamma, self.v, self.spare, self.policy)
        self.v, self.spare = self.spare, self.v
        self.low, self.high = (low, high) if self.live else (0.0, 0.0)
        mean = total / max(self.live, 1)
        self.spread = math.sqrt(max(squares / max(self.live, 1) - mean * mean, 0.0))
        self.used += 1
        before = self.bound
        self.shift, self.bound, self.resolved = after_backup(
            self.mdp, self.gamma, self.low, self.high, self.v, tol=self.tol
        )
        if self.bound > PROGRESS * before:
            self.resolved |= self.bound <= 3 * self._floor()
        if self.on_sweep is not None:
            self.on_sweep(math.ceil(self.used), self.v, self.gamma * self.low, self.gamma * self.high)

    def _floor(self) -> float:
        """Return the bound that no residual at all would prove: what rounding alone costs."""
        mdp = self.mdp
        slack = rounding_slack(mdp.max_abs_reward + float(np.abs(self.v).max()), mdp.n_outcomes)
        return midrange(0.0, 0.0, self.gamma, terminal=mdp.has_terminal, slack=slack, defect=mdp.row_defect)[1]

    def answer(self) -> Sweeps:
        """Return v, moved to the middle of its bounds."""
        if self.shift:
            self.v += self.shift
        return Sweeps(self.v, self.bound, math.ceil(self.used), float(np.abs(self.v).max()))
