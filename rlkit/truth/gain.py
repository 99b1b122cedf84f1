"""The exact average reward of problems that never end, and the differential values that go with it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rlkit.bellman.bounds import rounding_slack
from rlkit.errors import InvalidModel, NotConverged
from rlkit.mdp import FiniteMDP, MarkovRewardProcess
from rlkit.truth.problem import model_of, policy_array

Floats = NDArray[np.float64]

_SWEEPS = 2000  # of value iteration, before policy iteration takes over
_NEAR = 1e-6  # parts of the largest reward: near enough to take over
_ROUNDS = 1000  # of policy iteration: in practice it takes a handful


class Gain(NamedTuple):
    """An exact average reward, and what goes with it.

    Attributes:
        gain: the average reward of a step, the same wherever one starts.
        error_bound: proven bound on its error, rounding included.
        values: differential values h, float64 `(S,)`, with `d @ h = 0`: how much more is to come from a state than from
            elsewhere, `h = r_pi - gain + P_pi h`.
        policy: the policy that this is of: the one given, or the best, `(S,)` actions.
        d: its stationary distribution, float64 `(S,)`.
    """

    gain: float
    error_bound: float
    values: Floats
    policy: NDArray[Any]
    d: Floats


def exact_gain(env_or_model: Any, policy: Any = None, *, tol: float = 1e-8) -> Gain:
    """Return the best average reward or, with a policy, that policy's, with a proof that it is wrong by at most `tol`.

    For problems in which nothing ends, and every policy that matters has one recurrent class (unichain). A policy is
    evaluated by solving `h + g = r + P h` (Puterman 2005, section 8.2). The best one is found by policy iteration
    (Howard 1960; Puterman, section 8.6), begun where value iteration has come near (section 8.5). The proof is
    `min(T h - h) <= g* <= max(T h - h)` for every h (Odoni 1969; Puterman, Theorem 8.5.5).

    Args:
        env_or_model: an environment that knows its model, or a model.
        policy: `(S,)` actions, `(S, A)` probabilities, or anything with `probs(state)`; None for the best.
        tol: the error allowed.

    Raises:
        InvalidModel: there is no model, an episode can end, this is no policy, or a policy has several recurrent
            classes, so that its average reward depends on where it starts.
        NotConverged: `tol` is more than float64 can resolve.
    """
    mdp = model_of(env_or_model).to_finite_mdp()
    if mdp.has_terminal:
        raise InvalidModel("episodes can end here: an average reward needs a problem that goes on for ever")
    if policy is None:
        found = _best(mdp)
    else:
        table = policy_array(policy, mdp.n_states)
        process = mdp.induced_by(table)
        gain, h, d = evaluate(process)
        found = _proven(gain, h, table, d, process.rewards + process.transitions @ h - h, process)
    if not found.error_bound <= tol:
        raise NotConverged(f"the average reward is known to {found.error_bound:.3g} only, tol={tol:g} was asked for")
    return found


def evaluate(process: MarkovRewardProcess) -> tuple[float, Floats, Floats]:
    """Return average reward, differential values `(S,)` and stationary distribution `(S,)` of a chain that pays.

    Raises:
        InvalidModel: it can end, or has several recurrent classes.
    """
    from scipy.sparse.linalg import splu

    d = process.stationary_distribution()  # [S]
    pinned = int(d.argmax())  # its value's column takes the gain instead
    keep = np.ones(d.size)
    keep[pinned] = 0.0
    change = (sp.eye_array(d.size, format="csr") - process.transitions) @ sp.diags_array(keep)
    ones = sp.csr_array((np.ones(d.size), (np.arange(d.size), np.full(d.size, pinned))), shape=change.shape)
    h: Floats = splu(sp.csc_array(change + ones)).solve(process.rewards)
    gain = float(h[pinned])
    h[pinned] = 0.0
    return gain, h - d @ h, d


def _best(mdp: FiniteMDP) -> Gain:
    """Policy iteration; an action gives way only to one that is better by more than rounding."""
    chosen = mdp.greedy(_near_values(mdp), 1.0)
    states = np.arange(mdp.n_states)
    for _ in range(_ROUNDS):
        gain, h, d = evaluate(mdp.induced_by(chosen))
        q = mdp.q_from_v(h, 1.0)
        better = q.max(axis=1) > q[states, chosen] + 4 * rounding_slack(_scale(mdp, h), mdp.n_outcomes)
        if not better.any():
            return _proven(gain, h, chosen, d, q.max(axis=1) - h, mdp)
        chosen = np.where(better, q.argmax(axis=1), chosen)
    raise NotConverged(f"policy iteration for the average reward did not end within {_ROUNDS} rounds")


def _near_values(mdp: FiniteMDP) -> Floats:
    """Relative value iteration, each step taken by half, so that a periodic chain does not make it oscillate."""
    h = np.zeros(mdp.n_states)
    for _ in range(_SWEEPS):
        change = mdp.backup(h, 1.0) - h
        if np.ptp(change) <= _NEAR * mdp.max_abs_reward:
            break
        h = h + 0.5 * (change - change[0])
    return h


def _proven(gain: float, h: Floats, policy: NDArray[Any], d: Floats, residual: Floats, of: Any) -> Gain:
    slack = rounding_slack(_scale(of, h), of.n_outcomes) + of.row_defect * float(np.abs(h).max())
    bound = max(float(residual.max()) - gain, gain - float(residual.min()), 0.0) + slack
    return Gain(gain, bound, h, policy, d)


def _scale(of: Any, h: Floats) -> float:
    return float(of.max_abs_reward + 2.0 * np.abs(h).max())
