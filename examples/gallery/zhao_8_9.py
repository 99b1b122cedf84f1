"""Zhao, figure 8.9: Sarsa with linear function approximation finds a way through the 5x5 grid."""

from __future__ import annotations

from typing import Any

from examples.gallery import Comparison
from examples.gallery import _zhao_control as grid
from rlkit.agents import Sarsa

RUNS = 30


def measure(runs: int) -> dict[str, Any]:
    """Learn with joint features of (x, y, a), which the book's are, and with a block for each action."""
    return grid.learn(Sarsa, runs)


def draw(found: dict[str, Any]) -> Any:
    """Draw rewards, lengths and a policy."""
    return grid.draw(found, "Zhao, figure 8.9: Sarsa with Fourier features of order 5")


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare late episodes, and the policies."""
    return grid.compare(found, "sarsa")
