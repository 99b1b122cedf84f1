"""S&B, figure 10.1: the mountain car's cost to go, -max_a q, as one run of semi-gradient Sarsa learns it."""

from __future__ import annotations

from typing import Any

import numpy as np

from examples.gallery import Comparison, agree, sheet
from examples.gallery._mountain_car import SETTINGS, TILINGS
from rlkit.agents import Sarsa
from rlkit.compiled.run import CompiledRun
from rlkit.envs import MountainCar

RUNS = 1
ALPHA = 0.5
EPISODES = (12, 104, 1000, 9000)
POSITIONS, VELOCITIES = np.linspace(-1.2, 0.5, 60), np.linspace(-0.07, 0.07, 60)
POINTS = np.stack(np.meshgrid(POSITIONS, VELOCITIES, indexing="ij"), axis=-1).reshape(-1, 2)  # [3600, 2]
STARTS = np.linspace(-0.6, -0.4, 21)


def measure(runs: int) -> dict[str, Any]:
    """Learn once, as in the book, stopping now and then to look; at last, let the greedy policy drive."""
    env = MountainCar()
    agent = Sarsa.for_env(env, learning_rate=ALPHA / TILINGS, seed=0, **SETTINGS)
    run: Any = CompiledRun.of(agent, env)
    run.begin(agent.seed)
    run.run(steps=428)
    q = {"step 428": agent.action_values(POINTS)}
    done = 0
    for episode in EPISODES:
        run.run(episodes=episode - done)
        q[f"episode {episode:,}"], done = agent.action_values(POINTS), episode
    paths = [drive(agent, position) for position in STARTS]
    costs = -agent.state_values(np.column_stack([STARTS, np.zeros(21)]))
    return {"q": q, "path": paths[len(paths) // 2], "steps": [len(path) - 1 for path in paths], "costs": costs}


def drive(agent: Any, position: float, most: int = 1000) -> np.ndarray:
    """Return where the greedy policy goes from rest, `[steps + 1, 2]`."""
    env = MountainCar(max_steps=most)
    path = [env.reset(options={"state": (position, 0.0)})[0]]
    over = False
    while not over:
        state, _, terminated, truncated, _ = env.step(agent.act(path[-1]))
        path.append(state)
        over = terminated or truncated
    return np.array(path)


def draw(found: dict[str, Any]) -> Any:
    """Draw the surfaces, and the last policy with a drive."""
    figure, panels = sheet(
        "S&B, figure 10.1: cost to go on the mountain car, during one run", 3, 2, width=4.2, height=3.6
    )
    shape = len(POSITIONS), len(VELOCITIES)
    x, y = (POINTS[:, d].reshape(shape) for d in range(2))
    for panel, (name, q) in zip(panels, found["q"].items(), strict=False):
        place = panel.get_subplotspec()
        panel.remove()
        axes = figure.add_subplot(place, projection="3d", title=name, xlabel="position", ylabel="velocity")
        axes.plot_surface(x, y, -q.max(axis=1).reshape(shape), cmap="viridis", rcount=60, ccount=60, linewidth=0)
        axes.view_init(elev=35, azim=-60)
        axes.set_yticks([-0.07, 0.0, 0.07])
    axes, policy = panels[-1], q.argmax(axis=1).reshape(shape)
    axes.grid(visible=False)
    axes.pcolormesh(x, y, policy, cmap="coolwarm", alpha=0.45, shading="nearest")
    axes.plot(*found["path"].T, ".-", color="black", markersize=3, linewidth=0.8)
    axes.set(
        title=f"greedy: back (blue), none, ahead (red); {len(found['path']) - 1} steps",
        xlabel="position",
        ylabel="velocity",
    )
    return figure


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare the cost to go of the starts with the steps that the greedy policy takes from them."""
    return [agree("cost to go; steps driven (ours as well)", found["costs"], found["steps"])]
