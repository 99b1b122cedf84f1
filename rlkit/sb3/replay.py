"""Replay buffers in files of their own, as `CheckpointCallback(save_replay_buffer=True)` asks for: without pickle."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rlkit.agent import Agent
from rlkit.checkpoint import archive, reading
from rlkit.checkpoint.decode import Decoder
from rlkit.checkpoint.encode import Encoder
from rlkit.errors import CheckpointError
from rlkit.replay import PackedReplay, ReplayBuffer

FORMAT, VERSION = "rlkit replay buffer", 1


def own_path(path: str | Path) -> Path:
    """Return SB3's name of a file as ours: `.npz` in place of `.zip` or `.pkl`, or after a name without either."""
    path = Path(path)
    if path.suffix in (".zip", ".pkl"):
        return path.with_suffix(".npz")
    return path if path.suffix == ".npz" else path.with_name(f"{path.name}.npz")


@contextlib.contextmanager
def emptied(agent: Agent) -> Iterator[None]:
    """Let an agent's replay buffer be empty meanwhile: so that a file holds what was learnt, and not from what."""
    buffer = getattr(agent, "buffer", None)
    if not isinstance(buffer, ReplayBuffer | PackedReplay):
        yield
        return
    added, buffer.added = buffer.added, 0
    try:
        yield
    finally:
        buffer.added = added


def save_replay_buffer(agent: Agent, path: str | Path) -> Path:
    """Save the transitions that an agent has stored, as many as are in use; return where: the name ends in `.npz`.

    Raises:
        CheckpointError: the agent stores none, or the file cannot be written.
    """
    buffer, path = _buffer_of(agent), own_path(path)
    encoder = Encoder()
    state = encoder.encode(buffer.state_dict(), "buffer")
    tree = {"format": FORMAT, "version": VERSION, "class": type(buffer).__name__, "state": state}
    path.parent.mkdir(parents=True, exist_ok=True)
    archive.write(path, tree, encoder.arrays)
    return path


def load_replay_buffer(agent: Agent, path: str | Path) -> None:
    """Put the transitions that `save_replay_buffer` saved into an agent's buffer, in place of those that are there.

    Raises:
        CheckpointError: no such file, or of a buffer of another kind, capacity or shape.
    """
    buffer, path = _buffer_of(agent), own_path(path)
    tree, arrays = archive.read(path)
    with reading(path):
        if not isinstance(tree, dict) or tree.get("format") != FORMAT or tree.get("version") != VERSION:
            raise CheckpointError(f"is not a replay buffer of format version {VERSION}")
        if tree["class"] != type(buffer).__name__:
            raise CheckpointError(f"is a {tree['class']}, expected a {type(buffer).__name__}")
        buffer.load_state_dict(Decoder(arrays).decode(tree["state"], None, "buffer"))


def _buffer_of(agent: Agent) -> Any:
    buffer = getattr(agent, "buffer", None)
    if not callable(getattr(buffer, "load_state_dict", None)):
        raise CheckpointError(f"{type(agent).__name__} has no replay buffer")
    return buffer
