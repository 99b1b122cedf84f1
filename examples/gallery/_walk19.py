"""Learners on the 19-state random walk, for figures 7.2, 12.3, 12.6 and 12.8: errors of the first ten episodes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from examples.gallery import COLOURS, published, sheet
from examples.gallery._repeated import errors

EPISODES = 10
# step sizes to try, in parts of the best
UP_TO = np.array([0.05, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0])

Sweep = dict[float, dict[float, NDArray[np.float64]]]
"""By n or lambda, and by step size: the error of each run, averaged over its episodes."""


def sweep(kind: Any, best: dict[float, float], name: str, runs: int, **hyperparameters: Any) -> Sweep:
    """Try step sizes around the best of each setting.

    Args:
        kind: the agent's class.
        best: the step size around which to look, by the value of the hyperparameter `name`.
        name: "n_steps" or "lam".
        runs: how many runs of each.
        hyperparameters: those that stay.
    """
    pairs = [
        (setting, rate)
        for setting, optimum in best.items()
        for rate in sorted({*(rate for rate in (UP_TO * optimum).tolist() if rate <= 1.0), 1.0})
        if rate <= UP_TO[-1] * optimum
    ]
    settings = [{name: setting, "learning_rate": rate, **hyperparameters} for setting, rate in pairs]
    means = errors(kind, "rlkit/RandomWalk19-v0", settings, runs, EPISODES).mean(axis=2)  # [settings, runs]
    found: Sweep = {setting: {} for setting in best}
    for (setting, rate), each in zip(pairs, means, strict=True):
        found[setting][rate] = each
    return found


def draw(found: Sweep, title: str, symbol: str, book: dict[str, Any] | None = None) -> Any:
    """Draw the mean errors by step size, a curve for each setting, as the book does; with crosses at published ones."""
    figure, axes = sheet(title, width=7.4, height=5.0)
    for i, (setting, by_rate) in enumerate(found.items()):
        rates = [0.0, *by_rate]
        means = [published("random_walk_19", "initial_rms"), *(float(each.mean()) for each in by_rate.values())]
        style = {"color": COLOURS[i % len(COLOURS)], "linestyle": "-" if i < len(COLOURS) else "--"}
        axes.plot(rates, means, marker=".", markersize=4, linewidth=1.3, label=f"{symbol} = {setting:g}", **style)
    if book is not None:
        rates, levels = zip(*((each["alpha"], each["rms"]) for each in book.values()), strict=True)
        axes.plot(rates, levels, "x", color="black", zorder=3, label="4000 runs'\nbest alpha")
    axes.set(xlabel="alpha", ylabel="RMS error, over 19 states and 10 episodes", ylim=(0.24, 0.56), xlim=(0, 1.01))
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
