"""S&B, figure 9.1: gradient Monte Carlo with state aggregation on the 1000-state random walk, 100,000 episodes."""

from __future__ import annotations

from typing import Any

from examples.gallery import Comparison, _walk1000, equal, once, published, sheet
from rlkit.agents import GradientMonteCarlo
from rlkit.features import StateAggregation

RUNS = 10
EPISODES = 100_000
GROUPS = StateAggregation.for_env(_walk1000.ENV, groups=10)


def measure(runs: int) -> dict[str, Any]:
    """Learn ten groups' values; solve for the best that they could be."""
    errors, w = _walk1000.learn(GradientMonteCarlo, GROUPS, runs, EPISODES, EPISODES, learning_rate=2e-5)
    return {"errors": errors[:, -1], "w": w, "best": _walk1000.best_of(GROUPS)[0]}


def draw(found: dict[str, Any]) -> Any:
    """Draw the first run's values, the exact ones, and the visits."""
    figure, axes = sheet("S&B, figure 9.1: gradient Monte Carlo, 10 groups of states, alpha = 2e-5", width=7.0)
    title = f"RMSVE {found['errors'][0]:.4f} after {EPISODES:,} episodes; least possible {found['best']:.4f}"
    _walk1000.draw_staircase(axes, GROUPS, found["w"][0], title)
    return figure


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare the least error with the exact one, and errors and values with a run of somebody else's."""
    book = published("random_walk_1000", "fig9_1_MC_agg10_a2e-5_100k")
    least = published("random_walk_1000", "features", "agg10", "best_rmsve")
    rows = [equal("least possible RMSVE", found["best"], least), once("RMSVE", found["errors"], book["rmsve_end"])]
    return rows + [once(f"value of group {i + 1}", found["w"][:, i], book["w"][i]) for i in (0, 4, 9)]
