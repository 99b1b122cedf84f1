"""Where keys and values stand in a TOML text, which `tomllib` does not tell."""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Callable

MOST_PARTS = 8
"""Most parts of a dotted key, and most levels of nesting; maps need three."""

Path = tuple[str, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_INLINE_BLANK = re.compile(r"[ \t]*+")
_BARE = re.compile(r"[A-Za-z0-9_-]++")
_STRING = re.compile(
    r'"""(?:[^\\"]++|\\[\s\S]|"(?!""))*+"""+'
    r"|'''(?:[^']++|'(?!''))*+'''+"
    r'|"(?:[^\\"\n]++|\\.)*+"'
    r"|'[^'\n]*+'"
)
_PLAIN = re.compile(r"[^,\]}#\n]++")


class TooDeep(Exception):
    """A dotted key or a nesting goes further down than any map's; `at` is its offset."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at


class _NotTOML(Exception):
    """What comes next is not TOML: the outline ends here, and `tomllib` will say why."""


class Outline:
    """Offsets in a TOML text of its keys and values by path, as far as the text is TOML.

    Attributes:
        text: the text, lines ended by `\\n`.
        keys: offset of every key's (first) place.
        values: offset of every value.

    Raises:
        TooDeep: at a key of more than `MOST_PARTS` parts, or arrays or tables within each other as many times. Such
            texts cost a TOML parser time or stack out of proportion.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.keys: dict[Path, int] = {}
        self.values: dict[Path, int] = {}
        with contextlib.suppress(_NotTOML):
            self._read_statements()

    def _read_statements(self) -> None:
        table: Path = ()
        at = self._skip(_BLANK, 0)
        while at < len(self.text):
            if self.text[at] == "[":
                brackets = 2 if self.text.startswith("[[", at) else 1
                table, after = self._read_key(at + brackets)
                self.keys.setdefault(table, at)
                at = self._pass("]" * brackets, after)
            else:
                at = self._read_pair(table, at, depth=0)
            at = self._skip(_BLANK, at)

    def _read_pair(self, table: Path, at: int, depth: int) -> int:
        key, after = self._read_key(at)
        value = self._skip(_INLINE_BLANK, self._pass("=", after))
        path = table + key
        self.keys.setdefault(path, at)
        self.values.setdefault(path, value)
        return self._read_value(path, value, depth)

    def _read_key(self, at: int) -> tuple[Path, int]:
        parts: list[str] = []
        start = at
        while True:
            at = self._skip(_INLINE_BLANK, at)
            match = _BARE.match(self.text, at) or _STRING.match(self.text, at)
            if match is None:
                raise _NotTOML
            parts.append(_unquote(match[0]))
            if len(parts) > MOST_PARTS:
                raise TooDeep(start)
            at = self._skip(_INLINE_BLANK, match.end())
            if self.text[at : at + 1] != ".":
                return tuple(parts), at
            at += 1

    def _read_value(self, path: Path, at: int, depth: int) -> int:
        if depth > MOST_PARTS:
            raise TooDeep(at)
        if self.text[at : at + 1] == "[":
            return self._read_items(at, "]", lambda item: self._read_value((*path, ""), item, depth + 1))
        if self.text[at : at + 1] == "{":
            return self._read_items(at, "}", lambda item: self._read_pair(path, item, depth + 1))
        match = _STRING.match(self.text, at) or _PLAIN.match(self.text, at)
        if match is None:
            raise _NotTOML
        return match.end()

    def _read_items(self, at: int, end: str, read_item: Callable[[int], int]) -> int:
        at = self._skip(_BLANK, at + 1)
        while self.text[at : at + 1] != end:
            at = self._skip(_BLANK, read_item(at))
            if self.text[at : at + 1] != end:
                at = self._skip(_BLANK, self._pass(",", at))
        return at + 1

    def _skip(self, pattern: re.Pattern[str], at: int) -> int:
        match = pattern.match(self.text, at)
        return at if match is None else match.end()

    def _pass(self, mark: str, at: int) -> int:
        if not self.text.startswith(mark, at):
            raise _NotTOML
        return at + len(mark)


def string_bounds(text: str, at: int) -> tuple[int, bool]:
    """Return where the content of the TOML string at this offset starts, and whether it has escapes."""
    match = _STRING.match(text, at)
    assert match is not None
    quotes = 3 if match[0][:3] in ('"""', "'''") else 1
    start = at + quotes
    return start + (quotes == 3 and text.startswith("\n", start)), match[0][0] == '"' and "\\" in match[0]


def _unquote(key: str) -> str:
    if key[0] == "'":
        return key[1:-1]
    if key[0] != '"':
        return key
    if "\\" not in key:
        return key[1:-1]
    try:
        return str(tomllib.loads(f"key = {key}")["key"])
    except tomllib.TOMLDecodeError as error:
        raise _NotTOML from error
