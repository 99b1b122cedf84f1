"""The fastest way to v* of a general sparse `FiniteMDP`, for gamma < 1.

Small models are solved by dense policy iteration (`small`). Otherwise a few synchronous sweeps from below v* tell how
the model behaves. Where the span of the residual shrinks much faster than gamma, the model forgets where it was:
modified policy iteration with span bounds (`mixing`). Where it does not, value has to travel: blocks of neighbouring
states in cache, worked on only while their inputs move (`transport`). Either way the answer counts only by the bound
that the last full synchronous sweep over it proves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rlkit.bellman.model import OnSweep, Sweeps
from rlkit.bellman.sparse import small
from rlkit.mdp import FiniteMDP

if TYPE_CHECKING:
    from rlkit.bellman.sparse.search import Search

PROBES = 8
"""At most so many sweeps are made before the method is chosen."""
TRAVELLING = 0.85
"""A residual whose spread shrinks by no more than this in a sweep has a way to go."""


def optimal_values(
    mdp: FiniteMDP, gamma: float, *, tol: float, max_sweeps: int, on_sweep: OnSweep | None = None
) -> Sweeps:
    """Solve for v*, gamma < 1; see `Model.optimal_values`. The same question gives the same answer, to the bit."""
    if small.fits(mdp):
        return small.policy_iteration(mdp, gamma, max_sweeps=max_sweeps, on_sweep=on_sweep)
    from rlkit.bellman.sparse import mixing
    from rlkit.bellman.sparse.search import Search

    search = Search(mdp, gamma, tol, max_sweeps, on_sweep)
    search.improve()
    sources = np.flatnonzero(search.v == search.v.max())
    if _forgets(search):
        mixing.iterate(search)
    if not search.done:
        from rlkit.bellman.sparse import transport

        if not transport.iterate(search, sources):
            mixing.iterate(search, patience=np.inf)
    return search.answer()


def _forgets(search: Search) -> bool:
    """Sweep until two successive contractions agree, or one tells that value is still on its way."""
    contraction = np.inf
    for _ in range(PROBES - 1):
        if search.done:
            break
        before, last = search.spread, contraction
        search.improve()
        contraction = search.spread / before if before > 0.0 else 0.0
        if contraction > TRAVELLING:
            return False
        if 0.8 * last < contraction < 1.25 * last and contraction > 0.2:
            return True
    return True
