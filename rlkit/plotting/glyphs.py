"""Shapes and numbers that stand in the cells of a grid: arrows, wedges, digits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#15181c"
PAPER = "#ffffff"

SMALLEST_TYPE = 4.5  # points; below it numbers do not print legibly
ARROWS_A_SIDE = 34  # more arrows a row than this merge into a texture

# All shapes are in cells, as (x, y), pointing along +x, for a cell around (0, 0).
FROM_CENTRE = np.array([(0.07, -0.03), (0.27, -0.03), (0.27, -0.1), (0.43, 0), (0.27, 0.1), (0.27, 0.03), (0.07, 0.03)])
THROUGH = np.array([(-0.36, -0.045), (0.1, -0.045), (0.1, -0.17), (0.38, 0), (0.1, 0.17), (0.1, 0.045), (-0.36, 0.045)])
ON_RIM = np.array([(0.34, -0.09), (0.455, 0.0), (0.34, 0.09)])
DOT = 0.11 * np.array([(math.cos(a), math.sin(a)) for a in np.linspace(0, math.tau, 17)[:-1]])
_CIRCLE = [(math.cos(a), math.sin(a)) for a in np.linspace(0, math.tau, 33)]
RING = np.array([(0.345 * x, 0.345 * y) for x, y in _CIRCLE] + [(0.31 * x, 0.31 * y) for x, y in _CIRCLE[::-1]])


def wedges(offsets: NDArray[np.integer[Any]]) -> list[NDArray[np.float64]]:
    """Cut the unit cell around (0, 0) into one polygon for every action, `(P, 2)` as (x, y), y pointing down.

    Directions share the cell by angle, each up to halfway to its neighbours; staying is a small square in the centre,
    which lies on top of the wedges.
    """
    moving = [index for index, offset in enumerate(offsets) if tuple(offset) != (0, 0)]
    angles = {index: math.atan2(float(offsets[index][0]), float(offsets[index][1])) for index in moving}
    ring = sorted(moving, key=lambda index: angles[index])
    pieces = [0.2 * np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]) for _ in offsets]
    for place, index in enumerate(ring):
        before, after = angles[ring[place - 1]], angles[ring[(place + 1) % len(ring)]]
        start = angles[index] - 0.5 * ((angles[index] - before) % math.tau or math.tau)
        stop = angles[index] + 0.5 * ((after - angles[index]) % math.tau or math.tau)
        corners = [turn * math.pi / 4 for turn in range(-15, 16, 2) if start < turn * math.pi / 4 < stop]
        pieces[index] = np.array([(0.0, 0.0)] + [_on_border(angle) for angle in [start, *corners, stop]])
    return pieces


def _on_border(angle: float) -> tuple[float, float]:
    """Where the ray at this angle leaves the unit square."""
    x, y = math.cos(angle), math.sin(angle)
    reach = 0.5 / max(abs(x), abs(y))
    return x * reach, y * reach


def arrow_polygons(
    offsets: NDArray[np.integer[Any]],
    cells: NDArray[np.integer[Any]],
    chosen: NDArray[np.bool_],
    *,
    rim: bool,
    size: float = 1.0,
) -> tuple[list[NDArray[np.float64]], NDArray[np.intp]]:
    """Make one polygon for every chosen action.

    Args:
        offsets: (row, column) of each action, `(A, 2)`.
        cells: (row, column) of each state, `(S, 2)`.
        chosen: which actions get an arrow, bool `(S, A)`.
        rim: arrow heads along the cell's border and a ring for staying (there is a number inside), instead of arrows
            through or from the centre and a dot.
        size: side of the square that an arrow fills, in cells.

    Returns:
        The polygons, and the index of each one's state.
    """
    alone = chosen.sum(axis=1) == 1
    polygons: list[NDArray[np.float64]] = []
    states: list[NDArray[np.intp]] = []
    for action, (down, right) in enumerate(np.asarray(offsets, dtype=float)):
        for single in (True, False):
            here = np.flatnonzero(chosen[:, action] & (alone == single))
            shape = _glyph(math.hypot(down, right) > 0, single, rim)
            angle = math.atan2(down, right)
            stretch = 1.2 if rim and abs(math.sin(2 * angle)) > 0.1 else 1.0  # a cell reaches further in its corners
            turned = (
                size
                * stretch
                * shape
                @ np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
            )
            polygons.extend(cells[here][:, None, ::-1] + turned)
            states.append(here)
    return polygons, np.concatenate(states) if states else np.zeros(0, dtype=np.intp)


def _glyph(moves: bool, single: bool, rim: bool) -> NDArray[np.float64]:
    if not moves:
        return RING if rim else DOT
    return ON_RIM if rim else THROUGH if single else FROM_CENTRE


def draw_arrows(
    ax: Axes,
    offsets: NDArray[np.integer[Any]],
    cells: NDArray[np.integer[Any]],
    chosen: NDArray[np.bool_],
    ink: NDArray[np.str_],
    *,
    rim: bool,
) -> None:
    """Draw the chosen actions, `(S, A)`, in the colour `ink`, `(S,)`; on a large map only at every k-th cell."""
    from matplotlib.collections import PolyCollection

    side = int(cells.max(initial=0)) + 1
    stride = -(-side // ARROWS_A_SIDE)
    kept = np.flatnonzero(((cells - stride // 2) % stride == 0).all(axis=1))
    polygons, states = arrow_polygons(offsets, cells[kept], chosen[kept], rim=rim, size=float(stride))
    colours = ink[kept][states].tolist() or "none"
    arrows = PolyCollection(polygons, facecolors=colours, edgecolors="none", zorder=3)
    ax.add_collection(arrows, autolim=False)
    if stride > 1:
        note = f"arrows: every {stride}{ {2: 'nd', 3: 'rd'}.get(stride, 'th') } row and column"
        below: dict[str, Any] = {"xycoords": "axes fraction", "xytext": (0, -17), "textcoords": "offset points"}
        ax.annotate(note, (1.0, 0.0), fontsize=7, color="#777777", ha="right", va="top", **below)


def spell(values: NDArray[np.float64]) -> list[str]:
    """Write numbers with the same number of decimals, about four characters each."""
    finite = np.abs(values[np.isfinite(values)])
    largest = float(finite.max()) if finite.size else 0.0
    if largest >= 1e5 or 0 < largest < 0.01:
        return [f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e") for value in values]
    decimals = 2 if largest < 9.995 else 1 if largest < 999.5 else 0
    if np.all(values == np.round(values)):
        decimals = 0
    return [text[1:] if float(text) == 0 and text[0] == "-" else text for text in (f"{x:.{decimals}f}" for x in values)]


def type_size(texts: list[str], width: float, largest: float) -> float:
    """The size of type, in points, in which the longest text is `width` points wide; at most `largest`."""
    longest = max(map(len, texts), default=1)
    return min(largest, width / (0.62 * longest))


def ink_on(rgba: NDArray[np.float64]) -> NDArray[np.str_]:
    """Dark or white, whichever reads better on each colour, `(N, 4)` -> str `(N,)`."""
    luminance = rgba[:, :3] @ np.array([0.299, 0.587, 0.114])
    return np.where(luminance > 0.53, INK, PAPER)
