"""Modified policy iteration with span bounds, for MDPs that forget where they were.

Evaluating the chosen actions alone costs 1 / A of a full sweep (Puterman & Shin 1978). On a random MDP the values soon
differ from the right ones by a constant only, which the span of the residual does not see and `midrange` removes: few
sweeps are enough, whatever the discount (Puterman 2005, sections 6.5 and 6.6.3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rlkit.bellman.sparse import sweeps
from rlkit.bellman.sparse.search import Search
from rlkit.bellman.value_iteration import sweeps_to_rounding

FIRST_EVALUATIONS = 2
"""Sweeps for the first policy; twice as many for the next whenever evaluation, not the policy, was what fell short."""
WORTHWHILE = 0.5
"""An iteration that leaves more than this share of the error bound was not worth it."""


def iterate(search: Search, patience: float = 3) -> None:
    """Improve and evaluate until the bound is proven, or `patience` iterations in a row were not worth it."""
    chosen = _Chosen(search)
    evaluations, wasted = FIRST_EVALUATIONS, 0
    for _ in range(sweeps_to_rounding(search.gamma)):
        if search.done or wasted >= patience:
            break
        before = search.bound
        unsettled = chosen.evaluate(evaluations, extrapolate=wasted > 0 or search.mdp.has_terminal)
        search.improve()
        if search.high - search.low <= 2 * unsettled:
            evaluations *= 2
        wasted = wasted + 1 if search.bound > WORTHWHILE * before else 0


class _Chosen:
    """The rows of the policy that the search's last sweep chose."""

    def __init__(self, search: Search) -> None:
        n_states, nnz = search.mdp.n_states, search.mdp.transitions.nnz
        self.search = search
        self.start_of = np.empty(n_states + 1, np.int64)
        self.column = np.empty(nnz, search.rows[1].dtype)
        self.weight = np.empty(nnz)
        self.reward = np.empty(n_states)

    def evaluate(self, most: int, *, extrapolate: bool) -> float:
        """Sweep v <- T_pi v up to `most` times, and return the span of what the last sweep changed."""
        search = self.search
        sweeps.pick(*search.rows, search.policy, self.start_of, self.column, self.weight, self.reward)
        price = max(int(self.start_of[-1]) / max(self.column.size, 1), 1e-3)
        goal = 0.5 * (1.0 - search.gamma) * search.tol
        span = np.inf
        for _ in range(min(most, int((search.left - 1) / price))):
            span = self._sweep(price)
            if not span > goal:
                break
        if extrapolate and search.left > 2:
            before = search.v - search.spare  # [S]
            span = self._sweep(price)
            _extrapolate(search.v, before, search.v - search.spare)
        return span

    def _sweep(self, price: float) -> float:
        search = self.search
        low, high = sweeps.evaluate(
            self.start_of,
            self.column,
            self.weight,
            self.reward,
            search.mdp.terminal,
            search.gamma,
            search.v,
            search.spare,
        )
        search.v, search.spare = search.spare, search.v
        search.used += price
        return float(high - low)


def _extrapolate(v: NDArray[np.float64], before: NDArray[np.float64], change: NDArray[np.float64]) -> None:
    """Jump to the limit of a geometric series, in place, where the last two changes of v were nearly proportional.

    With change = ratio before + rest, all sweeps to come would add ratio / (1 - ratio) change (Aitken 1926), and the
    residual becomes rest / (1 - ratio) at most. That is a gain where one slow mode is left: the way to a terminal
    state, the difference between parts of the MDP that never meet.
    """
    size = float(before @ before)
    ratio = float(before @ change) / size if size > 0.0 else 0.0
    if 0.0 < ratio < 1.0:
        rest = float(np.abs(change - ratio * before).max())
        if rest < 0.5 * (1.0 - ratio) * float(np.abs(change).max()):
            v += ratio / (1.0 - ratio) * change
