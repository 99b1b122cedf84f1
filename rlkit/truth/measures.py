"""How wrong values are: pure functions of arrays, for S states and D features.

Throughout, `v` are the values to judge and `exact` those of the policy, float64 `(S,)`; `d` weighs the states, `(S,)`,
and sums to 1; `P` and `r` are the chain that the policy makes, `(S, S)` (dense or sparse) and `(S,)`, with empty rows
at terminal states, where `v`, features and `d` are 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Projection(NamedTuple):
    """The best that features can do: the weights `(D,)`, and the error `||Phi w - v||_d` that is left."""

    w: Floats
    error: float


def norm(x: Floats, d: Floats) -> float:
    """Return ||x||_d, the square root of sum_s d(s) x(s)^2 (S&B 2018, section 11.4)."""
    return float(np.sqrt(d @ (x * x)))


def rmsve(v: Floats, exact: Floats, d: Floats) -> float:
    """Return the root mean squared value error ||v - v_pi||_d (S&B 2018, equation 9.1)."""
    return norm(v - exact, d)


def max_error(v: Floats, exact: Floats) -> float:
    """Return max_s |v(s) - v_pi(s)|."""
    return float(np.abs(v - exact).max())


def bellman_error(v: Floats, P: Any, r: Floats, gamma: float) -> Floats:
    """Return the expected TD error of every state, T_pi v - v = r + gamma P v - v, `(S,)` (S&B 2018, section 11.4)."""
    error: Floats = r + gamma * (P @ v) - v
    return error


def msbe(v: Floats, P: Any, r: Floats, d: Floats, gamma: float) -> float:
    """Return the mean squared Bellman error ||T_pi v - v||_d^2 (S&B 2018, section 11.4)."""
    return norm(bellman_error(v, P, r, gamma), d) ** 2


def mspbe(v: Floats, P: Any, r: Floats, Phi: Floats, d: Floats, gamma: float) -> float:
    """Return the mean squared projected Bellman error ||Pi (T_pi v - v)||_d^2 (S&B 2018, section 11.4)."""
    error = bellman_error(v, P, r, gamma)
    return norm(Phi @ best_representable(Phi, error, d).w, d) ** 2


def best_representable(Phi: Floats, v: Floats, d: Floats) -> Projection:
    """Return min_w ||Phi w - v||_d and its shortest w: Phi w is the projection Pi v (S&B 2018, section 11.4).

    Args:
        Phi: features, `(S, D)`, of any rank.
    """
    root = np.sqrt(d)
    w: Floats = np.linalg.lstsq(root[:, None] * Phi, root * v, rcond=None)[0].astype(np.float64, copy=False)  # [D]
    return Projection(w, norm(Phi @ w - v, d))


def policy_regret(v: Floats, best: Floats, start: Floats) -> float:
    """Return what a policy with values v loses from the start, sum_s h(s) (v*(s) - v(s)).

    Args:
        best: v* `(S,)`.
        start: h, the probability that an episode begins in each state, `(S,)`.
    """
    return float(start @ (best - v))


def optimal_share(actions: NDArray[np.integer[Any]], optimal: NDArray[np.bool_]) -> float:
    """Return the share of states in which a policy, `(S,)` actions, does what is `optimal`, `(S, A)`."""
    return float(optimal[np.arange(len(actions)), actions].mean())
