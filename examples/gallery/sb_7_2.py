"""S&B, figure 7.2: n-step TD on the 19-state random walk, for every n and step size."""

from __future__ import annotations

from typing import Any

from examples.gallery import Comparison, _walk19, against, published
from rlkit.agents import NStepTD

RUNS = 400
BOOK = published("random_walk_19", "fig7_2_nstep_minima")


def measure(runs: int) -> dict[str, Any]:
    """Average the first ten episodes' errors over all runs."""
    best = {int(n): each["alpha"] for n, each in BOOK.items()}
    return {"errors": _walk19.sweep(NStepTD, best, "n_steps", runs)}


def draw(found: dict[str, Any]) -> Any:
    """Draw a curve for each n."""
    return _walk19.draw(found["errors"], "S&B, figure 7.2: n-step TD on the 19-state random walk", "n", BOOK)


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare the errors at the best step size of each n, which are means of 4000 runs."""
    return [
        against(f"n = {n}, alpha = {each['alpha']:g}", found["errors"][int(n)][each["alpha"]], each["rms"], 4000)
        for n, each in BOOK.items()
    ]
