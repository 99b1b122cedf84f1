"""Blocks in cache, for MDPs in which value travels: grids, mazes, shortest paths (`rlkit.bellman.sparse.blocks`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.bellman.sparse import blocks, forms, order, sweeps
from rlkit.bellman.sparse.search import Search

CHUNK, REPORTED_CHUNK = 64, 8
"""Sweeps between two looks from Python: for an interrupt to be heard, and when somebody wants reports."""
MOST_READERS = 100
"""Blocks that are read by more others than this, on average, are not a neighbourhood."""
ROUNDS = 4
"""How often the threshold is lowered when the proof falls short of `tol`."""


def iterate(search: Search, sources: NDArray[np.intp]) -> bool:
    """Raise v block by block until the bound is proven, or float64 can do no better.

    Args:
        search: its v and range come from a synchronous sweep.
        sources: states where the value comes from, for the numbering.

    Returns:
        False, with nothing done, where every block would depend on most others.
    """
    work = _Work(search, sources)
    if not work.local:
        return False
    _lower(search)
    threshold = 0.5 * (1.0 - search.gamma) * search.tol
    for _ in range(ROUNDS):
        before = search.bound
        work.run(max(threshold, 2 * float(np.spacing(np.abs(search.v).max()))))
        if not search.done:
            search.improve()
        if search.done or search.bound > 0.5 * before:
            break
        threshold *= 0.1
    return True


def _lower(search: Search) -> None:
    """Move v to where T v >= v: as v = T u, T v - v >= gamma low, and adding a constant c <= 0 adds (gamma - 1) c."""
    gamma = search.gamma
    search.v += min(search.low, 0.0) * gamma / (1.0 - gamma)
    search.v[search.mdp.terminal] = 0.0
    np.maximum(search.v, sweeps.lower_bound(*search.rows, search.mdp.has_terminal, gamma), out=search.v)


class _Work:
    """The renumbered MDP and what waits for each of its blocks."""

    def __init__(self, search: Search, sources: NDArray[np.intp]) -> None:
        indptr, indices, data, _, terminal = search.rows
        n_states = terminal.size
        start_of, who = order.predecessors(indptr, indices, data, terminal, search.mdp.n_actions)
        self.search = search
        self.by_place, place = order.grow_blocks(start_of, who, sources, n_states, 1 << blocks.SHIFT)
        first = np.empty(n_states + 1, np.int32 if data.size < 2**31 else np.int64)
        successor = forms.place_successors(indptr, indices, terminal, search.mdp.n_actions, place, first)
        form, form_first, row_first, coefficient = forms.share_forms(*search.rows, search.gamma, place)
        self.packed: tuple[Any, Any, Any, Any, Any, Any] = (successor, first, form, form_first, row_first, coefficient)
        self.graph: tuple[Any, Any] = blocks.readers_of_blocks(successor, first)
        n_blocks = self.graph[0].size - 1
        self.local = self.graph[1].size <= MOST_READERS * n_blocks
        self.row_of = np.full(
            n_states, -1, np.int32 if terminal.size * search.mdp.n_actions < 2**31 else np.int64
        )  # [S]
        self.at = np.empty(n_states, first.dtype)  # [S]
        self.backward = np.zeros(n_blocks, np.bool_)

    def run(self, threshold: float) -> None:
        """Raise the search's v until no block has more than `threshold` waiting, or the sweeps are used up."""
        search = self.search
        v = search.v[self.by_place]  # [S], by place
        inbox = np.full(self.backward.size, np.inf)
        level, finished = max(search.high, threshold), False
        sweep = v.size * search.mdp.n_actions  # updates
        most = CHUNK if search.on_sweep is None else REPORTED_CHUNK
        while not finished and search.left > 2:  # one to finish, one to certify
            chunk = min(most, search.left - 2) * sweep
            state = (v, self.row_of, self.at, inbox, self.backward)
            level, updates, finished = blocks.raise_blocks(
                *self.packed, *self.graph, *state, search.mdp.n_actions, level, threshold, chunk
            )
            search.used += updates / sweep
            if search.on_sweep is not None and not finished:
                search.v[self.by_place] = v
                search.improve()
                if search.done:
                    return
        search.v[self.by_place] = v
