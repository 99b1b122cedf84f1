"""S&B, figure 10.5: differential Sarsa on the access-control queue, measured against the exact best average reward."""

from __future__ import annotations

from typing import Any

import numpy as np

import rlkit
from examples.gallery import COLOURS, Comparison, against, books_line, equal, near_median, published, sheet
from rlkit.agents import DifferentialSarsa
from rlkit.envs import AccessControl
from rlkit.truth import epsilon_soft, exact_gain

RUNS = 10
STEPS = 2_000_000
EPSILON = 0.1
PRIORITIES = (1, 2, 4, 8)


def measure(runs: int) -> dict[str, Any]:
    """Learn; then work out exactly what the learnt policies earn, with and without their random actions."""

    def make(seed: int) -> tuple[Any, Any]:
        env = AccessControl()
        return DifferentialSarsa.for_env(env, learning_rate=0.01, exploration_final_eps=EPSILON, seed=seed), env

    learnt = rlkit.train_many(make, range(runs), steps=STEPS).agents
    q = np.array([agent.q for agent in learnt])  # [runs, S, 2]
    env, soft = AccessControl(), epsilon_soft(AccessControl(), EPSILON)
    return {
        "q": q,
        "estimates": np.array([agent.average_reward for agent in learnt]),
        "greedy": np.array([exact_gain(env, each.argmax(axis=1)).gain for each in q]),
        "exploring": np.array([exact_gain(soft, each.argmax(axis=1)).gain for each in q]),
        "best": exact_gain(env),
        "best exploring": exact_gain(soft),
    }


def draw(found: dict[str, Any]) -> Any:
    """Draw the policy and the values of the first run, and the average reward of all of them."""
    figure, (left, middle, right) = sheet("S&B, figure 10.5: access control, differential Sarsa", 3, width=4.4)
    q, best = found["q"][0].reshape(11, 4, 2), found["best"].policy.reshape(11, 4)
    accepted = q.argmax(axis=2) * (np.arange(11) > 0)[:, None]  # without a free server, both actions reject
    left.imshow(accepted.T, cmap="Greys", vmin=-0.4, vmax=2.5, origin="lower", aspect="auto")
    left.grid(visible=False)
    for free, priority in np.ndindex(11, 4):
        accepts = bool(free and q[free, priority].argmax())
        colour = "#c92a2a" if free and accepts != best[free, priority] else "black"
        style = {"ha": "center", "va": "center", "rotation": 90, "fontsize": 8, "color": colour}
        left.text(free, priority, "accept" if accepts else "reject", **style)
    left.set(title="policy (red: not optimal)", xlabel="free servers", xticks=range(11))
    left.set_yticks(range(4), [f"pays {pay}" for pay in PRIORITIES])
    for priority, colour in enumerate(COLOURS[:4]):
        middle.plot(q[:, priority].max(axis=1), color=colour, label=f"pays {PRIORITIES[priority]}")
    middle.set(title="value of the best action (8 and more: hardly visited)", xlabel="free servers")
    middle.legend(frameon=False, fontsize=9)
    labels = {"estimates": "its estimate", "exploring": "exact, exploring", "greedy": "exact, greedy"}
    for x, (name, label) in enumerate(labels.items()):
        right.plot(np.full(len(found[name]), x), found[name], "o", color=COLOURS[x], alpha=0.6, label=label)
    books_line(right, found["best"].gain, "best policy")
    books_line(right, found["best exploring"].gain, "best with 10 % random actions", COLOURS[1])
    right.set(title="average reward, one dot a run", xticks=[], xlim=(-0.6, 2.6))
    right.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare the exact averages, and what is learnt."""
    book = "cliff_windy_access_walk"
    sampled = published(book, "access_control_diff_sarsa_2M_steps")
    soft = published(book, "access_control_eps.1_soft_optimal_avg_reward")
    return [
        equal("best average reward", found["best"].gain, published(book, "access_control_optimal_avg_reward")),
        equal("best with epsilon 0.1", found["best exploring"].gain, soft),
        against("Sarsa's policy, exploring", found["exploring"], sampled["avg_reward_second_half_mean"], 5),
        near_median("Sarsa's estimate, median", found["estimates"], sampled["rbar_median"], 5),
    ]
