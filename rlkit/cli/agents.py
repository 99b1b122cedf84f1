"""List the planners and learners, or the hyperparameters of those that are named."""

from __future__ import annotations

from collections.abc import Iterator
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
        lines = [*_hyperparameters(getattr(rlkit.agents, name)), *filter(None, [_presets(name)])]
        print("\n".join(lines), end="\n\n")


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
    """One line a field of the agent's `Config`, and of those inside it."""
    rows = list(_rows(agent.Config, None, ""))
    width = max(len(row) for row, _ in rows)
    return [f"    {row:<{width}}  {about}".rstrip() for row, about in rows]


def _rows(config: Any, values: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield `name = value` and what is to be said of it; the values are those of a `Config`, or for None the defaults.

    Where a field may be one of several `Config`s, what the others have besides comes last.
    """
    import dataclasses
    import typing

    from rlkit.cli._hyperparameters import configs_of, limits_of

    kinds = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        value: Any = field.default if values is None else getattr(values, field.name)
        inside, help = limits_of(field, kinds[field.name]), field.metadata.get("help", "")
        choices = configs_of(kinds[field.name])
        if len(choices) > 1:
            inside = f"one of {', '.join('None' if kind is None else kind.__name__ for kind in choices)}"
        shown = type(value).__name__ if type(value) in choices else value
        about = "; ".join(text for text in (inside, help) if text)
        name = f"{prefix}{field.name}"
        yield f"{name} = {shown}", about
        if type(value) in choices:
            yield from _rows(type(value), value, f"{name}.")
        had = {spec.name for spec in dataclasses.fields(value)} if type(value) in choices else set()
        for kind in (kind for kind in choices if kind not in (None, type(value))):
            for row, about in _rows(kind, None, f"{name}."):
                if row.removeprefix(f"{name}.").split(" = ")[0].split(".")[0] not in had:
                    yield row, f"{about} ({kind.__name__})"


def _presets(name: str) -> str:
    import textwrap

    from rlkit.agents.presets import preset_names

    names = preset_names(name)
    text = f"presets: {', '.join(names)}" if names else ""
    return textwrap.fill(text, 110, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
