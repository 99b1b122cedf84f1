"""Fast solvers for a general sparse `FiniteMDP`."""

from __future__ import annotations

from rlkit.bellman.model import OnSweep, Sweeps
from rlkit.mdp import FiniteMDP


def optimal_values(
    mdp: FiniteMDP, gamma: float, *, tol: float, max_sweeps: int, on_sweep: OnSweep | None = None
) -> Sweeps:
    """Solve for v*, gamma < 1."""
    import numpy as np

    from rlkit.bellman.value_iteration import after_backup

    v = np.zeros(mdp.n_states)
    for iteration in range(1, max_sweeps + 1):
        before, v = v, mdp.backup(v, gamma)
        low, high = float((v - before).min()), float((v - before).max())
        shift, bound, resolved = after_backup(mdp, gamma, low, high, v)
        if on_sweep is not None:
            on_sweep(iteration, v, gamma * low, gamma * high)
        if bound <= tol or resolved:
            break
    v += shift
    return Sweeps(v, bound, iteration, float(np.abs(v).max()))
