"""Whatever call of the system fails, and whenever, the path holds the old checkpoint or the new one, whole."""

from __future__ import annotations

import errno
import io
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from rlkit import CheckpointError
from rlkit.agents import QLearning
from rlkit.checkpoint import archive
from tests.rlkit.helpers import Corridor


@pytest.fixture
def agent(tmp_path):
    agent = QLearning.for_env(Corridor(60), seed=0)
    agent.save(tmp_path / "agent.npz")
    agent.q[:] = 1  # what the new one holds
    return agent


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


class Disk(io.FileIO):
    """A file that fails at the n-th write, or takes half of what that is given, as a disk that fills up does."""

    calls, fails_at, takes_half = 0, 0, False

    def write(self, data):
        Disk.calls += 1
        if Disk.calls == Disk.fails_at:
            if not Disk.takes_half:
                full()
            return super().write(bytes(data)[: max(1, len(bytes(data)) // 2)])
        return super().write(data)


@pytest.fixture
def disk(monkeypatch):
    """Let every file that is written to be a `Disk`, with a small buffer so that there are many writes."""
    original = Path.open
    monkeypatch.setattr(Disk, "calls", 0)

    def opened(path, mode="r", *arguments, **keywords):
        raw_mode = {"w+b": "w+"}.get(mode)
        if raw_mode is None:
            return original(path, mode, *arguments, **keywords)
        return io.BufferedRandom(Disk(path, raw_mode), buffer_size=64)

    monkeypatch.setattr(Path, "open", opened)


def saved_value(path):
    """Return what a checkpoint holds everywhere; it has to be whole."""
    (value,) = set(QLearning.load(path).q.ravel().tolist())
    return value


def failing_at(nth, original):
    """Return a function that fails the n-th time, and how often it was called."""
    calls = [0]

    def call(*arguments, **keywords):
        calls[0] += 1
        return full() if calls[0] == nth else original(*arguments, **keywords)

    return call, calls


CALLS = [(os, "fsync"), (os, "close"), (os, "open"), (Path, "replace"), (Path, "unlink"), (Path, "mkdir")]


@pytest.mark.parametrize(("owner", "name"), CALLS, ids=lambda part: str(getattr(part, "__name__", part)))
def test_a_call_that_fails_leaves_the_old_or_the_new_checkpoint(agent, tmp_path, monkeypatch, owner, name):
    path, before = tmp_path / "agent.npz", (tmp_path / "agent.npz").read_bytes()
    original = getattr(owner, name)
    for nth in range(1, 100):
        path.write_bytes(before)
        call, calls = failing_at(nth, original)
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, call)
            failed = _fails(agent, path)
        assert saved_value(path) == 1 if not failed else saved_value(path) in (0, 1)
        if (owner, name) != (Path, "unlink"):
            assert os.listdir(tmp_path) == ["agent.npz"]  # noqa: PTH208
        if calls[0] < nth:
            break
    assert calls[0] == nth - 1
    assert saved_value(path) == 1


@pytest.mark.parametrize("half", [False, True])
def test_a_write_that_fails_or_is_cut_short_leaves_the_old_or_the_new_checkpoint(
    agent, tmp_path, disk, monkeypatch, half
):
    path, before = tmp_path / "agent.npz", (tmp_path / "agent.npz").read_bytes()
    monkeypatch.setattr(Disk, "takes_half", half)
    for nth in range(1, 1000):
        path.write_bytes(before)
        monkeypatch.setattr(Disk, "calls", 0)
        monkeypatch.setattr(Disk, "fails_at", nth)
        failed = _fails(agent, path)
        assert saved_value(path) == (0 if failed else 1)
        assert os.listdir(tmp_path) == ["agent.npz"]  # noqa: PTH208
        if Disk.calls < nth:
            break
    assert not failed
    assert nth > 30


def _fails(agent, path):
    try:
        agent.save(path)
    except CheckpointError as error:
        return "No space" in str(error)
    return False


def test_a_disk_that_is_full_after_any_number_of_bytes_leaves_the_old_checkpoint(agent, tmp_path):
    resource = pytest.importorskip("resource")
    path, before = tmp_path / "agent.npz", (tmp_path / "agent.npz").read_bytes()
    limits, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for size in range(0, len(before), 97):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
            with pytest.raises(CheckpointError, match="cannot be written"):
                agent.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["agent.npz"]  # noqa: PTH208


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_folder_after(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor):
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")  # noqa: PTH112
        fsync(descriptor)

    def replaced(path, target):
        order.append("name")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    archive.write(tmp_path / "a.npz", {}, [np.zeros(3)])
    assert order == (["file", "name", "folder"] if Path("/proc/self/fd").exists() else ["file", "name", "file"])
