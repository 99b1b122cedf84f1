"""Policy iteration (Howard 1960; Zhao, Algorithm 4.2; Puterman 2005, section 6.4)."""

from __future__ import annotations

import numpy as np

from rlkit.bellman.bounds import midrange, rounding_slack
from rlkit.bellman.model import Model, check_limit, check_question
from rlkit.bellman.policy_evaluation import solve_linear
from rlkit.bellman.solution import Callback, Reporter, Solution, accept


def policy_iteration(
    model: Model,
    gamma: float,
    *,
    tol: float = 1e-8,
    max_iterations: int | None = None,
    callback: Callback | None = None,
) -> Solution:
    """Solve the Bellman optimality equation by evaluating a policy exactly and improving it, until it stays.

    Each policy is strictly better than the one before, so that their number bounds the iterations. An action is only
    given up for one that is better by more than rounding.

    Args:
        model: S states, A actions; turned into a `FiniteMDP`.
        gamma: discount in [0, 1]; 1 as `rlkit.bellman.episodic` allows.
        tol: the error asked for, above 0.
        max_iterations: a limit on the policies evaluated; None for none.
        callback: called after every iteration with a `Progress`.

    Raises:
        ConfigError: for a gamma, tol or limit out of range.
        InvalidModel: if gamma = 1 and the model has no finite values.
        NotConverged: if `tol` was not reached within the limit, or is below what float64 can resolve.
    """
    gamma, tol = check_question(model, gamma, tol)
    limit = check_limit(max_iterations)
    if gamma == 1.0:
        from rlkit.bellman import episodic

        return episodic.policy_iteration(model, tol=tol, limit=limit, callback=callback)

    mdp = model.to_finite_mdp()
    states = np.arange(mdp.n_states)
    report = Reporter(callback)
    policy = mdp.greedy(np.zeros(mdp.n_states), gamma)  # [S]
    total = -np.inf
    for iteration in range(1, limit + 1):
        process = mdp.induced_by(policy)
        v = solve_linear(process.transitions, process.rewards, gamma)  # policy evaluation: v = r_pi + gamma P_pi v
        q = mdp.q_from_v(v, gamma)  # policy improvement: pi(s) = argmax_a q(s, a)
        best = q.max(axis=1)  # [S]

        slack = rounding_slack(mdp.max_abs_reward + float(np.abs(v).max()), mdp.n_outcomes)
        change = (best - v)[~mdp.terminal] if not mdp.terminal.all() else np.zeros(1)
        low, high = float(change.min()), float(change.max())
        shift, bound = midrange(low, high, gamma, terminal=mdp.has_terminal, slack=slack, defect=mdp.row_defect)
        report(iteration, v, max(high, -low), bound)

        better = best > q[states, policy] + 2 * slack  # [S]
        if not better.any() or not v.sum() > total:  # values that stop growing: only rounding is left
            break
        total = v.sum()
        policy = np.where(better, q.argmax(axis=1), policy)
    return accept(Solution(v + shift, bound, gamma, "policy_iteration", iteration, model), tol)
