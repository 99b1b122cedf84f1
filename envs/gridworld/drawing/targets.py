"""Where portals and jumps lead: resolved to cells, and refused where no one would ever arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.gridworld.cells import Cell
from rlkit.envs.gridworld.drawing.counting import find_codes
from rlkit.envs.gridworld.drawing.diagnostics import Diagnostics
from rlkit.envs.gridworld.drawing.legend import Entry, Locate


def resolve_targets(
    codes: NDArray[np.uint8],
    counts: NDArray[np.int64],
    entries: Sequence[Entry],
    diagnostics: Diagnostics,
    locate: Locate,
) -> tuple[Cell, ...]:
    """Return the legend with every target a (row, column); note targets that do not exist, are walls or never end."""
    legend = [entry.cell for entry in entries]
    for code, entry in enumerate(entries):
        if entry.to is None:
            continue
        place, trouble = _resolve(entry.to, codes, counts, legend)
        if trouble is not None:
            _note(entry, trouble, diagnostics, locate)
            legend[code] = Cell(character=entry.cell.character)
        else:
            legend[code] = replace(entry.cell, to=place)
    _note_circles(codes, legend, diagnostics, locate)
    return tuple(legend)


def note_undrawn(drawing: str, entries: Sequence[Entry], diagnostics: Diagnostics, locate: Locate) -> None:
    """Note targets named by a character that is not drawn exactly once, in a drawing that is itself not in order."""
    for entry in entries:
        if isinstance(entry.to, str) and (count := drawing.count(entry.to)) != 1:
            _note(entry, _not_once(entry.to, count), diagnostics, locate)


def _note(entry: Entry, trouble: str, diagnostics: Diagnostics, locate: Locate) -> None:
    character = entry.cell.character
    diagnostics.error(f"legend {character!r}: a {entry.cell.kind} to {trouble}", locate(character, "to"))


def _not_once(character: str, count: int) -> str:
    return f"nowhere: {character!r} is drawn {count} times, a target exactly once"


def _resolve(
    to: str | tuple[int, int], codes: NDArray[np.uint8], counts: NDArray[np.int64], legend: list[Cell]
) -> tuple[tuple[int, int], str | None]:
    height, width = codes.shape
    if isinstance(to, str):
        code = next((code for code, cell in enumerate(legend) if cell.character == to), None)
        count = 0 if code is None else int(counts[code])
        if code is None or count != 1:
            return (0, 0), _not_once(to, count)
        index = int(find_codes(codes, np.arange(len(legend)) == code, most=1)[0])
        to = (index // width, index % width)
    if not (0 <= to[0] < height and 0 <= to[1] < width):
        return (0, 0), f"nowhere: the {height} x {width} map has rows 0 to {height - 1} and columns 0 to {width - 1}"
    if legend[codes[to]].kind == "wall":
        return (0, 0), f"({to[0]}, {to[1]}), which is a wall"
    return to, None


def _note_circles(codes: NDArray[np.uint8], legend: list[Cell], diagnostics: Diagnostics, locate: Locate) -> None:
    """Note every circle of portals and jumps, once, at its first entry, and break it."""
    leads = [-1 if cell.to is None else int(codes[cell.to]) for cell in legend]  # [K]
    settled: set[int] = set()
    for first in range(len(legend)):
        path: list[int] = []
        code = first
        while code >= 0 and code not in settled and code not in path:
            path.append(code)
            code = leads[code]
        if code in path:
            circle = path[path.index(code) :]
            names = " -> ".join(legend[member].character for member in [*circle, circle[0]])
            text = f"portals and jumps lead round in a circle, {names}: no one could leave it"
            diagnostics.error(text, locate(legend[circle[0]].character, "to"))
            for member in circle:
                legend[member] = Cell(character=legend[member].character)  # whoever looks further can follow targets
        settled.update(path)
