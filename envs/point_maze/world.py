"""A grid world's drawing as a maze: where its cells lie, what they do to the point, how far it is to a goal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from rlkit.envs.gridworld.drawing.reachability import goal_codes
from rlkit.envs.gridworld.dynamics import Dynamics
from rlkit.envs.gridworld.layout import Layout
from rlkit.envs.point_maze.motion import FREE, TERMINAL, WALL
from rlkit.envs.point_maze.shortest import Corners
from rlkit.errors import ConfigError, MapError

Floats = NDArray[np.float64]
Cells = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Maze:
    """A layout as squares of side 1 around the origin, x to the right, y up; rows are counted from the top.

    Attributes:
        layout: the drawing under its rules, without anything that `refuse_what_has_no_meaning` refuses.
        drawn_goal: whether the goal is drawn for each episode, so that the drawing's own goals are free cells.
        any_start: whether episodes begin wherever a way leads to a goal, instead of where they begin on the grid.
    """

    layout: Layout
    drawn_goal: bool = False
    any_start: bool = False

    def centre_of(self, row: int, column: int) -> tuple[float, float]:
        """Return x and y of the middle of a cell."""
        height, width = self.layout.shape
        return column + 0.5 - width / 2, height / 2 - row - 0.5

    def centres_of(self, cells: Cells) -> Floats:
        """Return x and y of the middles of cells `(N, 2)`, float64 `(N, 2)`."""
        height, width = self.layout.shape
        return np.column_stack([cells[:, 1] + 0.5 - width / 2, height / 2 - cells[:, 0] - 0.5])

    def cell_of(self, x: float, y: float) -> tuple[int, int]:
        """Return (row, column) of the cell around a place; on a face, of one in which the point can be, if any.

        Raises:
            ConfigError: it is outside the map or in a wall.
        """
        height, width = self.layout.shape
        down, right = height / 2 - y, x + width / 2
        if not (0 <= down <= height and 0 <= right <= width):
            raise ConfigError(f"({x}, {y}) is outside the maze")
        around = [
            (row, column)
            for row in dict.fromkeys((math.floor(down), math.ceil(down) - 1))
            for column in dict.fromkeys((math.floor(right), math.ceil(right) - 1))
            if 0 <= row < height and 0 <= column < width and self.kind[row, column] != WALL
        ]
        if not around:
            raise ConfigError(f"({x}, {y}) is inside a wall")
        return min(around, key=lambda cell: bool(self.kind[cell] == TERMINAL))

    @cached_property
    def is_drawn_goal(self) -> NDArray[np.bool_]:
        """Which cells of the drawing are goals, bool `(H, W)`."""
        return np.asarray(goal_codes(self.layout)[self.layout.grid.codes])

    @cached_property
    def _forbidden(self) -> NDArray[np.bool_]:
        kinds = np.array([cell.kind == "forbidden" for cell in self.layout.grid.legend])
        return np.asarray(kinds[self.layout.grid.codes])

    @cached_property
    def kind(self) -> NDArray[np.uint8]:
        """What each cell is to the motion, uint8 `(H, W)`."""
        layout = self.layout
        table = np.where(layout.wall, WALL, np.where(layout.terminal, TERMINAL, FREE)).astype(np.uint8)
        kind = table[layout.grid.codes]
        if self.drawn_goal:
            kind[self.is_drawn_goal] = FREE
        return kind

    @cached_property
    def pays(self) -> Floats:
        """What entering each cell pays, float64 `(H, W)`."""
        pays = self.layout.enter_reward[self.layout.grid.codes]
        if self.drawn_goal:
            pays[self.is_drawn_goal] = self.layout.rules.step_reward
        return pays

    @cached_property
    def starts(self) -> Cells:
        """(row, column) of the cells in which episodes begin, int64 `(N, 2)`."""
        if not self.any_start:
            return self._drawn_starts
        ways = label(self.corners.blocked == 0)[0]  # [H, W], 0 where blocked
        return np.argwhere(np.isin(ways, ways[self.is_drawn_goal]) & (self.kind == FREE) & ~self._forbidden)

    @cached_property
    def _drawn_starts(self) -> Cells:
        starts = Dynamics(self.layout).starts
        return np.column_stack(np.divmod(starts.cells(np.arange(len(starts))), self.layout.shape[1]))

    @cached_property
    def goals(self) -> Cells:
        """(row, column) of the goals, or of the cells that a goal can be drawn from, int64 `(G, 2)`.

        Those are all that the first start is joined to, but forbidden cells; and but starts, if there are others.
        """
        if not self.drawn_goal:
            return np.argwhere(self.is_drawn_goal)
        part = label(self.corners.blocked == 0)[0]  # [H, W], 0 where blocked
        first = next(number for number in part[tuple(self.starts.T)] if number)
        possible = (part == first) & ~self._forbidden
        elsewhere = possible.copy()
        elsewhere[tuple(self.starts.T)] = False
        if elsewhere.any():
            return np.argwhere(elsewhere)
        if np.count_nonzero(possible) < 2:
            raise MapError("PointMaze: from the start no other cell can be reached, so that no goal can be drawn")
        return np.argwhere(possible)

    @cached_property
    def corners(self) -> Corners:
        """The corners of walls and holes, and of forbidden cells if no start is cut off by them.

        Raises:
            MapError: there is no goal, or no way from any start to one.
        """
        if not self.is_drawn_goal.any():
            raise MapError("PointMaze: the map has no goal, by which a maze is measured; draw a 'G'")
        blocked = (self.kind != FREE) & ~self.is_drawn_goal
        starts = self._drawn_starts[~self._forbidden[tuple(self._drawn_starts.T)]]
        around, through = (
            _joined(starts, self.is_drawn_goal, closed) for closed in (blocked | self._forbidden, blocked)
        )
        if not through.any():
            raise MapError(
                "PointMaze: no way leads from any start to a goal; unlike a grid's diagonal moves, the point does not "
                "pass between two walls that touch at a corner"
            )
        return Corners((blocked | self._forbidden if (around == through).all() else blocked).astype(np.uint8))


def _joined(starts: Cells, goal: NDArray[np.bool_], closed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return from which starts `(N, 2)` a way leads to some goal `(H, W)`, bool `(N,)`."""
    part = label(~closed | goal)[0]  # [H, W]
    return np.isin(part[tuple(starts.T)], part[goal])


def refuse_what_has_no_meaning(layout: Layout) -> None:
    """Refuse what a grid may have and a maze has not: portals, jumps, one-way cells, wind and slip.

    Raises:
        MapError: with every entry of the legend, as it is used in the map, that a maze does not have.
        ConfigError: the rules have slip.
    """
    if layout.rules.slip:
        raise ConfigError(f"PointMaze: slip={layout.rules.slip!r}; the point goes where it is pushed: slip has to be 0")
    problems = []
    for code, cell in enumerate(layout.grid.legend):
        odd: dict[str, Any] = {
            "portals": cell.kind == "portal",
            "jumps": cell.kind == "jump",
            "closed sides": cell.exits is not None,
            "wind": any(cell.wind),
            "slip": cell.slip,
        }
        places = np.argwhere(layout.grid.codes == code)
        if any(odd.values()) and len(places):
            has = " or ".join(name for name, given in odd.items() if given)
            place = layout.grid.place(*places[0].tolist())
            problems.append(f"{place}: {cell.character!r}: a point maze has no {has}")
    if problems:
        raise MapError(*problems)
