"""Zhao, figure 8.5: how often an epsilon-greedy policy is where on the 2x2 grid, by counting and by its model."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

import rlkit
from examples.gallery import COLOURS, Comparison, against, books_line, equal, learner, published, sheet
from rlkit.agents import LinearTD
from rlkit.truth import on_policy_distribution

RUNS = 100
STEPS = 1000
GREEDY = np.array([2, 2, 1, 4])  # down, down, right, stay
POLICY = 0.1 + 0.5 * np.eye(5)[GREEDY]  # [4, 5]: epsilon = 0.5


def measure(runs: int) -> dict[str, Any]:
    """Follow the policy, counting visits; solve for its stationary distribution."""
    make = learner(LinearTD, "rlkit/Zhao2x2-v0", policy=POLICY)
    counted = rlkit.train_many(make, range(runs), steps=STEPS, every=10, record=lambda agent: agent.visits.copy())
    visits = np.asarray(counted.records)[:, 1:]  # [runs, STEPS / 10, 4]
    env = gymnasium.make("rlkit/Zhao2x2-v0")
    return {"share": visits / visits.sum(axis=2, keepdims=True), "exact": on_policy_distribution(env, POLICY)}


def draw(found: dict[str, Any]) -> Any:
    """Draw the first run's shares by step, as the book does, and where they go."""
    figure, axes = sheet("Zhao, figure 8.5: visits of the 2x2 grid, counted (lines) and exact (dotted)")
    for state, colour in enumerate(COLOURS[:4]):
        axes.plot(np.arange(10, STEPS + 1, 10), found["share"][0, :, state], color=colour, label=f"s{state + 1}")
        books_line(axes, found["exact"][state], colour=colour)
    axes.set(xlabel="step", ylabel="share of visits", ylim=(0, 1))
    axes.legend(ncols=4, loc="upper right", frameon=False)
    return figure


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare the distribution with the book's, and the counts with it."""
    book = published("zhao_2x2_stationary", "d")
    exact = [equal(f"d(s{state + 1})", found["exact"][state], book[state]) for state in range(4)]
    counts = found["share"][:, -1]
    return exact + [
        against(f"share of s{state + 1} in {STEPS} steps", counts[:, state], book[state], 10**9) for state in range(4)
    ]
