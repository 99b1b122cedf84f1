"""Zhao, figure 8.7: TD(0) with 3, 6 and 10 polynomial features on the 5x5 grid, 500 episodes of 500 steps."""

from __future__ import annotations

from typing import Any

from examples.gallery import Comparison, _zhao
from rlkit.features import Polynomial

RUNS = 50
BOOK = {"3 polynomial features": "poly3", "6 polynomial features": "poly6", "10 polynomial features": "poly10"}


def measure(runs: int) -> dict[str, Any]:
    """Learn with monomials up to degree 1, 2 and 3."""
    features = [Polynomial.for_env(_zhao.ENV, degree=degree) for degree in (1, 2, 3)]
    return {label: _zhao.study(each, runs) for label, each in zip(BOOK, features, strict=True)}


def draw(found: dict[str, Any]) -> Any:
    """Draw values and errors."""
    return _zhao.draw(found, BOOK, "Zhao, figure 8.7: TD-Linear, polynomial features, alpha = 0.0005")


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare the errors."""
    return _zhao.compare(found, BOOK)
