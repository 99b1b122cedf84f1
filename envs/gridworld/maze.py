"""Random mazes."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from rlkit.envs.gridworld.cells import DEFAULT_LEGEND
from rlkit.envs.gridworld.layout import GridMap
from rlkit.errors import MapError

_FREE, _WALL, _START, _GOAL = 0, 1, 2, 3


def maze(rows: int, columns: int, seed: int | None = None) -> GridMap:
    """Return a perfect maze: between any two of its rooms there is exactly one way.

    A spanning tree of the rooms, minimal under random weights (Kruskal's maze). Rooms stand at odd rows and columns,
    walls between and around them; the start is the top left room, the goal the bottom right one.

    Args:
        rows: rooms from top to bottom, at least 1; the map has `2 * rows + 1` rows.
        columns: rooms from left to right, at least 1; the map has `2 * columns + 1` columns.
        seed: of NumPy's default generator; the same seed gives the same maze.

    Raises:
        MapError: for fewer than two rooms.
    """
    if rows < 1 or columns < 1 or rows * columns < 2:
        raise MapError(f"maze: {rows} x {columns} rooms; there have to be at least two, a start and a goal")
    rooms = np.arange(rows * columns).reshape(rows, columns)
    one = np.concatenate([rooms[:, :-1].ravel(), rooms[:-1].ravel()])  # [E], E pairs of neighbours
    other = np.concatenate([rooms[:, 1:].ravel(), rooms[1:].ravel()])  # [E]
    weight = np.random.default_rng(seed).permutation(len(one)) + 1.0
    tree = minimum_spanning_tree(coo_array((weight, (one, other)), shape=(rooms.size, rooms.size)).tocsr()).tocoo()

    codes = np.full((2 * rows + 1, 2 * columns + 1), _WALL, dtype=np.uint8)
    codes[1::2, 1::2] = _FREE
    row, column = np.divmod(tree.row, columns)
    next_row, next_column = np.divmod(tree.col, columns)
    codes[row + next_row + 1, column + next_column + 1] = _FREE  # the wall half-way between two rooms
    codes[1, 1], codes[-2, -2] = _START, _GOAL
    return GridMap(codes, DEFAULT_LEGEND, f"maze {rows} x {columns}" + ("" if seed is None else f", seed {seed}"))
