"""From the word on the command line to the environment that it names, and back from a run's `config.json`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium

from rlkit.cli import UsageError
from rlkit.cli._problems import UnknownProblem, files_here, near
from rlkit.errors import RlkitError

LONGEST = 1000  # steps of an evaluation's episode where the environment sets no limit


class EnvironmentSaid(NamedTuple):
    """An environment as gymnasium makes it: its id, its arguments, and the word that the user has for it."""

    identity: str
    arguments: dict[str, Any]
    name: str

    def with_arguments(self, arguments: Sequence[str]) -> EnvironmentSaid:
        """Return the same with more arguments, each `name=value`."""
        return self._replace(arguments={**self.arguments, **_arguments(arguments)})

    def make(self, *, render_mode: str | None = None, limited: bool = False) -> gymnasium.Env[Any, Any]:
        """Make it.

        Args:
            render_mode: as gymnasium has it.
            limited: whether episodes are to end after a thousand steps where the environment sets no limit.

        Raises:
            UnknownProblem: it cannot be made; says why.
        """
        keywords = self.arguments if render_mode is None else {**self.arguments, "render_mode": render_mode}
        try:
            env = gymnasium.make(self.identity, **keywords)
        except gymnasium.error.DependencyNotInstalled as error:
            raise UnknownProblem(f"{self.name}: {_first_line(error)}{_remedy(str(error))}") from error
        except RlkitError:
            raise
        except (gymnasium.error.Error, ImportError, TypeError, ValueError) as error:
            if render_mode is not None and "'render_mode'" in str(error):
                raise UnknownProblem(f"{self.name}: the environment draws no pictures") from error
            raise UnknownProblem(f"{self.name}: {_first_line(error)}") from error
        own_limit = getattr(getattr(getattr(env.unwrapped, "layout", None), "rules", None), "max_steps", None)
        if limited and (env.spec is None or env.spec.max_episode_steps is None) and own_limit is None:
            return gymnasium.wrappers.TimeLimit(env, LONGEST)
        return env


def read_environment(word: str, arguments: Sequence[str] = ()) -> EnvironmentSaid:
    """Understand a gymnasium id, a map file, or a shipped map's name.

    Args:
        word: which.
        arguments: of the environment, each `name=value`.

    Raises:
        UnknownProblem: there is nothing of that name; says what is near.
    """
    import rlkit.envs  # noqa: F401  (registers)
    from rlkit.envs.gridworld.maps import shipped_maps

    own, path = _arguments(arguments), Path(word)
    if path.is_file() and path.suffix.lower() == ".toml":
        return EnvironmentSaid("rlkit/GridWorld-v0", {"map": str(path.resolve()), **own}, path.stem)
    if path.is_file():
        return EnvironmentSaid("rlkit/GridWorld-v0", {"map": path.read_text(encoding="utf-8"), **own}, path.stem)
    if word in shipped_maps():
        return EnvironmentSaid("rlkit/GridWorld-v0", {"map": word, **own}, word)
    if path.suffix in (".toml", ".txt"):
        raise UnknownProblem(f"{word}: no such file{near(word, files_here())}")
    if ":" not in word and word not in gymnasium.registry:
        ids = [key for key in gymnasium.registry if word.lower() in (key.split("-")[0].lower(), _short(key).lower())]
        ids.sort(key=lambda key: -(gymnasium.registry[key].version or 0))
        raise UnknownProblem(
            f"no environment {word!r}{near(word, [*gymnasium.registry, *shipped_maps(), *files_here()], first=ids)}"
        )
    return EnvironmentSaid(word, own, word)


def environment_of(
    config: Mapping[str, Any], run: Path, named: str | None = None, *, unknown: str = "name another"
) -> EnvironmentSaid:
    """Return the environment that a run's `config.json` names.

    Args:
        config: what the file says.
        run: its folder.
        named: the environment on the command line, if there is one. An id `MODULE:ID` has gymnasium import the module,
            and a file's word alone imports nothing.
        unknown: what to do where gymnasium knows no such environment.

    Raises:
        UnknownProblem: it names none that gymnasium knows, or one of a module that nobody else has named.
    """
    import rlkit.envs  # noqa: F401  (registers)

    said = config.get("environment")
    said = said if isinstance(said, dict) else {}
    identity, arguments = said.get("id"), said.get("arguments")
    if named and isinstance(identity, str) and ":" in named and named.rpartition(":")[2] == identity.rpartition(":")[2]:
        identity = named
    if not isinstance(identity, str) or (":" not in identity and identity not in gymnasium.registry):
        raise UnknownProblem(f"{run}: its environment, {identity!r}, is not one that gymnasium can make; {unknown}")
    module = identity.rpartition(":")[0]
    if module and module not in sys.modules and identity != named:
        raise UnknownProblem(
            f"{run}: its environment is {identity!r}, and nothing is imported because a file says so; name the "
            "environment on the command line, too"
        )
    return EnvironmentSaid(identity, dict(arguments) if isinstance(arguments, dict) else {}, identity)


def folder_name(name: str) -> str:
    """Return a name that a folder can have."""
    return name.split(":")[-1].split("/")[-1].replace(os.sep, "-")


def argument(option: str, text: str) -> tuple[str, Any]:
    """Split `name=value`; a value that is JSON is what it says, another is a text.

    Raises:
        UsageError: it is nothing of the kind; names the option.
    """
    name, equals, value = text.partition("=")
    if not (name.isidentifier() and equals):
        raise UsageError(f"{option} {text}: expected name=value")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, {"True": True, "False": False, "None": None}.get(value, value)


def _arguments(texts: Sequence[str]) -> dict[str, Any]:
    return dict(argument("--env-kwargs", text) for text in texts)


def _short(identity: str) -> str:
    return identity.split("/")[-1].split("-")[0]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _remedy(text: str) -> str:
    return " (pip install rlkit[mujoco])" if "mujoco" in text.lower() else ""
