"""The workers of all blocks: called together, each given what the others told it last."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rlkit.distributed.model import Part
from rlkit.distributed.solution import values_file
from rlkit.distributed.worker import Range, Report, Worker, write_values
from rlkit.errors import RlkitError

_PIECE = 1 << 22
"""States of a block that are fetched at a time from a machine that does not see the folder."""

_RECOVERIES = 8
"""How often messages that a machine took with it are asked for again."""


class WorkerLost(RlkitError):
    """A block's worker was lost more often than it may be, or could not be started."""


class Crew:
    """One Ray actor a block.

    A worker that dies is started again by Ray, builds its block anew (from its last checkpoint, if it finds one) and is
    given the same call again. As blocks hold lower bounds that only rise, that costs time and nothing else.

    Args:
        ray: the module, connected.
        parts: what the blocks are built from.
        gamma: the discount.
        directory: for values and checkpoints.
        save_every: seconds between two checkpoints of a block.
        restarts: how often each worker may be lost.
    """

    def __init__(
        self, ray: Any, parts: Sequence[Part], gamma: float, directory: Path, *, save_every: float, restarts: int
    ) -> None:
        self.parts, self.rebuilt = parts, 0
        self.workers = [""] * len(parts)
        self._ray, self._directory = ray, directory
        self._lives = [""] * len(parts)
        self._told: list[dict[int, Any]] = [{} for _ in parts]  # by teller, then by hearer: references to messages
        # Without num_cpus Ray looks for a CPU when it places an actor and reserves none: so there may be more blocks
        # than CPUs, and those of a machine that is lost find room on the others.
        actor = ray.remote(Worker).options(
            max_restarts=restarts,
            max_task_retries=-1,
            scheduling_strategy="SPREAD",
        )
        # Ray forgets what an actor was made from, if that is large, once it is made, and could not make it again
        # (ray-project/ray#53727); so parts are kept here, and whoever is called is told where to find its own.
        self._kept = [[ray.put(part)] for part in parts]
        self._actors = [
            actor.remote(number, gamma, str(directory.absolute()), save_every) for number in range(len(parts))
        ]

    def settle(self, blocks: Collection[int], threshold: float, sweeps: int, wake: float | None) -> dict[int, Report]:
        """Let the given blocks hear and sweep; see `Block.settle`."""
        return self._call(blocks, "settle", threshold, sweeps, wake)

    def certify(self) -> list[Range] | None:
        """Return what one synchronous sweep of everything would change; None if a worker was lost on the way."""
        everybody = range(len(self.parts))
        before = self._call(everybody, "meet")
        lives = [before[number].life for number in everybody]
        ranges = self._fetch(
            lambda: [self._actors[n].certify.remote(self._kept[n], *self._messages(n)) for n in everybody]
        )
        return ranges if [seen.life for seen in ranges] == lives else None

    def write(self, ranges: Sequence[Range], shift: float) -> list[int] | None:
        """Write every block's values; return how many there are, None if a worker was lost since it certified them."""
        token = self._directory / f".{secrets.token_hex(8)}"
        token.touch()
        try:
            written = self._fetch(
                lambda: [
                    actor.write.remote(seen.life, shift, token.name)
                    for actor, seen in zip(self._actors, ranges, strict=True)
                ]
            )
        finally:
            token.unlink(missing_ok=True)
        if any(one is None for one in written):
            return None
        for number, (count, shared) in enumerate(written):
            if not shared:
                self._bring(number, count)
        self._fetch(lambda: [actor.forget.remote() for actor in self._actors])
        return [count for count, _ in written]

    def _bring(self, number: int, count: int) -> None:
        """Copy a block's values from a machine that does not see the folder."""

        def fill(v: np.ndarray[Any, np.dtype[np.float64]]) -> None:
            for start in range(0, count, _PIECE):
                stop = min(count, start + _PIECE)
                v[start:stop] = self._fetch(lambda a=start, b=stop: self._actors[number].read.remote(a, b))

        write_values(values_file(self._directory, number), count, fill)

    def _messages(self, number: int) -> list[Any]:
        """Return references to what the block was told last; none before everybody has told something."""
        heard = [self._told[teller].get(number) for teller in self.parts[number].hears]
        return [] if any(message is None for message in heard) else heard

    def _call(self, blocks: Collection[int], method: str, *args: Any) -> dict[int, Report]:
        """Call a method of the given blocks' workers that ends in telling, at once; keep what they tell."""

        def send() -> list[Any]:
            sent = []
            for number in blocks:
                tells = self.parts[number].tells
                call = getattr(self._actors[number], method).options(num_returns=1 + len(tells))
                answer = call.remote(self._kept[number], *args, *(self._messages(number) if method != "tell" else ()))
                references = answer if tells else [answer]
                pending[number] = dict(zip(tells, references[1:], strict=True))
                sent.append(references[0])
            return sent

        pending: dict[int, dict[int, Any]] = {}
        reports = dict(zip(blocks, self._fetch(send), strict=True))
        for number, report in reports.items():
            self._told[number] = pending[number]
            self.rebuilt += self._lives[number] not in ("", report.life)
            self._lives[number], self.workers[number] = report.life, report.worker
        return reports

    def _fetch(self, send: Any) -> Any:
        """Return what calls return; ask again for messages that were lost together with a machine.

        Raises:
            WorkerLost: if a worker is gone for good, or could not be started.
            RlkitError: what a worker raised.
        """
        lost = self._ray.exceptions
        for attempt in range(_RECOVERIES):
            try:
                return self._ray.get(send())
            except (lost.ObjectLostError, lost.RayTaskError) as error:
                cause = getattr(error, "cause", error)
                if isinstance(cause, RlkitError):
                    raise cause from None
                if not isinstance(cause, lost.ObjectLostError) or attempt == _RECOVERIES - 1:
                    raise
                self._call(range(len(self.parts)), "tell")
            except lost.RayActorError as error:
                raise WorkerLost(f"value_iteration: a block's worker was lost for good: {_sentence(error)}") from error
        raise AssertionError("unreachable")

    def close(self) -> None:
        """End all workers."""
        for actor in self._actors:
            self._ray.kill(actor, no_restart=True)
        self._kept.clear()


def _sentence(error: BaseException) -> str:
    """Return the last line that says something: Ray's messages end in what it was."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
