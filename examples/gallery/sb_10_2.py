"""S&B, figure 10.2: how fast semi-gradient Sarsa learns to drive out of the valley, for three step sizes."""

from __future__ import annotations

from typing import Any

from examples.gallery import COLOURS, Comparison, against, published, sheet
from examples.gallery._mountain_car import TILINGS, WINDOW, steps_per_episode
from rlkit.agents import Sarsa

RUNS = 100
EPISODES = 500
ALPHAS = (0.1, 0.2, 0.5)


def measure(runs: int) -> dict[str, Any]:
    """Drive with each step size."""
    return {str(alpha): steps_per_episode(Sarsa, runs, EPISODES, alpha) for alpha in ALPHAS}


def draw(found: dict[str, Any]) -> Any:
    """Draw the steps per episode, mean over the runs, and what is published of them."""
    figure, axes = sheet("S&B, figure 10.2: mountain car, semi-gradient Sarsa")
    for colour, (alpha, lengths) in zip(COLOURS, found.items(), strict=False):
        axes.plot(range(1, EPISODES + 1), lengths.mean(axis=0), color=colour, linewidth=0.9, label=f"alpha = {alpha}/8")
        book = published("mountain_car", f"fig10_2_sarsa_alpha{alpha}/{TILINGS}")
        levels = [book["ep10"], book["ep100"], book["ep500"]]
        axes.plot([10, 100, 500], levels, "o", color=colour, markeredgecolor="black", markersize=5)
    axes.plot([], [], "o", color="none", markeredgecolor="black", label="published")
    axes.set(xlabel="episode", ylabel=f"steps per episode, mean of {len(lengths)} runs", yscale="log", ylim=(90, 1000))
    axes.set_yticks([100, 200, 400, 1000], ["100", "200", "400", "1000"])
    axes.set_yticks([], minor=True)
    axes.legend(frameon=False)
    return figure


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare steps early and late."""
    rows = []
    for alpha, lengths in found.items():
        book = published("mountain_car", f"fig10_2_sarsa_alpha{alpha}/{TILINGS}")
        ours = {
            "ep1": lengths[:, 0],
            "ep10": lengths[:, 9],
            "first50": lengths[:, :50].mean(axis=1),
            "ep100": lengths[:, 100 - WINDOW : 100].mean(axis=1),
            "ep500": lengths[:, -WINDOW:].mean(axis=1),
        }
        rows += [against(f"alpha {alpha}/8: steps, {name}", ours[name], book[name], 100) for name in ours]
    return rows
