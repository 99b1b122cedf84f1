"""Values as pixels in NumPy alone: a picture in a millisecond, for logging while something runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlkit.plotting.canvas import BLANK, DIVERGES_FROM, WALL, Geometry, terminal_states

# Every eighth of matplotlib's viridis, and of its RdBu.
_VIRIDIS = [0x440154, 0x472D7B, 0x3B528B, 0x2C728E, 0x21918C, 0x28AE80, 0x5EC962, 0xADDC30, 0xFDE725]
_RDBU = [0x67001F, 0xBB2A34, 0xE58368, 0xFBCEB7, 0xF6F7F7, 0xC0DCEB, 0x68ABD0, 0x2870B1, 0x053061]


def heat_map(geometry: Geometry, v: ArrayLike, *, pixels: int = 400) -> NDArray[np.uint8]:
    """Draw state values as a bare heat map, uint8 `(height, width, 3)`, whole pixels a cell, walls dark, ends pale.

    The colours are `plot_values`' own. Maps of more cells a side than `pixels` are thinned out.

    Args:
        geometry: where the states lie, usually `env.model()`.
        v: value of every state, `(S,)`.
        pixels: the longer side of the picture, at most (a lone cell is at most 64 pixels).
    """
    height, width = geometry.shape
    values = np.asarray(v, dtype=np.float64)
    cells = np.asarray(geometry.cells)
    ends = terminal_states(geometry)
    thin = -(-max(height, width) // pixels)
    if thin > 1:
        kept = (cells % thin == 0).all(axis=1)
        cells, values, ends = cells[kept] // thin, values[kept], ends[kept]
        height, width = -(-height // thin), -(-width // thin)
    picture = np.full((height, width, 3), _rgb(int(WALL[1:], 16)), dtype=np.uint8)
    picture[cells[ends, 0], cells[ends, 1]] = _rgb(int(BLANK[1:], 16))
    picture[cells[~ends, 0], cells[~ends, 1]] = _colours(values[~ends])
    block = max(1, min(64, pixels // max(height, width)))
    return np.repeat(np.repeat(picture, block, axis=0), block, axis=1)


def _colours(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Colour each value, uint8 `(S, 3)`."""
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    reach = max(-low, high)
    diverging = min(-low, high) > DIVERGES_FROM * reach
    if diverging:
        low, high = -reach, reach
    level = (values - low) / (high - low) if high - low > 1e-12 * reach else np.full(values.shape, 0.5)
    anchors = np.array([_rgb(code) for code in (_RDBU if diverging else _VIRIDIS)])  # [9, 3]
    places = np.linspace(0.0, 1.0, len(anchors))
    return np.stack([np.interp(level, places, anchors[:, c]) for c in range(3)], axis=1).round().astype(np.uint8)


def _rgb(code: int) -> tuple[int, int, int]:
    return code >> 16, code >> 8 & 255, code & 255
