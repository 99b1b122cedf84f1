"""One call for the optimal values, by whichever method is fastest."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rlkit.bellman.bounds import midrange, rounding_slack
from rlkit.bellman.model import Model, OnSweep, check_limit, check_question
from rlkit.bellman.policy_iteration import policy_iteration
from rlkit.bellman.solution import Callback, Reporter, Solution, accept
from rlkit.bellman.truncated_policy_iteration import truncated_policy_iteration
from rlkit.bellman.value_iteration import value_iteration
from rlkit.errors import ConfigError

Method = Literal["auto", "value_iteration", "policy_iteration", "truncated_policy_iteration"]

_TEXTBOOK = {
    "value_iteration": value_iteration,
    "policy_iteration": policy_iteration,
    "truncated_policy_iteration": truncated_policy_iteration,
}


_SMALL = 5_000
"""The states up to which direct solves are faster than sweeps, measured on grids at gamma = 1."""


def solve(
    model: Model,
    gamma: float,
    *,
    method: Method = "auto",
    tol: float = 1e-8,
    max_iterations: int | None = None,
    callback: Callback | None = None,
) -> Solution:
    """Find the optimal values, with a proof that `max|v - v*| <= tol`.

    "auto" takes the model's own fastest method (`Model.optimal_values`) for gamma < 1; for gamma = 1, policy iteration
    up to 5000 states and truncated policy iteration beyond. The others are the textbooks' algorithms.

    Args:
        model: a `FiniteMDP`, or anything else that implements `Model`.
        gamma: discount in [0, 1]; 1 where every policy worth following ends (`rlkit.bellman.episodic`).
        method: which algorithm.
        tol: the error asked for, above 0.
        max_iterations: a limit on the iterations (of "auto": full sweeps); None for as many as theory asks for.
        callback: called with a `Progress` after every iteration ("auto": now and then).

    Raises:
        ConfigError: for an argument out of its range.
        InvalidModel: if gamma = 1 and the model has no finite optimal values.
        NotConverged: if `tol` was not reached; carries the best solution and its bound. A `tol` below what float64 can
            resolve ends here too, with the number that it can.
    """
    if method != "auto":
        if method not in _TEXTBOOK:
            raise ConfigError(f"method={method!r} is not one of {', '.join(get_args(Method))}")
        return _TEXTBOOK[method](model, gamma, tol=tol, max_iterations=max_iterations, callback=callback)
    gamma, tol = check_question(model, gamma, tol)
    if gamma == 1.0:
        episodic = policy_iteration if model.n_states <= _SMALL else truncated_policy_iteration
        return episodic(model, gamma, tol=tol, max_iterations=max_iterations, callback=callback)
    on_sweep = None if callback is None else _on_sweep(model, gamma, callback)
    found = model.optimal_values(gamma, tol=tol, max_sweeps=check_limit(max_iterations), on_sweep=on_sweep)
    return accept(Solution(found.v, found.error_bound, gamma, "auto", found.iterations, model), tol)


def _on_sweep(model: Model, gamma: float, callback: Callback) -> OnSweep:
    """Turn a fast method's report into the solvers' common one."""
    report = Reporter(callback)

    def on_sweep(iteration: int, v: NDArray[np.float64], low: float, high: float) -> None:
        slack = rounding_slack(model.max_abs_reward + float(abs(v).max()), model.n_outcomes)
        _, bound = midrange(low, high, gamma, terminal=model.has_terminal, slack=slack)
        report(iteration, v, max(high, -low), bound)

    return on_sweep
