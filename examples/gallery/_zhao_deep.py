"""Deep Q-learning from a batch of random moves, as Zhao's figures 8.11 and 8.12 have it.

One walk with random actions is all there is to learn from. The network has one hidden layer of 100 units. What the book
does not say, or says little of, matters: how a state is shown to the network, the optimiser and its step size, how
often the target network is updated. Here: Adam at 0.01 with batches of 100, a target network updated every 10 batches.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from examples.gallery import COLOURS, sheet
from examples.gallery._zhao_control import DRAWING, RULES
from rlkit import bellman, plotting
from rlkit.agents import DQN
from rlkit.envs import GridWorld
from rlkit.features import Polynomial
from rlkit.transition import Transition

GRID = GridWorld(DRAWING.replace("S", "."), **RULES)  # continuing: the target can be stayed on
MODEL, GAMMA = GRID.model(), 0.9
EXACT = bellman.solve(MODEL, GAMMA)
OPTIMAL = bellman.optimal_actions(MODEL, EXACT.v, GAMMA)  # [S, A]
STATES = np.arange(25)
INPUTS: dict[str, Any] = {"column and row": Polynomial.for_env(GRID, degree=1), "one-hot": None}
EVERY, UPDATE = 50, 10


class Learnt(NamedTuple):
    """What came of some runs, each with a walk of its own.

    Attributes:
        errors: root mean squared errors of max_a q, every 50 batches, `[runs, K]`.
        optimal: share of states whose greedy action is optimal, alike.
        q: action values of the first run in the end, `[S, A]`.
    """

    errors: NDArray[np.float64]
    optimal: NDArray[np.float64]
    q: NDArray[np.float64]


def learn(runs: int, samples: int, batches: int, features: Any) -> Learnt:
    """Learn from so many batches of so many random moves."""
    curves, first = [], None
    torch.set_num_threads(1)  # more only get in each other's way, with layers this small
    for seed in range(runs):
        agent = with_samples(seed, samples, features)
        curve = []
        for batch in range(1, batches + 1):
            agent.learn_batch(agent.buffer.sample(100, agent.rng))
            if batch % UPDATE == 0:
                agent.update_target()
            if batch % EVERY == 0:
                q = agent.action_values(STATES)
                error = np.sqrt(((q.max(axis=1) - EXACT.v) ** 2).mean())
                curve.append((error, OPTIMAL[STATES, q.argmax(axis=1)].mean()))
        curves.append(curve)
        first = agent.action_values(STATES) if first is None else first
    return Learnt(*np.moveaxis(np.array(curves), 2, 0), first)


def with_samples(seed: int, samples: int, features: Any) -> DQN:
    """Return an agent that has seen a random walk, and learnt nothing yet."""
    settings = {"gamma": GAMMA, "learning_rate": 0.01, "network": (100,), "buffer_size": samples}
    agent = DQN.for_env(GRID, seed=seed, features=features, **settings)
    observation, _ = GRID.reset(seed=seed)
    for action in np.random.default_rng(seed).integers(5, size=samples).tolist():
        following, reward, terminated, truncated, _ = GRID.step(action)
        agent.buffer.add(Transition(observation, action, reward, following, terminated, truncated))
        observation = following
    return agent


def draw(found: dict[str, Learnt], title: str) -> Any:
    """Draw the errors of every run, and what the first run has learnt."""
    figure, panels = sheet(title, 3, width=4.6)
    for colour, (name, learnt) in zip(COLOURS, found.items(), strict=False):
        steps = EVERY * np.arange(1, learnt.errors.shape[1] + 1)
        panels[0].plot(steps, learnt.errors.T, color=colour, linewidth=0.6, alpha=0.5)
        panels[0].plot(steps, np.median(learnt.errors, axis=0), color=colour, linewidth=1.8, label=f"sees {name}")
    panels[0].set(xlabel="batches of 100", ylabel="root mean squared value error", yscale="log", ylim=(0.1, 1000))
    panels[0].legend(frameon=False, fontsize=9)
    for axes, (name, learnt) in zip(panels[1:], found.items(), strict=True):
        axes.grid(visible=False)
        share = f"{learnt.optimal[:, -1].mean():.0%} optimal actions"
        policy = learnt.q.argmax(axis=1)
        plotting.plot_values(MODEL, learnt.q.max(axis=1), policy=policy, ax=axes, title=f"{name}: {share}")
    return figure
