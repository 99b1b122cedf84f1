"""S&B, figure 11.5: TDC on Baird's counterexample; the projected error vanishes, the value error hardly moves."""

from __future__ import annotations

from typing import Any

import numpy as np

from examples.gallery import COLOURS, Comparison, equal, near_median, published, sheet
from examples.gallery._baird import START, SYSTEM, C, draw_weights, rmspbe, rmsve, sample
from rlkit.agents import TDC

RUNS = 100
STEPS = 1000
ALPHA, BETA = 0.005, 0.05


def measure(runs: int) -> dict[str, Any]:
    """Sample TDC, and iterate its expectation: E[delta x] = b - A w, E[x x^T] = C, gamma E[rho x' x^T] = (C - A)^T."""
    w, v, expected = START, np.zeros(8), [START]
    for _ in range(STEPS):
        error = SYSTEM.b - SYSTEM.A @ w
        w, v = w + ALPHA * (error - (C - SYSTEM.A).T @ v), v + BETA * (error - C @ v)
        expected.append(w)
    sampled = sample(TDC, runs, STEPS, learning_rate=ALPHA, secondary_learning_rate=BETA)
    return {"sampled": sampled, "expected": np.array(expected)}


def draw(found: dict[str, Any]) -> Any:
    """Draw weights and errors, sampled and expected."""
    figure, panels = sheet("S&B, figure 11.5: TDC on Baird's counterexample, alpha = 0.005, beta = 0.05", 2)
    for axes, w, title in (
        (panels[0], found["sampled"][0], "sampled, one run"),
        (panels[1], found["expected"], "expected updates"),
    ):
        steps = np.linspace(0, STEPS, len(w))
        draw_weights(axes, steps, w, title)
        axes.plot(steps, rmsve(w), color="black", linewidth=1.8, label="root VE")
        axes.plot(steps, rmspbe(w), color=COLOURS[3], linewidth=1.8, label="root PBE")
        axes.set(xlabel="steps" if axes is panels[0] else "sweeps", ylim=(-3, 10.5))
        axes.legend(frameon=False, fontsize=9, ncols=2)
    return figure


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare the errors with those recomputed for the book."""
    book = published("baird", "expected_TDC_a.005_b.05")
    rows = [
        equal(f"expected: RMSVE after {n}", rmsve(found["expected"][int(n)]), book[n]["rmsve"]) for n in ("100", "1000")
    ]
    rows += [
        equal(f"expected: root PBE after {n}", rmspbe(found["expected"][int(n)]), book[n]["rmspbe"])
        for n in ("100", "1000")
    ]
    seeds = published("baird", "sampled_100_seeds", "tdc_a0.005_b0.05_1000steps")
    ends = found["sampled"][:, -1]
    rows.append(near_median("sampled: median RMSVE after 1000", rmsve(ends), seeds["rmsve_median"], 100))
    rows.append(near_median("sampled: median root PBE", rmspbe(ends), seeds["rmspbe_median"], 100))
    return rows
