"""Values that need not fit in memory: one file a block, opened when it is read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import CheckpointError

FACTS = "solution.json"


def values_file(directory: Path, block: int) -> Path:
    """Return where a block's values lie."""
    return directory / f"values_{block:04d}.npy"


@dataclass(frozen=True, eq=False, repr=False)
class DistributedSolution:
    """Values with a proven error bound, read from files by block.

    Attributes:
        directory: where `values_0000.npy`, ... lie, float64 `(states of the block,)`, and `solution.json`.
        first_state: the first state of every block, and how many there are in all, int64 `(blocks + 1,)`.
        error_bound: proven bound on `max|v - v*|`, rounding included.
        gamma: the discount.
        iterations: the most sweeps that a block made.
        rebuilt: how many times a block's worker was lost and its block rebuilt.
    """

    directory: Path
    first_state: NDArray[np.int64]
    error_bound: float
    gamma: float
    iterations: int
    rebuilt: int = 0

    @property
    def n_states(self) -> int:
        """How many states there are in all."""
        return int(self.first_state[-1])

    @property
    def n_blocks(self) -> int:
        """How many blocks there are."""
        return len(self.first_state) - 1

    def block(self, number: int) -> NDArray[np.float64]:
        """Return a block's values, read-only, from its file as they are looked at.

        Raises:
            CheckpointError: if the file is not what was written.
        """
        path = values_file(self.directory, number)
        expected = int(self.first_state[number + 1] - self.first_state[number])
        if not expected:
            return np.empty(0)
        try:
            v = np.lib.format.open_memmap(path, mode="r")
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path}: cannot be read ({error})") from None
        if v.shape != (expected,) or v.dtype != np.float64:
            raise CheckpointError(f"{path}: holds {v.shape} {v.dtype}, expected {(expected,)} float64")
        return np.asarray(v)

    def values(self, start: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """Return the values of the states from `start` on, `stop` excluded; opens only the blocks that have them."""
        start, stop, _ = slice(start, stop).indices(self.n_states)
        v = np.empty(max(0, stop - start))
        for number in range(self.n_blocks):
            first, last = (int(edge) for edge in self.first_state[number : number + 2])
            begin, end = max(start, first), min(stop, last)
            if begin < end:
                v[begin - start : end - start] = self.block(number)[begin - first : end - first]
        return v

    def save_facts(self) -> None:
        """Write `solution.json` beside the values, from which `open` knows what they are."""
        facts = {
            "first_state": self.first_state.tolist(),
            "error_bound": self.error_bound,
            "gamma": self.gamma,
            "iterations": self.iterations,
            "rebuilt": self.rebuilt,
        }
        (self.directory / FACTS).write_text(json.dumps(facts), encoding="utf-8")

    @classmethod
    def open(cls, directory: str | Path) -> DistributedSolution:
        """Return a solution that was written to a folder.

        Raises:
            CheckpointError: if there is none in it.
        """
        path = Path(directory) / FACTS
        try:
            facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                Path(directory),
                np.array(facts["first_state"], dtype=np.int64),
                error_bound=float(facts["error_bound"]),
                gamma=float(facts["gamma"]),
                iterations=int(facts["iterations"]),
                rebuilt=int(facts.get("rebuilt", 0)),
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(f"{path}: is no solution's ({error})") from None

    def __repr__(self) -> str:
        return (
            f"DistributedSolution({self.n_states} states in {self.n_blocks} blocks, gamma={self.gamma!r}, "
            f"iterations={self.iterations}, error_bound={self.error_bound:.3g}, directory={str(self.directory)!r})"
        )
