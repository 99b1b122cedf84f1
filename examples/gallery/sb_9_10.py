"""S&B, figure 9.10: gradient Monte Carlo with one tiling and with 50, on the 1000-state random walk."""

from __future__ import annotations

from typing import Any

import numpy as np

from examples.gallery import COLOURS, Comparison, _walk1000, against, books_line, equal, published, sheet
from rlkit.agents import GradientMonteCarlo
from rlkit.features import TileCoding

RUNS = 30
EPISODES, EVERY = 5000, 50
TILINGS = {"tiles50x200_off4": 50, "tiles1x200": 1}  # tiles of 200 states; 50 tilings are 4 states apart


def measure(runs: int) -> dict[str, Any]:
    """Learn with both."""
    found = {}
    for name, tilings in TILINGS.items():
        features = TileCoding.for_env(_walk1000.ENV, tilings=tilings, tiles=5)
        curves, _ = _walk1000.learn(GradientMonteCarlo, features, runs, EPISODES, EVERY, learning_rate=1e-4 / tilings)
        found[name] = {"curves": curves, "best": _walk1000.best_of(features)[0]}
    return found


def draw(found: dict[str, Any]) -> Any:
    """Draw the mean errors, and the least possible."""
    figure, axes = sheet("S&B, figure 9.10: tile coding with 1 and 50 tilings, gradient Monte Carlo", width=7.0)
    for (name, each), colour in zip(found.items(), COLOURS, strict=False):
        curves = each["curves"]
        label = f"{TILINGS[name]} tiling{'s' * (TILINGS[name] > 1)}, mean of {len(curves)} runs"
        axes.plot(np.arange(0, EPISODES + 1, EVERY), curves.mean(axis=0), color=colour, label=label)
        books_line(axes, each["best"], f"least possible: {each['best']:.3f}", colour)
    axes.set(xlabel="episode", ylabel="RMSVE", ylim=(0, 0.5))
    axes.legend(frameon=False)
    return figure


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare the errors after 1000 and 5000 episodes, and the least possible."""
    book, exact, rows = published("random_walk_1000", "fig9_10"), published("random_walk_1000", "features"), []
    for name, each in found.items():
        rows.append(equal(f"{name}: least possible", each["best"], exact[name]["best_rmsve"]))
        for at in (1000, 5000):
            rows.append(against(f"{name}: after {at}", each["curves"][:, at // EVERY], book[name][f"at{at}"], 30))
    return rows
