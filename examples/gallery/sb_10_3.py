"""S&B, figure 10.3: on the mountain car, semi-gradient Sarsa is better early and late with 8 steps than with 1."""

from __future__ import annotations

from typing import Any

from examples.gallery import COLOURS, Comparison, against, published, sheet
from examples.gallery._mountain_car import WINDOW, steps_per_episode
from rlkit.agents import NStepSarsa

RUNS = 100
EPISODES = 500
KINDS = {1: 0.5, 8: 0.3}  # n, and its step size times the number of tilings


def measure(runs: int) -> dict[int, Any]:
    """Drive with n-step Sarsa."""
    return {n: steps_per_episode(NStepSarsa, runs, EPISODES, alpha, n_steps=n) for n, alpha in KINDS.items()}


def draw(found: dict[int, Any]) -> Any:
    """Draw the steps per episode, mean over the runs, and what is published of them."""
    figure, axes = sheet("S&B, figure 10.3: mountain car, n-step Sarsa")
    for colour, (n, lengths) in zip(COLOURS, found.items(), strict=False):
        label = f"n = {n}, alpha = {KINDS[n]}/8"
        axes.plot(range(1, EPISODES + 1), lengths.mean(axis=0), color=colour, linewidth=0.9, label=label)
        book = published("mountain_car", f"fig10_3_n{n}_alpha{KINDS[n]}/8")
        axes.plot([100, 500], [book["ep100"], book["ep500"]], "o", color=colour, markeredgecolor="black", markersize=5)
    axes.plot([], [], "o", color="none", markeredgecolor="black", label="published")
    axes.set(xlabel="episode", ylabel=f"steps per episode, mean of {len(lengths)} runs", yscale="log", ylim=(90, 1000))
    axes.set_yticks([100, 200, 400, 1000], ["100", "200", "400", "1000"])
    axes.set_yticks([], minor=True)
    axes.legend(frameon=False)
    return figure


def compare(found: dict[int, Any]) -> list[Comparison]:
    """Compare steps early and late."""
    rows = []
    for n, lengths in found.items():
        book = published("mountain_car", f"fig10_3_n{n}_alpha{KINDS[n]}/8")
        ours = {
            "first50": lengths[:, :50].mean(axis=1),
            "ep100": lengths[:, 100 - WINDOW : 100].mean(axis=1),
            "ep500": lengths[:, -WINDOW:].mean(axis=1),
        }
        rows += [against(f"n = {n}: steps, {name}", ours[name], book[name], 100) for name in ours]
    return rows
