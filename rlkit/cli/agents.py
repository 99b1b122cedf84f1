"""List the planners and learners, or the hyperparameters of those that are named."""

from __future__ import annotations

from typing import Annotated, Any

import tyro


def run(names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[NAME ...]")] = ()) -> None:
    """List what every planner and learner promises; of those that are named, the hyperparameters too.

    Args:
        names: which, such as QLearning; all of them, without hyperparameters, if none is named.
    """
    import rlkit.agents
    from rlkit.agents import promises
    from rlkit.cli._text import table

    if not names:
        print(table(promises().items()))
        print("\n  rlkit agents NAME lists the hyperparameters of NAME, with defaults and ranges.")
    for name in map(find, names):
        print(f"{name}\n  {promises()[name]}")
        print("\n".join(_hyperparameters(getattr(rlkit.agents, name))), end="\n\n")


def find(word: str) -> str:
    """Return the agent's name that is meant, whatever its capitals."""
    import difflib

    from rlkit.agents import promises
    from rlkit.cli import UsageError

    known = {name.lower(): name for name in promises()}
    near = difflib.get_close_matches(word.lower(), known, n=1)
    if word.lower() not in known:
        hint = f"did you mean {known[near[0]]!r}?" if near else "rlkit agents lists them"
        raise UsageError(f"unknown agent {word!r}; {hint}")
    return known[word.lower()]


def _hyperparameters(agent: Any) -> list[str]:
    """One line a field of the agent's `Config`."""
    import dataclasses
    import typing

    from rlkit.cli._hyperparameters import limits_of

    fields = dataclasses.fields(agent.Config)
    kinds = typing.get_type_hints(agent.Config)
    width = max(len(f"{field.name} = {field.default}") for field in fields)
    lines = []
    for field in fields:
        inside, help = limits_of(field, kinds[field.name]), field.metadata.get("help", "")
        about = "; ".join(text for text in (inside, help) if text)
        lines.append(f"    {f'{field.name} = {field.default}':<{width}}  {about}".rstrip())
    return lines
