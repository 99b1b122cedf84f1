"""S&B, example 6.6: on the cliff, Q-learning learns the best way and falls off it; Sarsa learns the safe one."""

from __future__ import annotations

from typing import Any

import numpy as np

from examples.gallery import COLOURS, Comparison, against, books_line, equal, published, sheet
from examples.gallery._cliff import AS_PUBLISHED, CLIFF, EPSILON, KINDS, learn, path_length
from rlkit import bellman, plotting
from rlkit.truth import epsilon_soft

RUNS = 500
EPISODES = 500
START = CLIFF.state_of(3, 0)


def measure(runs: int) -> dict[str, Any]:
    """Learn with alpha = 0.5; solve for the best policy, and for the best that acts at random now and then."""
    learnt = {name: learn(kind, runs, EPISODES, 0.5) for name, kind in KINDS.items()}
    again = {name: learn(kind, runs, EPISODES, 0.5).returns for name, kind in AS_PUBLISHED.items()}
    return {
        "returns": {name: np.asarray(done.returns) for name, done in learnt.items()},
        "returns as published": {name: np.asarray(returns) for name, returns in again.items()},
        "lengths": {name: [path_length(agent) for agent in done.agents] for name, done in learnt.items()},
        "q": {name: np.mean([agent.q for agent in done.agents], axis=0) for name, done in learnt.items()},
        "best": bellman.solve(CLIFF.model(), 1.0).v[START],
        "best exploring": bellman.solve(epsilon_soft(CLIFF, EPSILON), 1.0).v[START],
    }


def draw(found: dict[str, Any]) -> Any:
    """Draw the sum of rewards per episode, and the mean of the values that the runs have learnt."""
    figure, panels = sheet("S&B, example 6.6: walking along a cliff, epsilon = 0.1, alpha = 0.5", 2, 2, height=2.6)
    for colour, (name, returns) in zip(COLOURS, found["returns"].items(), strict=False):
        panels[0].plot(range(1, EPISODES + 1), returns.mean(axis=0), color=colour, linewidth=0.9, label=name)
    books_line(panels[0], found["best"], "best: -13")
    books_line(panels[0], found["best exploring"], "best, exploring: -20.7", COLOURS[3])
    panels[0].set(xlabel="episode", ylabel="sum of rewards", ylim=(-100, -5))
    panels[0].legend(frameon=False, fontsize=8, ncols=2)
    for axes, (name, q) in zip(panels[1:], found["q"].items(), strict=True):
        axes.grid(visible=False)
        best = q >= q.max(axis=1, keepdims=True)
        plotting.plot_values(CLIFF.model(), q.max(axis=1), policy=best, ax=axes, title=f"{name}, mean of the runs")
    return figure


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare returns early and late, and what the greedy policies have become."""
    books = published("cliff_windy_access_walk")
    rows = [
        equal("best return", found["best"], books["cliff_v*_start"]),
        equal("best, exploring", found["best exploring"], books["cliff_eps0.1_best_epssoft_start"]),
    ]
    for name, returns in found["returns as published"].items():
        book = books[f"cliff_{name.lower().replace(' ', '_').replace('-', '_')}_a.5_eps.1"]
        early, late, lengths = returns[:, :100], returns[:, -100:], found["lengths"][name]
        rows += [
            against(f"{name}: first 100 episodes", early.mean(axis=1), book["mean_return_first100"], 500),
            against(f"{name}: all 500", returns.mean(axis=1), book["episodes_1_500_mean"], 500),
            against(f"{name}: last 100", late.mean(axis=1), book["mean_return_last100"], 500),
            equal(f"{name}: greedy way, median", float(np.median(lengths)), book["greedy_path_len_median"]),
        ]
    return rows
