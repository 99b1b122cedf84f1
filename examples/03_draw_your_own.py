"""The same grid world in three ways: a drawing with a legend, a TOML file, and a builder.

It has a lift (a portal), a draughty corridor (wind upwards), a one-way door and a wet floor.
"""

from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from rlkit import bellman
from rlkit.envs import GridWorld
from rlkit.envs.gridworld.pictures.render import render_grid
from rlkit.run import RunFolder

GAMMA = 0.95
DRAWING = """
S . . # . . G
. . . > . X .
. w w # . . ~
A w w # # # #
. . . . . . .
"""
LEGEND = {
    "A": {"kind": "portal", "to": (0, 4), "reward": -0.3},
    ">": {"exits": ["right"]},
    "w": {"wind": {"up": 1}},
    "~": {"slip": 0.5},
}


def main(out: Path = Path("runs/03_draw_your_own")) -> list[bellman.Solution]:
    """Make the world three times, solve each, and see that they are one and the same."""
    folder = RunFolder.fresh(out).path
    drawn = GridWorld(DRAWING, legend=LEGEND, step_reward=-0.05)

    (folder / "office.toml").write_text(drawn.to_toml(), encoding="utf-8")
    read = GridWorld.load(folder / "office.toml")

    cells = GridWorld.builder(5, 7).wall((0, 3), (2, 3), np.s_[3, 3:]).start(0, 0).goal(0, 6).forbidden(1, 5)
    cells.portal(3, 0, to=(0, 4), reward=-0.3).one_way(1, 3, exits=["right"])
    cells.wind(np.s_[2:4, 1:3], up=1).slip(2, 6, probability=0.5)
    built = cells.build(step_reward=-0.05)

    with bellman.BellmanLogger(folder, drawn.model()) as log:
        first = bellman.value_iteration(drawn.model(), GAMMA, callback=log)
    solutions = [first, bellman.solve(read.model(), GAMMA), bellman.solve(built.model(), GAMMA)]
    gap = max(float(np.abs(solution.v - first.v).max()) for solution in solutions)
    print(f"v*(start) = {first.v[drawn.state_of(0, 0)]:.6f}; the three differ by at most {gap:.0e}")

    best = bellman.optimal_actions(drawn.model(), first.v, GAMMA)
    Image.fromarray(render_grid(drawn.layout, values=first.v, policy=best)).save(folder / "office.png")
    print(f"{folder}/office.png; tensorboard --logdir {folder}")
    return solutions


if __name__ == "__main__":
    tyro.cli(main)
