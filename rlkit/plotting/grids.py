"""Values, policies and action values of a grid world as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlkit.errors import ConfigError
from rlkit.plotting.canvas import (
    LARGEST_SIDE,
    Geometry,
    colour_bar,
    colour_scale,
    figure_of,
    grid_axes,
    mark_cells,
    paint_values,
    terminal_states,
)
from rlkit.plotting.glyphs import PAPER, SMALLEST_TYPE, draw_arrows, ink_on, spell, type_size, wedges

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

__all__ = ["Geometry", "plot_q", "plot_values"]

MOST_WEDGES = 100_000
SMALLEST_NUMBERED = 12.0  # points a cell; in smaller ones no number is legible


def plot_values(
    geometry: Geometry,
    v: ArrayLike,
    *,
    policy: ArrayLike | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Figure:
    """Draw state values as a heat map, with the policy as arrows.

    Numbers appear where the cells are large enough to read them, arrows at every cell or, on large maps, at every
    k-th. Colours diverge around 0 when the values have both signs.

    Args:
        geometry: where the states lie, usually `env.model()`.
        v: value of every state, `(S,)`.
        policy: int `(S,)`, one action a state; or `(S, A)`, an arrow for every action with a positive entry, such as
            `rlkit.bellman.optimal_actions` (all optimal arrows where they tie) or probabilities. None for no arrows.
        ax: axes to draw on; None for a new figure.
        title: what to write above.

    Raises:
        ConfigError: when an array does not fit the geometry.
    """
    values = _checked(geometry, v, "v", (len(geometry.cells),))
    chosen = None if policy is None else _as_choice(geometry, policy)
    ax, cell_points = grid_axes(geometry, ax, title)
    image = paint_values(ax, geometry, values)
    mark_cells(ax, geometry, cell_points)
    live = ~terminal_states(geometry)
    cells = np.asarray(geometry.cells)[live]
    ink = ink_on(image.to_rgba(values[live]))  # [S']
    texts = spell(values[live]) if cell_points >= SMALLEST_NUMBERED else []
    size = type_size(texts, (0.58 if policy is not None else 0.8) * cell_points, 0.3 * cell_points)
    numbered = bool(texts) and size >= SMALLEST_TYPE
    if numbered:
        _write(ax, cells[:, ::-1].astype(float), texts, ink, min(size, 12.0))
    if chosen is not None:
        draw_arrows(ax, geometry.offsets, cells, chosen[live], ink, rim=numbered)
    return figure_of(ax)


def plot_q(geometry: Geometry, q: ArrayLike, *, ax: Axes | None = None, title: str | None = None) -> Figure:
    """Draw action values: each cell is cut into one wedge for every direction, staying is the centre.

    Where cells are large enough each wedge has its number, the best ones in bold; where they are not, the wedges
    stand alone.

    Args:
        geometry: where the states lie, usually `env.model()`.
        q: action values, `(S, A)`.
        ax: axes to draw on; None for a new figure.
        title: what to write above.

    Raises:
        ConfigError: when the array does not fit the geometry.
    """
    values = _checked(geometry, q, "q", (len(geometry.cells), len(geometry.offsets)))
    live = ~terminal_states(geometry)
    values, cells = values[live], np.asarray(geometry.cells)[live]
    ax, cell_points = grid_axes(geometry, ax, title)
    painted = _paint_wedges(ax, geometry, values, cells, cell_points)
    colour_bar(ax, painted, values)
    mark_cells(ax, geometry, cell_points, corners=False)
    _write_q(ax, geometry, values, cells, painted, cell_points)
    return figure_of(ax)


def _paint_wedges(
    ax: Axes, geometry: Geometry, values: NDArray[np.float64], cells: NDArray[Any], cell_points: float
) -> ScalarMappable:
    from matplotlib.collections import PolyCollection

    norm, colours = colour_scale(values)
    if values.size > MOST_WEDGES:
        return _paint_mosaic(ax, geometry, values, cells, norm=norm, cmap=colours)
    shapes = wedges(geometry.offsets)
    order = sorted(range(len(shapes)), key=lambda action: not geometry.offsets[action].any())  # staying lies on top
    thin = cell_points < 12
    collection = PolyCollection(
        [shape for action in order for shape in cells[:, None, ::-1] + shapes[action]],
        array=values[:, order].T.ravel(),
        norm=norm,
        cmap=colours,
        edgecolors="face" if thin else PAPER,
        linewidths=0.1 if thin else min(0.5, 0.006 * cell_points),
        rasterized=values.size > 5000,
        zorder=1,
    )
    ax.add_collection(collection, autolim=False)
    return collection


def _paint_mosaic(
    ax: Axes, geometry: Geometry, values: NDArray[np.float64], cells: NDArray[Any], **style: Any
) -> ScalarMappable:
    """Paint 3 x 3 pixels a cell, one on each action's side: what is left of wedges on a map too large to see them."""
    height, width = geometry.shape
    stride = -(-3 * max(height, width) // LARGEST_SIDE)
    kept = (cells % stride == 0).all(axis=1)
    cells, values = cells[kept] // stride, values[kept]
    pixels = np.full((-(-height // stride), 3, -(-width // stride), 3), np.nan)
    pixels[cells[:, 0], :, cells[:, 1], :] = values.mean(axis=1)[:, None, None]
    for action, (down, right) in enumerate(np.sign(geometry.offsets).tolist()):
        pixels[cells[:, 0], 1 + down, cells[:, 1], 1 + right] = values[:, action]
    picture = pixels.reshape(3 * pixels.shape[0], 3 * pixels.shape[2])
    return ax.imshow(picture, extent=(-0.5, width - 0.5, height - 0.5, -0.5), interpolation="nearest", **style)


def _write_q(
    ax: Axes,
    geometry: Geometry,
    values: NDArray[np.float64],
    cells: NDArray[Any],
    painted: ScalarMappable,
    cell_points: float,
) -> None:
    """Write each wedge's number where it fits, bold where it is the state's best."""
    if cell_points < SMALLEST_NUMBERED:
        return
    offsets = np.asarray(geometry.offsets, dtype=float)
    texts = spell(values.ravel())
    share = 0.28 if len(offsets) <= 5 else 0.24  # of a cell's side, for one number
    size = type_size(texts, share * cell_points, 0.16 * cell_points)
    if size < SMALLEST_TYPE or not len(cells):
        return
    away = 0.34 * offsets[:, ::-1] / np.maximum(np.abs(offsets).max(axis=1, keepdims=True), 1)  # [A, 2]
    places = (cells[:, None, ::-1] + away).reshape(-1, 2)  # [S' * A, 2]
    best = values >= values.max(axis=1, keepdims=True) - 1e-9 * np.abs(values).max()
    ink = ink_on(painted.to_rgba(values.ravel()))
    _write(ax, places, texts, ink, min(size, 11.0), best.ravel())


def _write(
    ax: Axes,
    places: NDArray[np.float64],
    texts: list[str],
    ink: NDArray[np.str_],
    size: float,
    bold: NDArray[np.bool_] | None = None,
) -> None:
    style: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontsize": size, "zorder": 4}
    for index, (x, y) in enumerate(places):
        weight = "bold" if bold is not None and bold[index] else "normal"
        ax.text(x, y, texts[index], color=ink[index], weight=weight, **style)


def _checked(geometry: Geometry, array: ArrayLike, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    values = np.asarray(array, dtype=np.float64)
    if values.shape != shape:
        height, width = geometry.shape
        raise ConfigError(f"{name} has shape {values.shape}, but this {height} x {width} map needs {shape}")
    return values


def _as_choice(geometry: Geometry, policy: ArrayLike) -> NDArray[np.bool_]:
    """Which actions get an arrow, bool `(S, A)`."""
    n_states, n_actions = len(geometry.cells), len(geometry.offsets)
    chosen = np.asarray(policy)
    if chosen.shape == (n_states, n_actions):
        return np.asarray(chosen > 0)
    if chosen.shape != (n_states,):
        raise ConfigError(f"policy has shape {chosen.shape}, expected ({n_states},) or ({n_states}, {n_actions})")
    if n_states and not (chosen.min() >= 0 and chosen.max() < n_actions):
        raise ConfigError(f"policy holds actions {chosen.min()} to {chosen.max()}, expected 0 to {n_actions - 1}")
    return np.asarray(np.arange(n_actions) == chosen[:, None])
