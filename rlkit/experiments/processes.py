"""A pool of processes on this machine, one for each run."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, cast

from rlkit.config import check_count
from rlkit.errors import ConfigError
from rlkit.experiments.pool import C, OnProgress, Outcome, R, Tell, place_of, sentence_of

GRACE = 30.0  # seconds from SIGTERM, upon which a run writes its checkpoint, to SIGKILL
LAST_WORDS = 10.0  # seconds from a run's result to its process's end
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class ProcessPool:
    """Calls a function for many configurations, each call in a process of its own, ended when it is over.

    The function may be any, a lambda too, or one of a script that does not guard its main part. A run that crashes,
    whatever of, is an outcome that says so. Ctrl-C reaches the pool alone, which then ends the runs with SIGTERM, so
    that they write a checkpoint. If the pool's own process dies, a run ends itself when it next tells how far it is.

    Args:
        workers: how many runs at once; None: as many as the cores that this process may use.
        patience: seconds without a word after which a run counts as hung and is ended.
        threads: of torch, BLAS and numba in each process.
        grace: seconds that a process has between SIGTERM and SIGKILL.

    Raises:
        ConfigError: `workers` or `threads` is not a whole number of at least 1, `patience` or `grace` not above 0.
    """

    def __init__(
        self, workers: int | None = None, *, patience: float = 600.0, threads: int = 1, grace: float = GRACE
    ) -> None:
        if workers is None:
            from rlkit.many import cores

            workers = cores()
        self.workers = check_count("workers", workers)
        self.threads = check_count("threads", threads)
        for name, seconds in (("patience", patience), ("grace", grace)):
            if not seconds > 0:
                raise ConfigError(f"{name}={seconds!r} seconds, expected more than 0")
        self.patience, self.grace = float(patience), float(grace)

    def map(
        self, run: Callable[[C, Tell], R], configs: Iterable[C], *, on_progress: OnProgress | None = None
    ) -> Iterator[Outcome[C, R]]:
        """See `rlkit.experiments.Pool`; between two outcomes nobody answers the runs, which then wait.

        Raises:
            ConfigError: the function or a configuration cannot be sent to another process.
        """
        crew = _Crew(self, on_progress or _let_go_on)
        atexit.register(crew.end)  # before multiprocessing's own, which waits for all processes
        try:
            waiting = enumerate(configs)
            while True:
                while len(crew.workers) < self.workers and (following := next(waiting, None)) is not None:
                    crew.start(run, *following)
                if not crew.workers:
                    return
                if (over := crew.next_over()) is not None:
                    yield over
        finally:
            crew.end()
            atexit.unregister(crew.end)


class _Worker:
    """A run under way: its process, and what is known of it."""

    def __init__(self, index: int, config: Any, process: Any, connection: Any) -> None:
        self.index, self.config = index, config
        self.process, self.connection = process, connection
        self.heard = time.monotonic()
        self.result: tuple[Any, str | None] | None = None
        self.kill_at = float("inf")

    def end(self, error: str, grace: float) -> None:
        """Ask the process to end."""
        self.result = (None, error)
        self.kill_at = time.monotonic() + grace
        self.process.terminate()


class _Crew:
    """The runs that are under way."""

    def __init__(self, pool: ProcessPool, on_progress: OnProgress) -> None:
        self.pool, self.on_progress = pool, on_progress
        self.workers: list[_Worker] = []

    def start(self, run: Callable[..., Any], index: int, config: Any) -> None:
        """Start a process, and send it what to do."""
        context = _context(self.pool.threads)
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self.pool.threads), name=f"rlkit-run-{index}")
        with _environment(self.pool.threads), _without_main():
            process.start()
        theirs.close()
        worker = _Worker(index, config, process, ours)
        self.workers.append(worker)
        try:
            ours.send(_sent((run, config, names_of_main())))
        except (BrokenPipeError, ConnectionResetError):
            pass  # it is dead already, which its exit code will tell
        except Exception as error:
            raise ConfigError(f"run {index}: cannot be sent to another process ({sentence_of(error)})") from error

    def next_over(self) -> Outcome[Any, Any] | None:
        """Wait until something happens; return what came of a run that is over, if one is."""
        from multiprocessing.connection import wait

        watched: dict[Any, _Worker] = {}
        for worker in self.workers:
            watched |= {worker.process.sentinel: worker}
            if worker.connection is not None:
                watched |= {worker.connection: worker}
        ready = wait(list(watched), timeout=self._until_next())
        for worker in {watched[thing] for thing in ready}:
            self._hear(worker)
        for worker in self.workers:
            self._judge(worker)
        for worker in self.workers:
            if not worker.process.is_alive():
                return self._over(worker)
        return None

    def end(self) -> None:
        """End all runs, with the time to write a checkpoint, and without it at a second Ctrl-C."""
        for worker in self.workers:
            _hang_up(worker)  # who waits for an answer learns that there is none
            worker.process.terminate()
        try:
            by = time.monotonic() + self.pool.grace
            for worker in self.workers:
                worker.process.join(max(0.0, by - time.monotonic()))
        finally:
            for worker in self.workers:
                worker.process.kill()
                worker.process.join()
                worker.process.close()
            self.workers = []

    def _hear(self, worker: _Worker) -> None:
        """Read all that a run has said, and answer it."""
        while (message := _read(worker)) is not None:
            kind, said = message
            worker.heard = time.monotonic()
            if kind == "told":
                go_on = worker.result is None and self.on_progress(worker.index, said)
                with suppress(OSError):
                    worker.connection.send(bool(go_on))
            elif worker.result is None:
                worker.result = (said.fn, None) if kind == "returned" else (None, said)
                worker.kill_at = time.monotonic() + LAST_WORDS

    def _judge(self, worker: _Worker) -> None:
        """End what is silent for too long, for good if it does not listen."""
        now = time.monotonic()
        if worker.result is None and now > worker.heard + self.pool.patience:
            worker.end(f"no word for {self.pool.patience:g} s, so it counts as hung", self.pool.grace)
        elif now > worker.kill_at:
            worker.process.kill()
            worker.kill_at = float("inf")

    def _until_next(self) -> float:
        """Return the seconds until a run may have to be judged."""
        due = min(
            worker.kill_at if worker.result is not None else worker.heard + self.pool.patience
            for worker in self.workers
        )
        return min(max(0.0, due - time.monotonic()) + 1e-3, 3600.0)

    def _over(self, worker: _Worker) -> Outcome[Any, Any]:
        self._hear(worker)  # its last words may have come after the last look
        worker.process.join()
        value, error = worker.result or (None, _cause(worker.process.exitcode))
        _hang_up(worker)
        worker.process.close()
        self.workers.remove(worker)
        return Outcome(worker.index, worker.config, value, error)


def _let_go_on(index: int, report: Mapping[str, float]) -> bool:  # noqa: ARG001 (what is called on progress)
    return True


def _read(worker: _Worker) -> tuple[str, Any] | None:
    """Return the next thing that a run has said, None if there is nothing more."""
    try:
        if worker.connection is None or not worker.connection.poll():
            return None
        message: tuple[str, Any] = worker.connection.recv()
    except (EOFError, OSError):
        _hang_up(worker)
        return None
    except Exception as error:  # of whatever makes a value again
        return ("failed", f"what it returned cannot be read ({sentence_of(error)})")
    return message


def _hang_up(worker: _Worker) -> None:
    if worker.connection is not None:
        worker.connection.close()
        worker.connection = None


def _cause(code: int | None) -> str:
    """Say what a process died of that returned nothing."""
    number = 0 if code is None else -code if code < 0 else code - 128  # 143: ended itself upon SIGTERM
    with suppress(ValueError):
        name = signal.Signals(number).name
        return f"killed by signal {number} ({name})" if number == -(code or 0) else f"stopped by {name}"
    return f"its process ended with exit code {code} and returned nothing"


def _context(threads: int) -> Any:
    """Return how processes are made: forked from a server that has loaded what all need, or else anew.

    A process with threads must not be forked, so the server is one that has none.
    """
    import multiprocessing

    if threads > 1 or not sys.platform.startswith("linux"):  # the server's BLAS has one thread, once and for all
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    loaded = [name for name in sys.modules if name == "torch" or name.startswith("rlkit.")]
    context.set_forkserver_preload(["rlkit.experiments.ground", *loaded])
    return context


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    """Have processes that start now use so many threads each."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep processes that start now from running the main script again, whose functions are sent as they are."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _sent(thing: Any) -> Any:
    from gymnasium.vector.utils import CloudpickleWrapper

    return CloudpickleWrapper(thing)


def names_of_main() -> dict[str, Any]:
    """Return the types and modules that the main script knows by name.

    Where its classes are sent to another process, their annotations, if they are texts, are looked up in the main
    module there.
    """
    kinds = (type, types.ModuleType, types.GenericAlias, types.UnionType)
    names = vars(sys.modules["__main__"]).items()
    found = {
        name: value
        for name, value in names
        if (isinstance(value, kinds) or type(value).__module__ == "typing") and not name.startswith("__")
    }
    return {name: value for name, value in found.items() if _can_be_sent(value)}


def _can_be_sent(value: Any) -> bool:
    try:
        _sent(value).__getstate__()
    except Exception:  # of whatever it is made of
        return False
    return True


def _work(connection: Any, threads: int) -> None:
    """Do one run, in a process of its own."""
    from tqdm import tqdm

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches all processes; the pool ends its own
    tqdm.set_lock(threading.RLock())  # its own is a semaphore too, which stays behind if this process is killed
    try:
        run, config, names = connection.recv().fn
        vars(sys.modules["__main__"]).update(names)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(threads)
        answer = ("returned", _sent(run(config, _Line(connection).tell)))
    except Exception as error:
        answer = ("failed", sentence_of(error) + place_of(error))
    try:
        connection.send(answer)
    except OSError:
        pass  # nobody listens any more
    except Exception as error:
        connection.send(("failed", f"what it returned cannot be sent ({sentence_of(error)})"))


class _Line:
    """A run's line to the pool."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.goes_on = True

    def tell(self, report: Mapping[str, float]) -> bool:
        """Tell how far the run is; return whether it is to go on, which it is not if nobody listens any more."""
        if self.goes_on:
            try:
                self.connection.send(("told", dict(report)))
                self.goes_on = cast("bool", self.connection.recv())
            except (EOFError, OSError):
                self.goes_on = False
        return self.goes_on
