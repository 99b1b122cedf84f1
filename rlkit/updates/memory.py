"""Room for transitions, for rules that learn from one later than it came."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray


class Memory(NamedTuple):
    """The latest T transitions as a rule was told of them (see `Step`); what an agent keeps is `_asdict()` of it.

    Attributes:
        phi: features of what was left, `(T, n_encoded)`.
        first: where its weights begin, int64 `(T,)`.
        reward, discount, alpha, rho: as in `Step`, float64 `(T,)`.
        value: of what was left, by the weights then, float64 `(T,)`; for rules that ask for it.
        next_value: of what was entered, by the weights then, float64 `(T,)`.
    """

    phi: NDArray[Any]
    first: NDArray[np.int64]
    reward: NDArray[np.float64]
    discount: NDArray[np.float64]
    alpha: NDArray[np.float64]
    rho: NDArray[np.float64]
    value: NDArray[np.float64]
    next_value: NDArray[np.float64]


def new_memory(size: int, phi: NDArray[Any]) -> Memory:
    """Return room for `size` transitions with features like `phi`, all zeros."""
    numbers = [np.zeros(size) for _ in range(6)]
    return Memory(np.zeros((size, len(phi)), phi.dtype), np.zeros(size, np.int64), *numbers)


@register_jitable(forceinline=True)
def remember(memory: Any, k: Any, t: Any) -> None:
    """Write a step to place k."""
    for i in range(len(t.phi)):
        memory.phi[k, i] = t.phi[i]
    memory.first[k] = t.first
    memory.reward[k] = t.reward
    memory.discount[k] = t.discount
    memory.alpha[k] = t.alpha
    memory.rho[k] = t.rho
    memory.next_value[k] = t.next_value
