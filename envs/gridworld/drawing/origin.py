"""Where the cells of a map stand in the text that they were read from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, dropwhile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Place(NamedTuple):
    """A spot in a map, ordered as a reader meets it, and how messages spell it."""

    line: int
    column: int
    spelled: str

    def __str__(self) -> str:
        return self.spelled


def spot(source: str, text: str, offset: int) -> Place:
    """Turn an offset in a text into `source:line:column`, both counted from 1, columns in characters."""
    line = text.count("\n", 0, offset) + 1
    column = offset - text.rfind("\n", 0, offset)
    return Place(line, column, f"{source}:{line}:{column}")


@dataclass(frozen=True, eq=False)
class TextOrigin:
    """A drawing, and the part of a text that it was written in.

    Attributes:
        source: the file's name, or what stands for it.
        drawing: the drawing's own text, lines ended by `\\n`.
        text: the whole text, lines ended by `\\n`; for an inline drawing the drawing itself.
        start: offset in `text` of the drawing's first character.
        escaped: whether the text writes some of the drawing's characters as TOML escapes.
    """

    source: str
    drawing: str
    text: str
    start: int = 0
    escaped: bool = False

    def place(self, row: int, column: int) -> Place:
        """Return where the cell in that row and column (from 0) stands, or the row's end if it is shorter."""
        start, line = self._rows[row]
        cells = [index for index, character in enumerate(line) if character != " "]
        return self.place_at(start + (cells[column] if column < len(cells) else len(line)))

    def place_at(self, index: int) -> Place:
        """Return where the drawing's character at this index stands."""
        return spot(self.source, self.text, int(self._written[index]) if self.escaped else self.start + index)

    @cached_property
    def _rows(self) -> list[tuple[int, str]]:
        """The drawing's lines from the first that is not blank on, each with the index of its first character."""
        lines = self.drawing.split("\n")
        starts = accumulate((len(line) + 1 for line in lines), initial=0)
        return list(dropwhile(lambda row: not row[1].strip(" "), zip(starts, lines, strict=False)))

    @cached_property
    def _written(self) -> NDArray[np.int64]:
        """Offset in `text` at which each of the drawing's characters, escaped or not, is written."""
        first = np.ones(len(self.text) + 1, dtype=np.bool_)
        first[: self.start] = False
        for escape in _ESCAPE.finditer(self.text, self.start):
            first[escape.start() + (not escape[0][1].isspace()) : escape.end()] = False
        return np.flatnonzero(first)


_ESCAPE = re.compile(r"\\(?:u.{4}|U.{8}|[ \t]*\n\s*|.)")
"""A TOML escape: one character, or, at the end of a line, none."""
