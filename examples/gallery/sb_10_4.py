"""S&B, figure 10.4: early on the mountain car, an intermediate number of steps is best, for any step size."""

from __future__ import annotations

from typing import Any

import numpy as np

from examples.gallery import COLOURS, Comparison, against, published, sheet
from examples.gallery._mountain_car import draw_sweep, sweep
from rlkit.agents import NStepSarsa

RUNS = 100
EPISODES = 50
KINDS = {1: (0.4, 1.7), 2: (0.3, 1.6), 4: (0.2, 1.3), 8: (0.2, 0.9), 16: (0.2, 0.7)}  # n, and the range of alpha


def measure(runs: int) -> dict[int, Any]:
    """Drive with every n and step size; the larger both are, the sooner weights diverge, so some are left out."""
    return {
        n: sweep(NStepSarsa, runs, EPISODES, alphas(low, high), n_steps=n, most=100_000)
        for n, (low, high) in KINDS.items()
    }


def alphas(low: float, high: float) -> list[float]:
    """Return the tenths from low to high."""
    return [round(float(alpha), 1) for alpha in np.arange(low, high + 0.05, 0.1)]


def draw(found: dict[int, Any]) -> Any:
    """Draw the steps per episode by step size, and the published minima."""
    figure, axes = sheet("S&B, figure 10.4: mountain car, n-step semi-gradient Sarsa")
    for colour, (n, by_alpha) in zip(COLOURS, found.items(), strict=False):
        draw_sweep(axes, by_alpha, colour, f"n = {n}")
        book = published("mountain_car", "fig10_4_first50_minima", str(n))
        axes.plot(book["alpha"], book["steps"], "o", color=colour, markeredgecolor="black", markersize=6)
    axes.plot([], [], "o", color="none", markeredgecolor="black", label="published minimum")
    axes.set(xlabel="alpha x number of tilings", ylabel=f"steps per episode, first {EPISODES}", ylim=(215, 300))
    axes.legend(frameon=False)
    return figure


def compare(found: dict[int, Any]) -> list[Comparison]:
    """Compare the steps at the published minima."""
    rows = []
    for n, by_alpha in found.items():
        book = published("mountain_car", "fig10_4_first50_minima", str(n))
        alpha = round(book["alpha"], 1)
        rows.append(against(f"n = {n}, alpha {alpha}/8: steps per episode", by_alpha[alpha], book["steps"], 100))
    return rows
