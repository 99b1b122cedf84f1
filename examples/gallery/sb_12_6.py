"""S&B, figure 12.6: TD(lambda) on the 19-state random walk, for every lambda and step size."""

from __future__ import annotations

from typing import Any

from examples.gallery import Comparison, _walk19, against, equal, published
from rlkit.agents import TDLambda

RUNS = 400
OFFLINE = published("random_walk_19", "fig12_3_offline_lambda")
ONE_STEP = published("random_walk_19", "fig7_2_nstep_minima", "1")


def measure(runs: int) -> dict[str, Any]:
    """Average the first ten episodes' errors over all runs."""
    best = {float(lam): each["alpha"] for lam, each in OFFLINE.items()} | {0.0: ONE_STEP["alpha"]}
    return {"errors": _walk19.sweep(TDLambda, best, "lam", runs, trace_cutoff=0.0)}


def draw(found: dict[str, Any]) -> Any:
    """Draw a curve for each lambda."""
    return _walk19.draw(found["errors"], "S&B, figure 12.6: TD(lambda) on the 19-state random walk", "lambda")


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare TD(0) with one-step TD of figure 7.2, and the best lambda with figure 12.3's."""
    least = {lam: min(each.mean() for each in by_rate.values()) for lam, by_rate in found["errors"].items()}
    offline = {float(lam): each["rms"] for lam, each in OFFLINE.items()}
    one_step = found["errors"][0.0][ONE_STEP["alpha"]]
    return [
        against(f"lambda = 0, alpha = {ONE_STEP['alpha']:g}", one_step, ONE_STEP["rms"], 4000),
        equal("best lambda, as off-line", min(least, key=least.__getitem__), min(offline, key=offline.__getitem__)),
    ]
