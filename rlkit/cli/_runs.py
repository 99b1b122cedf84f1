"""Run folders, read back: who learnt where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlkit.errors import CheckpointError

if TYPE_CHECKING:
    from rlkit.agent import Agent


def read_run(run: Path) -> dict[str, Any]:
    """Return a run's `config.json`.

    Raises:
        CheckpointError: there is no such folder, or it holds no run.
    """
    from rlkit.run import RunFolder

    if not run.is_dir():
        raise CheckpointError(f"{run}: no such run")
    if not (run / "config.json").is_file():
        raise CheckpointError(f"{run}: holds no run (there is no config.json)")
    return RunFolder(run).read_config()


def agent_class_of(config: Mapping[str, Any], run: Path) -> type[Agent]:
    """Return the class of the agent that a run trains.

    Raises:
        CheckpointError: it is none of rlkit's.
    """
    import rlkit.agents
    from rlkit.agents import promises

    name = config.get("agent")
    if name not in promises():
        raise CheckpointError(f"{run}: its agent, {name!r}, is none of rlkit's; in Python, {name}.load({str(run)!r})")
    agent_class: type[Agent] = getattr(rlkit.agents, name)
    return agent_class
