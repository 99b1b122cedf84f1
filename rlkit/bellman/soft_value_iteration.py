"""Soft value iteration: the entropy-regularised Bellman equation (Ziebart 2010; Geist et al. 2019)."""

from __future__ import annotations

import sys
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from rlkit.bellman.bounds import UNIT_ROUNDOFF
from rlkit.bellman.model import Model, check_limit, check_question
from rlkit.bellman.solution import Callback, Reporter, Solution, accept
from rlkit.bellman.value_iteration import after_backup, sweeps_to_rounding
from rlkit.errors import ConfigError


def soft_value_iteration(
    model: Model,
    gamma: float,
    *,
    temperature: float = 1.0,
    tol: float = 1e-8,
    max_iterations: int | None = None,
    callback: Callback | None = None,
) -> Solution:
    """Maximise reward plus temperature times the policy's entropy, with a proof that `max|v - v_soft*| <= tol`.

    v(s) <- temperature log sum_a exp(q(s, a) / temperature), which contracts by gamma like T, and lies between T v and
    T v + temperature log A. So v* <= v_soft* <= v* + temperature log(A) / (1 - gamma). `Solution.policy` is the optimal
    stochastic policy, pi(a | s) = exp((q(s, a) - v(s)) / temperature), float64 `(S, A)`; uniform at terminal states.

    Args:
        model: S states, A actions.
        gamma: discount in [0, 1).
        temperature: above 0; towards 0 it becomes value iteration.
        tol: the error asked for, above 0.
        max_iterations: a limit; None for as many as the contraction needs.
        callback: called after every iteration with a `Progress`.

    Raises:
        ConfigError: for an argument out of its range.
        NotConverged: if `tol` was not reached within the limit, or is below what float64 can resolve.
    """
    gamma, tol = check_question(model, gamma, tol)
    limit = check_limit(max_iterations)
    if gamma == 1.0:
        raise ConfigError("gamma=1 is outside soft_value_iteration's range [0, 1)")
    if not isinstance(temperature, Real) or not 0.0 < temperature <= sys.float_info.max:
        raise ConfigError(f"temperature={temperature!r} is outside its range (0, inf)")
    temperature = float(temperature)
    if not temperature * model.n_actions < 1e300 * (1.0 - gamma):
        raise ConfigError(f"temperature={temperature:g} at gamma={gamma!r} overflows float64")
    terminal, report = model.terminal, Reporter(callback)
    extra = temperature * _roundings(model.n_actions)

    v = np.zeros(model.n_states)
    for iteration in range(1, min(limit, sweeps_to_rounding(gamma)) + 1):
        before, v = v, soft_maximum(model.q_from_v(v, gamma), temperature)
        v[terminal] = 0.0
        change = v - before
        low, high = float(change.min()), float(change.max())
        shift, bound, finished = after_backup(model, gamma, low, high, v, tol=tol, extra=extra)
        report(iteration, v, max(high, -low), bound)
        if finished:
            break
    v = v + shift
    policy = _policy(model.q_from_v(v, gamma), temperature)
    return accept(Solution(v, bound, gamma, "soft_value_iteration", iteration, model, policy), tol)


def soft_maximum(q: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return temperature log sum_a exp(q(s, a) / temperature), float64 `(S,)`, without overflow."""
    best = q.max(axis=1)  # [S]
    with np.errstate(over="ignore", under="ignore"):
        weights = np.exp((q - best[:, None]) / temperature)  # [S, A]
    total: NDArray[np.float64] = best + temperature * np.log(weights.sum(axis=1))
    return total


def _policy(q: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    with np.errstate(over="ignore", under="ignore"):
        weights = np.exp((q - q.max(axis=1, keepdims=True)) / temperature)  # [S, A]
    policy: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return policy


def _roundings(n_actions: int) -> float:
    """Bound the error of log sum exp, beyond that of q: differences and quotients, exp, the sum, log (2 ulp each)."""
    return (4 * n_actions + 16) * UNIT_ROUNDOFF
