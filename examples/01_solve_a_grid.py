"""Draw a grid world, solve it exactly, and see the answer with a proven bound on its error.

The floor is slippery: every fifth move goes sideways. That is why the short way along the holes is not the best one.
"""

from pathlib import Path

import tyro

from rlkit import bellman, plotting
from rlkit.envs import GridWorld
from rlkit.run import RunFolder

DRAWING = """
    . . . . . . .
    . # # . # # .
    S H H . H H G
    . . . . . . .
"""
GAMMA = 0.95


def main(out: Path = Path("runs/01_solve_a_grid")) -> bellman.Solution:
    """Solve the drawing by value iteration and leave its picture and a TensorBoard run."""
    folder = RunFolder.fresh(out).path
    env = GridWorld(DRAWING, slip=0.2, step_reward=-0.02, hole_reward=-1.0)
    model = env.model()

    with bellman.BellmanLogger(folder, model) as log:
        solution = bellman.value_iteration(model, GAMMA, callback=log)
        log.finish(solution)

    best = bellman.optimal_actions(model, solution.v, GAMMA)
    figure = plotting.plot_values(model, solution.v, policy=best, title=f"v* at gamma {GAMMA}, slip 0.2")
    plotting.save(figure, folder / "values.png")

    start = env.state_of(2, 0)
    print(f"v*(start) = {solution.v[start]:.6f}, wrong by at most {solution.error_bound:.0e}")
    print(f"{folder}/values.png; tensorboard --logdir {folder}")
    return solution


if __name__ == "__main__":
    tyro.cli(main)
