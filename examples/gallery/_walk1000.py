"""The 1000-state random walk, for figures 9.1, 9.2, 9.5 and 9.10."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

import rlkit
from examples.gallery import learner
from rlkit.truth import best_representable, exact_values, on_policy_distribution, td_fixed_point

NAME = "rlkit/RandomWalk1000-v0"
ENV: Any = gymnasium.make(NAME).unwrapped
POLICY = np.zeros(1002, np.int64)  # there is one action
CHAIN = ENV.model().induced_by(POLICY)
EXACT = exact_values(ENV, 1.0, POLICY)
VISITS = on_policy_distribution(ENV, POLICY)
STATES = np.arange(1, 1001)


def learn(
    kind: Any, features: Any, runs: int, episodes: int, every: int, **hyperparameters: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the RMSVE after every few episodes, `[runs, episodes / every + 1]`, and the last weights, `[runs, D]`."""
    done = rlkit.train_many(
        learner(kind, NAME, gamma=1.0, features=features, **hyperparameters),
        range(runs),
        episodes=episodes,
        every=every,
        record=lambda agent: agent.w,
    )
    errors = [rmsve(features.matrix(ENV), w) for w in done.records]  # (not while learning: BLAS has its own threads)
    return np.array(errors), done.records[:, -1]


def rmsve(Phi: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the root mean squared value error of weights `[..., D]`, states counting by their visits."""
    return np.sqrt((w @ Phi.T - EXACT) ** 2 @ VISITS)


def best_of(features: Any) -> tuple[float, float]:
    """Return the least RMSVE that features allow, and that of TD's fixed point."""
    Phi = features.matrix(ENV)
    fixed = td_fixed_point(CHAIN.transitions, CHAIN.rewards, Phi, VISITS, 1.0)
    return best_representable(Phi, EXACT, VISITS).error, float(rmsve(Phi, fixed.w))


def draw_staircase(axes: Any, features: Any, w: NDArray[np.float64], title: str) -> None:
    """Draw values beside the exact ones, and how often each state is visited."""
    axes.plot(STATES, EXACT[1:-1], color="#1f6fb4", label="exact")
    axes.plot(STATES, features.matrix(ENV)[1:-1] @ w, color="#c92a2a", label="learnt")
    axes.set(xlabel="state", ylabel="value", ylim=(-1.15, 1.05))
    axes.set_title(title, fontsize=10)
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    shares = axes.twinx()
    shares.spines[["top", "right"]].set_visible(False)
    shares.fill_between(STATES, VISITS[1:-1], color="#ced4da", zorder=0)
    shares.set_ylim(0, 0.07)
    shares.set_yticks([0, 0.01])
    shares.set_ylabel("share of visits (grey)", loc="bottom", fontsize=8)
    axes.set_zorder(1)  # the curves above the visits
    axes.patch.set_visible(False)
