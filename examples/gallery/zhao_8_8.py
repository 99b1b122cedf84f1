"""Zhao, figure 8.8: TD(0) with Fourier features of order 1, 2 and 3 on the 5x5 grid, 500 episodes of 500 steps."""

from __future__ import annotations

from typing import Any

from examples.gallery import Comparison, _zhao
from rlkit.features import Fourier

RUNS = 50
BOOK = {"Fourier, order 1": "fourier_q1", "Fourier, order 2": "fourier_q2", "Fourier, order 3": "fourier_q3"}


def measure(runs: int) -> dict[str, Any]:
    """Learn with cosines of order 1, 2 and 3: 4, 9 and 16 features."""
    features = [Fourier.for_env(_zhao.ENV, order=order) for order in (1, 2, 3)]
    return {label: _zhao.study(each, runs) for label, each in zip(BOOK, features, strict=True)}


def draw(found: dict[str, Any]) -> Any:
    """Draw values and errors."""
    return _zhao.draw(found, BOOK, "Zhao, figure 8.8: TD-Linear, Fourier features, alpha = 0.0005")


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare the errors."""
    return _zhao.compare(found, BOOK)
