"""From whatever describes a grid world to its layout: which reader, and whose rules win."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypedDict

from numpy.typing import ArrayLike

from rlkit.envs.gridworld.drawing.legend import Legend
from rlkit.envs.gridworld.layout import GridMap, Layout
from rlkit.envs.gridworld.rules import PRESETS, Rules
from rlkit.errors import ConfigError, MapError


class RuleArguments(TypedDict, total=False):
    """The rules as keyword arguments; None, or leaving one out, takes the map file's, the preset's, or the default."""

    step_reward: float | None
    goal_reward: float | None
    forbidden_reward: float | None
    hole_reward: float | None
    boundary_reward: float | None
    continuing: bool | None
    moves: Literal[4, 8] | None
    stay: bool | None
    slip: float | None
    slip_kind: Literal["perpendicular", "uniform"] | None
    max_steps: int | None


def make_layout(
    map: str | PathLike[str] | GridMap | ArrayLike,
    rules: str | Rules | None,
    legend: Legend,
    changes: Mapping[str, Any],
) -> Layout:
    """Read a map, whatever it is given as, settle its rules, and check the two together.

    A text of one line that names a shipped map, or ends in `.toml`, is loaded (so is any path): with no legend to give
    its letters a meaning, it could not be a drawing.

    Raises:
        MapError: with every problem of the map.
        ConfigError: for a rule that is unknown or out of its range.
    """
    from rlkit.envs.gridworld.drawing import check, read_array, read_text

    own: Mapping[str, Any] = {}
    if isinstance(map, GridMap):
        grid = map
    elif isinstance(map, PathLike) or (isinstance(map, str) and not legend and _names_a_file(map)):
        grid, own = read_file(map)
    elif isinstance(map, str):
        if not legend:
            _refuse_unknown_name(map)
        grid = read_text(map, legend=legend)
    else:
        grid = read_array(map, legend=legend)
    settled = settle_rules(rules, own, changes)
    check(grid, settled)
    return Layout(grid, settled)


def _names_a_file(text: str) -> bool:
    from rlkit.envs.gridworld.maps import shipped_maps

    return "\n" not in text and (text.endswith(".toml") or text in shipped_maps())


def _refuse_unknown_name(text: str) -> None:
    """Refuse one line that has a word in it, which no drawing without a legend has: the name of a map, misspelt."""
    from rlkit.envs.gridworld.drawing.diagnostics import nearest
    from rlkit.envs.gridworld.maps import shipped_maps

    if "\n" not in text and re.search("[a-z]{3}", text[:200]):
        raise MapError(f"no shipped map {text[:60]!r}; {nearest(text, shipped_maps())}")


def read_file(map: str | PathLike[str]) -> tuple[GridMap, Mapping[str, Any]]:
    """Read a TOML file or, by its name, a shipped map; return the map and the rules that the file sets."""
    from rlkit.envs.gridworld.drawing import read_toml
    from rlkit.envs.gridworld.maps import load_map, shipped_maps

    named = isinstance(map, str) and (map in shipped_maps() or not (Path(map).suffix or Path(map).exists()))
    return load_map(str(map)) if named else read_toml(Path(map))


def settle_rules(rules: str | Rules | None, own: Mapping[str, Any], changes: Mapping[str, Any]) -> Rules:
    """Decide every rule: an argument that is not None, else the map file's key, else the preset's, else the default.

    Args:
        rules: a preset's name; or a whole `Rules`, which replaces file, preset and defaults.
        own: the rules that the map file sets, its preset under the key `rules`.
        changes: the arguments.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    if isinstance(rules, Rules):
        return Rules.from_dict({**rules.to_dict(), **given})
    preset = own.get("rules") if rules is None else rules
    if preset is not None and preset not in PRESETS:
        near = difflib.get_close_matches(str(preset), PRESETS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(map(repr, PRESETS))}"
        raise ConfigError(f"GridWorld: unknown rules {preset!r}; {hint}")
    own = {name: value for name, value in own.items() if name != "rules"}
    return Rules.from_dict({**(PRESETS[preset] if preset else {}), **own, **given})
