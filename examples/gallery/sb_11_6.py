"""S&B, figure 11.6: emphatic TD on Baird's counterexample converges in expectation, and in practice does not."""

from __future__ import annotations

from typing import Any

import numpy as np

from examples.gallery import Comparison, equal, published, sheet
from examples.gallery._baird import BAIRD, CHAIN, START, draw_weights, rmsve, sample
from rlkit.agents import EmphaticTD

RUNS = 20
STEPS = 1000
ALPHA = 0.03


def measure(runs: int) -> dict[str, Any]:
    """Sample emphatic TD, and iterate its expectation as the book does: all states alike, with one mean emphasis."""
    features, gamma = BAIRD.features, BAIRD.gamma
    entered = np.array([0, 0, 0, 0, 0, 0, 7.0])  # rho of the step before: 7 if it led to the lower state, else 0
    w, emphasis, expected, emphases = START, 0.0, [START], [0.0]
    for _ in range(STEPS):
        M = gamma * entered * emphasis + 1.0  # [7]
        delta = (gamma * CHAIN.transitions @ features - features) @ w  # [7]
        w, emphasis = w + ALPHA * (M * delta) @ features / 7, M.mean()
        expected.append(w)
        emphases.append(emphasis)
    sampled = sample(EmphaticTD, runs, STEPS, learning_rate=ALPHA)
    return {"sampled": sampled, "expected": np.array(expected), "emphasis": np.array(emphases)}


def draw(found: dict[str, Any]) -> Any:
    """Draw weights and errors, expected and sampled."""
    figure, (left, right) = sheet("S&B, figure 11.6: emphatic TD on Baird's counterexample, alpha = 0.03", 2)
    draw_weights(left, np.arange(STEPS + 1), found["expected"], "expected updates, the book's curve")
    left.plot(rmsve(found["expected"]), color="black", linewidth=1.8, label="root VE")
    left.set(xlabel="sweeps", ylim=(-5, 12.5))
    left.legend(frameon=False, fontsize=9, ncols=2)
    right.set_title("sampled: the variance is too high for it to converge", fontsize=10)
    right.plot(np.arange(0, STEPS + 1, 10), rmsve(found["sampled"]).T, linewidth=0.8, color="#868e96")
    right.set(xlabel="steps", ylabel="root VE, one line a run", yscale="log")
    return figure


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare with the errors recomputed for the book."""
    book = published("baird", "expected_ETD_a.03_shangtong_form")
    rows = []
    for n in ("100", "500", "1000"):
        rows.append(equal(f"expected: RMSVE after {n}", rmsve(found["expected"][int(n)]), book[n]["rmsve"]))
        rows.append(equal(f"expected: mean emphasis after {n}", found["emphasis"][int(n)], book[n]["emphasis"]))
    return rows
