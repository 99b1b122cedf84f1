"""How much a policy that is read from a file may allocate before it is compared with what the file holds.

A file's hyperparameters say how large its networks are, and a network is made, and drawn, before its weights are read.
A few bytes could so ask for any amount of memory; but what a network's layers hold is in an honest file, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from rlkit.errors import CheckpointError

SLACK = 1 << 24  # bytes: for layers that are made and not kept

_left: ContextVar[int | None] = ContextVar("bytes that may still be allocated", default=None)


@contextlib.contextmanager
def allowing(n_bytes: int) -> Iterator[None]:
    """Within, have `take` refuse what exceeds so many bytes, and some slack, in all."""
    token = _left.set(n_bytes + SLACK)
    try:
        yield
    finally:
        _left.reset(token)


def take(n_bytes: int, what: str) -> None:
    """Say that so many bytes are about to be allocated for something whose size a file may have said.

    Raises:
        CheckpointError: a policy is being read from a file that cannot hold as much.
    """
    left = _left.get()
    if left is None:
        return
    if n_bytes > left:
        raise CheckpointError(f"{what} takes {n_bytes:,} bytes, which are not in the file")
    _left.set(left - n_bytes)
