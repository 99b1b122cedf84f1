"""What a block's worker does: it keeps the block, passes messages on, and writes files."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.distributed.model import Block
from rlkit.distributed.solution import values_file
from rlkit.errors import CheckpointError, ConfigError

Message = NDArray[np.float64]
Kept = Sequence[Any]


class Report(NamedTuple):
    """What a worker says of a call, beside the messages to others.

    Attributes:
        life: which worker it is; another one after it was lost and the block rebuilt.
        worker: host and process.
        sweeps: how many were made.
        rests: whether nothing is left to do until something new is heard.
        changed: whether the messages are other than the last ones.
    """

    life: str
    worker: str
    sweeps: float = 0.0
    rests: bool = True
    changed: bool = True


class Range(NamedTuple):
    """What a synchronous sweep of a block would change, `Block.certify`, and who says so."""

    life: str
    low: float
    high: float
    largest: float


class Worker:
    """Keeps one block, which is built when it is first needed.

    Who may have to build it is called with `part` first: a reference to what from, in a list, so that Ray looks it up
    no sooner than asked.

    Args:
        number: which it is.
        gamma: the discount.
        directory: the folder for values and checkpoints, by its name on the caller's machine.
        save_every: seconds between two checkpoints.
    """

    def __init__(self, number: int, gamma: float, directory: str, save_every: float) -> None:
        self._gamma = gamma
        self._life, self._worker = secrets.token_hex(8), f"{socket.gethostname()}:{os.getpid()}"
        self._directory, self._number = Path(directory), number
        self._saves = self._directory / f"block_{number:04d}.npz"
        self._save_every, self._saved_at = save_every, time.monotonic()
        self._last: list[Message] = []
        self._own_folder: tempfile.TemporaryDirectory[str] | None = None
        self._built: Block | None = None

    def _block(self, part: Kept) -> Block:
        """Return the block: as it is, from its checkpoint, or built anew."""
        if self._built is None:
            import ray

            found: Any = ray.get(part[0])
            block: Block = found.build(self._gamma)
            self._restore(block)
            self._built = block
        return self._built

    def _restore(self, block: Block) -> None:
        from rlkit.checkpoint import archive

        if not self._saves.is_file():
            return
        with contextlib.suppress(CheckpointError, ConfigError):  # then the block begins anew: slower, and as right
            tree, arrays = archive.read(self._saves)
            if tree == {"question": block.question} and len(arrays) == 1:
                block.restore(arrays[0])

    def _save_if_due(self, block: Block) -> None:
        from rlkit.checkpoint import archive

        if time.monotonic() - self._saved_at < self._save_every:
            return
        with contextlib.suppress(CheckpointError):  # a full disk costs a checkpoint, and not the answer
            archive.write(self._saves, {"question": block.question}, [block.dump()])
        self._saved_at = time.monotonic()

    def settle(self, part: Kept, threshold: float, sweeps: int, wake: float | None, *messages: Message) -> Any:
        """Hear, sweep, and tell: a `Report`, then the messages."""
        block = self._block(part)
        if messages:
            block.hear(messages)
        used, rests = block.settle(threshold, sweeps, wake)
        self._save_if_due(block)
        return self._tell(block, used, rests)

    def meet(self, part: Kept, *messages: Message) -> Any:
        """Take exactly what others hold, and tell what is consistent with that."""
        block = self._block(part)
        block.hear(messages, exactly=True)
        block.meet()
        return self._tell(block)

    def tell(self, part: Kept) -> Any:
        """Tell again."""
        return self._tell(self._block(part))

    def _tell(self, block: Block, sweeps: float = 0.0, rests: bool = True) -> Any:
        told = block.tell()
        same = len(told) == len(self._last) and all(map(np.array_equal, told, self._last))
        self._last = told
        report = Report(self._life, self._worker, sweeps, rests, not same)
        return (report, *told) if told else report

    def certify(self, part: Kept, *messages: Message) -> Range:
        """Take exactly what others hold, and say what one synchronous sweep would change."""
        block = self._block(part)
        block.hear(messages, exactly=True)
        return Range(self._life, *block.certify())

    def write(self, life: str, shift: float, token: str) -> tuple[int, bool] | None:
        """Write the values that the certified sweep gives, if this is who certified it.

        Args:
            life: who did.
            shift: what to add.
            token: a file in the folder, by which the caller's folder is told from another of that name.

        Returns:
            How many there are, and whether they lie in the caller's folder; None if this is somebody else.
        """
        block = self._built
        if life != self._life or block is None:
            return None
        shared = (self._directory / token).is_file()
        if not shared:
            self._own_folder = tempfile.TemporaryDirectory(prefix="rlkit-")
        write_values(self._values(shared), block.n_states, lambda v: block.write(shift, v))
        return block.n_states, shared

    def _values(self, shared: bool) -> Path:
        folder = self._directory if shared or self._own_folder is None else Path(self._own_folder.name)
        return values_file(folder, self._number)

    def read(self, start: int, stop: int) -> NDArray[np.float64]:
        """Return some of the values that were written here."""
        return np.array(np.lib.format.open_memmap(self._values(shared=False), mode="r")[start:stop])

    def forget(self) -> None:
        """Remove the checkpoint."""
        self._saves.unlink(missing_ok=True)


def write_values(path: Path, count: int, fill: Any) -> None:
    """Write `count` float64 that `fill` writes into an array, which need not fit in memory, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        if count:
            v = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float64, shape=(count,))
            fill(np.asarray(v))
            v.flush()
            del v
            temporary.replace(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)
