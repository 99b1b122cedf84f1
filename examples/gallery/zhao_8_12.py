"""Zhao, figure 8.12: deep Q-learning from 100 random moves only, which are not enough."""

from __future__ import annotations

from typing import Any

from examples.gallery import Comparison
from examples.gallery import _zhao_deep as deep

RUNS = 3
SAMPLES, BATCHES = 100, 1000


def measure(runs: int) -> dict[str, Any]:
    """Learn from the same walks with both kinds of inputs."""
    return {name: deep.learn(runs, SAMPLES, BATCHES, features) for name, features in deep.INPUTS.items()}


def draw(found: dict[str, Any]) -> Any:
    """Draw the errors, and what is learnt."""
    return deep.draw(found, "Zhao, figure 8.12: deep Q-learning from 100 random moves")


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare nothing: the book gives no number, only that the error stays."""
    return []
