"""Settings from a file: `rlkit train --config FILE.toml`, where each can be said once and changed by an option.

    environment = "Pendulum-v1"
    env_kwargs = { g = 9.81 }
    steps = 10_000
    seeds = 10                     # or seed = 3
    eval_every = 1000

    [DDPG]                         # hyperparameters, as in a preset; a file may be for several agents
    gamma = 0.98
    noise = { kind = "GaussianNoise", sigma = 0.2 }

Presets' files have this form, too; of their `environments` the first is taken.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rlkit.cli import UsageError
from rlkit.cli._problems import near
from rlkit.errors import ConfigError

COUNTS = ("steps", "seed", "seeds", "eval_every")
KNOWN = ("environment", "environments", "env_kwargs", *COUNTS)


class Settings(NamedTuple):
    """What a file says.

    Attributes:
        hyperparameters: of the agent, as plain data.
        environment: where it learns; "" if the file does not say.
        env_kwargs: arguments of the environment.
        counts: steps and so on, by the names of their options.
    """

    hyperparameters: Mapping[str, Any] = {}
    environment: str = ""
    env_kwargs: Mapping[str, Any] = {}
    counts: Mapping[str, int] = {}


def read_settings(path: Path, agent: str) -> Settings:
    """Read a file's settings for an agent.

    Raises:
        UsageError: it cannot be read.
        ConfigError: it has a key that means nothing, a value of another type, or is for other agents only.
    """
    content = _content(path)
    tables = _tables(content)
    for key, value in content.items():
        if key not in (*KNOWN, *tables):
            raise ConfigError(f"{path}: {key} means nothing here{near(key, KNOWN)}")
        if key in COUNTS and type(value) is not int:
            raise ConfigError(f"{path}: {key} = {value!r}, expected a whole number")
    for key in tables:
        if key != agent and not key[:1].isupper():  # which is no class
            raise ConfigError(f"{path}: the table [{key}] means nothing here{near(key, (*KNOWN, agent))}")
    if tables and agent not in tables:
        raise ConfigError(f"{path}: has hyperparameters of {', '.join(tables)}, none of {agent}")
    env_kwargs = content.get("env_kwargs", {})
    if not isinstance(env_kwargs, dict):
        raise ConfigError(f'{path}: env_kwargs = {env_kwargs!r}, expected names and values, such as {{ map = "4x4" }}')
    counts = {name: content[name] for name in COUNTS if name in content}
    return Settings(tables.get(agent, {}), _environment(path, content), env_kwargs, counts)


def agent_in(path: Path) -> str:
    """Return the agent that a file is for.

    Raises:
        UsageError: it cannot be read.
        ConfigError: it is for none, or for several.
    """
    tables = list(_tables(_content(path)))
    if len(tables) != 1:
        raise ConfigError(f"{path}: is for {' and '.join(tables) or 'no agent'}; name one: rlkit train AGENT --config")
    return tables[0]


def _content(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--config {path}: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:  # of TOML or of UTF-8
        raise UsageError(f"--config {path}: is not TOML: {error}") from error


def _tables(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {key: value for key, value in content.items() if isinstance(value, dict) and key not in KNOWN}


def _environment(path: Path, content: Mapping[str, Any]) -> str:
    named = content.get("environments", [])
    named = [content["environment"]] if "environment" in content else named
    if not (isinstance(named, list) and all(isinstance(each, str) for each in named)):
        raise ConfigError(f"{path}: environment = {named!r}, expected a name")
    return named[0] if named else ""
