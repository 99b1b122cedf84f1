"""How compiled learners choose actions: by a table of probabilities, epsilon-greedily, or by softmax."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from rlkit.compiled.kinds import chosen_by_kind
from rlkit.compiled.randomness import uniform


class EpsilonGreedy(NamedTuple):
    """A random action with probability epsilon, else a greedy one, ties broken at random.

    Attributes:
        initial, final: epsilon at first and in the end.
        decay: steps from the one to the other, linearly; float64 `(1,)`.
    """

    initial: float
    final: float
    decay: NDArray[np.float64]


class Softmax(NamedTuple):
    """Action a with probability proportional to exp(q(a) / temperature) (S&B 2018, section 2.8)."""

    temperature: float


@chosen_by_kind
def choose(policy: Any, q: Any, n: int, stream: Any) -> Any:
    """Draw an action, given the action values `(A,)` and how many updates there have been."""


@chosen_by_kind
def expectation(policy: Any, q: Any, n: int) -> Any:
    """Return the mean of the action values under the policy that they make."""


@register_jitable(forceinline=True)
def epsilon_at(policy: Any, n: Any) -> Any:
    """Return epsilon after n updates."""
    decay = policy.decay[0]
    if n >= decay:
        return policy.final
    return policy.initial + (policy.final - policy.initial) * n / decay


@register_jitable(forceinline=True)
def largest(q: Any) -> Any:
    """Return the largest of the values, and how many are as large."""
    best, ties = q[0], 1
    for action in range(1, len(q)):
        if q[action] > best:
            best, ties = q[action], 1
        elif q[action] == best:
            ties += 1
    return best, ties


@register_jitable(forceinline=True)
def greedy(q: Any, stream: Any) -> Any:
    """Return an action of largest value, at random among several."""
    best, ties = largest(q)
    left = 0 if ties == 1 else int(uniform(stream) * ties)
    for action in range(len(q)):
        if q[action] == best:
            if left == 0:
                return action
            left -= 1
    return 0  # NaN: nothing is largest


@choose.of(EpsilonGreedy)
def choose_epsilon_greedily(policy: Any, q: Any, n: Any, stream: Any) -> Any:
    """Draw an epsilon-greedy action."""
    epsilon = epsilon_at(policy, n)
    if epsilon > 0.0 and uniform(stream) < epsilon:
        return int(uniform(stream) * len(q))
    return greedy(q, stream)


@expectation.of(EpsilonGreedy)
def expect_epsilon_greedily(policy: Any, q: Any, n: Any) -> Any:
    """Return (1 - epsilon) max q + epsilon mean q."""
    epsilon = epsilon_at(policy, n)
    best, total = q[0], 0.0
    for action in range(len(q)):
        total += q[action]
        best = max(best, q[action])
    return (1.0 - epsilon) * best + epsilon * total / len(q)


@choose.of(Softmax)
def choose_by_softmax(policy: Any, q: Any, n: Any, stream: Any) -> Any:
    """Draw an action with probability proportional to exp(q / temperature)."""
    best, _ = largest(q)
    total = 0.0
    for action in range(len(q)):
        total += math.exp((q[action] - best) / policy.temperature)
    left = uniform(stream) * total
    for action in range(len(q) - 1):
        left -= math.exp((q[action] - best) / policy.temperature)
        if left < 0.0:
            return action
    return len(q) - 1


@expectation.of(Softmax)
def expect_by_softmax(policy: Any, q: Any, n: Any) -> Any:
    """Return sum_a pi(a) q(a)."""
    best, _ = largest(q)
    total, weighted = 0.0, 0.0
    for action in range(len(q)):
        weight = math.exp((q[action] - best) / policy.temperature)
        total += weight
        weighted += weight * q[action]
    return weighted / total
