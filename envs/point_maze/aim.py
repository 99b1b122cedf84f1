"""The goals of an episode in a point maze, and the shortest ways there, by which its run is measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import binary_dilation, label

from rlkit import bellman
from rlkit.envs.gridworld.cells import DEFAULT_LEGEND
from rlkit.envs.gridworld.layout import GridMap, Layout
from rlkit.envs.gridworld.model import GridModel
from rlkit.envs.gridworld.rules import Rules
from rlkit.envs.point_maze.motion import FREE, TERMINAL, WALL
from rlkit.envs.point_maze.shortest import CLEARANCE, ShortestWays, length_left
from rlkit.envs.point_maze.world import Maze
from rlkit.errors import ConfigError

Floats = NDArray[np.float64]
Cells = NDArray[np.int64]

_FREE, _WALL, _GOAL = 0, 1, 3  # codes of the default legend


@dataclass(frozen=True, eq=False)
class Reference:
    """The shortest way from a place to a goal, around walls and holes and, where that can be, forbidden cells.

    Attributes:
        path: where it begins, bends at corners, and ends at the goal's cell; x and y, float64 `(N, 2)`.
        length: of the path. Nothing that the point can do is shorter (by more than 1e-6).
        cells: (row, column) of the cells on a way of fewest moves through the grid, int64 `(M + 1, 2)`.
        moves: M, how many there are.
    """

    path: Floats
    length: float
    cells: Cells

    @property
    def moves(self) -> int:
        """How many moves the way through the grid takes."""
        return len(self.cells) - 1


@dataclass(frozen=True, eq=False)
class Aim:
    """The goals of an episode, and the shortest ways there.

    Attributes:
        maze: whose goals they are.
        ways: the shortest ways that enter neither holes nor, if every start has such a way, forbidden cells.
        kind, pays: as the maze's, under these goals.
    """

    maze: Maze
    ways: ShortestWays
    kind: NDArray[np.uint8]
    pays: Floats

    @cached_property
    def is_goal(self) -> NDArray[np.bool_]:
        """Which cells are goals, bool `(H, W)`."""
        is_goal = np.zeros(self.kind.shape, bool)
        is_goal[tuple(self.ways.goals.T)] = True
        return is_goal

    @cached_property
    def layout(self) -> Layout:
        """The drawing with these goals."""
        layout = self.maze.layout
        if not self.maze.drawn_goal:
            return layout
        codes = np.where(self.maze.is_drawn_goal, _FREE, layout.grid.codes).astype(np.uint8)
        codes[self.is_goal] = _GOAL
        return Layout(GridMap(codes, layout.grid.legend, layout.grid.name), layout.rules)

    def goal_ahead(self, x: float, y: float, row: int, column: int) -> Floats:
        """Return x and y of the middle of the goal that the shortest way leads to; of the first if there is no way."""
        goals = self.ways.goals
        if len(goals) == 1:
            return np.array(self.maze.centre_of(*goals[0].tolist()))
        places = self.maze.centres_of(goals)
        end = self.ways.path(x, y, row, column)[-1]
        return np.asarray(places[np.abs(places - end).max(axis=1).argmin()])

    @cached_property
    def no_way(self) -> Floats:
        """What counts as the distance in cells that no way leads from, else inf, float64 `(H, W)`.

        It is the most from any of the cells around: so going in is no progress, and coming out is worth what it is.
        """
        cells = np.argwhere(self.kind != WALL)
        distance = np.full(self.kind.shape, np.nan)  # [H, W], NaN in walls
        distance[tuple(cells.T)] = self.ways.distances(self.maze.centres_of(cells), cells)
        distance[self.ways.corners.blocked.astype(bool) & (self.kind != WALL)] = np.inf
        parts, count = label(np.isinf(distance))
        instead = np.full(self.kind.shape, np.inf)
        for part in range(1, count + 1):
            around = binary_dilation(parts == part) & np.isfinite(distance)
            instead[parts == part] = distance[around].max(initial=0.0)
        return instead

    def reference(self, x: float, y: float, row: int, column: int) -> Reference:
        """Return the shortest way from `(x, y)` in cell (row, column).

        Raises:
            ConfigError: there is none.
        """
        path = self.ways.path(x, y, row, column)
        if self.no_way[row, column] < np.inf or len(path) < 2:
            raise ConfigError(f"PointMaze: no way leads from cell {(row, column)} to a goal")
        length = float(np.hypot(*np.diff(path, axis=0).T).sum())
        apart = np.hypot(*np.diff(path, axis=0).T) > 4 * CLEARANCE
        return Reference(path[np.append(apart, True)], length, self._fewest_moves(row, column))

    @cached_property
    def _grid(self) -> tuple[GridModel, NDArray[np.int64]]:
        """The grid at -1 a move, and the policy of fewest moves that the Bellman optimality equation gives, `(S,)`."""
        codes = np.where(np.isfinite(self.no_way) | (self.kind == WALL), _WALL, _FREE).astype(np.uint8)
        codes[self.is_goal] = _GOAL
        rules = Rules(step_reward=-1.0, goal_reward=-1.0)
        model = GridModel(Layout(GridMap(codes, DEFAULT_LEGEND), rules))
        return model, np.asarray(bellman.solve(model, 1.0).policy, np.int64)

    def _fewest_moves(self, row: int, column: int) -> Cells:
        model, policy = self._grid
        cells = [(row, column)]
        while not self.is_goal[row, column]:
            down, right = model.offsets[policy[model.state_of(row, column)]].tolist()
            row, column = row + down, column + right
            cells.append((row, column))
        return np.array(cells)

    def stretch(self, places: ArrayLike) -> float:
        """Return how long a run was by the shortest: 1 is perfect.

        What counts is the way from each place to the next, and, where it ended short of a goal, the shortest way on.

        Args:
            places: x and y, or observations, of which the first two numbers count, float `(T, 2+)`, from the first
                observation to the last.

        Raises:
            ConfigError: they are no such array, or something in it is in a wall, or began in a goal.
        """
        way = as_places("PointMaze.stretch", places)
        travelled = float(np.hypot(*np.diff(way, axis=0).T).sum())
        first, last = (self._left(*place.tolist()) for place in (way[0], way[-1]))
        if first == 0.0:
            raise ConfigError("PointMaze.stretch: the run begins in a goal")
        return (travelled + last) / first

    def _left(self, x: float, y: float) -> float:
        row, column = self.maze.cell_of(x, y)
        return float(length_left(self.no_way, *self.ways.map, x, y, row, column))

    def field(self, resolution: int) -> Floats:
        """Return the length of the shortest way from everywhere, float64 `(H * resolution, W * resolution)`.

        NaN in walls, holes, and wherever no way leads from.
        """
        rows, columns = ((np.arange(side * resolution) + 0.5) / resolution for side in self.kind.shape)
        down, right = (part.ravel() for part in np.meshgrid(rows, columns, indexing="ij"))
        height, width = self.kind.shape
        cells = np.column_stack([down, right]).astype(np.int64)
        lengths = self.ways.distances(np.column_stack([right - width / 2, height / 2 - down]), cells)
        open_ = (self.kind != WALL) & np.isinf(self.no_way)
        lengths[~open_[tuple(cells.T)]] = np.nan
        return lengths.reshape(len(rows), len(columns))


def as_places(where: str, given: ArrayLike) -> Floats:
    """Return x and y of places or observations `(T, 2 or more)`, float64 `(T, 2)`.

    Raises:
        ConfigError: it is no such array, or not finite.
    """
    try:
        places = np.array(given, np.float64)
    except (TypeError, ValueError):
        places = np.empty(0)
    if places.ndim != 2 or not len(places) or places.shape[1] < 2:
        raise ConfigError(f"{where}: expected places or observations of a run, numbers of shape (T, 2 or more)")
    if not np.isfinite(places[:, :2]).all():
        raise ConfigError(f"{where}: a place is not finite")
    return places[:, :2]


def make_aim(maze: Maze, goal: tuple[int, int] | None) -> Aim:
    """Return what an episode is about whose goal was drawn; or, for None, is any of the drawing's."""
    if goal is None:
        return Aim(maze, ShortestWays(maze.corners, maze.goals), maze.kind, maze.pays)
    kind, pays = maze.kind.copy(), maze.pays.copy()
    kind[goal] = FREE if maze.layout.rules.continuing else TERMINAL
    pays[goal] = maze.layout.rules.goal_reward
    return Aim(maze, ShortestWays(maze.corners, np.array([goal])), kind, pays)
