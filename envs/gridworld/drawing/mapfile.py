"""Maps as TOML documents: `name`, `map`, the rules by name, and `[legend]`."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from rlkit.envs.gridworld.cells import DEFAULT_LEGEND
from rlkit.envs.gridworld.drawing.codes import LONGEST_TEXT, draw, fits, note_name
from rlkit.envs.gridworld.drawing.diagnostics import Diagnostics, nearest, spell
from rlkit.envs.gridworld.drawing.legend import as_table
from rlkit.envs.gridworld.drawing.origin import Place, TextOrigin, spot
from rlkit.envs.gridworld.drawing.reachability import note_senseless
from rlkit.envs.gridworld.drawing.tomltext import Outline, TooDeep, string_bounds
from rlkit.envs.gridworld.layout import GridMap, Layout
from rlkit.envs.gridworld.rules import PRESETS, Rules
from rlkit.errors import ConfigError, MapError

RULES = tuple(spec.name for spec in dataclasses.fields(Rules))
KEYS = ("name", "map", "legend", "rules", *RULES)


def read_toml(toml: str | PathLike[str], *, source: str = "<map>") -> tuple[GridMap, dict[str, Any]]:
    """Read a TOML document, or the file at a path, and return its map and the rules that it sets.

    At the top level stand `name`, `map` (a drawing), `rules` (a preset's name) and any argument of `Rules`; under
    `[legend]` one table for each character, with the keys of `Cell` (`to` is `[row, column]` or a character drawn
    exactly once; `wind` is a table such as `{ up = 2 }`).

    Args:
        toml: the document itself (str), at most `LONGEST_TEXT` characters, or a file's path (not str).
        source: what messages call a document that is no file.

    Returns:
        The map, and the rules as they stand in the document, a preset under the key `rules`. The two are not checked
        together, since arguments may override the rules; see `check`.

    Raises:
        MapError: listing everything that is wrong, including what `check` finds if there is something else.
    """
    if not isinstance(toml, str):
        source = str(toml)
        toml = _read_file(Path(toml))
    return _Document(toml.replace("\r\n", "\n"), source).read()


def _read_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(4 * LONGEST_TEXT + 1)
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8")
        raise MapError(
            f"{spot(str(path), before, len(before))}: not UTF-8: byte 0x{content[error.start]:02x}"
        ) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise MapError(f"{path}: cannot be read: {reason}") from error


class _Document:
    """One TOML document while it is read."""

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.diagnostics = Diagnostics(source)
        self.outline: Outline | None = None

    def read(self) -> tuple[GridMap, dict[str, Any]]:
        """Return map and rules, or raise with all that is wrong."""
        table = self._parse() if fits(self.text, self.diagnostics) else None
        if table is not None:
            rules = self._read_rules(table)
            grid = self._read_map(table)
            if grid is not None and self.diagnostics.failed:
                self._note_senseless(grid, rules)
        self.diagnostics.finish()
        assert grid is not None
        return grid, rules

    def _parse(self) -> dict[str, Any] | None:
        try:
            self.outline = Outline(self.text)
            return tomllib.loads(self.text)
        except TooDeep as error:
            self.diagnostics.error("nested too deeply for a map", self._spot(error.at))
        except tomllib.TOMLDecodeError as error:
            text, at = self._syntax_error(str(error))
            self.diagnostics.error(f"not TOML: {text}", at)
        except (ValueError, RecursionError) as error:  # an integer of thousands of digits
            self.diagnostics.error(f"not a map: {spell(str(error))}")
        return None

    def _syntax_error(self, message: str) -> tuple[str, Place]:
        """Split `tomllib`'s message into its text and its place."""
        text, _, where = message.partition(" (at ")
        match = re.match(r"line (\d+), column (\d+)", where)
        if match is None:
            return text, self._spot(len(self.text))
        line, column = int(match[1]), int(match[2])
        return text, Place(line, column, f"{self.source}:{line}:{column}")

    def _read_rules(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """Return the rules that the document sets, those that are in order."""
        rules: dict[str, Any] = {}
        for key, value in table.items():
            if self.diagnostics.enough():
                break
            if key not in KEYS:
                self.diagnostics.error(f"unknown key {spell(key)}; {nearest(key, KEYS)}", self._at(key))
            elif key == "rules" and not (isinstance(value, str) and value in PRESETS):
                known = ", ".join(map(repr, PRESETS))
                text = f"rules = {spell(value)} is no preset; known: {known}; single rules stand at the top level"
                self.diagnostics.error(text, self._at(key))
            elif key in RULES and (trouble := _trouble_with_rule(key, value)):
                self.diagnostics.error(trouble, self._at(key))
            elif key == "rules" or key in RULES:
                rules[key] = value
        return rules

    def _read_map(self, table: Mapping[str, Any]) -> GridMap | None:
        name, drawing, legend = table.get("name", ""), table.get("map"), table.get("legend", {})
        note_name(name, self.diagnostics, self._at("name"))
        if not isinstance(legend, dict):
            self.diagnostics.error(f"legend = {spell(legend)} is not a table", self._at("legend"))
            legend = {}
        if not isinstance(drawing, str):
            missing = 'no map: give one, map = """..."""'
            wrong = f'map = {spell(drawing)} is not a string: draw it as map = """..."""'
            self.diagnostics.error(missing if drawing is None else wrong, self._at("map"))
            return None
        origin = TextOrigin(self.source, drawing, self.text, *self._string("map"))
        return draw(origin, legend, name, self.diagnostics, self._locate)

    def _string(self, key: str) -> tuple[int, bool]:
        assert self.outline is not None
        return string_bounds(self.text, self.outline.values[(key,)])

    def _note_senseless(self, grid: GridMap, rules: Mapping[str, Any]) -> None:
        own = {key: value for key, value in rules.items() if key != "rules"}
        settled = Rules.from_dict({**PRESETS.get(rules.get("rules", ""), {}), **own})
        note_senseless(Layout(grid, settled), self.diagnostics)

    def _locate(self, character: str, key: str | None) -> Place | None:
        path = ("legend", character) if key is None else ("legend", character, key)
        return self._at(*path)

    def _at(self, *path: str) -> Place | None:
        """Return where a key stands; failing that, where the table around it does."""
        assert self.outline is not None
        offset = None
        while offset is None and path:
            offset = self.outline.keys.get(path)
            path = path[:-1]
        return None if offset is None else self._spot(offset)

    def _spot(self, offset: int) -> Place:
        return spot(self.source, self.text, offset)


def _trouble_with_rule(key: str, value: Any) -> str | None:
    try:
        Rules(**{key: value})
    except ConfigError as error:
        return str(error).removeprefix("Rules: ").replace(repr(value), spell(value))
    except ValueError:  # an integer of more digits than Python prints
        return f"{key} = {spell(value)} is out of range"
    return None


def to_toml(grid: GridMap, rules: Rules) -> str:
    """Write a map and its rules as a TOML document that `read_toml` reads back to the same map and rules.

    Raises:
        MapError: for a map that is too large to be drawn in `LONGEST_TEXT` characters.
    """
    height, width = grid.codes.shape
    if height * (width + 1) > LONGEST_TEXT - 100_000:  # what the rest of a document may take
        raise MapError(f"a {height} x {width} map takes more than {LONGEST_TEXT:,} characters: save its array instead")
    defaults = Rules().to_dict()
    changed = {key: value for key, value in rules.to_dict().items() if value != defaults[key]}
    own = [cell for cell in grid.legend if cell not in DEFAULT_LEGEND]
    lines = [
        *[f"name = {_quote(grid.name)}"] * bool(grid.name),
        *[f"{key} = {_toml(value)}" for key, value in changed.items()],
        f'map = """\n{_draw(grid)}\n"""',
        *["", "[legend]"] * bool(own),
        *[f"{_quote(cell.character)} = {_toml(as_table(cell))}" for cell in own],
    ]
    return "\n".join(lines) + "\n"


def _draw(grid: GridMap) -> str:
    """Draw a map as a basic TOML string's content, with spaces between the cells if there is room for them."""
    characters = np.array([cell.character for cell in grid.legend])
    space = " " if 2 * grid.codes.size < LONGEST_TEXT // 2 else ""
    text = "\n".join(space.join(characters[row].tolist()) for row in grid.codes)
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(item)}' for key, item in value.items())} }}"
    return repr(value)
