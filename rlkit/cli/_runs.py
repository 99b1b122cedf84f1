"""Run folders, read back: who learnt where."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlkit.errors import CheckpointError, SpaceError

if TYPE_CHECKING:
    from rlkit.agent import Agent
    from rlkit.cli._environments import EnvironmentSaid


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


def agent_class_of(config: Mapping[str, Any], run: Path, own: type[Agent] | None = None) -> type[Agent]:
    """Return the class of the agent that a run trains.

    Args:
        config: the run's `config.json`.
        run: its folder.
        own: the class, if it is none of rlkit's: what a file names is never imported.

    Raises:
        CheckpointError: it is another one, or none of rlkit's.
    """
    import rlkit.agents
    from rlkit.agents import promises

    name, module = config.get("agent"), str(config.get("module", "rlkit."))
    if own is not None:
        if own.__name__ != name:
            raise CheckpointError(f"{run}: is a run of {name}, not of {own.__name__}")
        return own
    if name not in promises() or not module.startswith("rlkit."):
        known = module if module not in ("rlkit.", "__main__") else "MODULE"
        raise CheckpointError(f"{run}: its agent, {name!r}, is none of rlkit's; name its class, {known}:{name}")
    agent_class: type[Agent] = getattr(rlkit.agents, name)
    return agent_class


def command_to_resume(agent_class: type[Agent], said: EnvironmentSaid, folder: Path) -> str:
    """Return the words that go on with a run or an experiment; they name what no file's word alone imports."""
    words = ["rlkit", "train"]
    own, elsewhere = not agent_class.__module__.startswith("rlkit."), ":" in said.identity
    if own:
        words.append(f"{agent_class.__module__}:{agent_class.__qualname__}")
    elif elsewhere:
        words.append(agent_class.__name__)
    if elsewhere:
        words.append(said.identity)
    return shlex.join([*words, "--resume", str(folder)])


def run_of(path: Path) -> Path:
    """Return the folder of the run that a path is, or is a checkpoint of.

    Raises:
        CheckpointError: there is nothing there.
    """
    if path.is_file():
        return path.parent.parent if path.parent.name == "checkpoints" else path.parent
    return path


def load_agent(path: Path, config: Mapping[str, Any], own: type[Agent] | None = None) -> Agent:
    """Load the agent of a run's newest checkpoint, or of the checkpoint at `path`; `own` is its class, if not rlkit's.

    Raises:
        CheckpointError: there is none that can be read.
    """
    return agent_class_of(config, run_of(path), own).load(path)


def check_spaces(agent: Agent, env: Any, name: str) -> None:
    """Refuse an environment that the agent was not made for.

    Raises:
        SpaceError: one of its spaces is another.
    """
    for role in ("observation_space", "action_space"):
        own, its = getattr(agent, role), getattr(env, role)
        if own != its:
            raise SpaceError(f"{name}: its {role.replace('_', ' ')} is {its}, the agent was made for {own}")
