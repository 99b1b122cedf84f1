"""Contestants take turns on one instance, each in a process of its own with one thread, timed by CPU seconds."""

from __future__ import annotations

import multiprocessing as mp
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.instances import Instance
from benchmarks.peers import Contestant, Solve
from rlkit.errors import NotConverged

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def truth(attempt: Solve, tol: float) -> NDArray[np.float64]:
    """Return the values to within tol, or as near as float64 can prove."""
    try:
        return attempt(tol)
    except NotConverged as best:
        values: NDArray[np.float64] = best.solution.v
        return values


@dataclass
class Result:
    """What one contestant did.

    Attributes:
        build: CPU seconds to make its model, once.
        solves: CPU seconds of every turn.
        error: largest sup-norm distance of its answers from the yardstick.
        remark: why there is no figure, or "".
    """

    build: float = np.nan
    solves: list[float] = field(default_factory=list)
    error: float = 0.0
    remark: str = ""

    @property
    def median(self) -> float:
        """Median CPU seconds of a solve, nan if there was none."""
        return float(np.median(self.solves)) if self.solves else np.nan


def contest(
    contestants: Sequence[Contestant],
    make: Callable[[], Instance],
    warm_up: Callable[[], Instance],
    gamma: float,
    *,
    tol: float,
    repeats: int,
    limit: float,
    yardstick: NDArray[np.float64],
) -> list[Result]:
    """Let the contestants solve in turn, `repeats` times; who has used `limit` seconds, or three times as many
    by the clock for one thing, drops out.

    Args:
        make: makes the instance; called in every contestant's process.
        warm_up: makes a small instance of the same kind, solved before the first turn (compilers, imports).
        yardstick: values that are proven to be within tol / 10 of v*, `(S,)`.
    """
    for name in THREADS:
        os.environ[name] = "1"
    results = [Result(remark="" if contestant.installed else "not installed") for contestant in contestants]
    workers = {}
    for index, contestant in enumerate(contestants):
        if contestant.installed:
            workers[index] = _Worker(contestant, make, warm_up, gamma, tol)
            results[index].build, results[index].remark = workers[index].ready(3 * limit)
    for _ in range(repeats):
        for index, worker in workers.items():
            result = results[index]
            if not result.remark and sum(result.solves) < limit:
                seconds, error, result.remark = worker.turn(yardstick, 3 * limit)
                if not result.remark:
                    result.solves.append(seconds)
                    result.error = max(result.error, error)
    for worker in workers.values():
        worker.stop()
    return results


class _Worker:
    """One contestant's process."""

    def __init__(self, contestant: Contestant, *task: Any) -> None:
        context = mp.get_context("spawn")
        self.here, there = context.Pipe()
        self.process = context.Process(target=_work, args=(there, contestant, *task), daemon=True)
        self.process.start()

    def ready(self, limit: float) -> tuple[float, str]:
        answer = self._receive(limit)
        return (np.nan, answer) if isinstance(answer, str) else (answer, "")

    def turn(self, yardstick: NDArray[np.float64], limit: float) -> tuple[float, float, str]:
        self.here.send("solve")
        answer = self._receive(limit)
        if isinstance(answer, str):
            return np.nan, np.nan, answer
        seconds, v = answer
        return seconds, float(np.abs(v - yardstick).max()), ""

    def _receive(self, limit: float) -> Any:
        if not self.here.poll(limit):
            self.process.kill()
            return f"over {limit:.0f} s"
        try:
            return self.here.recv()
        except EOFError:
            return "died"

    def stop(self) -> None:
        if self.process.is_alive():
            self.process.kill()
        self.process.join()


def _work(
    pipe: Connection,
    contestant: Contestant,
    make: Callable[[], Instance],
    warm_up: Callable[[], Instance],
    gamma: float,
    tol: float,
) -> None:
    try:
        contestant.build(warm_up(), gamma)(tol)
        instance = make()
        start = time.process_time()
        solve = contestant.build(instance, gamma)
        pipe.send(time.process_time() - start)
        while True:
            pipe.recv()
            start = time.process_time()
            v = solve(tol)
            pipe.send((time.process_time() - start, v))
    except EOFError:
        return
    except Exception as error:
        pipe.send(f"failed: {error}")
