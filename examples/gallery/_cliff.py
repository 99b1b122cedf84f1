"""The cliff as example 6.6 and figure 6.3 need it.

The published numbers were recomputed with the next action chosen before the update, for all three methods; the book's
Q-learning chooses it after (its box in section 6.5), as rlkit does, and so falls off the cliff a little less often: the
step after a fall begins where the step before did. Both orders are here; the figures draw the book's.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import rlkit
from rlkit.agents import ExpectedSarsa, QLearning, Sarsa
from rlkit.compiled.control import choose, expectation, largest, look_ahead
from rlkit.compiled.learners import N_UPDATES
from rlkit.envs import GridWorld

CLIFF = GridWorld.load("sutton-barto-6.6")
CLIFF.compiled()  # made once, for all copies
EPSILON = 0.1
KINDS = {"Sarsa": Sarsa, "Q-learning": QLearning, "expected Sarsa": ExpectedSarsa}


class GreedyEarly(NamedTuple):
    """max_a q(s', a), and the next action is chosen now."""

    unused: int


class ExpectedEarly(NamedTuple):
    """sum_a pi(a | s') q(s', a), and the next action is chosen now."""

    unused: int


@look_ahead.of(GreedyEarly)
def look_ahead_greedily(target: Any, learner: Any, q: Any) -> Any:
    """Choose the next action, and take the largest value."""
    return largest(q)[0], choose(learner.policy, q, learner.counts[N_UPDATES], learner.stream), False


@look_ahead.of(ExpectedEarly)
def look_ahead_expected(target: Any, learner: Any, q: Any) -> Any:
    """Choose the next action, and take the expected value."""
    value = expectation(learner.policy, q, learner.counts[N_UPDATES])
    return value, choose(learner.policy, q, learner.counts[N_UPDATES], learner.stream), False


class EarlyQLearning(QLearning):
    """Q-learning that chooses its next action before it learns."""

    def target(self) -> Any:
        """Take max_a q(s', a)."""
        return GreedyEarly(0)


class EarlyExpectedSarsa(ExpectedSarsa):
    """Expected Sarsa that chooses its next action before it learns."""

    def target(self) -> Any:
        """Take sum_a pi(a | s') q(s', a)."""
        return ExpectedEarly(0)


AS_PUBLISHED = {"Sarsa": Sarsa, "Q-learning": EarlyQLearning, "expected Sarsa": EarlyExpectedSarsa}


def learn(kind: Any, runs: int, episodes: int, alpha: float) -> rlkit.Runs:
    """Learn a table with a constant step size."""

    def make(seed: int) -> tuple[Any, Any]:
        env = copy.copy(CLIFF)
        settings = {"gamma": 1.0, "learning_rate": alpha, "exploration_final_eps": EPSILON}
        return kind.for_env(env, seed=seed, **settings), env

    return rlkit.train_many(make, range(runs), episodes=episodes)


def path_length(agent: Any, most: int = 100) -> int:
    """Return how many steps the greedy policy takes to the goal; `most` if it does not get there."""
    env = copy.copy(CLIFF)
    state, _ = env.reset()
    for step in range(1, most):
        state, _, terminated, _, _ = env.step(agent.act(state))
        if terminated:
            return step
    return most
