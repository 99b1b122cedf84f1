"""S&B, figure 12.3: the off-line lambda-return algorithm on the 19-state random walk, by lambda and step size."""

from __future__ import annotations

from typing import Any

from examples.gallery import Comparison, _walk19, against, published
from rlkit.agents import OfflineLambdaReturn

RUNS = 400
BOOK = published("random_walk_19", "fig12_3_offline_lambda")


def measure(runs: int) -> dict[str, Any]:
    """Average the first ten episodes' errors over all runs."""
    best = {float(lam): each["alpha"] for lam, each in BOOK.items()}
    return {"errors": _walk19.sweep(OfflineLambdaReturn, best, "lam", runs)}


def draw(found: dict[str, Any]) -> Any:
    """Draw a curve for each lambda."""
    title = "S&B, figure 12.3: off-line lambda-return algorithm, 19-state random walk"
    return _walk19.draw(found["errors"], title, "lambda", BOOK)


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare the errors at the best step size of each lambda, which are means of 4000 runs."""
    return [
        against(
            f"lambda = {lam}, alpha = {each['alpha']:g}", found["errors"][float(lam)][each["alpha"]], each["rms"], 4000
        )
        for lam, each in BOOK.items()
    ]
