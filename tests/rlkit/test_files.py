"""Files that are whole or not there, and the lock on a run's folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import time

import pytest

import rlkit
from rlkit import CheckpointError, Trainer
from rlkit.agents import QLearning
from rlkit.envs import GridWorld
from rlkit.files import FolderLock, sweep_temporaries, write_whole
from rlkit.run import RunFolder
from tests.rlkit.crashing import forked

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process")


def trainer_of(folder):
    env = GridWorld("S . . G", slip=0.2)
    return Trainer(QLearning.for_env(env, seed=0), env, directory=folder)


def test_a_file_that_could_not_be_written_whole_is_as_it_was(tmp_path):
    path = tmp_path / "deep/file"
    write_whole(path, lambda stream: stream.write(b"old"))

    def half(stream):
        stream.write(b"n")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(path, half)
    assert path.read_bytes() == b"old"
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_what_a_killed_process_was_writing_is_swept(tmp_path):
    for name in (".step_000000000300.npz.17.abcd.tmp", ".config.json.17.abcd.tmp", "kept.tmp", ".kept"):
        (tmp_path / name).write_bytes(b"half")
    sweep_temporaries(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".kept", "kept.tmp"]


@forks
def test_a_second_process_is_refused_and_told_who_is_there_until_that_one_is_killed(tmp_path):
    def hold():
        lock = FolderLock(tmp_path)
        lock.acquire()
        (tmp_path / "held").touch()
        time.sleep(60)

    child = forked(hold, tmp_path / "error.txt")
    try:
        while not (tmp_path / "held").exists():
            time.sleep(0.002)
        lock = FolderLock(tmp_path)
        with pytest.raises(CheckpointError, match=rf"process {child} on '{socket.gethostname()}' writes to this run"):
            lock.acquire()
        with pytest.raises(CheckpointError, match=f"process {child}"):
            trainer_of(tmp_path).resume(or_begin=True)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert (tmp_path / ".lock").exists()  # the dead process's, which is none
    lock.acquire()
    assert json.loads((tmp_path / ".lock").read_text()) == {"pid": os.getpid(), "host": socket.gethostname()}
    lock.release()
    assert not (tmp_path / ".lock").exists()


@forks
def test_what_the_holder_forks_neither_holds_nor_breaks_the_lock(tmp_path):
    lock = FolderLock(tmp_path)
    lock.acquire()
    child = forked(lambda: (lock.release(), time.sleep(60)), tmp_path / "error.txt")
    try:
        with pytest.raises(CheckpointError):
            FolderLock(tmp_path).acquire()
        lock.release()
        FolderLock(tmp_path).acquire()  # while the child lives
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_lock_is_let_go_by_whoever_forgets_it(tmp_path):
    FolderLock(tmp_path).acquire()
    held = FolderLock(tmp_path)
    held.acquire()
    with pytest.raises(CheckpointError, match=str(os.getpid())):
        FolderLock(tmp_path).acquire()
    held.release()


def test_a_lock_that_was_removed_under_way_is_taken_anew(tmp_path, monkeypatch):
    """Between our opening the file and our locking it, the holder may have let go, and removed it."""
    import rlkit.files

    original, removed = rlkit.files._lock, []

    def lock_late(descriptor):
        if not removed:
            removed.append((tmp_path / ".lock").unlink())
        original(descriptor)

    monkeypatch.setattr(rlkit.files, "_lock", lock_late)
    lock = FolderLock(tmp_path)
    lock.acquire()
    assert (tmp_path / ".lock").exists()
    with pytest.raises(CheckpointError):
        FolderLock(tmp_path).acquire()


def test_a_file_system_without_locks_costs_a_warning(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("rlkit.files._lock", refuse)
    trainer = trainer_of(tmp_path)
    with pytest.warns(UserWarning, match="has no locks"):
        trainer.run(5)
    assert trainer.step == 5


def test_a_run_holds_the_lock_of_its_folder_from_resuming_to_its_end(tmp_path):
    trainer_of(tmp_path).run(10)
    trainer, other = trainer_of(tmp_path), trainer_of(tmp_path)
    trainer.resume()
    with pytest.raises(CheckpointError, match="writes to this run"):
        other.resume()
    with pytest.raises(CheckpointError, match="writes to this run"):
        other.resume(or_begin=True)
    trainer.run(10)
    assert other.resume() == 20


def test_a_run_that_another_has_gone_on_with_is_not_written_over(tmp_path):
    first = trainer_of(tmp_path)
    first.run(10)
    second = trainer_of(tmp_path)
    second.resume()
    second.run(10)
    with pytest.raises(CheckpointError, match=r"step_000000000020.npz: was written by another"):
        first.run(5)
    assert first.step == 10
    assert not RunFolder(tmp_path).lock.path.exists()
    second.run(5)
    assert second.step == 25


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_in_its_own_folder(tmp_path):
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    (tmp_path / "run/checkpoints/.step_000000000000.npz.17.abcd.tmp").touch()
    env = GridWorld("S . G")
    trainer = rlkit.train(QLearning.for_env(env), env, steps=20, directory=tmp_path / "run", resume=True)
    assert trainer.folder.path == tmp_path / "run"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert not list((tmp_path / "run/checkpoints").glob(".*"))


def test_settings_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    folder.write_config({"steps": 1})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        folder.write_config({"steps": 2})
    assert folder.read_config() == {"steps": 1}
