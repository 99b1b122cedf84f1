"""Measure the memory bandwidth of one thread as STREAM's triad does: `python -m benchmarks.stream`.

McCalpin (1995), "Memory bandwidth and machine balance in current high performance computers": a = b + s c, 24 bytes an
element counted.
"""

from __future__ import annotations

import time

import numpy as np
from numba import njit


@njit(fastmath=True)
def _triad(a, b, c, scalar):  # type: ignore[no-untyped-def]
    for i in range(len(a)):
        a[i] = b[i] + scalar * c[i]


def triad(elements: int = 16_000_000, repeats: int = 7) -> float:
    """Return the best bandwidth of `repeats` runs over arrays of so many float64, in bytes a second."""
    a, b, c = np.zeros(elements), np.ones(elements), np.ones(elements)
    _triad(a, b, c, 2.0)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        _triad(a, b, c, 3.0)
        seconds.append(time.perf_counter() - start)
    return 24 * elements / min(seconds)


if __name__ == "__main__":
    print(f"triad, one thread: {triad() / 1e9:.1f} GB/s")
