"""Mazes are perfect: every room is reached, in exactly one way."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from rlkit.envs.gridworld.drawing import check
from rlkit.envs.gridworld.maze import maze
from rlkit.envs.gridworld.rules import Rules
from rlkit.errors import MapError


@pytest.mark.parametrize(("rows", "columns"), [(1, 2), (2, 1), (2, 2), (5, 9), (40, 30)])
def test_a_maze_is_a_tree_of_its_rooms(rows: int, columns: int) -> None:
    grid = maze(rows, columns, seed=3)
    open_cells = grid.codes != 1
    assert grid.codes.shape == (2 * rows + 1, 2 * columns + 1)
    assert open_cells[1::2, 1::2].all()
    assert not open_cells[::2, ::2].any()
    assert not open_cells[[0, -1]].any()
    assert not open_cells[:, [0, -1]].any()
    assert open_cells.sum() - rows * columns == rows * columns - 1  # a connected graph with one edge less than rooms
    assert ndimage.label(open_cells)[1] == 1
    assert (grid.codes[1, 1], grid.codes[-2, -2]) == (2, 3)
    check(grid, Rules())


def test_a_seed_makes_the_same_maze_again_and_another_seed_another() -> None:
    assert np.array_equal(maze(9, 9, seed=1).codes, maze(9, 9, seed=1).codes)
    assert not np.array_equal(maze(9, 9, seed=1).codes, maze(9, 9, seed=2).codes)
    assert maze(9, 9, seed=1).name == "maze 9 x 9, seed 1"


def test_a_maze_of_a_million_rooms_is_made() -> None:
    assert maze(1000, 1000, seed=0).codes.shape == (2001, 2001)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (0, 5), (-1, 3)])
def test_a_maze_of_fewer_than_two_rooms_is_refused(rows: int, columns: int) -> None:
    with pytest.raises(MapError, match="there have to be at least two"):
        maze(rows, columns, seed=0)
