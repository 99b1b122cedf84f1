"""A run's folder, where the machine that writes it is not the one that wants it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from rlkit.errors import CheckpointError
from rlkit.files import write_whole

MARK = ".from-ray"  # in a run's folder on a machine that does not share it: which pool's call it belongs to


class AwayFolder:
    """A run's folder on a machine that does not share it with the pool.

    Args:
        folder: its name, the same on both machines.
        call: which call of `RayPool.map` this is.
        ask: asks the pool: `ask("files?", None)` for the files that it has, `ask("files", changes)` to take some.
    """

    def __init__(self, folder: Path, call: str, ask: Callable[[str, Any], Any]) -> None:
        self._folder, self._call, self._ask = folder, call, ask
        self._brought: dict[str, tuple[int, int]] = {}  # by name: size and time of change

    def fetch(self) -> None:
        """Begin with the files that the pool has, unless there are newer ones of the same call."""
        mark = self._folder / MARK
        if mark.is_file() and mark.read_text(encoding="utf-8") == self._call:
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        unpack(self._folder, {"changed": self._ask("files?", None), "names": ()})
        self._folder.mkdir(parents=True, exist_ok=True)
        mark.write_text(self._call, encoding="utf-8")

    def bring(self) -> None:
        """Send the pool what has changed since."""
        files = {name: path for name, path in files_in(self._folder).items() if path.is_file()}
        stamps = {name: _stamp(path) for name, path in files.items()}
        changed = {name: path.read_bytes() for name, path in files.items() if stamps[name] != self._brought.get(name)}
        if changed or stamps.keys() != self._brought.keys():
            self._ask("files", {"changed": changed, "names": tuple(stamps)})
        self._brought = stamps


def files_in(folder: Path) -> dict[str, Path]:
    """Return the files of a run by name, without those that begin with a dot: locks and what is half written."""
    found = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if not name.startswith("."):
                found[path.relative_to(folder).as_posix()] = path
    return found


def pack(folder: Path) -> dict[str, bytes]:
    """Return what the files of a run hold."""
    return {name: path.read_bytes() for name, path in files_in(folder).items()}


def unpack(folder: Path, changes: Mapping[str, Any], brought: set[str] | None = None) -> None:
    """Write what has changed in a run's folder, and remove what was brought before and is gone.

    Raises:
        CheckpointError: a name leads out of the folder.
    """
    for name, content in changes["changed"].items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            raise CheckpointError(f"{folder}: {name!r} is no name of a file in it")
        write_whole(folder / path, partial(_write, content))
    if brought is not None:
        for name in brought - set(changes["names"]):
            (folder / name).unlink(missing_ok=True)
        brought.clear()
        brought.update(changes["names"])


def _write(content: bytes, stream: IO[bytes]) -> None:
    stream.write(content)


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
