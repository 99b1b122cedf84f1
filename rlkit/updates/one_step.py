"""TD(0), and with an action's value ahead Sarsa, expected Sarsa and Q-learning."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.features.encoding import add, dot
from rlkit.updates.rule import learn


class OneStep(NamedTuple):
    """Semi-gradient one-step TD.

    Attributes:
        w: weights, float64 `(n_features,)`.
    """

    w: NDArray[np.float64]


@learn.of(OneStep)
def one_step(rule: Any, t: Any) -> Any:
    """delta = r + gamma v(s') - v(s);  w += alpha rho delta phi  (S&B 2018, sections 9.3 and 11.1)."""
    delta = t.reward + t.discount * t.next_value - dot(t.phi, rule.w, t.first)
    add(t.phi, rule.w, t.first, t.alpha * t.rho * delta)
    return delta
