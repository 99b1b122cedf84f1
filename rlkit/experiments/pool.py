"""What experiments run on: a pool calls one function for many configurations, as many at once as it has workers.

`rlkit.experiments.processes.ProcessPool` has its workers on this machine, `rlkit.experiments.ray_pool.RayPool` on a
cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

C = TypeVar("C")
R = TypeVar("R")

Tell: TypeAlias = Callable[[Mapping[str, float]], bool]
"""How a run says how far it is: numbers by name, such as `step`, `steps` (of the whole run) and `return`.

It returns whether the run is to go on; after False it ends itself soon, and returns what it has."""

OnProgress: TypeAlias = Callable[[int, Mapping[str, float]], bool]
"""Hears what the run of the i-th configuration tells, and returns whether it is to go on."""


class Outcome(NamedTuple, Generic[C, R]):
    """What came of one run.

    Attributes:
        index: which it was, from 0.
        config: what it was called with.
        value: what it returned; None if it failed.
        error: one sentence that names what happened if it failed; None otherwise.
    """

    index: int  # type: ignore[assignment]  # a tuple method of that name gives way
    config: C
    value: R | None
    error: str | None


class Pool(Protocol):
    """Calls a function for many configurations, each call a run."""

    def map(
        self, run: Callable[[C, Tell], R], configs: Iterable[C], *, on_progress: OnProgress | None = None
    ) -> Iterator[Outcome[C, R]]:
        """Yield what comes of each run, as they end.

        Configurations are drawn one at a time, when a worker is free and all outcomes so far were yielded, so that one
        may depend on those. A run that fails, crashes or hangs has an outcome with an error, and the others go on.
        Closing the iterator ends the runs that are under way; they are given the time to write a checkpoint.

        Args:
            run: called with a configuration and a `Tell`, somewhere else: it knows of nothing but these. It should tell
                how far it is now and then, as a run that is silent for too long counts as hung.
            configs: any number of them.
            on_progress: hears what the runs tell, here. None lets all of them go on.
        """
        ...


def sentence_of(error: BaseException) -> str:
    """Say in one line what an exception is: its message, behind its type's name where it is not one of rlkit's."""
    from rlkit.errors import RlkitError

    said = " ".join(str(error).split())
    name = type(error).__name__
    return said if said and isinstance(error, RlkitError) else f"{name}: {said}" if said else name


def place_of(error: BaseException) -> str:
    """Return ` (FILE:LINE)` where an exception passed through the user's own code last, nothing if it did not."""
    import sysconfig
    import traceback
    from pathlib import Path

    import rlkit

    paths = sysconfig.get_paths()
    others = [Path(rlkit.__file__).parent, *(Path(paths[key]) for key in ("stdlib", "purelib", "platlib"))]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if file.is_file() and not any(file.resolve().is_relative_to(other.resolve()) for other in others):
            return f" ({file.name}:{frame.lineno})"
    return ""
