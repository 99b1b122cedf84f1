"""Truncated, or modified, policy iteration (Zhao, Algorithm 4.3; Puterman and Shin 1978; Puterman 2005, 6.5)."""

from __future__ import annotations

import numpy as np

from rlkit.bellman.model import Model, check_limit, check_question
from rlkit.bellman.solution import Callback, Reporter, Solution, accept
from rlkit.bellman.value_iteration import after_backup, sweeps_to_rounding
from rlkit.config import check_count


def truncated_policy_iteration(
    model: Model,
    gamma: float,
    *,
    evaluation_sweeps: int = 10,
    tol: float = 1e-8,
    max_iterations: int | None = None,
    callback: Callback | None = None,
) -> Solution:
    """Solve the Bellman optimality equation by improving a policy that is evaluated by a few sweeps only.

    v starts with T v >= v, and so stays between value iteration's v and v*: no more iterations than its. (Where no
    episode ends, any constant does: adding c to it adds a multiple of c to every later v.)

    Args:
        model: S states, A actions; turned into a `FiniteMDP`.
        gamma: discount in [0, 1]; 1 as `rlkit.bellman.episodic` allows.
        evaluation_sweeps: sweeps v <- r_pi + gamma P_pi v for each policy, at least 1, which is value iteration.
        tol: the error asked for, above 0.
        max_iterations: a limit on the policies; None for as many as the contraction needs.
        callback: called after every iteration with a `Progress`.

    Raises:
        ConfigError: for a gamma, tol or number out of range.
        InvalidModel: if gamma = 1 and the model has no finite values.
        NotConverged: if `tol` was not reached within the limit, or is below what float64 can resolve.
    """
    gamma, tol = check_question(model, gamma, tol)
    limit = check_limit(max_iterations)
    evaluation_sweeps = check_count("evaluation_sweeps", evaluation_sweeps)
    if gamma == 1.0:
        from rlkit.bellman import episodic

        return episodic.value_iteration(
            model, start=None, tol=tol, limit=limit, callback=callback, evaluation_sweeps=evaluation_sweeps
        )

    mdp = model.to_finite_mdp()
    report = Reporter(callback)
    u = np.full(mdp.n_states, min(float(mdp.rewards.min()), 0.0) / (1.0 - gamma) if mdp.has_terminal else 0.0)  # [S]
    u[mdp.terminal] = 0.0
    for iteration in range(1, min(limit, sweeps_to_rounding(gamma)) + 1):
        v = mdp.backup(u, gamma)  # the improvement's own sweep: T u = T_pi u for the greedy pi
        change = v - u
        low, high = float(change.min()), float(change.max())
        shift, bound, finished = after_backup(mdp, gamma, low, high, v, tol=tol)
        report(iteration, v, max(high, -low), bound)
        if finished:
            break
        process = mdp.induced_by(mdp.greedy(u, gamma))
        u = v
        for _ in range(evaluation_sweeps - 1):
            u = process.backup(u, gamma)
    return accept(Solution(v + shift, bound, gamma, "truncated_policy_iteration", iteration, model), tol)
