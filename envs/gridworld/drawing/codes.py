"""From text or an array to codes, and from codes and a legend to a map."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlkit.envs.gridworld.cells import DEFAULT_LEGEND
from rlkit.envs.gridworld.drawing.counting import count_codes
from rlkit.envs.gridworld.drawing.diagnostics import Diagnostics, spell
from rlkit.envs.gridworld.drawing.legend import Entry, Legend, Locate, nowhere, read_legend, unusable
from rlkit.envs.gridworld.drawing.origin import Place, TextOrigin
from rlkit.envs.gridworld.drawing.targets import note_undrawn, resolve_targets
from rlkit.envs.gridworld.layout import GridMap

LONGEST_TEXT = 4_000_000
"""Most characters of a map given as text; larger maps come as arrays."""


def fits(text: str, diagnostics: Diagnostics) -> bool:
    """Note a text that is too long, before anything looks at it."""
    if len(text) > LONGEST_TEXT:
        diagnostics.error(f"{len(text):,} characters; at most {LONGEST_TEXT:,} are read, give a larger map as an array")
    return len(text) <= LONGEST_TEXT


def note_name(name: object, diagnostics: Diagnostics, at: Place | None = None) -> None:
    """Note a name that is not one line of text."""
    if not isinstance(name, str) or not name.isprintable():
        diagnostics.error(f"name = {spell(name)} is not one line of printable text", at)


def draw(
    origin: TextOrigin, legend: Legend, name: str, diagnostics: Diagnostics, locate: Locate = nowhere
) -> GridMap | None:
    """Read a drawing and its legend; None where the drawing itself cannot be read."""
    entries = read_legend(legend, diagnostics, locate)
    codes = _read_drawing(origin, [entry.cell.character for entry in entries], diagnostics)
    if codes is None:
        note_undrawn(origin.drawing, entries, diagnostics, locate)
    return assemble(codes, entries, name, diagnostics, locate, origin)


def assemble(
    codes: NDArray[np.uint8] | None,
    entries: Sequence[Entry],
    name: str,
    diagnostics: Diagnostics,
    locate: Locate = nowhere,
    origin: TextOrigin | None = None,
) -> GridMap | None:
    """Put codes and legend together, noting targets that cannot be and own entries that no cell uses."""
    if codes is None:
        return None
    counts = count_codes(codes)
    for code, entry in enumerate(entries):
        if counts[code] == 0 and (code >= len(DEFAULT_LEGEND) or entry.cell != DEFAULT_LEGEND[code]):
            text = f"legend {entry.cell.character!r} is not used in the map"
            diagnostics.warn(text, locate(entry.cell.character, None))
    legend = resolve_targets(codes, counts, entries, diagnostics, locate)
    return GridMap(codes, legend, name, origin)


def _read_drawing(origin: TextOrigin, characters: list[str], diagnostics: Diagnostics) -> NDArray[np.uint8] | None:
    lines = origin.drawing.split("\n")
    while lines and not lines[-1].strip(" "):
        lines.pop()
    blank = next((index for index, line in enumerate(lines) if line.strip(" ")), 0)
    rows = [line.replace(" ", "") for line in lines[blank:]]
    if not rows:
        diagnostics.error("the map has no cells: draw one line a row", origin.place_at(0))
        return None
    _note_unknown(origin, characters, diagnostics)
    _note_ragged(origin, rows, diagnostics)
    if diagnostics.failed and (set(origin.drawing) - {*characters, " ", "\n"} or len({*map(len, rows)}) > 1):
        return None
    table = {ord(character): code for code, character in enumerate(characters)}
    codes = np.frombuffer("".join(rows).translate(table).encode("latin-1"), dtype=np.uint8)
    return codes.reshape(len(rows), len(rows[0]))


def _note_unknown(origin: TextOrigin, characters: list[str], diagnostics: Diagnostics) -> None:
    known = {*characters, " ", "\n"}
    for character in (character for character in dict.fromkeys(origin.drawing) if character not in known):
        if diagnostics.enough():
            break
        more = origin.drawing.count(character) - 1
        text = _explain_unknown(character, characters) + (f" (and {more} more of it)" if more else "")
        diagnostics.error(text, origin.place_at(origin.drawing.index(character)))


def _explain_unknown(character: str, characters: list[str]) -> str:
    trouble = unusable(character)
    if trouble is None:
        return f"unknown character {character!r}; known: {' '.join(characters)}; add it under [legend]"
    name = unicodedata.name(character, "")
    return f"{character!r}{f' ({name})' if name and not character.isascii() else ''} {trouble}"


def _note_ragged(origin: TextOrigin, rows: list[str], diagnostics: Diagnostics) -> None:
    (width, _), *others = Counter(map(len, rows)).most_common()
    ragged = (index for index, row in enumerate(rows) if len(row) != width) if others else ()
    for index in ragged:
        if diagnostics.enough():
            break
        text = f"row {index} has {len(rows[index])} cells, the others have {width}"
        diagnostics.error(text, origin.place(index, min(width, len(rows[index]))))


def _first(given: NDArray[Any], is_wrong: Callable[[NDArray[Any]], NDArray[np.bool_]]) -> tuple[int, int]:
    for row, line in enumerate(given):
        wrong = np.flatnonzero(is_wrong(line))
        if len(wrong):
            return row, int(wrong[0])
    raise AssertionError("called for an array with nothing wrong")


def read_codes(array: ArrayLike, characters: list[str], diagnostics: Diagnostics) -> NDArray[np.uint8] | None:
    """Check an array of codes or characters, and return its codes; None where it cannot be read."""
    given: NDArray[Any] = np.asarray(array)
    if given.ndim != 2 or given.size == 0:
        diagnostics.error(f"shape {given.shape} is not (rows, columns), both at least 1")
        return None
    if given.dtype.kind in "US":
        return _read_characters(given, characters, diagnostics)
    if given.dtype.kind not in "iub":
        diagnostics.error(f"dtype {given.dtype} is neither whole numbers nor characters")
        return None
    if given.min() < 0 or given.max() >= len(characters):
        row, column = _first(given, lambda block: (block < 0) | (block >= len(characters)))
        place = Place(row, column, f"{diagnostics.source}[{row}, {column}]")
        known = " ".join(f"{code}:{character}" for code, character in enumerate(characters))
        diagnostics.error(f"code {given[row, column]} is unknown; known: {known}; add it to the legend", place)
        return None
    return given.astype(np.uint8, order="C")


def _read_characters(given: NDArray[Any], characters: list[str], diagnostics: Diagnostics) -> NDArray[np.uint8] | None:
    codes = np.zeros(given.shape, dtype=np.uint8)
    known = np.zeros(given.shape, dtype=np.bool_)
    for code, character in enumerate(characters):
        if given.dtype.kind == "U" or character.isascii():
            same = given == np.array(character, dtype=given.dtype)
            codes[same] = code
            known |= same
    for character in np.unique(given[~known]).tolist():
        row, column = _first(given, lambda block, wanted=character: block == wanted)  # type: ignore[misc]
        text = character.decode("latin-1") if isinstance(character, bytes) else character
        place = Place(row, column, f"{diagnostics.source}[{row}, {column}]")
        if len(text) == 1:
            diagnostics.error(_explain_unknown(text, characters), place)
        else:
            diagnostics.error(f"{spell(text)} is not a single character", place)
    return None if diagnostics.failed and not known.all() else codes
