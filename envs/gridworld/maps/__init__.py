"""The maps that ship with rlkit, by name."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from rlkit.envs.gridworld.drawing.diagnostics import nearest
from rlkit.envs.gridworld.layout import GridMap
from rlkit.errors import MapError


@cache
def shipped_maps() -> tuple[str, ...]:
    """Return the names of the shipped maps, sorted."""
    return tuple(
        sorted(file.name.removesuffix(".toml") for file in files(__name__).iterdir() if file.name.endswith(".toml"))
    )


def load_map(name: str) -> tuple[GridMap, dict[str, Any]]:
    """Read a shipped map by its name, as `read_toml` reads a file.

    Raises:
        MapError: there is none of that name.
    """
    from rlkit.envs.gridworld.drawing.mapfile import read_toml

    if name not in shipped_maps():
        raise MapError(f"no shipped map {name[:60]!r}; {nearest(name, shipped_maps())}")
    return read_toml(files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8"), source=f"{name}.toml")
