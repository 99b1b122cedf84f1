"""n-step TD, and with an action's value ahead n-step Sarsa."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.features.encoding import add, dot
from rlkit.updates.memory import Memory, remember
from rlkit.updates.rule import forget, learn

OLDEST, HELD = 0, 1  # entries of `NStep.at`


class NStep(NamedTuple):
    """Semi-gradient n-step TD: a state is learnt from n steps later, or when the episode ends.

    Attributes:
        w: weights, float64 `(n_features,)`.
        memory: the latest n transitions, a ring; n is its size.
        at: place of the oldest transition held, and how many are, int64 `(2,)`; at first 0.
    """

    w: NDArray[np.float64]
    memory: Memory
    at: NDArray[np.int64]


@learn.of(NStep)
def n_step(rule: Any, t: Any) -> Any:
    """G = r_1 + gamma r_2 + ... + gamma^n v(s_n);  w += alpha rho_1 ... rho_n (G - v(s)) phi.

    S&B 2018, equations 7.1 and 7.9, with weights 9.15. Where the episode ends, all states that are held are learnt
    from: what comes after the end is worth 0 if it terminated, else the value of what was entered. Returns the latest
    error G - v(s), 0 where none is due.
    """
    memory, at, n = rule.memory, rule.at, len(rule.memory.first)
    newest = (at[OLDEST] + at[HELD]) % n
    remember(memory, np.uint64(newest), t)
    at[HELD] += 1
    error = 0.0
    while at[HELD] == n or (t.ended and at[HELD] > 0):
        G, rho = t.next_value, 1.0
        k = np.uint64(newest)
        for _ in range(at[HELD]):
            G = memory.reward[k] + memory.discount[k] * G
            rho *= memory.rho[k]
            k = (k if k > 0 else np.uint64(n)) - np.uint64(1)
        oldest = np.uint64(at[OLDEST])
        phi, first = memory.phi[oldest], memory.first[oldest]
        error = G - dot(phi, rule.w, first)
        add(phi, rule.w, first, memory.alpha[oldest] * rho * error)
        at[OLDEST] = (at[OLDEST] + 1) % n
        at[HELD] -= 1
    return error


@forget.of(NStep)
def forget_transitions(rule: Any) -> Any:
    """Hold none; what they would have taught is lost."""
    rule.at[HELD] = 0
