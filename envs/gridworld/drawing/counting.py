"""Counting and finding cells by code, in little memory whatever the map's size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 18
"""Cells looked at in one go, a power of two."""


def blocks(codes: NDArray[np.uint8]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield the flat codes in runs of at most `BLOCK`, each with the index of its first."""
    flat = codes.ravel()
    for start in range(0, flat.size, BLOCK):
        yield start, flat[start : start + BLOCK]


def count_codes(codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return how many cells have each code, int64 `(256,)`."""
    counts = np.zeros(256, dtype=np.int64)
    for _, block in blocks(codes):
        counts += np.bincount(block, minlength=256)
    return counts


def find_codes(codes: NDArray[np.uint8], wanted: NDArray[np.bool_], most: int | None = None) -> NDArray[np.int64]:
    """Return the flat indices of the first `most` cells whose code is wanted (bool by code), int64 `(N,)`."""
    found: list[NDArray[np.int64]] = []
    count = 0
    table = np.zeros(256, dtype=np.bool_)
    table[: len(wanted)] = wanted
    for start, block in blocks(codes):
        here = np.flatnonzero(table[block]) + start
        found.append(here)
        count += len(here)
        if most is not None and count >= most:
            break
    return np.concatenate(found)[:most]
