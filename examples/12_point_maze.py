"""One drawing, two worlds: the Bellman optimality equation on the grid, and DDPG in the continuous maze.

On the grid an agent makes moves; in the maze it pushes a point mass, of which it sees position and velocity. The
equation knows the shortest way through both, and what DDPG has learnt is measured by it.
"""

from pathlib import Path

import gymnasium
import numpy as np
import tyro
from matplotlib.figure import Figure

import rlkit
from rlkit import bellman, plotting
from rlkit.agents import DDPG
from rlkit.envs import GridWorld, PointMaze, plot_maze
from rlkit.evaluation import play
from rlkit.exploration import GaussianNoise

DRAWING = "sutton-barto-8.1"  # the Dyna maze


def main(out: Path = Path("runs/12_point_maze"), steps: int = 8_000, seed: int = 0) -> tuple[int, float]:
    """Solve the grid, train in the maze from anywhere, and draw both, the runs from the drawing's start."""
    model = GridWorld.load(DRAWING).model()
    v = bellman.solve(model, 0.95).v

    # Where it begins matters: everywhere, it comes to know every corner.
    env = gymnasium.make("rlkit/PointMaze-v0", map=DRAWING, start="random")
    size = {"network": (64, 64), "batch_size": 64, "learning_starts": 1000}
    agent = DDPG.for_env(env, seed=seed, gamma=0.95, noise=GaussianNoise(sigma=0.3), **size)
    folder = rlkit.train(agent, env, steps=steps, directory=out).folder.path
    maze = PointMaze(DRAWING)
    runs, ended = [], 0
    for number in range(10):
        episode = [transition for transition, _ in play(agent, maze, seed=number)]
        runs.append(np.array([episode[0].observation, *(each.next_observation for each in episode)]))
        ended += episode[-1].terminated
    stretch = float(np.mean([maze.stretch(run) for run in runs]))

    figure = Figure(figsize=(14, 4.8))
    grid, continuous = figure.subplots(1, 2, gridspec_kw={"left": 0.02, "right": 0.96, "bottom": 0.1, "top": 0.92})
    best = bellman.optimal_actions(model, v, 0.95)
    plotting.plot_values(model, v, policy=best, ax=grid, title="BOE on the grid: v* and all optimal moves")
    plot_maze(maze, {"DDPG": runs}, ax=continuous, title="DDPG in the maze, on the distance left to the goal")
    plotting.save(figure, folder / "maze.png")
    reference = maze.reference()
    shortest = f"{reference.moves} moves on the grid, {reference.length:.1f} cells in the maze"
    print(f"{shortest}; DDPG: {ended} of 10 runs at the goal, on ways {stretch:.2f} times as long")
    print(f"{folder}/maze.png; tensorboard --logdir {folder}")
    return ended, stretch


if __name__ == "__main__":
    tyro.cli(main)
