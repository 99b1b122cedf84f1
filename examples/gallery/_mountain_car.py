"""The mountain car as figures 10.1 to 10.4, 12.10 and 12.11 need it: 8 tilings of 8 x 8 tiles, greedy, no discount.

Values begin at 0, more than any can be, so that a greedy car tries everything.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import rlkit
from rlkit.envs import MountainCar
from rlkit.features import TileCoding

TILINGS = 8
TILES = TileCoding.for_env(MountainCar(), tilings=TILINGS, tiles=8)
SETTINGS: dict[str, Any] = {"features": TILES, "gamma": 1.0, "exploration_final_eps": 0.0}
WINDOW = 10  # episodes over which the published numbers late in a run are averaged


def steps_per_episode(
    kind: Any, runs: int, episodes: int, alpha: float, *, most: int | None = None, **hyperparameters: Any
) -> NDArray[np.int64]:
    """Drive; return how long each episode took, `[runs, episodes]`.

    Args:
        kind: the agent's class.
        runs, episodes: how many.
        alpha: step size, to be shared by the tilings.
        most: steps after which an episode is truncated; weights may then diverge, and the car stand still.
        hyperparameters: of the agent, more than the usual ones.
    """

    def make(seed: int) -> tuple[Any, Any]:
        env = MountainCar(max_steps=most)
        return kind.for_env(env, learning_rate=alpha / TILINGS, seed=seed, **SETTINGS, **hyperparameters), env

    done = rlkit.train_many(make, range(runs), episodes=episodes, stop_on_divergence=most is None)
    return np.asarray(done.lengths)


def sweep(
    kind: Any, runs: int, episodes: int, alphas: Any, *, most: int | None = None, **hyperparameters: Any
) -> dict[float, NDArray[np.float64]]:
    """Return the mean steps per episode of each run, `[runs]`, by step size."""
    return {
        alpha: steps_per_episode(kind, runs, episodes, alpha, most=most, **hyperparameters).mean(axis=1)
        for alpha in alphas
    }


def draw_sweep(axes: Any, found: dict[float, NDArray[np.float64]], colour: str, label: str) -> None:
    """Draw means, and 2 standard errors to each side, by step size."""
    alphas = list(found)
    means = np.array([found[alpha].mean() for alpha in alphas])
    errors = np.array([2.0 * found[alpha].std(ddof=1) / len(found[alpha]) ** 0.5 for alpha in alphas])
    axes.fill_between(alphas, means - errors, means + errors, color=colour, alpha=0.2, linewidth=0)
    axes.plot(alphas, means, marker=".", color=colour, label=label)
