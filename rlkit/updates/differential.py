"""Average-reward TD, and with an action's value ahead differential Sarsa."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.features.encoding import add, dot
from rlkit.updates.rule import learn


class Differential(NamedTuple):
    """Differential semi-gradient TD, for continuing problems without a discount.

    Attributes:
        w: weights, float64 `(n_weights,)`.
        average: estimate of the average reward, float64 `(1,)`.
        beta: its step size.
    """

    w: NDArray[np.float64]
    average: NDArray[np.float64]
    beta: float


@learn.of(Differential)
def differential(rule: Any, t: Any) -> Any:
    """delta = r - average + v(s') - v(s);  average += beta delta;  w += alpha delta phi  (S&B 2018, section 10.3)."""
    delta = t.reward - rule.average[0] + t.discount * t.next_value - dot(t.phi, rule.w, t.first)
    rule.average[0] += rule.beta * delta
    add(t.phi, rule.w, t.first, t.alpha * delta)
    return delta
