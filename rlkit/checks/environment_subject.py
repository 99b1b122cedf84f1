"""An environment that is to be checked, and the walk that most checks look at."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import cached_property
from typing import Any

import gymnasium

from rlkit.checks.walks import Env, Seen, global_generators, random_actions, walk
from rlkit.errors import SpaceError

MakeEnv = str | Env | Callable[[], Env]

STEPS = 250
"""Actions of a walk, in as many episodes as they make."""


class EnvironmentSubject:
    """An environment that is to be checked.

    Args:
        given: an id; a function that makes a new one at each call, such as its class; or one, of which more are made
            by its `spec` if `gymnasium.make` made it, and which else serves as its own twin.

    Attributes:
        remembered: what a check found out that others need, too.

    Raises:
        SpaceError: it is neither.
    """

    def __init__(self, given: MakeEnv) -> None:
        if not isinstance(given, gymnasium.Env | str) and not callable(given):
            raise SpaceError(f"check_env: {given!r} is no environment, nor a function that makes one")
        self._given = given
        self._made: list[Env] = []
        self.remembered: dict[str, Any] = {}

    def make(self) -> Env:
        """Return a new environment, or the one that was given, if there is no way to make another."""
        given = self._given
        if isinstance(given, str):
            env = gymnasium.make(given)
        elif not isinstance(given, gymnasium.Env):
            env = given()
        elif given.spec is not None and given.spec.entry_point is not None:
            env = gymnasium.make(given.spec)
        else:
            return given
        self._made.append(env)
        return env

    def close(self) -> None:
        """Close what was made."""
        for env in self._made:
            with contextlib.suppress(Exception):  # closing is not what is checked
                env.close()

    @cached_property
    def env(self) -> Env:
        """One that all checks share; they reset it themselves."""
        return self.make()

    @cached_property
    def twin(self) -> Env:
        """Another one like it."""
        return self.make()

    @cached_property
    def actions(self) -> list[Any]:
        """The actions of the walk."""
        return random_actions(self.env, STEPS)

    @cached_property
    def seen(self) -> list[Seen]:
        """What came back from them."""
        with global_generators(0):
            return walk(self.env, self.actions)

    def __str__(self) -> str:
        given = self._given
        if isinstance(given, gymnasium.Env):
            return given.spec.id if given.spec is not None else type(given.unwrapped).__name__
        return str(getattr(given, "__name__", given))
