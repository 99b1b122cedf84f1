"""A grid world in numbers: what the environment, its exact model and its pictures share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.gridworld.cells import DIRECTIONS, Cell
from rlkit.envs.gridworld.rules import Rules

if TYPE_CHECKING:
    from rlkit.envs.gridworld.drawing.origin import Place, TextOrigin


@dataclass(frozen=True, eq=False)
class GridMap:
    """A drawing, read and found valid: which legend entry stands in each cell.

    Attributes:
        codes: uint8 `(H, W)`, read-only, indices into `legend`.
        legend: the default entries (as the drawing redefines them), then the drawing's own, at most 255 in all.
        name: the map's name, "" if it has none.
        origin: where its cells stand in the text it was read from, for messages; None where there is no text.
    """

    codes: NDArray[np.uint8]
    legend: tuple[Cell, ...]
    name: str = ""
    origin: TextOrigin | None = None

    def __post_init__(self) -> None:
        codes = self.codes.view()
        codes.flags.writeable = False
        object.__setattr__(self, "codes", codes)

    def place(self, row: int, column: int, source: str = "<map>") -> Place:
        """Return where a cell stands: `file:line:column`, or `source[row, column]` if it was not read from a text."""
        from rlkit.envs.gridworld.drawing.origin import Place  # drawings import this file

        if self.origin is None:
            return Place(row, column, f"{source}[{row}, {column}]")
        return self.origin.place(row, column)


@dataclass(frozen=True, eq=False)
class Layout:
    """A map under its rules, as one code a cell and small tables by code (K legend entries).

    A *direction* is a move (4 or 8 of them) or, last and if the rules have it, staying. From a cell, a direction
    leads to exactly one cell (`landings`); slip only mixes directions (`mixing`).

    Wind adds to the move, as in Sutton & Barto's Example 6.5: the wind of the cell that is left carries on after the
    move, cell by cell until something stops it, and a move against the wind only takes one cell off it (so that a
    move down against an upward wind of 1 stays, even at the lower edge).
    """

    grid: GridMap
    rules: Rules

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = self.grid.codes.shape
        return height, width

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """(row, column) offset of every direction, int64 `(D, 2)`; action a wishes for direction a."""
        moves = list(DIRECTIONS.values())[: self.rules.moves]
        return np.array(moves + [(0, 0)] * self.rules.stay, dtype=np.int64)

    @property
    def n_actions(self) -> int:
        """How many actions there are, staying included."""
        return len(self.offsets)

    @cached_property
    def wall(self) -> NDArray[np.bool_]:
        """Which codes block, bool `(K,)`."""
        return np.array([cell.kind == "wall" for cell in self.grid.legend])

    @cached_property
    def jump(self) -> NDArray[np.bool_]:
        """Which codes throw whoever acts there to their target, bool `(K,)`."""
        return np.array([cell.kind == "jump" for cell in self.grid.legend])

    @cached_property
    def occupiable(self) -> NDArray[np.bool_]:
        """Which codes are states: all but walls and portals, bool `(K,)`."""
        return np.array([cell.kind not in ("wall", "portal") for cell in self.grid.legend])

    @cached_property
    def terminal(self) -> NDArray[np.bool_]:
        """Which codes end the episode when entered, bool `(K,)`."""
        return np.array([self._ends(cell) for cell in self.grid.legend])

    def _ends(self, cell: Cell) -> bool:
        if cell.terminal is not None:
            return cell.terminal
        return cell.kind == "hole" or (cell.kind == "goal" and not self.rules.continuing)

    @cached_property
    def slip(self) -> NDArray[np.float64]:
        """Slip probability when acting from each code, float64 `(K,)`."""
        return np.array([self.rules.slip if cell.slip is None else cell.slip for cell in self.grid.legend])

    @cached_property
    def wind(self) -> NDArray[np.int64]:
        """(rows, columns) of wind when acting from each code, int64 `(K, 2)`."""
        return np.array([cell.wind for cell in self.grid.legend], dtype=np.int64)

    @cached_property
    def exits(self) -> NDArray[np.bool_]:
        """Which directions are open when leaving each code, bool `(K, D)`; staying always is."""
        names = [*list(DIRECTIONS)[: self.rules.moves], *["stay"] * self.rules.stay]
        return np.array(
            [
                [cell.exits is None or name == "stay" or name in cell.exits for name in names]
                for cell in self.grid.legend
            ]
        )

    @cached_property
    def target(self) -> NDArray[np.int64]:
        """Flat cell index that a portal or jump finally leads to (chains followed), else -1; int64 `(K,)`."""
        return np.array([self._follow(cell) for cell in self.grid.legend], dtype=np.int64)

    def _follow(self, cell: Cell) -> int:
        if cell.to is None:
            return -1
        while (beyond := self._cell_at(cell.to)).kind == "portal":
            cell = beyond
        assert cell.to is not None
        return cell.to[0] * self.shape[1] + cell.to[1]

    def _cell_at(self, place: tuple[int, int] | None) -> Cell:
        assert place is not None
        return self.grid.legend[int(self.grid.codes[place])]

    @cached_property
    def enter_reward(self) -> NDArray[np.float64]:
        """What entering each code pays, float64 `(K,)`; for a portal, what passing through it pays."""
        return np.array([self._entering(cell) for cell in self.grid.legend])

    def _entering(self, cell: Cell) -> float:
        rules = self.rules
        if cell.kind == "portal":
            return self._entering(self._cell_at(cell.to)) if cell.reward is None else cell.reward
        by_kind = {"goal": rules.goal_reward, "forbidden": rules.forbidden_reward, "hole": rules.hole_reward}
        if cell.kind == "jump" or cell.reward is None:  # a jump's own reward is paid on leaving it
            return by_kind.get(cell.kind, rules.step_reward)
        return cell.reward

    @cached_property
    def jump_reward(self) -> NDArray[np.float64]:
        """What acting in each jump pays, float64 `(K,)`; 0 for other codes."""
        return np.array(
            [
                0.0
                if cell.kind != "jump"
                else self._entering(self._cell_at(cell.to))
                if cell.reward is None
                else cell.reward
                for cell in self.grid.legend
            ]
        )

    @cached_property
    def blocked_reward(self) -> NDArray[np.float64]:
        """What a blocked move from each code pays, float64 `(K,)`."""
        boundary = self.rules.boundary_reward
        return self.enter_reward if boundary is None else np.full(len(self.grid.legend), float(boundary))

    def mixing(self, slip: float) -> NDArray[np.float64]:
        """Probability that each action goes in each direction, float64 `(A, D)`, rows summing to 1."""
        moves = self.rules.moves
        mixing = np.eye(self.n_actions)
        for action in range(moves):
            if self.rules.slip_kind == "uniform":
                mixing[action, :moves] = slip / moves
                mixing[action, action] += 1 - slip
            else:
                ring = [0, 4, 1, 5, 2, 6, 3, 7] if moves == 8 else [0, 1, 2, 3]  # clockwise
                place, quarter = ring.index(action), moves // 4
                mixing[action, action] = 1 - slip
                mixing[action, ring[(place + quarter) % moves]] = slip / 2
                mixing[action, ring[(place - quarter) % moves]] = slip / 2
        return mixing

    def landings(self, cells: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Where each direction leads from each of the given cells, and what it pays.

        Args:
            cells: flat indices (row * W + column) of occupiable cells, int64 `(N,)`.

        Returns:
            Flat cell index of the landing, int64 `(N, D)`, and the reward, float64 `(N, D)`. A terminal cell is
            treated as if it could be acted in; what follows it is the caller's to cut off.
        """
        codes = self.grid.codes
        own = codes.ravel()[cells]  # [N]
        row, column = np.divmod(cells[:, None], self.shape[1])  # [N, 1]
        step = self.offsets * self.exits[own][:, :, None]  # [N, D, 2]
        wind = self.wind[own][:, None, :]  # [N, 1, 2]
        against = step * wind < 0
        wind, step = wind + step * against, step * ~against  # a move against the wind takes one cell off it
        goal_row, goal_column = row + step[:, :, 0], column + step[:, :, 1]  # [N, D]
        closed = self._closed(goal_row, goal_column)
        blocked = ~self.exits[own] | closed
        end_row, end_column = np.where(closed, row, goal_row), np.where(closed, column, goal_column)
        end_row, end_column = self._blow(end_row, end_column, wind)

        end = end_row * self.shape[1] + end_column
        end_code = codes.ravel()[end]
        bumped = blocked & (end == cells[:, None])
        reward = np.where(bumped, self.blocked_reward[own][:, None], self.enter_reward[end_code])
        portal = (self.target[end_code] >= 0) & ~self.jump[end_code]
        landing = np.where(portal, self.target[end_code], end)
        thrown = self.jump[own][:, None]
        landing = np.where(thrown, self.target[own][:, None], landing)
        return landing, np.where(thrown, self.jump_reward[own][:, None], reward)

    def _closed(self, row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.bool_]:
        height, width = self.shape
        outside = (row < 0) | (row >= height) | (column < 0) | (column >= width)
        inside_codes = self.grid.codes[row.clip(0, height - 1), column.clip(0, width - 1)]
        closed: NDArray[np.bool_] = outside | self.wall[inside_codes]
        return closed

    def _blow(
        self, row: NDArray[np.int64], column: NDArray[np.int64], wind: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Carry on by the wind `(N, D, 2)`, cell by cell, rows first, until a wall or the edge stops it."""
        strength = np.abs(wind)
        for axis in (0, 1):
            pushed = np.sign(wind[:, :, axis])
            for passed in range(min(int(strength[:, :, axis].max(initial=0)), self.shape[axis])):
                next_row = row + pushed * (axis == 0)
                next_column = column + pushed * (axis == 1)
                free = (strength[:, :, axis] > passed) & ~self._closed(next_row, next_column)
                row, column = np.where(free, next_row, row), np.where(free, next_column, column)
        return row, column
