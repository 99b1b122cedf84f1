"""S&B, figure 9.2: TD with state aggregation on the 1000-state random walk; its fixed point, and n-step TD."""

from __future__ import annotations

from typing import Any

import numpy as np

from examples.gallery import COLOURS, Comparison, _walk1000, equal, once, published, sheet
from examples.gallery._repeated import errors
from rlkit.agents import LinearTD, NStepTD
from rlkit.features import StateAggregation

RUNS = 100
EPISODES = 100_000
GROUPS = StateAggregation.for_env(_walk1000.ENV, groups=10)
SMALLER = StateAggregation.for_env(_walk1000.ENV, groups=20)
RATES = np.array([0.02, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
LARGEST = {1: 1.0, 2: 1.0, 4: 1.0, 8: 0.8, 16: 0.5, 32: 0.3, 64: 0.25, 128: 0.2, 256: 0.2, 512: 0.2}
"""By n: the step size beyond which the error is out of the picture."""


def measure(runs: int) -> dict[str, Any]:
    """Learn to the end with two step sizes; and for ten episodes with n steps, 20 groups, and many step sizes."""
    found: dict[str, Any] = {"fixed point": _walk1000.best_of(GROUPS)[1]}
    for rate, share in ((1e-3, 10), (2e-5, 20)):
        n = max(runs // share, 3)
        error, w = _walk1000.learn(LinearTD, GROUPS, n, EPISODES, EPISODES, learning_rate=rate)
        found[rate] = {"errors": error[:, -1], "w": w}
    pairs = [(n, float(r)) for n, largest in LARGEST.items() for r in RATES * min(1.0, 2 * largest) if r <= largest]
    settings = [{"n_steps": n, "learning_rate": rate} for n, rate in pairs]
    means = errors(NStepTD, _walk1000.NAME, settings, runs, 10, SMALLER).mean(axis=(1, 2))
    found["n-step"] = {n: [(r, mean) for (m, r), mean in zip(pairs, means, strict=True) if m == n] for n in LARGEST}
    return found


def draw(found: dict[str, Any]) -> Any:
    """Draw the first run's values, and the n-step errors by step size."""
    figure, (left, right) = sheet("S&B, figure 9.2: TD with state aggregation, 1000-state random walk", 2, width=6.4)
    rmsve = f"RMSVE {found[1e-3]['errors'][0]:.3f}, fixed point {found['fixed point']:.3f}"
    _walk1000.draw_staircase(left, GROUPS, found[1e-3]["w"][0], f"TD(0), 10 groups, alpha = 0.001: {rmsve}")
    for i, (n, curve) in enumerate(found["n-step"].items()):
        style = {"color": COLOURS[i % len(COLOURS)], "linestyle": "-" if i < len(COLOURS) else "--"}
        right.plot(*zip(*curve, strict=True), marker=".", markersize=4, label=f"n = {n}", **style)
    right.set(xlabel="alpha", ylabel="RMS error, over 1000 states and 10 episodes", ylim=(0.24, 0.56), xlim=(0, 1.01))
    right.set_title("n-step TD, 20 groups", fontsize=10)
    right.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare the fixed point with the exact one, errors with another run, and the best n with figure 7.2's."""
    book = published("random_walk_1000", "fig9_2_TD0_agg10_a1e-3_100k")
    fixed = published("random_walk_1000", "features", "agg10", "td_rmsve")
    slow = published("random_walk_1000", "fig9_2_TD0_agg10_a2e-5_100k")
    least = {n: min(mean for _, mean in curve) for n, curve in found["n-step"].items()}
    return [
        equal("RMSVE of the fixed point", found["fixed point"], fixed),
        once("RMSVE, alpha = 0.001", found[1e-3]["errors"], book["rmsve_end"]),
        once("RMSVE, alpha = 2e-5", found[2e-5]["errors"], slow),
        once("value of group 1", found[1e-3]["w"][:, 0], book["w"][0]),
        once("value of group 10", found[1e-3]["w"][:, 9], book["w"][9]),
        equal("best n, as with 19 states", min(least, key=least.__getitem__), 4),
    ]
