"""The off-line lambda-return algorithm; gradient Monte Carlo is the case of lambda = 1."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.features.encoding import add, dot
from rlkit.updates.memory import Memory, remember
from rlkit.updates.rule import forget, learn, room


class LambdaReturn(NamedTuple):
    """Learns from whole episodes, when they have ended: each state from its lambda-return.

    Attributes:
        w: weights, float64 `(n_features,)`.
        lam: lambda, in [0, 1].
        memory: the episode so far; its size is the longest episode that there is room for.
        n_held: how many transitions that is, int64 `(1,)`; at first 0.
    """

    w: NDArray[np.float64]
    lam: float
    memory: Memory
    n_held: NDArray[np.int64]


@learn.of(LambdaReturn)
def lambda_return(rule: Any, t: Any) -> Any:
    """G = r + gamma ((1 - lambda) v(s') + lambda G');  when the episode has ended, w += alpha (G - v(s)) phi, in order.

    S&B 2018, equation 12.4, with the lambda-return in its recursive form; off policy with per-decision ratios and
    control variates, G = rho (r + ...) + (1 - rho) v(s), equation 12.22. All returns are by the weights that the
    episode began with. Returns the one-step TD error.
    """
    memory, k = rule.memory, np.uint64(rule.n_held[0])
    remember(memory, k, t)
    memory.value[k] = dot(t.phi, rule.w, t.first)
    rule.n_held[0] += 1
    if t.ended:
        G, n = t.next_value, rule.n_held[0]
        for age in range(n):
            i = np.uint64(n - 1 - age)
            ahead = (1.0 - rule.lam) * memory.next_value[i] + rule.lam * G
            rho = memory.rho[i]
            G = rho * (memory.reward[i] + memory.discount[i] * ahead) + (1.0 - rho) * memory.value[i]
            memory.reward[i] = G  # the reward has served
        for j in range(n):
            i = np.uint64(j)
            phi, first = memory.phi[i], memory.first[i]
            add(phi, rule.w, first, memory.alpha[i] * (memory.reward[i] - dot(phi, rule.w, first)))
        forget(rule)
    return t.reward + t.discount * t.next_value - memory.value[k]


@forget.of(LambdaReturn)
def forget_transitions(rule: Any) -> Any:
    """Hold none."""
    rule.n_held[0] = 0


@room.of(LambdaReturn)
def room_for_episode(rule: Any) -> Any:
    """Return how much longer the episode may become."""
    return len(rule.memory.first) - rule.n_held[0]
