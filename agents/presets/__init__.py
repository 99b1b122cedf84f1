"""Tuned hyperparameters: one TOML file for an environment or several alike, in it one table for an agent.

    environments = ["Pendulum-v1"]      # the gymnasium ids that the file is for
    steps = 10_000                      # that learning takes there

    [DDPG]                              # hyperparameters that differ from the defaults
    gamma = 0.98

A preset goes by the id of any of its environments, or by its file's name, such as `paper`.
"""

from __future__ import annotations

import copy
import difflib
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from rlkit.errors import ConfigError

__all__ = ["preset", "preset_names", "preset_steps"]


def preset(agent: str, name: str) -> dict[str, Any]:
    """Return tuned hyperparameters: `DDPG.for_env(env, **preset("DDPG", "Pendulum-v1"))`.

    Args:
        agent: the agent's name.
        name: the id of an environment, or the name of a preset that is for none in particular, such as `"paper"`.

    Raises:
        ConfigError: the agent has no preset of that name, or none at all; says which it has, or which agents have some.
    """
    known = preset_names(agent)
    if not known:
        raise ConfigError(_without_presets(agent))
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        raise ConfigError(f"{agent} has no preset {name!r}; {hint}")
    table: dict[str, Any] = copy.deepcopy(_read()[name][agent])
    return table


def preset_names(agent: str) -> list[str]:
    """Return the names of all presets that an agent has, sorted."""
    return sorted(name for name, table in _read().items() if agent in table)


def _without_presets(agent: str) -> str:
    from rlkit.agents import promises

    near = [] if agent in promises() else difflib.get_close_matches(agent, promises(), n=1)
    if near:
        return f"preset: unknown agent {agent!r}; did you mean {near[0]!r}?"
    having = [name for name in promises() if preset_names(name)]
    return f"preset: {agent!r} has none; those that have are {', '.join(having)}"


def preset_steps(name: str) -> int | None:
    """Return how many steps learning takes in an environment that there is a preset for; None where none says."""
    steps: int | None = _read().get(name, {}).get("steps")
    return steps


@cache
def _read() -> dict[str, dict[str, Any]]:
    """Return every file's content by each of its names."""
    found: dict[str, dict[str, Any]] = {}
    for file in files(__name__).iterdir():
        if file.name.endswith(".toml"):
            content = tomllib.loads(file.read_text(encoding="utf-8"))
            found |= dict.fromkeys([file.name.removesuffix(".toml"), *content["environments"]], content)
    return found
