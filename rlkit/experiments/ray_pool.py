"""A pool on a Ray cluster, one worker process for each run."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rlkit.config import check_count
from rlkit.distributed.cluster import connected
from rlkit.errors import ConfigError
from rlkit.experiments.pool import C, OnProgress, Outcome, R, Tell, place_of, sentence_of
from rlkit.experiments.processes import GRACE, names_of_main
from rlkit.experiments.ray_files import AwayFolder, pack, unpack

BRING_EVERY = 60.0  # seconds between two times that a machine which does not share the folder sends what has changed


class RayPool:
    """Calls a function for many configurations on a Ray cluster, each call in a worker process of its own.

    A run whose worker or machine dies is called again, on whatever machine, and goes on from its folder; after
    `retries` times it is an outcome that says so. The folder of a run is what `run.folder_of(config)` says, if it says
    anything. A machine that does not share it gets the files that are there, and sends back what changes.

    Args:
        address: the cluster's ("auto" for one that runs on this machine); None for a local Ray, which is shut down
            afterwards. Where the process is connected already, that connection is used.
        workers: how many runs at once at most; None: as many as the cluster has CPUs for.
        patience: seconds without a word after which a run counts as hung and is ended.
        threads: of torch, BLAS and numba in each process; as many CPUs are reserved.
        gpus: reserved for each run.
        retries: how many times a run is called again after its worker died.
        grace: seconds that a run has to write its checkpoint when it is ended early.

    Raises:
        ConfigError: `workers`, `threads` or `retries` is not a whole number from its range, `patience` or `grace` not
            above 0, `gpus` below 0.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        workers: int | None = None,
        patience: float = 600.0,
        threads: int = 1,
        gpus: float = 0.0,
        retries: int = 3,
        grace: float = GRACE,
    ) -> None:
        self.address = address
        self.workers = None if workers is None else check_count("workers", workers)
        self.threads = check_count("threads", threads)
        self.retries = check_count("retries", retries, at_least=0)
        for name, seconds in (("patience", patience), ("grace", grace)):
            if not seconds > 0:
                raise ConfigError(f"{name}={seconds!r} seconds, expected more than 0")
        if not gpus >= 0:
            raise ConfigError(f"gpus={gpus!r}, expected at least 0")
        self.patience, self.grace, self.gpus = float(patience), float(grace), float(gpus)

    def map(
        self, run: Callable[[C, Tell], R], configs: Iterable[C], *, on_progress: OnProgress | None = None
    ) -> Iterator[Outcome[C, R]]:
        """See `rlkit.experiments.Pool`; between two outcomes nobody answers the runs, which then wait.

        Raises:
            ConfigError: Ray is not installed, there is no cluster at the address, it has not enough CPUs or GPUs for
                a single run, or the function or a configuration cannot be sent to another process.
        """
        with connected(self.address, workers=self._local_cpus()) as ray:
            crew = _Crew(ray, self, run, on_progress)
            try:
                waiting = enumerate(configs)
                while True:
                    while crew.has_room() and (following := next(waiting, None)) is not None:
                        crew.start(*following)
                    if not crew.runs:
                        return
                    if (over := crew.next_over()) is not None:
                        yield over
            finally:
                crew.end()

    def _local_cpus(self) -> int | None:
        """Return what a local Ray takes itself to have, so that it starts no fewer and no more runs."""
        return None if self.workers is None else self.workers * self.threads


class _Run:
    """A run under way."""

    def __init__(self, index: int, config: Any, reference: Any, folder: Path | None) -> None:
        self.index, self.config, self.reference, self.folder = index, config, reference, folder
        self.key, self.deaths = 0, 0
        self.sent: Any = None
        self.heard = float("inf")  # it may have to wait for a machine
        self.ended: str | None = None
        self.kill_at = float("inf")
        self.brought: set[str] = set()


class _Crew:
    """The runs that are under way, and the mailbox by which they tell how far they are."""

    def __init__(self, ray: Any, pool: RayPool, run: Callable[..., Any], on_progress: OnProgress | None) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.ray, self.pool, self.on_progress = ray, pool, on_progress
        self.runs: list[_Run] = []
        self._folder_of = getattr(run, "folder_of", None)
        self._call, self._tokens = secrets.token_hex(8), set[Path]()
        self._check_resources()
        resources = {"num_cpus": pool.threads, "num_gpus": pool.gpus}
        self._task = ray.remote(**resources, max_retries=0, max_calls=1)(_work)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)  # is not lost alone
        mailbox = ray.remote(_Mailbox).options(num_cpus=0, max_concurrency=100_000, scheduling_strategy=here)
        self._mailbox = mailbox.remote()
        self._words = self._mailbox.words.remote()
        self._run = self._put(run, "the function")
        self._names = ray.put(names_of_main())
        self._closing, self._calls = False, 0

    def _check_resources(self) -> None:
        there, pool = self.ray.cluster_resources(), self.pool
        for name, wanted in (("CPU", pool.threads), ("GPU", pool.gpus)):
            if there.get(name, 0) < wanted:
                raise ConfigError(f"a run needs {wanted:g} {name}s; the Ray cluster has {there.get(name, 0):g} in all")

    def has_room(self) -> bool:
        """Whether another run may be started; the cluster may have grown."""
        workers = self.pool.workers
        if workers is None:
            there, pool = self.ray.cluster_resources(), self.pool
            workers = int(there.get("CPU", 0) // pool.threads)
            if pool.gpus:
                workers = min(workers, int(there.get("GPU", 0) / pool.gpus))
        return len(self.runs) < max(1, workers)

    def start(self, index: int, config: Any) -> None:
        """Send a run to the cluster."""
        folder = None if self._folder_of is None else Path(self._folder_of(config)).absolute()
        run = _Run(index, config, None, folder)
        run.sent = self._put(config, f"configuration {index}")
        self._submit(run)
        self.runs.append(run)

    def _submit(self, run: _Run) -> None:
        """Have a run called, by a key of this call's own: what an earlier one said before it died is not its word."""
        self._calls += 1
        run.key, run.heard = self._calls, float("inf")
        token = None if run.folder is None else self._token(run.folder.parent)
        run.reference = self._task.remote(
            run.key, self._run, run.sent, self._names, self._mailbox, self.pool.threads, run.folder, token
        )

    def _put(self, thing: Any, name: str) -> Any:
        try:
            return self.ray.put(thing)
        except Exception as error:
            raise ConfigError(f"{name}: cannot be sent to another process ({sentence_of(error)})") from error

    def _token(self, parent: Path) -> str:
        """Leave a file by which the pool's folder is told from another of the same name."""
        token = parent / f".{self._call}"
        if token not in self._tokens:
            parent.mkdir(parents=True, exist_ok=True)
            token.touch()
            self._tokens.add(token)
        return self._call

    def next_over(self) -> Outcome[Any, Any] | None:
        """Wait until something happens; return what came of a run that is over, if one is."""
        references = [self._words, *(run.reference for run in self.runs)]
        ready, _ = self.ray.wait(references, num_returns=1, timeout=self._until_next())
        if self._words in ready:
            self._answer(self.ray.get(self._words))
            self._words = self._mailbox.words.remote()
        self._judge()
        over = next((run for run in self.runs if run.reference in ready), None)
        return None if over is None else self._over(over)

    def end(self) -> None:
        """End all runs, with the time to write a checkpoint."""
        self._closing = True
        by = time.monotonic() + self.pool.grace
        for run in self.runs:
            self._end(run, "ended", by)
        try:
            with suppress(self.ray.exceptions.RayError):  # what is broken is not what is to be told of at the end
                while self.runs:
                    self.next_over()
        finally:
            for run in self.runs:
                self.ray.cancel(run.reference, force=True)
            self.ray.kill(self._mailbox)
            for token in self._tokens:
                token.unlink(missing_ok=True)

    def _answer(self, words: list[tuple[int, int, str, Any]]) -> None:
        """Take in what runs say, and answer it."""
        runs = {run.key: run for run in self.runs}
        answers: dict[int, Any] = {}
        for number, key, kind, said in words:
            run = runs.get(key)
            answers[number] = False if run is None else self._answer_to(run, kind, said)
        self._mailbox.answer.remote(answers)

    def _answer_to(self, run: _Run, kind: str, said: Any) -> Any:
        run.heard = time.monotonic()
        if kind == "files?":
            return {} if run.folder is None else pack(run.folder)
        if kind == "files" and run.folder is not None:
            unpack(run.folder, said, run.brought)
        elif kind == "told":
            go_on = run.ended is None and not self._closing
            return go_on and (self.on_progress is None or bool(self.on_progress(run.index, said)))
        return True

    def _judge(self) -> None:
        """End what is silent for too long, for good if it does not listen."""
        now = time.monotonic()
        for run in self.runs:
            if run.ended is None and now > run.heard + self.pool.patience:
                error = f"no word for {self.pool.patience:g} s, so it counts as hung"
                self._end(run, error, now + self.pool.grace)
            elif now > run.kill_at:
                self.ray.cancel(run.reference, force=True)
                run.kill_at = float("inf")

    def _end(self, run: _Run, error: str, kill_at: float) -> None:
        if run.ended is None:
            run.ended, run.kill_at = error, kill_at
            self.ray.cancel(run.reference, force=False)  # reaches it like Ctrl-C, upon which it writes a checkpoint

    def _until_next(self) -> float:
        """Return the seconds until a run may have to be judged."""
        due = min(run.kill_at if run.ended is not None else run.heard + self.pool.patience for run in self.runs)
        return min(max(0.0, due - time.monotonic()) + 1e-3, 3600.0)

    def _over(self, run: _Run) -> Outcome[Any, Any] | None:
        """Return what came of a run, None if it is called again."""
        value, error = None, None
        try:
            value, error = self.ray.get(run.reference)
        except Exception as failure:
            if self._is_called_again(run, failure):
                return None
            error = self._cause(run, failure)
        self.runs.remove(run)
        error = run.ended or error
        return Outcome(run.index, run.config, value if error is None else None, error)

    def _is_called_again(self, run: _Run, failure: Exception) -> bool:
        """Call a run whose worker died again, if it may be; Ray itself would not say when."""
        if isinstance(failure, self._deaths()):
            run.deaths += 1
            if run.ended is None and not self._closing and run.deaths <= self.pool.retries:
                self._submit(run)
                return True
        return False

    def _deaths(self) -> tuple[type[Exception], ...]:
        known = self.ray.exceptions
        return known.WorkerCrashedError, known.NodeDiedError, known.OutOfMemoryError

    def _cause(self, run: _Run, failure: Exception) -> str:
        """Say in one sentence what Ray says in many."""
        cause = getattr(failure, "cause", None) or failure
        if isinstance(failure, self.ray.exceptions.TaskCancelledError):
            return "cancelled"
        if isinstance(failure, self._deaths()):
            times = "once" if run.deaths < 2 else f"{run.deaths} times"
            return f"its worker died {times} ({type(failure).__name__})"
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
        return f"{type(cause).__name__}: {lines[-1]}" if lines else type(cause).__name__


class _Mailbox:
    """Where runs leave what they have to say, and wait for an answer."""

    def __init__(self) -> None:
        self._number = 0
        self._said: list[tuple[int, int, str, Any]] = []
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._arrived = asyncio.Event()

    async def ask(self, key: int, kind: str, said: Any) -> Any:
        """Say something, and return the answer."""
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        self._said.append((self._number, key, kind, said))
        self._arrived.set()
        return await answer

    async def words(self) -> list[tuple[int, int, str, Any]]:
        """Return what was said since the last time, as soon as anything was."""
        await self._arrived.wait()
        self._arrived.clear()
        said, self._said = self._said, []
        return said

    async def answer(self, answers: Mapping[int, Any]) -> None:
        """Answer."""
        for number, answer in answers.items():
            question = self._answers.pop(number)
            if not question.done():  # as it is where who asked was ended
                question.set_result(answer)


def _work(
    key: int,
    run: Callable[..., Any],
    config: Any,
    names: Mapping[str, Any],
    mailbox: Any,
    threads: int,
    folder: Path | None,
    token: str | None,
) -> tuple[Any, str | None]:
    """Do one run, in a worker; return what it returns, or one sentence that says how it failed."""
    vars(sys.modules["__main__"]).update(names)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as where Ray was started in the background of a shell
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _limit_threads(threads)
    line = _Line(key, mailbox)
    line.ask("started", f"{socket.gethostname()}:{os.getpid()}")
    try:
        if folder is not None and token is not None and not (folder.parent / token).is_file():
            line.away = AwayFolder(folder, token, line.ask)
            line.away.fetch()
        return run(config, line.tell), None
    except Exception as error:
        return None, sentence_of(error) + place_of(error)
    finally:
        if line.away is not None:
            line.away.bring()


def _limit_threads(threads: int) -> None:
    """Have what is loaded use so many threads; Ray tells the rest by the environment."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    if "numba" in sys.modules:
        numba = sys.modules["numba"]
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))


class _Line:
    """A run's line to the pool."""

    def __init__(self, key: int, mailbox: Any) -> None:
        self.key, self.mailbox = key, mailbox
        self.away: AwayFolder | None = None
        self.goes_on, self._brought_at = True, time.monotonic()

    def ask(self, kind: str, said: Any) -> Any:
        """Say something to the pool, and return the answer."""
        import ray

        return ray.get(self.mailbox.ask.remote(self.key, kind, said))

    def tell(self, report: Mapping[str, float]) -> bool:
        """Tell how far the run is; return whether it is to go on, which it is not if nobody listens any more."""
        import ray

        if self.away is not None and time.monotonic() > self._brought_at + BRING_EVERY:
            self.away.bring()
            self._brought_at = time.monotonic()
        if self.goes_on:
            self.goes_on = False
            with suppress(ray.exceptions.RayError):
                self.goes_on = bool(self.ask("told", dict(report)))
        return self.goes_on
