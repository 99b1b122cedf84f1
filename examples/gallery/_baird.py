"""Baird's counterexample, for figures 11.2, 11.5 and 11.6: learners on samples, and what expected updates need."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

import rlkit
from examples.gallery import COLOURS, learner
from rlkit.features import FeatureTable
from rlkit.truth import LinearErrors, td_fixed_point

BAIRD: Any = gymnasium.make("rlkit/BairdStar-v0").unwrapped
START = BAIRD.initial_weights
UNIFORM = np.full(7, 1 / 7)  # how often the behaviour policy is where
CHAIN = BAIRD.model().induced_by(BAIRD.target_policy)
SYSTEM = td_fixed_point(CHAIN.transitions, CHAIN.rewards, BAIRD.features, UNIFORM, BAIRD.gamma)
C = BAIRD.features.T @ np.diag(UNIFORM) @ BAIRD.features  # E[x x^T]
ERRORS = LinearErrors(BAIRD.features, CHAIN.transitions, CHAIN.rewards, np.zeros(7), UNIFORM, BAIRD.gamma)


def sample(kind: Any, runs: int, steps: int, every: int = 10, **hyperparameters: Any) -> NDArray[np.float64]:
    """Learn from the behaviour policy's steps; return the weights after every few, `[runs, steps / every + 1, 8]`."""
    make = learner(
        kind,
        "rlkit/BairdStar-v0",
        start=lambda _: START,
        policy=BAIRD.target_policy,
        behaviour=BAIRD.behaviour_policy,
        features=FeatureTable.for_env(BAIRD),
        gamma=BAIRD.gamma,
        **hyperparameters,
    )
    return np.asarray(rlkit.train_many(make, range(runs), steps=steps, every=every, record=weights).records)


def weights(agent: Any) -> NDArray[np.float64]:
    """Return the weights as they are now."""
    return np.array(agent.w)


def rmsve(w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the value errors of weights `[..., 8]`; every value is 0."""
    return np.sqrt(((w @ BAIRD.features.T) ** 2).mean(axis=-1))


def rmspbe(w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the projected Bellman errors of weights `[..., 8]`."""
    return np.apply_along_axis(lambda each: ERRORS(each).rmspbe, -1, w)


def draw_weights(axes: Any, steps: Any, w: NDArray[np.float64], title: str) -> None:
    """Draw the weights `[K, 8]`: w1 to w6, which are about the same, w7 and w8."""
    for i in range(6):
        axes.plot(steps, w[:, i], color=COLOURS[0], linewidth=1.1, label="w1 to w6" if i == 0 else None)
    axes.plot(steps, w[:, 6], color=COLOURS[2], label="w7")
    axes.plot(steps, w[:, 7], color=COLOURS[1], label="w8")
    axes.set_title(title, fontsize=10)
    axes.legend(frameon=False, fontsize=9)
