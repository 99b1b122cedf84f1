"""Zhao's 5x5 grid as figures 8.9 to 8.12 need it: from the top left to the target, -10 for what is forbidden."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import rlkit
from examples.gallery import COLOURS, Comparison, against, published, sheet
from rlkit import plotting
from rlkit.envs import GridWorld
from rlkit.features import Fourier, JointActions

DRAWING = "S . . . .\n. X X . .\n. . X . .\n. X G X .\n. X . . ."
RULES: dict[str, Any] = {"rules": "zhao", "forbidden_reward": -10.0, "boundary_reward": -10.0}
GRID = GridWorld(DRAWING, **RULES, continuing=False, max_steps=2000)  # an agent that is lost stops there
GRID.compiled()  # made once, for all copies
EPISODES, LATE = 500, 100
FEATURES: dict[str, tuple[str, Any]] = {  # what the book's are, and two others; with the names of the published runs
    "joint (x, y, a), scaled to [0, 1]": ("joint216_norm4", JointActions.for_env(GRID, Fourier, order=5)),
    "joint, 1 to 5 divided by 5": ("joint216_norm5", JointActions.for_env(GRID, Fourier, order=5, low=-1.0, high=4.0)),
    "a block for each action": ("block180", Fourier.for_env(GRID, order=5)),
}


class Learnt(NamedTuple):
    """What came of some runs.

    Attributes:
        returns, lengths: of the episodes, `[runs, EPISODES]`.
        q: action values in the end, `[runs, S, A]`.
        reached: whether the greedy policy gets from the start to the target, bool `[runs]`.
    """

    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    q: NDArray[np.float64]
    reached: NDArray[np.bool_]


def learn(kind: Any, runs: int, of: Iterable[str] = FEATURES) -> dict[str, Learnt]:
    """Learn with each of these kinds of features, by the book's numbers."""
    found = {}
    for name in of:
        features = FEATURES[name][1]

        def make(seed: int, features: Any = features) -> tuple[Any, Any]:
            settings = {"gamma": 0.9, "learning_rate": 0.001, "exploration_final_eps": 0.1, "features": features}
            return kind.for_env(GRID, seed=seed, **settings), copy.copy(GRID)

        done = rlkit.train_many(make, range(runs), episodes=EPISODES)
        q = np.array([agent.q for agent in done.agents])
        reached = np.array([reaches(each.argmax(axis=1)) for each in q])
        found[name] = Learnt(np.asarray(done.returns), np.asarray(done.lengths), q, reached)
    return found


def reaches(policy: NDArray[np.int64], most: int = 100) -> bool:
    """Return whether a policy gets from the start to the target."""
    env = copy.copy(GRID)
    state, _ = env.reset()
    for _ in range(most):
        state, _, terminated, _, _ = env.step(int(policy[state]))
        if terminated:
            return True
    return False


def draw(found: dict[str, Learnt], title: str) -> Any:
    """Draw returns and lengths of episodes, means of 10 each, medians over the runs, and a run's greedy policy."""
    figure, panels = sheet(title, 3, width=4.6)
    for colour, (name, learnt) in zip(COLOURS, found.items(), strict=False):
        for axes, values in zip(panels, (learnt.returns, learnt.lengths), strict=False):
            tens = values.reshape(len(values), -1, 10).mean(axis=2)  # [runs, EPISODES / 10]
            low, middle, high = np.quantile(tens, [0.25, 0.5, 0.75], axis=0)
            episodes = np.arange(10, EPISODES + 1, 10)
            axes.fill_between(episodes, low, high, color=colour, alpha=0.12, linewidth=0)
            axes.plot(episodes, middle, color=colour, linewidth=1.2, label=name)
    panels[0].set(xlabel="episode", ylabel="sum of rewards")
    panels[0].set_yscale("symlog", linthresh=10)
    panels[1].set(xlabel="episode", ylabel="length", yscale="log", ylim=(7, 4000))
    panels[1].axhline(11, color="#495057", linewidth=1.0, linestyle=":", label="shortest way: 11")
    panels[1].legend(frameon=False, fontsize=8)
    learnt = next(iter(found.values()))
    run = int(learnt.reached.argmax())
    panels[2].grid(visible=False)
    q = learnt.q[run]
    share = f"{learnt.reached.mean():.0%} of the runs reach the target"
    plotting.plot_values(
        GRID.model(), q.max(axis=1), policy=q.argmax(axis=1), ax=panels[2], title=f"greedy, joint: {share}"
    )
    return figure


def compare(found: dict[str, Learnt], kind: str) -> list[Comparison]:
    """Compare late episodes, and how often the greedy policy gets there, with 30 runs recomputed for the book."""
    rows = []
    for name, learnt in found.items():
        book = published("zhao_control_fig8.9-8.12", "fig8_9_8_10", f"{kind}_{FEATURES[name][0]}")
        label = FEATURES[name][0]
        rows += [
            against(
                f"{label}: length, last {LATE}", learnt.lengths[:, -LATE:].mean(axis=1), book["len_last100_mean"], 30
            ),
            against(
                f"{label}: rewards, last {LATE}",
                learnt.returns[:, -LATE:].mean(axis=1),
                book["reward_last100_mean"],
                30,
            ),
            against(f"{label}: greedy reaches", learnt.reached, book["greedy_reaches_frac"], 30),
        ]
    return rows
