"""S&B, figure 6.3: on the cliff, expected Sarsa learns with any step size, early and in the long run."""

from __future__ import annotations

from typing import Any

import numpy as np

from examples.gallery import COLOURS, Comparison, against, published, sheet
from examples.gallery._cliff import AS_PUBLISHED, KINDS, learn

RUNS = 200
EARLY, LATE = 100, 100_000  # episodes
LATE_RUNS = 2
ALPHAS = tuple(round(0.1 * k, 1) for k in range(1, 11))
PUBLISHED = (0.1, 0.5, 1.0)


def measure(runs: int) -> dict[str, dict[str, Any]]:
    """Learn with every step size: many short runs, and a few long ones."""
    found: dict[str, dict[str, Any]] = {}
    for name, kind in KINDS.items():
        found[name] = {
            "early": {alpha: np.mean(learn(kind, runs, EARLY, alpha).returns) for alpha in ALPHAS},
            "late": {alpha: np.mean(learn(kind, LATE_RUNS, LATE, alpha).returns) for alpha in ALPHAS},
            "as published": {
                alpha: np.mean(learn(AS_PUBLISHED[name], runs, EARLY, alpha).returns, axis=1) for alpha in PUBLISHED
            },
        }
    return found


def draw(found: dict[str, dict[str, Any]]) -> Any:
    """Draw the mean return by step size."""
    figure, axes = sheet("S&B, figure 6.3: the cliff, by step size")
    for colour, (name, curves) in zip(COLOURS, found.items(), strict=False):
        axes.plot(ALPHAS, [curves["late"][alpha] for alpha in ALPHAS], "-o", color=colour, label=name)
        axes.plot(ALPHAS, [curves["early"][alpha] for alpha in ALPHAS], "--x", color=colour)
    axes.plot([], [], "k-o", label=f"{LATE:,} episodes")
    axes.plot([], [], "k--x", label=f"first {EARLY}")
    axes.set(xlabel="alpha", ylabel="sum of rewards per episode", ylim=(-160, 0))
    axes.legend(frameon=False, fontsize=8, loc="lower right", ncols=2)
    return figure


def compare(found: dict[str, dict[str, Any]]) -> list[Comparison]:
    """Compare early returns at three step sizes."""
    keys = {"Sarsa": "sarsa", "Q-learning": "q", "expected Sarsa": "esarsa"}
    rows = []
    for name, curves in found.items():
        for alpha in PUBLISHED:
            book = published("cliff_windy_access_walk", f"cliff_interim100_alpha{alpha}", keys[name])
            rows.append(against(f"{name}, alpha {alpha}: first {EARLY}", curves["as published"][alpha], book, 500))
    return rows
