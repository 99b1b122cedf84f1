"""Emphatic TD: TD(lambda) in which each state counts by how much the target policy would come by it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.features.encoding import dot
from rlkit.updates.rule import forget, learn
from rlkit.updates.traces import Traces, clear, see, spread


class Emphatic(NamedTuple):
    """Emphatic TD(lambda), with an interest of 1 in every state.

    Attributes:
        w: weights, float64 `(n_features,)`.
        traces: `no_traces(...)` at first.
        lam: lambda, in [0, 1].
        follow_on: F of the observation that is left, float64 `(1,)`; at first 1.
    """

    w: NDArray[np.float64]
    traces: Traces
    lam: float
    follow_on: NDArray[np.float64]


@learn.of(Emphatic)
def emphatic(rule: Any, t: Any) -> Any:
    """F = 1 + gamma rho' F';  M = lambda + (1 - lambda) F;  z = rho (gamma lambda z + M phi);  w += alpha delta z.

    Sutton, Mahmood & White (2016), section 4, rho' and F' being those of the step before; S&B 2018, section 11.8. F
    begins anew with every episode.
    """
    delta = t.reward + t.discount * t.next_value - dot(t.phi, rule.w, t.first)
    emphasis = rule.lam + (1.0 - rule.lam) * rule.follow_on[0]
    see(rule.traces, t.phi, t.first, emphasis)
    spread(rule.traces, rule.w, t.alpha * t.rho * delta, t.rho * t.discount * rule.lam, 1.0)
    rule.follow_on[0] = 1.0 + t.discount * t.rho * rule.follow_on[0]
    if t.ended:
        forget(rule)
    return delta


@forget.of(Emphatic)
def begin_anew(rule: Any) -> Any:
    """Begin without traces, and as if nothing came before."""
    clear(rule.traces)
    rule.follow_on[0] = 1.0
