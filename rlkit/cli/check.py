"""Check that an agent, a planner or an environment of yours keeps its promises."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json as json_format
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from rlkit.cli import UsageError

if TYPE_CHECKING:
    from rlkit.checks import CheckReport

NONE = "(default: none)"
SMALL = ("rlkit/RussellNorvig4x3-v0", "CartPole-v1", "rlkit/LinearQuadratic-v0")
"""Where an agent is checked if nothing is said: the first whose spaces suit it."""


def run(
    what: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODULE:CLASS|AGENT|ENV")],
    environment: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[ENV]")] = None,
    *,
    env_kwargs: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE ...", help_behavior_hint=NONE)] = (),
    expect: Annotated[tuple[str, ...], tyro.conf.arg(metavar="CHECK ...", help_behavior_hint=NONE)] = (),
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> int:
    """Check an agent, a planner or an environment, each promise by a check of its own.

    The exit code is 0 if all is well, and 1 if a check failed. In Python: rlkit.checks.check_agent, check_planner and
    check_env.

    Args:
        what: a class of yours, in a module here or installed; one of rlkit's agents or planners; or an environment: a
            gymnasium id, a map file, or a shipped map's name.
        environment: where an agent is to learn, or which environment's model a planner is to plan for; None: a small
            one that suits it.
        env_kwargs: arguments of the environment.
        expect: checks that are expected to fail.
        json: print one JSON object and nothing else.
    """
    expected = dict.fromkeys(expect, "said so on the command line")
    report = _understood(what, environment, env_kwargs)(expected)
    print(json_format.dumps(report.to_dict()) if json else report)
    return 0 if report.passed else 1


Checked = Callable[[dict[str, str]], "CheckReport"]


def _understood(what: str, environment: str | None, env_kwargs: tuple[str, ...]) -> Checked:
    """Return what runs the checks, and takes those that are expected to fail."""
    import rlkit.agents
    from rlkit.agents import promises
    from rlkit.cli._own import load

    known = {name.lower(): name for name in promises()}
    if _is_of_a_module(what):
        return _of_object(load(what), what, environment, env_kwargs)
    if what.lower() in known:
        name = known[what.lower()]
        return _of_object(getattr(rlkit.agents, name), name, environment, env_kwargs)
    if environment is not None:
        raise UsageError(_unknown(what, [*known.values()], "MODULE:CLASS or one of rlkit's agents"))
    return functools.partial(_check_environment, what, env_kwargs, [*known.values()])


def _of_object(found: Any, name: str, environment: str | None, env_kwargs: tuple[str, ...]) -> Checked:
    import gymnasium

    from rlkit.agent import Agent
    from rlkit.checks import check_agent, check_env, check_planner
    from rlkit.policy import Planner

    if isinstance(found, type) and issubclass(found, Agent | Planner):
        check: Any = check_agent if issubclass(found, Agent) else check_planner
        return functools.partial(_check_in, check, found, name, environment, env_kwargs)
    if isinstance(found, gymnasium.Env) or (isinstance(found, type) and issubclass(found, gymnasium.Env)):
        if environment is not None:
            raise UsageError(f"{name}: is an environment itself, so that {environment!r} has no part in its check")
        if env_kwargs and not isinstance(found, type):
            raise UsageError(f"{name}: is made already, so that --env-kwargs {' '.join(env_kwargs)} comes too late")
        made = functools.partial(found, **_arguments(env_kwargs)) if isinstance(found, type) else found
        return lambda expected: _named(check_env(made, expected_failures=expected, on_fail=None), subject=name)
    kind = "another class" if isinstance(found, type) else f"of type {type(found).__name__}"
    raise UsageError(f"{name}: is {kind}, expected a subclass of rlkit.Agent, rlkit.Planner or gymnasium.Env")


def _check_in(
    check: Any, of: Any, name: str, environment: str | None, env_kwargs: tuple[str, ...], expected: dict[str, str]
) -> CheckReport:
    """Check an agent or a planner in an environment."""
    from rlkit.cli._environments import read_environment

    said = read_environment(environment or _where(of), env_kwargs)
    with contextlib.closing(said.make()) as env:
        misfit = _misfit(of, env)
        if misfit is not None:
            raise UsageError(f"{said.name}: {misfit}")
        return _named(check(of, env, expected_failures=expected, on_fail=None), subject=name, where=said.name)


def _check_environment(
    word: str, env_kwargs: tuple[str, ...], agents: list[str], expected: dict[str, str]
) -> CheckReport:
    from rlkit.checks import check_env
    from rlkit.cli._environments import read_environment
    from rlkit.cli._problems import UnknownProblem

    try:
        said = read_environment(word, env_kwargs)
    except UnknownProblem as error:
        if "did you mean" in str(error):
            raise
        raise UsageError(_unknown(word, agents, "an agent, an environment or MODULE:CLASS")) from None
    with contextlib.closing(said.make()) as env:
        return _named(check_env(env, expected_failures=expected, on_fail=None), subject=said.name)


def _where(of: Any) -> str:
    """Return the id of the first small environment whose spaces suit a class.

    Raises:
        UsageError: there is none.
    """
    import gymnasium

    import rlkit.envs  # noqa: F401  (registers)

    for identity in SMALL:
        with contextlib.closing(gymnasium.make(identity)) as env:
            if _misfit(of, env) is None:
                return identity
    raise UsageError(f"{of.__name__} suits none of {', '.join(SMALL)}; name an environment")


def _misfit(of: Any, env: Any) -> str | None:
    """Say why a class has no use for the spaces of an environment; other trouble is for the checks to tell of."""
    from rlkit.errors import SpaceError

    try:
        of.for_env(env)
    except SpaceError as error:
        return str(error)
    except Exception:
        return None
    return None


def _is_of_a_module(word: str) -> bool:
    """Tell `MODULE:NAME` from a gymnasium id that says which module registers it, `MODULE:Name-v0`."""
    name, colon, attribute = word.partition(":")
    return bool(colon and name) and all(part.isidentifier() for part in attribute.split("."))


def _arguments(env_kwargs: tuple[str, ...]) -> dict[str, Any]:
    from rlkit.cli._environments import argument

    return dict(argument("--env-kwargs", text) for text in env_kwargs)


def _named(report: CheckReport, **names: str) -> CheckReport:
    return dataclasses.replace(report, **names)  # type: ignore[arg-type]


def _unknown(word: str, agents: list[str], expected: str) -> str:
    from rlkit.cli._problems import near

    return f"{word!r} is not {expected}{near(word, agents) or '; rlkit agents and rlkit envs list them'}"
