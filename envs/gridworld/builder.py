"""Building a grid world's map cell by cell."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.gridworld.cells import DEFAULT_LEGEND, Cell, Direction
from rlkit.envs.gridworld.drawing.codes import assemble, note_name
from rlkit.envs.gridworld.drawing.diagnostics import Diagnostics, spell
from rlkit.envs.gridworld.drawing.legend import MOST_ENTRIES, keys_of, read_legend, unusable
from rlkit.envs.gridworld.drawing.origin import Place
from rlkit.envs.gridworld.layout import GridMap
from rlkit.errors import MapError

if TYPE_CHECKING:
    from rlkit.envs.gridworld.env import GridWorld
    from rlkit.envs.gridworld.loading import RuleArguments
    from rlkit.envs.gridworld.rules import Rules

Index = int | slice
Cells = tuple[Index, Index] | Index
"""A (row, column) pair, counted from 0, of whole numbers or slices; or, one after the other, the two halves of one."""


class MapBuilder:
    """Builds a map of free cells, changed by calls that each return the builder.

    Cells are given as `(row, column)` pairs, both from 0, as many as you like; `np.s_[2, 1:4]` is a pair too and means
    a stretch of them, and a single pair may be given as two numbers. Calls that set a kind (`free` to `jump`) forget
    what the cells were; the others (`reward` to `wind`) add to it, and a stretch given to them
    passes over walls and whatever else cannot take them.

        MapBuilder(5, 5).wall((1, 1), (1, 2)).wall(np.s_[3, :4]).start(0, 0).goal(4, 4).build(slip=0.1)

    Args:
        rows: how many rows, at least 1.
        columns: how many columns, at least 1.
        name: the map's name.

    Raises:
        MapError: at once for a size or cell that cannot be; for the rest in `map` and `build`, all together.
    """

    def __init__(self, rows: int, columns: int, *, name: str = "") -> None:
        if rows < 1 or columns < 1:
            raise MapError(f"<builder>: a map of {rows} rows and {columns} columns has no cells")
        self.name = name
        self._legend: list[Cell] = [dataclasses.replace(cell, character="") for cell in DEFAULT_LEGEND]
        self._codes = np.zeros((rows, columns), dtype=np.int32)  # [H, W], indices into _legend

    def free(self, *cells: Cells) -> Self:
        """Clear the cells."""
        return self._draw(cells, Cell(character="", kind="free"))

    def wall(self, *cells: Cells) -> Self:
        """Make the cells walls."""
        return self._draw(cells, Cell(character="", kind="wall"))

    def start(self, *cells: Cells) -> Self:
        """Let episodes start in the cells; without any, they start in every cell that is not terminal."""
        return self._draw(cells, Cell(character="", kind="start"))

    def goal(self, *cells: Cells, reward: float | None = None) -> Self:
        """Make the cells goals; their reward is the rules' unless given."""
        return self._draw(cells, Cell(character="", kind="goal", reward=reward))

    def forbidden(self, *cells: Cells, reward: float | None = None) -> Self:
        """Make the cells forbidden, which can be entered; their reward is the rules' unless given."""
        return self._draw(cells, Cell(character="", kind="forbidden", reward=reward))

    def hole(self, *cells: Cells, reward: float | None = None) -> Self:
        """Make the cells holes, which end the episode; their reward is the rules' unless given."""
        return self._draw(cells, Cell(character="", kind="hole", reward=reward))

    def portal(self, *cells: Cells, to: tuple[int, int], reward: float | None = None) -> Self:
        """Let whoever enters the cells be in `to` at once; the reward is that of entering `to` unless given."""
        return self._draw(cells, Cell(character="", kind="portal", to=to, reward=reward))

    def jump(self, *cells: Cells, to: tuple[int, int], reward: float | None = None) -> Self:
        """Let every action in the cells lead to `to`; the reward is that of entering `to` unless given."""
        return self._draw(cells, Cell(character="", kind="jump", to=to, reward=reward))

    def reward(self, *cells: Cells, value: float) -> Self:
        """Let entering the cells pay this instead of what the rules say (for a jump: leaving them)."""
        return self._change(cells, "reward", value)

    def terminal(self, *cells: Cells, ends: bool = True) -> Self:
        """Let entering the cells end the episode, or not, whatever the rules say."""
        return self._change(cells, "terminal", ends)

    def one_way(self, *cells: Cells, exits: Sequence[Direction]) -> Self:
        """Let the cells be left in these directions only."""
        return self._change(cells, "exits", tuple(exits))

    def slip(self, *cells: Cells, probability: float) -> Self:
        """Let moves from the cells slip with this probability, whatever the rules say."""
        return self._change(cells, "slip", probability)

    def wind(self, *cells: Cells, up: int = 0, right: int = 0, down: int = 0, left: int = 0) -> Self:
        """Let a wind of so many cells carry on whoever leaves the cells."""
        return self._change(cells, "wind", (down - up, right - left))

    def map(self) -> GridMap:
        """Return the map as it is now; later calls do not change it.

        Raises:
            MapError: listing everything that is wrong.
        """
        used, codes = np.unique(self._codes, return_inverse=True)
        plain = {dataclasses.replace(cell, character=""): code for code, cell in enumerate(DEFAULT_LEGEND)}
        own = [self._legend[number] for number in used if self._legend[number] not in plain]
        most = MOST_ENTRIES - len(DEFAULT_LEGEND)
        if len(own) > most:
            raise MapError(f"<builder>: {len(own)} kinds of cell besides the default ones; at most {most}")
        named = [dataclasses.replace(cell, character=sign) for cell, sign in zip(own, _signs(), strict=False)]
        final = plain | {cell: code for code, cell in enumerate(own, start=len(DEFAULT_LEGEND))}
        table = np.array([final[self._legend[number]] for number in used], dtype=np.uint8)
        return self._assemble(table[codes].reshape(self._codes.shape), named)

    def build(self, *, rules: str | Rules | None = None, **arguments: Unpack[RuleArguments]) -> GridWorld:
        """Return a grid world of this map; the arguments are `GridWorld`'s.

        Raises:
            MapError: listing everything that is wrong.
        """
        from rlkit.envs.gridworld.env import GridWorld

        return GridWorld(self.map(), rules=rules, **arguments)

    def _assemble(self, codes: NDArray[np.uint8], own: list[Cell]) -> GridMap:
        diagnostics = Diagnostics("<builder>")
        first = {cell.character: code for code, cell in enumerate(own, start=len(DEFAULT_LEGEND))}

        def locate(character: str, key: str | None) -> Place | None:  # noqa: ARG001
            if character not in first:
                return None
            row, column = divmod(int(np.argmax(codes == first[character])), codes.shape[1])
            return Place(row, column, f"<builder>[{row}, {column}]")

        note_name(self.name, diagnostics)
        grid = assemble(codes, read_legend(own, diagnostics, locate), self.name, diagnostics, locate)
        diagnostics.finish()
        assert grid is not None
        return grid

    def _draw(self, cells: tuple[Cells, ...], cell: Cell) -> Self:
        for place in self._places(cells):
            self._codes[place] = self._number(cell)
        return self

    def _change(self, cells: tuple[Cells, ...], key: str, value: Any) -> Self:
        for place in self._places(cells):
            numbers, inverse = np.unique(self._codes[place], return_inverse=True)
            one = self._codes[place].ndim == 0  # a stretch passes over what cannot take the key, one cell is refused
            changed = [
                self._number(dataclasses.replace(self._legend[number], **{key: value}))
                if one or key in keys_of(self._legend[number].kind)
                else number
                for number in numbers
            ]
            self._codes[place] = np.array(changed, dtype=np.int32)[inverse].reshape(self._codes[place].shape)
        return self

    def _number(self, cell: Cell) -> int:
        if cell not in self._legend:
            self._legend.append(cell)
        return self._legend.index(cell)

    def _places(self, cells: tuple[Cells, ...]) -> Iterator[tuple[Index, Index]]:
        halves = len(cells) == 2 and all(isinstance(half, int | np.integer | slice) for half in cells)
        pairs: tuple[Any, ...] = (cells,) if halves else cells
        for pair in pairs:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise MapError(f"<builder>: {spell(pair)} is not a cell: give (row, column), both from 0")
            for index, size in zip(pair, self._codes.shape, strict=True):
                inside = isinstance(index, slice) or (isinstance(index, int | np.integer) and 0 <= index < size)
                if not inside:
                    height, width = self._codes.shape
                    raise MapError(f"<builder>: cell {spell(pair)} is outside the {height} x {width} map")
            yield pair[0], pair[1]


def _signs() -> Iterator[str]:
    """Yield characters for the kinds of cell that have no default one: letters and digits, then the rest of Latin."""
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits
    others = map(chr, [*range(0x21, 0x7F), *range(0xA1, 0x250)])
    taken = {cell.character for cell in DEFAULT_LEGEND}
    for sign in dict.fromkeys([*letters, *others]):
        if sign not in taken and unusable(sign) is None:
            yield sign
