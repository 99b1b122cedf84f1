"""The learner of action values, which acts on them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from rlkit.compiled.exploration import choose, expectation, largest
from rlkit.compiled.kinds import chosen_by_kind
from rlkit.compiled.learners import (
    N_CLIPPED,
    N_UPDATES,
    NONE,
    PENDING,
    Schedule,
    begin,
    decide,
    observe,
    ratio,
    recall,
    step_size,
)
from rlkit.features.action_encoding import Blocks, action_values, block, encode_action
from rlkit.features.encoding import dot, encode
from rlkit.updates.rule import Step, learn


class Control(NamedTuple):
    """Learns action values, linear in features of observation and action, and acts on them.

    Attributes:
        features: `ActionFeatures.parameters`.
        target: what stands for the value of the next observation: a `Sarsa`, `ExpectedSarsa`, `Greedy` or `Watkins`.
        policy: how it explores: an `EpsilonGreedy` or a `Softmax`.
        rule: the update rule, with its weights `w`.
        schedule: of the step size.
        gamma: discount.
        phi: features of the latest observation (blocks) or of the latest observation and action (joint).
        next_phi: room for those of the next.
        q: action values of the latest observation, float64 `(A,)`.
        counts: int64 `(4,)`.
        owners: which tile has claimed each feature, uint64 `(n_features,)` of hashed features, else `(0,)`.
        stream: state of the random numbers.
    """

    features: Any
    target: Any
    policy: Any
    rule: Any
    schedule: Schedule
    gamma: float
    phi: NDArray[Any]
    next_phi: NDArray[Any]
    q: NDArray[np.float64]
    counts: NDArray[np.int64]
    owners: NDArray[np.uint64]
    stream: NDArray[np.uint64]


class Sarsa(NamedTuple):
    """q(s', a') of the action that is taken next (S&B 2018, equation 6.7)."""

    unused: int


class ExpectedSarsa(NamedTuple):
    """sum_a pi(a | s') q(s', a) under the exploring policy (S&B 2018, equation 6.9)."""

    unused: int


class Greedy(NamedTuple):
    """max_a q(s', a) (S&B 2018, equation 6.8)."""

    unused: int


class Watkins(NamedTuple):
    """max_a q(s', a), and traces end where the action taken next is not greedy (S&B 2018, section 12.10)."""

    unused: int


@chosen_by_kind
def look_ahead(target: Any, learner: Any, q: Any) -> Any:
    """Return (value, next action or NONE, whether traces are cut), for the action values `(A,)` of what comes next."""


@look_ahead.of(Sarsa)
def look_ahead_sarsa(target: Any, learner: Any, q: Any) -> Any:
    """Choose the next action, and take its value."""
    action = choose(learner.policy, q, learner.counts[N_UPDATES], learner.stream)
    return q[action], action, False


@look_ahead.of(ExpectedSarsa)
def look_ahead_expected(target: Any, learner: Any, q: Any) -> Any:
    """Take the expected value."""
    return expectation(learner.policy, q, learner.counts[N_UPDATES]), NONE, False


@look_ahead.of(Greedy)
def look_ahead_greedily(target: Any, learner: Any, q: Any) -> Any:
    """Take the largest value."""
    return largest(q)[0], NONE, False


@look_ahead.of(Watkins)
def look_ahead_watkins(target: Any, learner: Any, q: Any) -> Any:
    """Choose the next action, and take the largest value."""
    action = choose(learner.policy, q, learner.counts[N_UPDATES], learner.stream)
    best = largest(q)[0]
    return best, action, q[action] < best


def take_in(features: Any, x: Any, phi: Any) -> None:
    """Encode an observation, where that can be done before the action is known."""


@overload(take_in, jit_options={"forceinline": True})
def _take_in(features: Any, x: Any, phi: Any) -> Any:
    return _encode_block if _are_blocks(features) else _encode_later


def values_held(features: Any, x: Any, w: Any, phi: Any, q: Any) -> None:
    """Write the action values of x to q; of blocks, `phi` holds the features already."""


@overload(values_held, jit_options={"forceinline": True})
def _values_held(features: Any, x: Any, w: Any, phi: Any, q: Any) -> Any:
    return _values_of_held if _are_blocks(features) else _values_of_joint


def hold(features: Any, x: Any, action: Any, phi: Any) -> None:
    """Have `phi` be the features for an action; of blocks, it is."""


@overload(hold, jit_options={"forceinline": True})
def _hold(features: Any, x: Any, action: Any, phi: Any) -> Any:
    return _hold_nothing if _are_blocks(features) else _hold_joint


def _are_blocks(features: Any) -> bool:
    return getattr(features, "instance_class", None) is Blocks


def _encode_block(features: Any, x: Any, phi: Any) -> Any:
    encode(features.features, x, phi)


def _encode_later(features: Any, x: Any, phi: Any) -> Any:
    pass


def _values_of_held(features: Any, x: Any, w: Any, phi: Any, q: Any) -> Any:
    for action in range(len(q)):
        q[action] = dot(phi, w, action * features.n_features)


def _values_of_joint(features: Any, x: Any, w: Any, phi: Any, q: Any) -> Any:
    action_values(features, x, w, phi, q)


def _hold_nothing(features: Any, x: Any, action: Any, phi: Any) -> Any:
    pass


def _hold_joint(features: Any, x: Any, action: Any, phi: Any) -> Any:
    encode_action(features, x, action, phi)


@begin.of(Control)
def begin_control(learner: Any, x: Any) -> Any:
    """Encode x."""
    take_in(learner.features, x, learner.phi)


@recall.of(Control)
def recall_control(learner: Any, x: Any, action: Any) -> Any:
    """Encode x, or x and the action."""
    learner.counts[PENDING] = NONE
    encode_action(learner.features, x, action, learner.phi)


@decide.of(Control)
def decide_control(learner: Any, x: Any) -> Any:
    """Take the pending action, or else choose one now."""
    action = learner.counts[PENDING]
    if action == NONE:
        values_held(learner.features, x, learner.rule.w, learner.phi, learner.q)
        action = choose(learner.policy, learner.q, learner.counts[N_UPDATES], learner.stream)
    learner.counts[PENDING] = NONE
    hold(learner.features, x, action, learner.phi)
    return action


@ratio.of(Control)
def ratio_control(learner: Any, x: Any, action: Any) -> Any:
    """Return 1."""
    return 1.0


@observe.of(Control)
def observe_control(
    learner: Any, action: Any, reward: Any, next_x: Any, terminated: Any, truncated: Any, rho: Any
) -> Any:
    """Look ahead, apply the update rule, and keep the next observation's features."""
    phi, next_phi, counts, q = learner.phi, learner.next_phi, learner.counts, learner.q
    counts[N_CLIPPED] += action_values(learner.features, next_x, learner.rule.w, next_phi, q) > 0
    value, next_action, cut = 0.0, NONE, False
    if not terminated:
        value, next_action, cut = look_ahead(learner.target, learner, q)
    ended = terminated or truncated
    first = block(learner.features, action)
    alpha = step_size(learner.schedule, phi, first)
    discount = 0.0 if terminated else learner.gamma
    delta = learn(learner.rule, Step(phi, first, reward, discount, next_phi, value, alpha, rho, ended, cut))
    counts[N_UPDATES] += 1
    counts[PENDING] = NONE if ended else next_action
    for k in range(len(phi)):
        phi[k] = next_phi[k]
    return delta
