"""Value iteration (Bellman 1957; Zhao, Algorithm 4.1; Puterman 2005, section 6.3)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlkit.bellman.bounds import float_floor, midrange, rounding_slack
from rlkit.bellman.model import Model, as_finite_values, check_limit, check_question
from rlkit.bellman.solution import Callback, Reporter, Solution, accept

if TYPE_CHECKING:
    from rlkit.mdp import MarkovRewardProcess


def value_iteration(
    model: Model,
    gamma: float,
    *,
    tol: float = 1e-8,
    max_iterations: int | None = None,
    start: ArrayLike | None = None,
    callback: Callback | None = None,
) -> Solution:
    """Solve the Bellman optimality equation by v <- T v, until `max|v - v*| <= tol` is proven.

    T contracts by gamma, so that the number of iterations is finite and known beforehand; the proof is MacQueen's
    bound (`rlkit.bellman.bounds`).

    Args:
        model: S states, A actions.
        gamma: discount in [0, 1]; 1 as `rlkit.bellman.episodic` allows.
        tol: the error asked for, above 0.
        max_iterations: a limit; None for as many as the contraction needs.
        start: the first v, `(S,)`; None for 0.
        callback: called after every iteration with a `Progress`.

    Raises:
        ConfigError: for a gamma, tol or limit out of range.
        InvalidModel: if gamma = 1 and the model has no finite values, or `start` is not S finite numbers.
        NotConverged: if `tol` was not reached within the limit, or is below what float64 can resolve.
    """
    gamma, tol = check_question(model, gamma, tol)
    limit = check_limit(max_iterations)
    v = starting_values(model, start)
    if gamma == 1.0:
        from rlkit.bellman import episodic

        return episodic.value_iteration(model, start=v, tol=tol, limit=limit, callback=callback)

    report = Reporter(callback)
    for iteration in range(1, min(limit, sweeps_to_rounding(gamma)) + 1):
        before, v = v, model.backup(v, gamma)
        change = v - before  # [S], T v - v of the iterate before
        low, high = float(change.min()), float(change.max())
        shift, bound, finished = after_backup(model, gamma, low, high, v, tol=tol)
        report(iteration, v, max(high, -low), bound)
        if finished:
            break
    return accept(Solution(v + shift, bound, gamma, "value_iteration", iteration, model), tol)


def sweeps_to_rounding(gamma: float) -> int:
    """Return how many contractions by gamma make a residual 2**60 times smaller, all that float64 can show of it.

    Where that is over a billion (gamma above 1 - 4e-8), nobody could wait for it, and it is 100000: what is not proven
    by then is `NotConverged`.
    """
    if gamma == 0.0:
        return 1
    needed = math.ceil(60 * math.log(2.0) / -math.log(gamma)) + 1
    return needed if needed <= 1_000_000_000 else 100_000


def after_backup(
    model: Model | MarkovRewardProcess,
    gamma: float,
    low: float,
    high: float,
    v: NDArray[np.float64],
    *,
    tol: float,
    extra: float = 0.0,
) -> tuple[float, float, bool]:
    """Certify v = T u from the residuals of u: those of v are at most gamma times as large.

    Args:
        low, high: the range of T u - u; where episodes can end it may or may not include their 0.
        v: T u, `(S,)`.
        tol: the error asked for.
        extra: rounding of the operator beyond that of a Bellman backup.

    Returns:
        The shift and the bound of `midrange`, and whether to stop: `tol` is reached, or cannot be, because only
        float64's rounding is left, or (gamma above 0.9999, when getting there takes long) because v* is proven to be
        so large that float64 cannot resolve `tol`.
    """
    least, most, change = float(v.min()), float(v.max()), max(high, -low)
    defect = getattr(model, "row_defect", 0.0)  # a matrix-free model's rows sum to 1 by construction
    slack = rounding_slack(model.max_abs_reward + max(most, -least) + change, model.n_outcomes)
    slack += extra + gamma * defect * change
    shift, bound = midrange(gamma * low, gamma * high, gamma, terminal=model.has_terminal, slack=slack, defect=defect)
    if bound <= tol:
        return shift, bound, True
    left = change if model.has_terminal else high - low
    if gamma * left <= slack or not math.isfinite(bound):
        return shift, bound, True
    v_max = max(most + shift, -least - shift, bound) - bound  # at most max |v*|
    floor = rounding_slack(model.max_abs_reward, model.n_outcomes) / (1.0 - gamma) + float_floor(gamma, v_max)
    return shift, bound, tol < floor and gamma > 0.9999


def starting_values(model: Model, start: ArrayLike | None) -> NDArray[np.float64]:
    """Return a fresh float64 `(S,)` to start from, 0 at terminal states."""
    if start is None:
        return np.zeros(model.n_states)
    v = as_finite_values(start, model.n_states).copy()
    v[model.terminal] = 0.0
    return v
