"""The exact values of a policy, or of the best one, and how often a policy is where."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlkit.bellman.model import check_discount
from rlkit.bellman.policy_evaluation import policy_evaluation, solve_linear
from rlkit.bellman.solve import solve
from rlkit.errors import InvalidModel
from rlkit.mdp import MarkovRewardProcess
from rlkit.truth.problem import model_of, policy_array, reachable, start_distribution


def exact_values(env_or_model: Any, gamma: float, policy: Any = None, *, tol: float = 1e-8) -> NDArray[np.float64]:
    """Return v* or, with a policy, v_pi, float64 `(S,)`, with a proof that they are wrong by at most `tol`.

    Args:
        env_or_model: an environment that knows its model, or a model (`rlkit.FiniteMDP` or anything like it).
        gamma: discount in [0, 1].
        policy: `(S,)` actions, `(S, A)` probabilities, or anything with `probs(state)`.
        tol: the error allowed.

    Raises:
        InvalidModel: there is no model, this is no policy, or gamma = 1 and the values are not finite.
        NotConverged: `tol` is more than float64 can resolve.
    """
    model = model_of(env_or_model)
    if policy is None:
        return solve(model, gamma, tol=tol).v
    return policy_evaluation(model, policy_array(policy, model.n_states), gamma, tol=tol).v


def on_policy_distribution(
    env_or_model: Any, policy: Any, *, gamma: float = 1.0, start: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the share of time that a policy spends in each state, float64 `(S,)`, 0 at terminal states.

    Sutton & Barto (2018), section 9.2. Where episodes end, it is the expected number of visits, normalised:
    `eta(s) = h(s) + gamma sum_s' eta(s') p_pi(s | s')`, a discount counting as a chance to end. Where they never do and
    gamma is 1, it is the stationary distribution, `d = d P_pi`.

    Args:
        env_or_model: as for `exact_values`.
        policy: as for `exact_values`.
        gamma: 1 counts every visit alike.
        start: h `(S,)`; None for the environment's own, or uniform over the states that are not terminal.

    Raises:
        InvalidModel: if the stationary distribution is not unique, or episodes may or may not end.
    """
    gamma = check_discount(gamma)
    mdp = model_of(env_or_model).to_finite_mdp()
    process = mdp.induced_by(policy_array(policy, mdp.n_states))
    h = start_distribution(env_or_model, start)  # [S]
    visited = reachable(process.transitions, h) & ~mdp.terminal
    P = process.transitions[visited][:, visited]
    d = np.zeros(mdp.n_states)
    if gamma == 1.0 and P.sum(axis=1).min() > 1.0 - 1e-8:
        d[visited] = MarkovRewardProcess(P, process.rewards[visited]).stationary_distribution()
        return d
    eta = _visits(P.T.tocsr(), h[visited], gamma)
    d[visited] = eta / eta.sum()
    return d


def _visits(into: Any, h: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
    """Solve eta = h + gamma P^T eta."""
    try:
        eta = solve_linear(into, h, gamma)
    except RuntimeError:  # SuperLU: exactly singular
        eta = np.array([np.nan])
    if not (np.isfinite(eta).all() and eta.min() > -1e-6 and eta.sum() < 1e12):
        raise InvalidModel("the expected number of visits is infinite: from some states the policy never ends")
    return np.maximum(eta, 0.0)
