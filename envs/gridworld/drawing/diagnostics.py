"""Problems of a map, collected so that all of them are told at once."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable
from typing import Any

from rlkit.envs.gridworld.drawing.origin import Place
from rlkit.errors import MapError, MapWarning

MOST_TOLD = 100
"""Problems beyond this many are not told one by one."""


class Diagnostics:
    """Collects the errors and warnings of one map, each `place: what, what is known, a hint`.

    Attributes:
        source: the file's name, or what stands for it where a problem has no place of its own.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._errors: list[tuple[Place, str]] = []
        self._warnings: list[tuple[Place, str]] = []
        self._untold = False

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return bool(self._errors)

    def enough(self) -> bool:
        """Return whether further errors would not be told: whoever goes through a long list asks, and stops there."""
        self._untold = len(self._errors) >= MOST_TOLD
        return self._untold

    def error(self, text: str, at: Place | None = None) -> None:
        """Note what makes the map unusable."""
        if not self.enough():
            self._errors.append((at or Place(0, 0, self.source), text))

    def warn(self, text: str, at: Place | None = None) -> None:
        """Note what does nothing, in a map that can be used."""
        if len(self._warnings) < MOST_TOLD:
            self._warnings.append((at or Place(0, 0, self.source), text))

    def finish(self) -> None:
        """Tell everything noted.

        Raises:
            MapError: listing all errors in the order of the text, if there is one; else warnings are issued.
        """
        if self._errors:
            problems = [f"{at}: {text}" for at, text in sorted(self._errors)]
            raise MapError(*problems, *[f"{self.source}: and more problems"] * self._untold)
        for at, text in self._warnings:
            warnings.warn(f"{at}: {text}", MapWarning, stacklevel=4)


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name is meant by an unknown one, or list the known ones."""
    names = list(known)
    close = difflib.get_close_matches(name[:40], names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"


def spell(value: Any) -> str:
    """Return a value's `repr`, cut to a length that a message can take."""
    if isinstance(value, str | list | tuple | bytes):
        value = value[:60]
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        return "an enormous number"
    return text if len(text) <= 60 else text[:57] + "..."
