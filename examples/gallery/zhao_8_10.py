"""Zhao, figure 8.10: Q-learning with linear function approximation on the 5x5 grid, which does not always get there."""

from __future__ import annotations

from typing import Any

from examples.gallery import Comparison
from examples.gallery import _zhao_control as grid
from rlkit.agents import QLearning

RUNS = 20
OF = ("joint (x, y, a), scaled to [0, 1]", "a block for each action")


def measure(runs: int) -> dict[str, Any]:
    """Learn with joint features of (x, y, a), which the book's are, and with a block for each action."""
    return grid.learn(QLearning, runs, OF)


def draw(found: dict[str, Any]) -> Any:
    """Draw rewards, lengths and a policy."""
    return grid.draw(found, "Zhao, figure 8.10: Q-learning with Fourier features of order 5")


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare late episodes, and the policies."""
    return grid.compare(found, "q_learning")
