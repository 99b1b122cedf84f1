"""Runs that are killed: in children, forked from a parent that has imported everything, at moments that dice choose."""

from __future__ import annotations

import os
import random
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

DONE, KILLED, STOPPED = "done", "killed", "stopped"


def newest_step(folder):
    return max((int(path.stem.removeprefix("step_")) for path in folder.glob("checkpoints/step_*.npz")), default=-1)


def forked(work: Callable[[], object], errors: Path) -> int:
    """Run `work` in a child, which ends with 0, or as a signal has it; an exception goes to a file. Return its pid."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except SystemExit as stop:
        code = stop.code
    except BaseException:
        errors.write_text(traceback.format_exc())
    finally:
        os._exit(code)


def kill_at_call(number: int) -> None:
    """Let this process be killed at its n-th call of the system that touches files: before it, or half-way through."""
    calls = [0]

    def lethal(original, *, by_half=False):
        def call(*arguments, **keywords):
            calls[0] += 1
            if calls[0] == number:
                if by_half:  # what a descriptor is to take
                    original(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **keywords)

        return call

    import zipfile

    os.write = lethal(os.write, by_half=True)
    os.fsync = lethal(os.fsync)
    Path.replace, Path.unlink = lethal(Path.replace), lethal(Path.unlink)
    zipfile._ZipWriteFile.write = lethal(zipfile._ZipWriteFile.write)


def run_to_the_end(work: Callable[[], object], folder: Path, dice: random.Random) -> list[str]:
    """Do a run's work in child after child until one has done it; return how each of them ended."""
    ends: list[str] = []
    while not ends or ends[-1] != DONE:
        way = ("at a call", "any time", "at a call", "SIGTERM")[len(ends) % 4]
        ends.append(run_once(work, folder, dice, way))
        assert len(ends) < 100
    return ends


def run_once(work: Callable[[], object], folder: Path, dice: random.Random, way: str) -> str:
    """Do a run's work in a child until it is done, or killed, or asked to stop; say which.

    The moment is a call that touches files, or any time after the next checkpoint; calls of `fsync` are slow, as on a
    disk, so that many of these are inside a save.
    """
    number, fsync = dice.randint(1, 60), os.fsync

    def slow(descriptor):
        time.sleep(0.0005)
        fsync(descriptor)

    def in_child():
        os.fsync = slow
        if way == "at a call":
            kill_at_call(number)
        work()

    before, errors = newest_step(folder), folder.with_name("error.txt")
    child = forked(in_child, errors)
    if way != "at a call":
        while (
            newest_step(folder) <= before and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        ):
            time.sleep(0.001)
        time.sleep(dice.uniform(0, 0.02))
        os.kill(child, signal.SIGTERM if way == "SIGTERM" else signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert not errors.exists(), errors.read_text()
    if os.WIFSIGNALED(status):
        return STOPPED if os.WTERMSIG(status) == signal.SIGTERM else KILLED
    assert os.WEXITSTATUS(status) in (0, 128 + signal.SIGTERM)
    return DONE if os.WEXITSTATUS(status) == 0 else STOPPED
