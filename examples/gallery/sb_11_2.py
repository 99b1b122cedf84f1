"""S&B, figure 11.2: semi-gradient off-policy TD(0) and dynamic programming diverge on Baird's counterexample."""

from __future__ import annotations

from typing import Any

import numpy as np

from examples.gallery import Comparison, equal, near_median, published, sheet
from examples.gallery._baird import START, SYSTEM, draw_weights, rmsve, sample
from rlkit.agents import LinearTD

RUNS = 100
STEPS = 1000
ALPHA = 0.01


def measure(runs: int) -> dict[str, Any]:
    """Sample TD(0), and iterate its expectation, w <- w + alpha (b - A w), which is the book's semi-gradient DP."""
    expected = [START]
    for _ in range(STEPS):
        expected.append(expected[-1] + ALPHA * (SYSTEM.b - SYSTEM.A @ expected[-1]))
    return {"sampled": sample(LinearTD, runs, STEPS, learning_rate=ALPHA), "expected": np.array(expected)}


def draw(found: dict[str, Any]) -> Any:
    """Draw the weights of the first run, and of dynamic programming."""
    figure, (left, right) = sheet("S&B, figure 11.2: Baird's counterexample, alpha = 0.01", 2)
    draw_weights(left, np.arange(0, STEPS + 1, 10), found["sampled"][0], "semi-gradient off-policy TD, one run")
    draw_weights(right, np.arange(STEPS + 1), found["expected"], "semi-gradient DP: expected updates")
    left.set(xlabel="steps", ylabel="weight")
    right.set(xlabel="sweeps", ylabel="weight")
    return figure


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare the errors with those recomputed for the book, and the least real part of A's eigenvalues."""
    dp, td = published("baird", "semi_gradient_DP_alpha.01"), published("baird", "sampled_100_seeds")
    rows = [equal(f"DP: RMSVE after {n}", rmsve(found["expected"][int(n)]), dp[n]["rmsve"]) for n in dp]
    rows.append(equal("least real part of A", SYSTEM.least_real_part, published("baird", "min_real_eig_A")))
    ends = rmsve(found["sampled"][:, -1])
    name = "td_a0.01_b0_1000steps"
    rows.append(near_median("TD: median RMSVE after 1000", ends, td[name]["rmsve_median"], 100))
    rows.append(equal("TD: share of runs that grew", (ends > rmsve(START)).mean(), td[name]["frac_rmsve_grew"]))
    return rows
