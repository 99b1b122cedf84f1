"""S&B, example 6.5: Sarsa on the windy grid, whose episodes become shorter and shorter."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

import rlkit
from examples.gallery import COLOURS, Comparison, against, equal, published, sheet
from rlkit import bellman, plotting
from rlkit.agents import Sarsa
from rlkit.envs import GridWorld
from rlkit.truth import epsilon_soft

RUNS = 500
EPISODES = 170
MAP = "sutton-barto-6.5"
WINDY = GridWorld.load(MAP)
WINDY.compiled()  # made once, for all copies
EPSILON = 0.1


def measure(runs: int) -> dict[str, Any]:
    """Learn; solve for the best policy, with king's moves too, and for the best that acts at random now and then."""

    def make(seed: int) -> tuple[Any, Any]:
        env = copy.copy(WINDY)
        return Sarsa.for_env(env, gamma=1.0, learning_rate=0.5, exploration_final_eps=EPSILON, seed=seed), env

    king = GridWorld.load(MAP, moves=8)
    learnt = rlkit.train_many(make, range(runs), episodes=EPISODES)
    return {
        "lengths": np.asarray(learnt.lengths),
        "solution": bellman.solve(WINDY.model(), 1.0),
        "best": -bellman.solve(WINDY.model(), 1.0).v[WINDY.state_of(3, 0)],
        "best of a king": -bellman.solve(king.model(), 1.0).v[king.state_of(3, 0)],
        "best exploring": -bellman.solve(epsilon_soft(WINDY, EPSILON), 1.0).v[WINDY.state_of(3, 0)],
    }


def draw(found: dict[str, Any]) -> Any:
    """Draw episodes by steps, as the book does, and the exact answer."""
    figure, (left, right) = sheet("S&B, example 6.5: windy grid, Sarsa, epsilon = 0.1, alpha = 0.5", 2)
    ends = found["lengths"].cumsum(axis=1)  # [runs, EPISODES]
    left.plot(ends[:20].T, range(1, EPISODES + 1), color="#ced4da", linewidth=0.7)
    left.plot(ends.mean(axis=0), range(1, EPISODES + 1), color=COLOURS[0], label=f"mean of {len(ends)} runs")
    book = published("cliff_windy_access_walk", "windy_sarsa_a.5_eps.1")
    left.plot(8000, book["episodes_done_by_8000_steps"], "o", color="white", markeredgecolor="black", label="published")
    left.set(xlabel="steps", ylabel="episodes", xlim=(0, 9000), ylim=(0, EPISODES))
    left.legend(frameon=False)
    right.grid(visible=False)
    model, v = WINDY.model(), found["solution"].v
    best = bellman.optimal_actions(model, v, 1.0)
    plotting.plot_values(model, v, policy=best, ax=right, title="exact: steps to go, and all best moves")
    return figure


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare exact answers and sampled ones."""
    exact, lengths = published("cliff_windy_access_walk"), found["lengths"]
    book = exact["windy_sarsa_a.5_eps.1"]
    return [
        equal("best: steps", found["best"], exact["windy_4_optimal_steps"]),
        equal("best with king's moves", found["best of a king"], exact["windy_8king_optimal_steps"]),
        equal("best with epsilon 0.1", found["best exploring"], exact["windy_eps.1_best_epssoft_len"]),
        against("steps of 170 episodes", lengths.sum(axis=1), book["steps_in_first_170_episodes_mean"], 500),
        against(
            "episodes within 8000 steps",
            (lengths.cumsum(axis=1) <= 8000).sum(axis=1),
            book["episodes_done_by_8000_steps"],
            500,
        ),
        against("steps of the last 20 episodes", lengths[:, -20:].mean(axis=1), book["ep_len_last20"], 500),
    ]
