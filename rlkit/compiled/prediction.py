"""The learner of a policy's state values."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.compiled.kinds import chosen_by_kind
from rlkit.compiled.learners import (
    N_CLIPPED,
    N_COLLISIONS,
    N_UPDATES,
    Schedule,
    begin,
    decide,
    observe,
    ratio,
    recall,
    step_size,
)
from rlkit.compiled.randomness import uniform
from rlkit.features.encoding import collide, dot, encode
from rlkit.updates.rule import Step, learn


class Prediction(NamedTuple):
    """Learns the state values of a policy, linear in features.

    Attributes:
        features: `Features.parameters`.
        policy: who acts: a `Behaviour` or `Elsewhere`.
        rule: the update rule, with its weights `w`.
        schedule: of the step size.
        gamma: discount.
        phi, next_phi: what `encode` writes.
        counts: int64 `(4,)`.
        owners: which tile has claimed each feature, uint64 `(n_features,)` of hashed features, else `(0,)`.
        stream: state of the random numbers.
    """

    features: Any
    policy: Any
    rule: Any
    schedule: Schedule
    gamma: float
    phi: NDArray[Any]
    next_phi: NDArray[Any]
    counts: NDArray[np.int64]
    owners: NDArray[np.uint64]
    stream: NDArray[np.uint64]


class Behaviour(NamedTuple):
    """A policy over numbered states.

    Attributes:
        cumulative: of the probabilities of all actions but the last, float64 `(S, A - 1)`.
        ratios: target probability by behaviour's, float64 `(S, A)`; `(0, 0)` where they are the same.
    """

    cumulative: NDArray[np.float64]
    ratios: NDArray[np.float64]


class Elsewhere(NamedTuple):
    """A policy that only Python knows: it acts there, and writes the ratio here before an update.

    Attributes:
        rho: float64 `(1,)`.
    """

    rho: NDArray[np.float64]


@chosen_by_kind
def draw(policy: Any, x: Any, stream: Any) -> Any:
    """Draw the behaviour policy's action."""


@chosen_by_kind
def ratio_of(policy: Any, x: Any, action: int) -> Any:
    """Return the importance-sampling ratio."""


@draw.of(Behaviour)
def draw_from_table(policy: Any, x: Any, stream: Any) -> Any:
    """Draw from row x; a single action takes no random number."""
    action = 0
    if policy.cumulative.shape[1] > 0:
        u = uniform(stream)
        while action < policy.cumulative.shape[1] and u >= policy.cumulative[np.uint64(x), action]:
            action += 1
    return action


@ratio_of.of(Behaviour)
def ratio_in_table(policy: Any, x: Any, action: Any) -> Any:
    """Look it up."""
    if policy.ratios.shape[0] == 0:
        return 1.0
    return policy.ratios[np.uint64(x), np.uint64(action)]


@draw.of(Elsewhere)
def draw_nothing(policy: Any, x: Any, stream: Any) -> Any:
    """Return action 0."""
    return 0


@ratio_of.of(Elsewhere)
def ratio_given(policy: Any, x: Any, action: Any) -> Any:
    """Return what was written."""
    return policy.rho[0]


@begin.of(Prediction)
def begin_prediction(learner: Any, x: Any) -> Any:
    """Encode x."""
    encode(learner.features, x, learner.phi)


@recall.of(Prediction)
def recall_prediction(learner: Any, x: Any, action: Any) -> Any:
    """Encode x."""
    encode(learner.features, x, learner.phi)


@decide.of(Prediction)
def decide_prediction(learner: Any, x: Any) -> Any:
    """Act as the behaviour policy does."""
    return draw(learner.policy, x, learner.stream)


@ratio.of(Prediction)
def ratio_prediction(learner: Any, x: Any, action: Any) -> Any:
    """Return pi(action | x) / b(action | x)."""
    return ratio_of(learner.policy, x, action)


@observe.of(Prediction)
def observe_prediction(
    learner: Any, action: Any, reward: Any, next_x: Any, terminated: Any, truncated: Any, rho: Any
) -> Any:
    """Apply the update rule, and keep the next observation's features."""
    phi, next_phi, counts = learner.phi, learner.next_phi, learner.counts
    counts[N_CLIPPED] += encode(learner.features, next_x, next_phi) > 0
    counts[N_COLLISIONS] += collide(learner.features, next_x, learner.owners)
    alpha = step_size(learner.schedule, phi, 0)
    discount = 0.0 if terminated else learner.gamma
    next_value = dot(next_phi, learner.rule.w, 0)
    ended = terminated or truncated
    delta = learn(learner.rule, Step(phi, 0, reward, discount, next_phi, next_value, alpha, rho, ended, False))
    counts[N_UPDATES] += 1
    for k in range(len(phi)):
        phi[k] = next_phi[k]
    return delta
