"""Zhao, figure 8.6: the values of the uniformly random policy on the 5x5 grid, as a table and as a surface."""

from __future__ import annotations

from typing import Any

import numpy as np

from examples.gallery import Comparison, equal, published
from examples.gallery._zhao import ENV, EXACT, POLICY, surface
from rlkit.plotting import plot_values
from rlkit.plotting.figures import new_figure
from rlkit.truth import on_policy_distribution

RUNS = 1


def measure(runs: int) -> dict[str, Any]:
    """Solve the Bellman equation, and for the stationary distribution."""
    return {"v": EXACT, "d": on_policy_distribution(ENV, POLICY)}


def draw(found: dict[str, Any]) -> Any:
    """Draw the values."""
    figure = new_figure(11, 5.2)
    figure.suptitle("Zhao, figure 8.6: exact values of the uniformly random policy, gamma = 0.9", fontsize=12)
    plot_values(ENV.model(), found["v"], ax=figure.add_axes((0.05, 0.06, 0.38, 0.8)))
    surface(figure.add_axes((0.54, 0.02, 0.44, 0.88), projection="3d"), found["v"], "")
    return figure


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare with the book's table, which has one decimal, and with the exact numbers."""
    table, exact = published("zhao_5x5", "v_book_table_1dp"), published("zhao_5x5", "v_exact")
    return [
        equal("largest difference from the book's table", np.abs(found["v"] - np.ravel(table)).max(), 0.0, 0.05),
        equal("largest difference from the exact values", np.abs(found["v"] - np.ravel(exact)).max(), 0.0, 1e-7),
        equal("least of the stationary distribution", found["d"].min(), 1 / 25),
    ]
