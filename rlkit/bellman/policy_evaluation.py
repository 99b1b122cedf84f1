"""Policy evaluation: the Bellman equation v = r_pi + gamma P_pi v (Zhao, eq. 2.13; Puterman 2005, section 6.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from rlkit.bellman.bounds import midrange, rounding_slack
from rlkit.bellman.model import Model, check_limit, check_question
from rlkit.bellman.solution import Callback, Reporter, Solution, accept
from rlkit.bellman.value_iteration import after_backup, sweeps_to_rounding
from rlkit.errors import ConfigError

if TYPE_CHECKING:
    from rlkit.mdp import MarkovRewardProcess

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
        gamma: discount in [0, 1]; 1 if the policy reaches a terminal state from everywhere (then always solved
            directly).
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
    gamma, tol = check_question(model, gamma, tol)
    limit = check_limit(max_iterations)
    if method not in get_args(Method):
        raise ConfigError(f"method={method!r} is not one of {', '.join(get_args(Method))}")
    mdp = model.to_finite_mdp()
    process = mdp.induced_by(policy)
    if gamma == 1.0:
        from rlkit.bellman import episodic

        v, bound, iterations = *episodic.evaluate(mdp, policy), 1
    elif method == "direct":
        v, bound, iterations = *certify(process, gamma, solve_linear(process.transitions, process.rewards, gamma)), 1
    else:
        v, bound, iterations = _iterate(process, gamma, tol, limit, callback)
    return accept(Solution(v, bound, gamma, "policy_evaluation", iterations, model, np.array(policy)), tol)


def _iterate(
    process: MarkovRewardProcess, gamma: float, tol: float, limit: int, callback: Callback | None
) -> tuple[NDArray[np.float64], float, int]:
    report = Reporter(callback)
    v = np.zeros(process.n_states)
    for iteration in range(1, min(limit, sweeps_to_rounding(gamma)) + 1):
        before, v = v, process.backup(v, gamma)
        change = v - before
        low, high = float(change.min()), float(change.max())
        shift, bound, finished = after_backup(process, gamma, low, high, v, tol=tol)
        report(iteration, v, max(high, -low), bound)
        if finished:
            break
    return v + shift, bound, iteration


def solve_linear(transitions: sp.csr_array, rewards: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
    """Solve (I - gamma P) v = r by sparse LU, refined until its residual no longer shrinks; float64 `(S,)`."""
    from scipy.sparse.linalg import splu

    if rewards.size == 0:
        return np.zeros(0)
    factors = splu(sp.csc_array(sp.eye_array(rewards.size, format="csc") - gamma * transitions))
    v: NDArray[np.float64] = factors.solve(rewards)
    residual = rewards + gamma * (transitions @ v) - v
    for _ in range(3):
        refined = v + factors.solve(residual)
        left = rewards + gamma * (transitions @ refined) - refined
        if not np.abs(left).max() < np.abs(residual).max():
            break
        v, residual = refined, left
    return v


def certify(process: MarkovRewardProcess, gamma: float, v: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return v, moved by a constant if that helps, and a proven bound on `max|v - v_pi|`, gamma < 1."""
    residual = process.backup(v, gamma) - v
    slack = rounding_slack(process.max_abs_reward + float(np.abs(v).max()), process.n_outcomes)
    low, high, defect = float(residual.min()), float(residual.max()), process.row_defect
    shift, bound = midrange(low, high, gamma, terminal=process.has_terminal, slack=slack, defect=defect)
    return v + shift, bound
