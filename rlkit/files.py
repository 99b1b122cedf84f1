"""Files that are there whole or not at all, and folders that one process writes to at a time."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import IO

from rlkit.errors import CheckpointError, warn

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that, whatever happens, `path` holds what it held or all of what `write` writes.

    A temporary file in the same folder is written, synced and renamed, and the folder synced (Pillai et al. 2014, "All
    file systems are not created equal", section 4.4). A process that is killed leaves `.NAME.*.tmp` behind
    (`sweep_temporaries`).

    Args:
        path: the file; its folder is made if there is none.
        write: is given the open file.

    Raises:
        OSError: a call of the system failed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w+b") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sweep_temporaries(folder: Path) -> None:
    """Remove what processes that were killed in `write_whole` left in a folder that nobody writes to now."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FolderLock:
    """One process, and in it one holder, writes to a folder at a time; the lock of a process that died is none.

    It is the operating system's lock on the file `.lock` in the folder (`flock`; on Windows, of a byte), so that it
    goes with the process that holds it, however that ends. The file says who holds it. Processes that the holder forks
    do not hold it.

    Args:
        folder: need not exist yet.
        what: it holds, as a refusal says it.
    """

    def __init__(self, folder: Path, what: str = "run") -> None:
        self.path, self.what = folder / ".lock", what
        self._descriptor: int | None = None
        _HELD.add(self)

    def acquire(self) -> None:
        """Take the lock, unless it is held here already.

        A file system that has no locks costs a warning.

        Raises:
            CheckpointError: another holds it; the message names the process and its machine.
            OSError: the file cannot be made.
        """
        if self._descriptor is not None:
            return
        while self._descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                _lock(descriptor)
            except (BlockingIOError, PermissionError):  # what flock and what Windows says of a lock that is held
                holder = self._holder()
                os.close(descriptor)
                raise CheckpointError(
                    f"{self.path.parent}: {holder} writes to this {self.what}; end it first, or choose another folder"
                ) from None
            except OSError as error:
                warn(f"{self.path}: the file system has no locks ({error.strerror}); see that no other writes here")
            if _is_at(descriptor, self.path):  # else another let go of it, and removed it, between our two calls
                self._descriptor = descriptor
            else:
                os.close(descriptor)
        self._write_holder()

    def release(self) -> None:
        """Let go of the lock, if it is held here, and remove its file."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):  # Windows removes no file that is open
            self.path.unlink(missing_ok=True)
        self._let_go()

    @property
    def is_held(self) -> bool:
        """Whether it is held here."""
        return self._descriptor is not None

    def __del__(self) -> None:
        self.release()

    def _let_go(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _write_holder(self) -> None:
        assert self._descriptor is not None
        text = json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode()
        with contextlib.suppress(OSError):  # a full disk: the lock is held all the same
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, text, 0) if hasattr(os, "pwrite") else os.write(self._descriptor, text)

    def _holder(self) -> str:
        try:
            said = json.loads(self.path.read_text(encoding="utf-8"))
            return f"process {int(said['pid'])} on {str(said['host'])!r}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"


_HELD: weakref.WeakSet[FolderLock] = weakref.WeakSet()


def _forget_all() -> None:
    for lock in list(_HELD):
        lock._let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # beyond the text, which others are to read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
