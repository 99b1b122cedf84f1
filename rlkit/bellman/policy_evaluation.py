"""Policy evaluation: the Bellman equation v = r_pi + gamma P_pi v (Zhao, eq. 2.13; Puterman 2005, section 6.1)."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from rlkit.bellman.bounds import UNIT_ROUNDOFF, midrange, rounding_slack
from rlkit.bellman.model import Model, check_limit, check_question
from rlkit.bellman.solution import Callback, Reporter, Solution, accept
from rlkit.bellman.value_iteration import starting_values, sweeps_to_rounding
from rlkit.errors import ConfigError
from rlkit.mdp import FiniteMDP, MarkovRewardProcess, as_policy

Method = Literal["direct", "iterative"]


def policy_evaluation(
    model: Model,
    policy: ArrayLike,
    gamma: float,
    *,
    method: Method = "direct",
    tol: float = 1e-8,
    max_iterations: int | None = None,
    callback: Callback | None = None,
) -> Solution:
    """Find the values of a policy, with a proof that `max|v - v_pi| <= tol`.

    Args:
        model: S states, A actions.
        policy: `(S,)` integers, or `(S, A)` probabilities.
        gamma: discount in [0, 1]; 1 if the policy reaches a terminal state from everywhere ("direct" only).
        method: "direct" solves the linear equation by sparse LU with iterative refinement (Zhao, section 2.7.1);
            "iterative" repeats v <- r_pi + gamma P_pi v (Zhao, eq. 2.11), for models too large to factorise.
        tol: the error asked for, above 0.
        max_iterations: a limit for "iterative"; None for as many as the contraction needs.
        callback: for "iterative", called after every iteration.

    Raises:
        ConfigError: for an argument out of its range.
        InvalidModel: if this is not a policy, or at gamma = 1 does not end from some state.
        NotConverged: if `tol` was not reached; carries the best solution and its bound.
    """
    check_question(model, gamma, tol)
    limit = check_limit(max_iterations)
    mdp = model.to_finite_mdp()
    choice = as_policy(policy, mdp.n_states, mdp.n_actions)
    process = mdp.induced_by(choice)
    terms = mdp.n_outcomes if choice.ndim == 1 else _longest_row(process) + mdp.n_actions + 1
    if method == "direct":
        if gamma == 1.0:
            from rlkit.bellman import episodic

            v, bound = episodic.evaluate(process, terms)
        else:
            v = solve_linear(process, gamma)
            v, bound = certify(mdp, process, gamma, v, terms)
        return accept(Solution(v, bound, gamma, "policy_evaluation", 1, model, choice), tol)
    if method != "iterative" or gamma == 1.0:
        raise ConfigError(f"method={method!r} is not one of {', '.join(get_args(Method))}, or gamma=1 with 'iterative'")

    report = Reporter(callback)
    v = starting_values(model, None)
    for iteration in range(1, min(limit, sweeps_to_rounding(gamma)) + 1):
        before, v = v, process.rewards + gamma * (process.transitions @ v)
        change = v - before  # [S]
        residual = float(np.abs(change).max())
        corrected, bound = certify(mdp, process, gamma, v, terms)
        report(iteration, v, residual, bound)
        if bound <= tol:
            break
    return accept(Solution(corrected, bound, gamma, "policy_evaluation", iteration, model, choice), tol)
