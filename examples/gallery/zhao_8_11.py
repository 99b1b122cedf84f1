"""Zhao, figure 8.11: deep Q-learning from 1000 random moves. From columns and rows it does NOT come out as in the book.

The book's error falls to about 0 within 1000 batches. With column and row as inputs, ours is still far from it then,
as in an independent recomputation, whose numbers are compared here; with one-hot inputs it does fall.
"""

from __future__ import annotations

from typing import Any

from examples.gallery import Comparison, against, near_median, published
from examples.gallery import _zhao_deep as deep

RUNS = 6
SAMPLES = 1000
BATCHES = {"column and row": 1000, "one-hot": 500}


def measure(runs: int) -> dict[str, Any]:
    """Learn from the same walks with both kinds of inputs."""
    return {name: deep.learn(runs, SAMPLES, batches, deep.INPUTS[name]) for name, batches in BATCHES.items()}


def draw(found: dict[str, Any]) -> Any:
    """Draw the errors, and what is learnt."""
    return deep.draw(
        found, "Zhao, figure 8.11: deep Q-learning from 1000 random moves (does not come out as in the book)"
    )


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare the errors with three runs recomputed for the book."""
    book = published("zhao_control_fig8.9-8.12", "dqn_2to5_lr0.01_C10_it1000")
    at = 1000 // deep.EVERY - 1
    learnt = found["column and row"]
    return [
        near_median("median RMSE after 1000 batches", learnt.errors[:, at], book["rmse_end_median"], 3),
        against("optimal actions, share", learnt.optimal[:, at], book["greedy_optimal_frac_mean"], 3),
    ]
