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

from rlkit.distributed.model import Part
from rlkit.distributed.solution import values_file
from rlkit.errors import CheckpointError, ConfigError

Message = NDArray[np.float64]


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
    """Keeps one block.

    Args:
        part: a reference to what it is built from, in a list, lest Ray look it up.
        number: which it is.
        gamma: the discount.
        directory: the folder for values and checkpoints, by its name on the caller's machine.
        save_every: seconds between two checkpoints.
    """

    def __init__(self, part: Sequence[Any], number: int, gamma: float, directory: str, save_every: float) -> None:
        import ray

        read: Part = ray.get(part[0])
        self._block = read.build(gamma)
        self._life, self._worker = secrets.token_hex(8), f"{socket.gethostname()}:{os.getpid()}"
        self._directory, self._number = Path(directory), number
        self._saves = self._directory / f"block_{number:04d}.npz"
        self._save_every, self._saved_at = save_every, time.monotonic()
        self._last: list[Message] = []
        self._own_folder: tempfile.TemporaryDirectory[str] | None = None
        self._restore()

    def _restore(self) -> None:
        from rlkit.checkpoint import archive

        if not self._saves.is_file():
            return
        with contextlib.suppress(CheckpointError, ConfigError):  # then the block begins anew: slower, and as right
            tree, arrays = archive.read(self._saves)
            if tree == {"question": self._block.question} and len(arrays) == 1:
                self._block.restore(arrays[0])

    def _save_if_due(self) -> None:
        from rlkit.checkpoint import archive

        if time.monotonic() - self._saved_at < self._save_every:
            return
        with contextlib.suppress(CheckpointError):  # a full disk costs a checkpoint, and not the answer
            archive.write(self._saves, {"question": self._block.question}, [self._block.dump()])
        self._saved_at = time.monotonic()

    def settle(self, threshold: float, sweeps: int, wake: float | None, *messages: Message) -> Any:
        """Hear, sweep, and tell: a `Report`, then the messages."""
        if messages:
            self._block.hear(messages)
        used, rests = self._block.settle(threshold, sweeps, wake)
        self._save_if_due()
        return self._tell(used, rests)

    def meet(self, *messages: Message) -> Any:
        """Take exactly what others hold, and tell what is consistent with that."""
        self._block.hear(messages, exactly=True)
        self._block.meet()
        return self._tell()

    def tell(self) -> Any:
        """Tell again."""
        return self._tell()

    def _tell(self, sweeps: float = 0.0, rests: bool = True) -> Any:
        told = self._block.tell()
        same = len(told) == len(self._last) and all(map(np.array_equal, told, self._last))
        self._last = told
        report = Report(self._life, self._worker, sweeps, rests, not same)
        return (report, *told) if told else report

    def certify(self, *messages: Message) -> Range:
        """Take exactly what others hold, and say what one synchronous sweep would change."""
        self._block.hear(messages, exactly=True)
        return Range(self._life, *self._block.certify())

    def write(self, life: str, shift: float, token: str) -> tuple[int, bool] | None:
        """Write the values that the certified sweep gives, if this is who certified it.

        Args:
            life: who did.
            shift: what to add.
            token: a file in the folder, by which the caller's folder is told from another of that name.

        Returns:
            How many there are, and whether they lie in the caller's folder; None if this is somebody else.
        """
        if life != self._life:
            return None
        shared = (self._directory / token).is_file()
        if not shared:
            self._own_folder = tempfile.TemporaryDirectory(prefix="rlkit-")
        write_values(self._values(shared), self._block.n_states, lambda v: self._block.write(shift, v))
        return self._block.n_states, shared

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
