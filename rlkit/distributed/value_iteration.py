"""Value iteration by blocks on a Ray cluster."""

from __future__ import annotations

import contextlib
import math
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from rlkit.bellman.model import Model, check_limit, check_question
from rlkit.config import check_count
from rlkit.distributed.cluster import connected
from rlkit.distributed.crew import Crew
from rlkit.distributed.model import Divisible
from rlkit.distributed.solution import DistributedSolution
from rlkit.errors import ConfigError, InvalidModel, NotConverged

_RESTARTS = 16


class Exchange(NamedTuple):
    """What the callback gets whenever blocks have told each other what they know.

    Attributes:
        number: which exchange it was, from 1.
        sweeps: the most sweeps that a block has made.
        busy: how many blocks had something to do.
        rebuilt: how many times a worker was lost and its block rebuilt.
        workers: host:process of every block's worker.
        error_bound: the best proven bound so far, inf before the first proof.
    """

    number: int
    sweeps: float
    busy: int
    rebuilt: int
    workers: tuple[str, ...]
    error_bound: float


OnExchange = Callable[[Exchange], object]


def value_iteration(
    model: Divisible | Any,
    gamma: float,
    *,
    tol: float = 1e-8,
    blocks: int = 2,
    sweeps_per_exchange: int = 32,
    max_iterations: int | None = None,
    address: str | None = None,
    directory: str | Path | None = None,
    checkpoint_every: float = 60.0,
    callback: OnExchange | None = None,
) -> DistributedSolution:
    """Solve the Bellman optimality equation by blocks, one Ray actor each, until `max|v - v*| <= tol` is proven.

    Asynchronous value iteration (Bertsekas & Tsitsiklis 1989, section 6.6.2): every block sweeps its own states, and
    now and then hears the values at its neighbours' borders. It begins at a lower bound of v*; as T is monotone, values
    only rise and stay lower bounds, however old what was heard is. So no message can do harm, nor can the loss of a
    worker, whose block begins again from its checkpoint or from the start. When all blocks rest, they hold one value
    function v, and one synchronous sweep of all of them shows the range of T v - v, from which the bound on the error
    of T v follows as on one machine (`rlkit.bellman.bounds`).

    Without a lost worker the values are the same to the bit in every run with as many blocks and sweeps.

    The calling process never holds values, beyond messages on their way. It holds the model: of a grid the map, a byte
    a cell, which Ray's object store holds once more; or next to nothing if the map is a `numpy.memmap` of a whole
    `.npy` file, whose rows each worker reads itself.

    Args:
        model: a grid's model (or a grid world, whose model is taken), or any other `Divisible`.
        gamma: discount in [0, 1).
        tol: the error asked for, above 0.
        blocks: how many parts the model is divided into; a part has to fit into a machine's memory (a grid's: 13
            bytes a cell).
        sweeps_per_exchange: about the most sweeps that a block makes between two exchanges; a grid with slippery moves
            makes at least 4, after which it looks what still moves.
        max_iterations: a limit on the sweeps of a block; None for as many as it takes.
        address: the Ray cluster's; None for a local Ray, which is shut down afterwards. Where the process is connected
            already, that connection is used.
        directory: for the values, and for checkpoints of the blocks, from which a call that was interrupted goes on;
            best where all machines see it. Values of machines that do not are brought to the caller's. None for a
            temporary folder that is gone with the solution.
        checkpoint_every: seconds between two checkpoints of a block.
        callback: called with an `Exchange` after each.

    Raises:
        ConfigError: for an argument out of its range, or without Ray.
        InvalidModel: if the model cannot be divided.
        WorkerLost: if a worker is lost time and again, or cannot be started.
        NotConverged: if `tol` was not reached; carries the best solution and its bound.
    """
    divisible = _as_divisible(model)
    gamma, tol = check_question(cast(Model, divisible), gamma, tol)  # of a model it asks for rewards alone
    if gamma == 1.0:
        raise ConfigError("gamma=1.0 is outside the range [0, 1) of distributed value iteration")
    if not checkpoint_every > 0.0:
        raise ConfigError(f"checkpoint_every={checkpoint_every!r} is outside its range (0, inf)")
    sweeps = check_count("sweeps_per_exchange", sweeps_per_exchange)
    limit = check_limit(max_iterations)
    parts = divisible.divide(check_count("blocks", blocks))
    with _made(directory) as folder:
        with connected(address, workers=blocks) as ray:
            crew = Crew(ray, parts, gamma, folder, save_every=checkpoint_every, restarts=_RESTARTS)
            try:
                found = _Iteration(crew, divisible, gamma, tol, sweeps, limit, callback).run()
            finally:
                crew.close()
        states = np.concatenate([[0], np.cumsum(found.states)]).astype(np.int64)
        solution = DistributedSolution(folder, states, found.bound, gamma, found.sweeps, crew.rebuilt)
        solution.save_facts()
    if directory is None:
        weakref.finalize(solution, shutil.rmtree, folder, ignore_errors=True)
    if found.bound > tol:
        raise NotConverged(
            f"distributed value iteration stopped after {found.sweeps} sweeps with a proven error bound of "
            f"{found.bound:.3g}, above tol={tol:g}",
            solution,
        )
    return solution


def _as_divisible(model: Any) -> Divisible:
    if not hasattr(model, "divide") and callable(getattr(model, "model", None)):
        model = model.model()
    if not hasattr(model, "divide"):
        raise InvalidModel(f"a {type(model).__name__} cannot be solved in blocks; take a grid world's env.model()")
    divisible: Divisible = model
    return divisible


@contextlib.contextmanager
def _made(directory: str | Path | None) -> Iterator[Path]:
    """Make the folder, or a temporary one that is removed if what is done with it fails."""
    if directory is not None:
        Path(directory).mkdir(parents=True, exist_ok=True)
        yield Path(directory)
        return
    folder = Path(tempfile.mkdtemp(prefix="rlkit-"))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


class _Found(NamedTuple):
    states: list[int]
    bound: float
    sweeps: int


class _Iteration:
    """Who sweeps next, and when to look whether it is enough."""

    def __init__(
        self,
        crew: Crew,
        model: Divisible,
        gamma: float,
        tol: float,
        portion: int,
        limit: int,
        callback: OnExchange | None,
    ) -> None:
        self._crew, self._model, self._gamma, self._tol = crew, model, gamma, tol
        self._portion, self._limit, self._callback = portion, limit, callback
        self._hears = [set(part.hears) for part in crew.parts]
        self._sweeps = [0.0] * len(crew.parts)
        self._bound, self._exchanges = math.inf, 0

    def run(self) -> _Found:
        """Let blocks sweep until all rest and what they hold is proven to be close enough; have it written."""
        threshold, wake = self._tol * (1.0 - self._gamma), None
        while True:
            self._settle(threshold, wake)
            wake = None
            ranges = self._crew.certify()
            if ranges is None:
                continue
            low, high, largest = _merge([seen[1:] for seen in ranges])
            shift, self._bound, exhausted = self._model.prove(low, high, largest, self._gamma)
            if self._bound <= self._tol or exhausted or max(self._sweeps) >= self._limit:
                states = self._crew.write(ranges, shift)
                if states is not None:
                    return _Found(states, self._bound, math.ceil(max(self._sweeps)) + 1)
            else:
                wake = threshold = 0.5 * threshold

    def _settle(self, threshold: float, wake: float | None) -> None:
        """Let all blocks sweep, and then those that have something to do, until none has."""
        due = set(range(len(self._hears)))
        while due and (left := self._limit - max(self._sweeps)) > 0.0:
            reports = self._crew.settle(sorted(due), threshold, min(self._portion, math.ceil(left)), wake)
            wake = None
            for number, report in reports.items():
                self._sweeps[number] += report.sweeps
            changed = {number for number, report in reports.items() if report.changed}
            unfinished = {number for number, report in reports.items() if not report.rests}
            self._report(len(due))
            due = unfinished | {number for number, hears in enumerate(self._hears) if hears & changed}

    def _report(self, busy: int) -> None:
        self._exchanges += 1
        if self._callback is not None:
            crew = self._crew
            self._callback(
                Exchange(self._exchanges, max(self._sweeps), busy, crew.rebuilt, tuple(crew.workers), self._bound)
            )


def _merge(ranges: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Return the range of all blocks together."""
    low, high, largest = zip(*ranges, strict=True)
    return min(low), max(high), max(largest)
