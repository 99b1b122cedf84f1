"""What distributed value iteration asks of a model: parts, that somebody else can build and solve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Block(Protocol):
    """Part of a model under solution: values that are lower bounds of the optimal ones, and only rise.

    Blocks know of each other by messages alone, float64 `(N,)`, one to each block that needs one.
    """

    @property
    def n_states(self) -> int:
        """How many states are its own."""
        ...

    @property
    def question(self) -> str:
        """A checksum of what is solved: a checkpoint of another one is not gone on from."""
        ...

    def hear(self, messages: Sequence[NDArray[np.float64]], *, exactly: bool = False) -> None:
        """Take what others told, in the order of `Part.hears`; unless exactly, only where it is more than before."""
        ...

    def settle(self, threshold: float, sweeps: int, wake: float | None = None) -> tuple[float, bool]:
        """Sweep what may rise by more than `threshold`, about so many times at most.

        Args:
            threshold: of a change.
            sweeps: about the most to make.
            wake: look again at what the last `certify` saw rise by more than this.

        Returns:
            The sweeps made, and whether nothing is left to do until something new is heard.
        """
        ...

    def tell(self) -> list[NDArray[np.float64]]:
        """Return what others need to know, in the order of `Part.tells`."""
        ...

    def meet(self) -> None:
        """Make consistent with what was heard what a synchronous sweep takes to be so."""
        ...

    def certify(self) -> tuple[float, float, float]:
        """Return what one synchronous sweep would change, at least and at most (inf, -inf: nothing), and max |value|.

        Keeps nothing of it but what `write` needs.
        """
        ...

    def write(self, shift: float, v: NDArray[np.float64]) -> None:
        """Write the values that the certified sweep gives, plus `shift`, into v, float64 `(n_states,)`."""
        ...

    def dump(self) -> NDArray[np.float64]:
        """Return all that a checkpoint needs; not copied."""
        ...

    def restore(self, saved: NDArray[np.float64]) -> None:
        """Go on from what `dump` returned."""
        ...


class Part(Protocol):
    """What a block is built from, small enough to be sent about, or a note of where to read it."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def hears(self) -> tuple[int, ...]:
        """The numbers of the parts that tell it something."""
        ...

    @property
    def tells(self) -> tuple[int, ...]:
        """The numbers of the parts that it tells something."""
        ...

    def build(self, gamma: float) -> Block:
        """Make the block."""
        ...


class Divisible(Protocol):
    """A model that can be solved in parts; a grid world's is one."""

    @property
    def max_abs_reward(self) -> float:
        """A bound on the magnitude of every reward."""
        ...

    def divide(self, blocks: int) -> Sequence[Part]:
        """Return the parts; the states of the first come first."""
        ...

    def prove(self, low: float, high: float, largest: float, gamma: float) -> tuple[float, float, bool]:
        """Turn the range of what one synchronous sweep of all parts would change into a proof (`bellman.bounds`).

        Returns:
            What to add to the values of that sweep, the bound on their error then, and whether only rounding is left.
        """
        ...
