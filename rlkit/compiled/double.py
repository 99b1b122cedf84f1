"""The learner of action values twice over, one set of weights to choose by and the other to value with."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.compiled.control import (
    begin_control,
    enter,
    hold,
    move_on,
    ratio_control,
    recall_control,
    values_held,
)
from rlkit.compiled.exploration import choose
from rlkit.compiled.learners import (
    N_CLIPPED,
    N_UPDATES,
    NONE,
    Schedule,
    begin,
    decide,
    observe,
    ratio,
    recall,
    step_size,
)
from rlkit.compiled.randomness import uniform
from rlkit.features.action_encoding import block
from rlkit.updates.rule import Step, learn


class DoubleControl(NamedTuple):
    """Learns two sets of action values, and acts on their mean (van Hasselt 2010; S&B 2018, section 6.7).

    Attributes:
        features, policy, rule, schedule, gamma, phi, next_phi, counts, owners, stream: as of `Control`; the rule's
            weights are float64 `(2 * n_features,)`, one set after the other.
        n_features: of one set.
        q, other: room for action values, float64 `(A,)`.
    """

    features: Any
    policy: Any
    rule: Any
    schedule: Schedule
    gamma: float
    n_features: int
    phi: NDArray[Any]
    next_phi: NDArray[Any]
    q: NDArray[np.float64]
    other: NDArray[np.float64]
    counts: NDArray[np.int64]
    owners: NDArray[np.uint64]
    stream: NDArray[np.uint64]


begin.of(DoubleControl)(begin_control)
recall.of(DoubleControl)(recall_control)
ratio.of(DoubleControl)(ratio_control)


@decide.of(DoubleControl)
def decide_double(learner: Any, x: Any) -> Any:
    """Choose by the mean of both."""
    q, other, w = learner.q, learner.other, learner.rule.w
    values_held(learner.features, x, w, 0, learner.phi, q)
    values_held(learner.features, x, w, learner.n_features, learner.phi, other)
    for action in range(len(q)):
        q[action] = 0.5 * (q[action] + other[action])
    action = choose(learner.policy, q, learner.counts[N_UPDATES], learner.stream)
    hold(learner.features, x, action, learner.phi)
    return action


@observe.of(DoubleControl)
def observe_double(
    learner: Any, action: Any, reward: Any, next_x: Any, terminated: Any, truncated: Any, rho: Any
) -> Any:
    """Move one set, drawn by a coin, towards what the other says of its greedy action; ties go to the lowest."""
    features, w, phi, next_phi, q, other = (
        learner.features,
        learner.rule.w,
        learner.phi,
        learner.next_phi,
        learner.q,
        learner.other,
    )
    moving = learner.n_features if uniform(learner.stream) < 0.5 else 0
    enter(learner, next_x)
    value = 0.0
    if not terminated:
        n_clipped = values_held(features, next_x, w, moving, next_phi, q)
        learner.counts[N_CLIPPED] += n_clipped > 0
        values_held(features, next_x, w, learner.n_features - moving, next_phi, other)
        best = 0
        for a in range(1, len(q)):
            if q[a] > q[best]:
                best = a
        value = other[best]
    first = block(features, action)
    alpha = step_size(learner.schedule, phi, first)
    discount, ended = (0.0 if terminated else learner.gamma), terminated or truncated
    t = Step(phi, moving + first, reward, discount, next_phi, value, alpha, rho, ended, False)
    delta = learn(learner.rule, t)
    move_on(learner, NONE)
    return delta
