"""Reading a legend: what each of a drawing's own characters stands for."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, get_args

import numpy as np

from rlkit.config import Range
from rlkit.envs.gridworld.cells import DEFAULT_LEGEND, DIRECTIONS, Cell, Kind
from rlkit.envs.gridworld.drawing.diagnostics import MOST_TOLD, Diagnostics, nearest, spell
from rlkit.envs.gridworld.drawing.origin import Place
from rlkit.envs.gridworld.rules import REWARD_RANGE

Legend = Iterable[Cell] | Mapping[str, "Mapping[str, Any]"]
"""A legend as a program writes it: cells, or what TOML's `[legend]` says, a table for each character."""

KINDS: tuple[str, ...] = get_args(Kind)
MOST_ENTRIES = 255
STRONGEST_WIND = 1000
_KEYS = ("kind", "reward", "terminal", "to", "exits", "slip", "wind")
_TAKES = {"wall": ("kind",), "portal": ("kind", "reward", "to"), "jump": ("kind", "reward", "to")}
_PLAIN_KINDS = ("free", "wall", "start", "goal", "forbidden", "hole")
_OTHERS_TAKE = tuple(key for key in _KEYS if key != "to")

Locate = Callable[[str, str | None], Place | None]
"""Where a character's legend entry, or one key of it, stands."""


def nowhere(character: str, key: str | None) -> Place | None:  # noqa: ARG001
    """Locate the entries of a legend that was not read from a text."""
    return None


@dataclass(frozen=True)
class Entry:
    """One legend entry, read; its target is still as written: a character or a (row, column)."""

    cell: Cell
    to: str | tuple[int, int] | None = None


def read_legend(legend: Legend, diagnostics: Diagnostics, locate: Locate = nowhere) -> list[Entry]:
    """Return the default entries, as the legend redefines them, followed by its own.

    An entry with an error is noted, and stands for a free cell so that its character is known.
    """
    entries = {cell.character: Entry(cell) for cell in DEFAULT_LEGEND}
    seen: set[str] = set()
    for character, table in _pairs(legend, diagnostics):
        if diagnostics.enough():
            break
        trouble = unusable(character)
        if character in seen:
            trouble = "stands in the legend twice"
        if trouble is None and len(entries) == MOST_ENTRIES and character not in entries:
            trouble = f"is one too many: at most {MOST_ENTRIES} characters, the default ones included"
        if trouble is not None:
            diagnostics.error(f"legend character {spell(character)} {trouble}", locate(character, None))
            continue
        seen.add(character)
        entries[character] = _read_entry(character, table, diagnostics, locate)
    return list(entries.values())


def _pairs(legend: Legend, diagnostics: Diagnostics) -> list[tuple[Any, Any]]:
    if isinstance(legend, Mapping):
        return list(legend.items())
    cells = list(legend) if isinstance(legend, Iterable) else [None]
    if all(isinstance(cell, Cell) for cell in cells):
        return [(cell.character, as_table(cell)) for cell in cells]
    diagnostics.error(f"legend is {spell(legend)}, expected entries by character, or a sequence of Cell")
    return []


def as_table(cell: Cell) -> dict[str, Any]:
    """Return what TOML's `[legend]` would say of a cell: its keys that are not at their defaults."""
    table: dict[str, Any] = {"kind": cell.kind}
    for key in ("reward", "terminal", "to", "exits", "slip"):
        value = getattr(cell, key)
        if value is not None:
            table[key] = list(value) if isinstance(value, tuple) else value
    if cell.wind != (0, 0):
        rows, columns = cell.wind
        blows = {"up": -rows, "right": columns, "down": rows, "left": -columns}
        table["wind"] = {direction: strength for direction, strength in blows.items() if strength > 0}
    return table


def keys_of(kind: str) -> tuple[str, ...]:
    """Return the keys that a legend entry of this kind takes."""
    return _TAKES.get(kind, _OTHERS_TAKE)


def unusable(character: Any) -> str | None:
    """Say why a character cannot stand for a cell, or None if it can."""
    if not isinstance(character, str) or len(character) != 1:
        return "is not a single character"
    if character == "\t":
        return "is a tab: part cells by spaces or nothing"
    if character.isspace():
        return "is a space: a space is never a cell"
    if not character.isprintable() or unicodedata.combining(character) or unicodedata.category(character)[0] == "M":
        return "cannot be seen on its own: use a letter, digit or sign"
    if unicodedata.east_asian_width(character) in "WF":
        return "is two columns wide: use a character of one column"
    return None


def _read_entry(character: str, table: Any, diagnostics: Diagnostics, locate: Locate) -> Entry:
    troubles: list[tuple[str | None, str]] = []
    kind: Any = "free"
    to = None
    values: dict[str, Any] = {}
    if isinstance(table, Mapping):
        kind = table.get("kind", "portal" if "to" in table else "free")
        values = _read_values(table, kind, troubles)
        to = values.pop("to", None)
    else:
        troubles.append((None, f'{spell(table)} is not a table such as {{ kind = "goal", reward = 2.0 }}'))
    for key, text in troubles:
        diagnostics.error(f"legend {character!r}: {text}", locate(character, key))
    if troubles:
        return Entry(Cell(character=character, kind=kind if kind in _PLAIN_KINDS else "free"))
    return Entry(Cell(character=character, kind=kind, **values), to)


def _read_values(table: Mapping[str, Any], kind: Any, troubles: list[tuple[str | None, str]]) -> dict[str, Any]:
    """Read all keys but `kind`, noting what is wrong with them, or with what is missing, as (key, text)."""
    known_kind = isinstance(kind, str) and kind in KINDS
    if not known_kind:
        troubles.append(("kind", f"unknown kind {spell(kind)}; {nearest(str(spell(kind)), KINDS)}"))
    takes = keys_of(kind) if known_kind else _KEYS
    values: dict[str, Any] = {}
    for key, value in islice(table.items(), MOST_TOLD + 1):
        if key not in _KEYS:
            troubles.append((key, f"unknown key {spell(key)}; {nearest(str(key), _KEYS)}"))
        elif key not in takes:
            troubles.append((key, f"a {kind} cell takes no {key!r}; it takes {', '.join(takes)}"))
        elif key != "kind":
            try:
                values[key] = _READERS[key](value)
            except ValueError as error:
                troubles.append((key, f"{key} = {spell(value)} {error}"))
    if kind in ("portal", "jump") and "to" not in table:
        troubles.append((None, f"a {kind} to nowhere: give it to = [row, column], or a character drawn exactly once"))
    if kind == "start" and values.get("terminal"):
        troubles.append(("terminal", "an episode cannot start in a terminal cell"))
    return values


def _read_reward(value: Any) -> float:
    return _read_number(value, REWARD_RANGE)


def _read_slip(value: Any) -> float:
    return _read_number(value, Range(at_least=0, up_to=1))


def _read_number(value: Any, limits: Range) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise ValueError("is not a number")
    number = value if isinstance(value, int) else float(value)
    if number not in limits:
        raise ValueError(f"is outside its range {limits}")
    return float(number)


def _read_terminal(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return value


def _read_to(value: Any) -> str | tuple[int, int]:
    if isinstance(value, str):
        if unusable(value) is not None:
            raise ValueError("is not a single character of the drawing")
        return value
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(_is_whole(part) for part in value):
        raise ValueError("is neither a character of the drawing nor [row, column]")
    return int(value[0]), int(value[1])


def _read_exits(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError('is not a list of directions such as ["up", "right"]')
    for name in value:
        if name not in DIRECTIONS:
            raise ValueError(f"names the direction {spell(name)}; {nearest(name, DIRECTIONS)}")
    return tuple(name for name in DIRECTIONS if name in value)


def _read_wind(value: Any) -> tuple[int, int]:
    if not isinstance(value, Mapping):
        raise ValueError("is not a table such as { up = 2 }")
    rows, columns = 0, 0
    for name, strength in value.items():
        if name not in _WINDS:
            raise ValueError(f"blows in the direction {spell(name)}; {nearest(str(name), _WINDS)}")
        if not _is_whole(strength) or not 0 <= strength <= STRONGEST_WIND:
            raise ValueError(f"is not a number of cells from 0 to {STRONGEST_WIND}")
        row, column = DIRECTIONS[name]
        rows, columns = rows + int(strength) * row, columns + int(strength) * column
    return rows, columns


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


_WINDS = ("up", "right", "down", "left")
_READERS: dict[str, Callable[[Any], Any]] = {
    "reward": _read_reward,
    "terminal": _read_terminal,
    "to": _read_to,
    "exits": _read_exits,
    "slip": _read_slip,
    "wind": _read_wind,
}
