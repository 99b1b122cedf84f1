"""The learner of action values, which acts on them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from rlkit.compiled.exploration import choose, expectation, largest
from rlkit.compiled.kinds import chosen_by_kind
from rlkit.compiled.learners import (
    N_CLIPPED,
    N_COLLISIONS,
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
from rlkit.compiled.randomness import uniform
from rlkit.features.action_encoding import Blocks, JointVectors, block, encode_action, join
from rlkit.features.encoding import collide, dot, encode
from rlkit.updates.rule import Step, learn


class Control(NamedTuple):
    """Learns action values, linear in features of observation and action, and acts on them.

    Attributes:
        features: `ActionFeatures.parameters`.
        target: what stands for the value of the next observation: a `Sarsa`, `ExpectedSarsa`, `Greedy`, `Watkins` or
            `ExploringStarts`.
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


class ExploringStarts(NamedTuple):
    """As `ExpectedSarsa`; and the first action of an episode is drawn from all alike (S&B 2018, section 5.3)."""

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


look_ahead.of(ExploringStarts)(look_ahead_expected)


def _none_yet(target: Any, learner: Any) -> Any:
    """Return the first action of the next episode, or NONE where it is chosen when that begins."""
    return NONE


first_action = chosen_by_kind(_none_yet, _none_yet)


@first_action.of(ExploringStarts)
def draw_first_action(target: Any, learner: Any) -> Any:
    """Draw one of all."""
    return int(uniform(learner.stream) * len(learner.q))


def _encode_later(features: Any, x: Any, phi: Any) -> Any:
    """Encode an observation, where that can be done before the action is known; return how much was clipped."""
    return 0


take_in = chosen_by_kind(_encode_later, _encode_later)


@take_in.of(Blocks)
def encode_block(features: Any, x: Any, phi: Any) -> Any:
    """Encode it: the features are the same for every action."""
    return encode(features.features, x, phi)


def _values_of_joint(features: Any, x: Any, w: Any, first: Any, phi: Any, q: Any) -> Any:
    """Write the values of x, by the weights from `first` on, to q; return how many coordinates joint features clipped.

    Of blocks, `phi` holds the features already.
    """
    n_clipped = 0
    for action in range(len(q)):
        n_clipped = encode_action(features, x, action, phi)
        q[action] = dot(phi, w, first)
    return n_clipped


values_held = chosen_by_kind(_values_of_joint, _values_of_joint)


@values_held.of(Blocks)
def values_of_block(features: Any, x: Any, w: Any, first: Any, phi: Any, q: Any) -> Any:
    """Read each action's block of weights."""
    for action in range(len(q)):
        q[action] = dot(phi, w, first + action * features.n_features)
    return 0


def _hold_joint(features: Any, x: Any, action: Any, phi: Any) -> Any:
    """Have `phi` be the features for an action; of blocks, it is."""
    encode_action(features, x, action, phi)


hold = chosen_by_kind(_hold_joint, _hold_joint)


@hold.of(Blocks)
def hold_block(features: Any, x: Any, action: Any, phi: Any) -> Any:
    """Leave it."""


def _collide_never(features: Any, x: Any, n_actions: Any, owners: Any) -> Any:
    """Claim the hashed features of x, with every action, and return how many others had claimed before."""
    return 0


collide_actions = chosen_by_kind(_collide_never, _collide_never)


@collide_actions.of(Blocks)
def collide_block(features: Any, x: Any, n_actions: Any, owners: Any) -> Any:
    """Claim them once for all actions."""
    return collide(features.features, x, owners)


@collide_actions.of(JointVectors)
def collide_pairs(features: Any, x: Any, n_actions: Any, owners: Any) -> Any:
    """Claim each action's own."""
    n_collisions = 0
    for action in range(n_actions):
        n_collisions += collide(features.features, join(x, action, features.dims), owners)
    return n_collisions


@register_jitable(forceinline=True)
def enter(learner: Any, x: Any) -> Any:
    """Encode what was entered to `next_phi`, as far as can be, and count what was clipped and what collided."""
    features, counts = learner.features, learner.counts
    counts[N_CLIPPED] += take_in(features, x, learner.next_phi) > 0
    counts[N_COLLISIONS] += collide_actions(features, x, len(learner.q), learner.owners)


@register_jitable(forceinline=True)
def move_on(learner: Any, next_action: Any) -> Any:
    """Be at what was entered, where an action is pending, or NONE."""
    learner.counts[N_UPDATES] += 1
    learner.counts[PENDING] = next_action
    for k in range(len(learner.phi)):
        learner.phi[k] = learner.next_phi[k]


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
        values_held(learner.features, x, learner.rule.w, 0, learner.phi, learner.q)
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
    phi, q = learner.phi, learner.q
    enter(learner, next_x)
    value, next_action, cut = 0.0, NONE, False
    if not terminated:
        n_clipped = values_held(learner.features, next_x, learner.rule.w, 0, learner.next_phi, q)
        learner.counts[N_CLIPPED] += n_clipped > 0
        value, next_action, cut = look_ahead(learner.target, learner, q)
    ended = terminated or truncated
    first = block(learner.features, action)
    alpha = step_size(learner.schedule, phi, first)
    discount = 0.0 if terminated else learner.gamma
    delta = learn(learner.rule, Step(phi, first, reward, discount, learner.next_phi, value, alpha, rho, ended, cut))
    move_on(learner, first_action(learner.target, learner) if ended else next_action)
    return delta
