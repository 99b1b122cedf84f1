"""S&B, example 6.2: TD(0) and constant-alpha Monte Carlo on the 5-state random walk."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

import rlkit
from examples.gallery import COLOURS, Comparison, equal, learner, published, sheet
from examples.gallery._repeated import errors
from rlkit.agents import GradientMonteCarlo, LinearTD
from rlkit.truth import exact_values

RUNS = 100
EPISODES = 100
WALK = "rlkit/RandomWalk5-v0"
RATES = {LinearTD: (0.05, 0.1, 0.15), GradientMonteCarlo: (0.01, 0.02, 0.03, 0.04)}


def measure(runs: int) -> dict[str, Any]:
    """Learn from 100 episodes: once with TD, keeping the values, and in many runs with both, keeping the errors."""
    make = learner(LinearTD, WALK, gamma=1.0, learning_rate=0.1, initial_value=0.5)
    once = rlkit.train_many(make, [0], episodes=EPISODES, every=1, record=lambda agent: agent.w[1:-1].copy())
    found = {"values": once.records[0], "errors": {}}  # [EPISODES + 1, 5]
    for kind, rates in RATES.items():
        settings = [{"learning_rate": rate, "initial_value": 0.5} for rate in rates]
        curves = errors(kind, WALK, settings, runs, EPISODES)  # [rates, runs, EPISODES]
        name = "TD" if kind is LinearTD else "MC"
        found["errors"] |= {(name, rate): curve for rate, curve in zip(rates, curves, strict=True)}
    found["exact"] = exact_values(gymnasium.make(WALK), 1.0, np.zeros(7, np.int64))[1:-1]
    return found


def draw(found: dict[str, Any]) -> Any:
    """Draw the values after a few episodes, and the errors."""
    figure, (left, right) = sheet("S&B, example 6.2: random walk, TD(0) and Monte Carlo", 2)
    for episodes, colour in zip((0, 1, 10, 100), COLOURS, strict=False):
        left.plot(found["values"][episodes], marker=".", color=colour, label=f"after {episodes} episodes")
    left.plot(found["exact"], color="black", linestyle=":", label="exact: 1/6 ... 5/6")
    left.set(xlabel="state", ylabel="value, TD(0) with alpha = 0.1, one run", xticks=range(5), xticklabels="ABCDE")
    left.legend(frameon=False, fontsize=9)
    start = np.sqrt(((0.5 - found["exact"]) ** 2).mean())
    for (name, rate), curve in found["errors"].items():
        shade = 0.35 + 0.6 * rate / max(RATES[LinearTD if name == "TD" else GradientMonteCarlo])
        style = {"color": COLOURS[0] if name == "TD" else COLOURS[4], "alpha": min(shade, 1.0)}
        right.plot([start, *curve.mean(axis=0)], label=f"{name}, alpha = {rate:g}", **style)
    right.set(xlabel="episodes", ylabel=f"RMS error over the states, {len(curve)} runs", ylim=(0, 0.3))
    right.legend(frameon=False, fontsize=9, ncols=2, loc="upper right")
    return figure


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare the exact values; is the best TD better than the best Monte Carlo at every episode, as in the book?"""
    exact = published("cliff_windy_access_walk", "walk_AE")
    best = {
        name: np.min([curve.mean(axis=0) for (other, _), curve in found["errors"].items() if other == name], axis=0)
        for name in ("TD", "MC")
    }
    rows = [equal(f"v({state})", found["exact"][i], exact[i]) for i, state in enumerate("ABCDE")]
    return [*rows, equal("share of episodes where TD is better", (best["TD"] < best["MC"]).mean(), 1.0)]
