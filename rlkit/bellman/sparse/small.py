"""Policy iteration with dense matrices, for models of a few hundred states: nothing is compiled."""

from __future__ import annotations

import numpy as np

from rlkit.bellman.bounds import midrange, rounding_slack
from rlkit.bellman.model import OnSweep, Sweeps
from rlkit.mdp import FiniteMDP

MOST_ENTRIES = 2**17


def fits(mdp: FiniteMDP) -> bool:
    """Tell whether p(s' | s, a) as a dense array is small."""
    return mdp.n_states * mdp.n_states * mdp.n_actions <= MOST_ENTRIES


def policy_iteration(mdp: FiniteMDP, gamma: float, *, max_sweeps: int, on_sweep: OnSweep | None = None) -> Sweeps:
    """Evaluate a policy exactly, (I - gamma P_pi) v = r_pi, and improve it, until it stays (Howard 1960).

    An action is given up only for one that is better by more than rounding, so that the policies cannot cycle; when
    their values stop growing all the same, only rounding is left.
    """
    n_states, n_actions = mdp.rewards.shape
    p = mdp.transitions.toarray().reshape(n_states, n_actions, n_states)  # [S, A, S]
    p[mdp.terminal] = 0.0
    live = np.flatnonzero(~mdp.terminal)
    states, identity = np.arange(n_states), np.eye(n_states)
    policy = mdp.rewards.argmax(axis=1)  # [S]
    v, bound, total = np.zeros(n_states), np.inf, -np.inf
    for iteration in range(1, max_sweeps + 1):
        v = np.linalg.solve(identity - gamma * p[states, policy], mdp.rewards[states, policy])
        q = mdp.rewards + gamma * (p @ v)  # [S, A]
        best = q.max(axis=1)
        change = (best - v)[live] if live.size else np.zeros(1)
        low, high = float(change.min()), float(change.max())
        slack = rounding_slack(mdp.max_abs_reward + float(np.abs(v).max()), mdp.n_outcomes)
        shift, bound = midrange(low, high, gamma, terminal=mdp.has_terminal, slack=slack, defect=mdp.row_defect)
        if on_sweep is not None:
            on_sweep(iteration, v, low, high)
        better = best > q[states, policy] + 2 * slack
        if not better.any() or not v.sum() > total:
            break
        total = v.sum()
        policy = np.where(better, q.argmax(axis=1), policy)
    v = v + shift
    return Sweeps(v, bound, iteration, float(np.abs(v).max()))
