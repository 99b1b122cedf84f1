"""Reading a grid world's map: from a drawing, a TOML file, or an array; checking it, and writing it as TOML."""

from __future__ import annotations

from numpy.typing import ArrayLike

from rlkit.envs.gridworld.drawing.codes import LONGEST_TEXT, assemble, draw, fits, note_name, read_codes
from rlkit.envs.gridworld.drawing.diagnostics import Diagnostics
from rlkit.envs.gridworld.drawing.legend import Legend, read_legend
from rlkit.envs.gridworld.drawing.mapfile import read_toml, to_toml
from rlkit.envs.gridworld.drawing.origin import TextOrigin
from rlkit.envs.gridworld.drawing.reachability import check
from rlkit.envs.gridworld.layout import GridMap

__all__ = ["LONGEST_TEXT", "check", "read_array", "read_text", "read_toml", "to_toml"]


def read_text(text: str, *, legend: Legend = (), source: str = "<map>", name: str = "") -> GridMap:
    """Read a drawing: one line a row, one character a cell, spaces between cells as you like.

    Indentation, and blank lines before and after the drawing, do not count.

    Args:
        text: the drawing, at most `LONGEST_TEXT` characters.
        legend: `Cell`s, or a table such as `{"A": {"kind": "jump", "to": (4, 1), "reward": 10}}`; see `Cell` for the
            keys. `to` may name a character that is drawn exactly once; `wind` is a table such as `{"up": 2}`.
        source: what messages call the text.
        name: the map's name.

    Raises:
        MapError: listing everything that is wrong.
    """
    diagnostics = Diagnostics(source)
    note_name(name, diagnostics)
    if fits(text, diagnostics):
        text = text.replace("\r\n", "\n")
        origin = TextOrigin(source, text, text)
        grid = draw(origin, legend, name, diagnostics)
    diagnostics.finish()
    assert grid is not None
    return grid


def read_array(array: ArrayLike, *, legend: Legend = (), source: str = "<array>", name: str = "") -> GridMap:
    """Read a map of codes or of characters.

    Args:
        array: `(H, W)`: whole numbers (0 free, 1 wall, 2 start, 3 goal, 4 forbidden, 5 hole, then the legend's new
            entries in their order; `True` is a wall), or characters as in a drawing. It is copied.
        legend: as `read_text` takes it; an entry for a default character redefines that one and takes no new code.
        source: what messages call the array.
        name: the map's name.

    Raises:
        MapError: listing everything that is wrong.
    """
    diagnostics = Diagnostics(source)
    note_name(name, diagnostics)
    entries = read_legend(legend, diagnostics)
    codes = read_codes(array, [entry.cell.character for entry in entries], diagnostics)
    grid = assemble(codes, entries, name, diagnostics)
    diagnostics.finish()
    assert grid is not None
    return grid
