"""S&B, figure 9.5: gradient Monte Carlo with Fourier and polynomial features on the 1000-state random walk."""

from __future__ import annotations

from typing import Any

import numpy as np

from examples.gallery import COLOURS, Comparison, _walk1000, against, published, sheet
from rlkit.agents import GradientMonteCarlo
from rlkit.features import Fourier, Polynomial

RUNS = 30
EPISODES, EVERY = 5000, 50
SCALE = {"low": 0, "high": 1000}  # state s is at s / 1000, as in the book
ORDERS = (5, 10, 20)
BOOK = published("random_walk_1000", "fig9_5")


def measure(runs: int) -> dict[str, Any]:
    """Learn with each basis and order."""
    found = {}
    for order in ORDERS:
        bases = {
            "fourier": (5e-5, Fourier.for_env(_walk1000.ENV, order=order, **SCALE)),
            "poly": (1e-4, Polynomial.for_env(_walk1000.ENV, degree=order, interval=(0.0, 1.0), **SCALE)),
        }
        for name, (rate, features) in bases.items():
            curves, _ = _walk1000.learn(GradientMonteCarlo, features, runs, EPISODES, EVERY, learning_rate=rate)
            found[f"{name}{order}"] = curves  # [runs, EPISODES / EVERY + 1]
    return found


def draw(found: dict[str, Any]) -> Any:
    """Draw the mean errors, with crosses at the published ones."""
    figure, axes = sheet("S&B, figure 9.5: Fourier and polynomial features, gradient Monte Carlo", width=7.0)
    for basis, label, colour in (("fourier", "Fourier", COLOURS[0]), ("poly", "polynomial", COLOURS[4])):
        for order, alpha in zip(ORDERS, (0.35, 0.6, 1.0), strict=True):
            means, book = found[f"{basis}{order}"].mean(axis=0), BOOK[f"{basis}{order}"]
            style = {"color": colour, "alpha": alpha}
            axes.plot(np.arange(0, EPISODES + 1, EVERY), means, label=f"{label}, order {order}", **style)
            axes.plot([1000, 5000], [book["at1000"], book["at5000"]], "x", **style)
    axes.set(xlabel="episode", ylabel=f"RMSVE, mean of {len(found['poly5'])} runs", ylim=(0, 0.42))
    axes.legend(frameon=False, ncols=2, title="crosses: as published")
    return figure


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare the errors after 1000 and 5000 episodes."""
    return [
        against(f"{name}: after {at}", curves[:, at // EVERY], BOOK[name][f"at{at}"], 30)
        for name, curves in found.items()
        for at in (1000, 5000)
    ]
