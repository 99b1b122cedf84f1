"""The learners' random numbers in compiled code: SplitMix64 (Steele, Lea & Flood 2014), 64 bits of state."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_UNIT = 1.0 / (1 << 53)


def new_stream(rng: np.random.Generator) -> NDArray[np.uint64]:
    """Return the state of a new stream, uint64 `(1,)`, drawn from a generator."""
    return rng.integers(1 << 64, size=1, dtype=np.uint64)


def uniform_in_python(stream: NDArray[np.uint64]) -> float:
    """Return what `uniform` does; in Python, NumPy would warn of the overflow that it counts on."""
    with np.errstate(over="ignore"):
        return float(uniform(stream))


def uniform(stream: NDArray[np.uint64]) -> float:
    """Return the next number of a stream, uniform in [0, 1), and move its state on."""
    with np.errstate(over="ignore"):  # what is above 64 bits is to be lost; compiled code does not look
        return float(_uniform(stream))


@overload(uniform, jit_options={"forceinline": True})
def _find_uniform(stream: Any) -> Any:
    return _uniform


def _uniform(stream: Any) -> Any:
    stream[0] += _GOLDEN
    z = stream[0]
    z = (z ^ (z >> _30)) * _FIRST
    z = (z ^ (z >> _27)) * _SECOND
    return np.float64((z ^ (z >> _31)) >> _11) * _UNIT
