"""The sheet that a grid is drawn on: axes, colours, walls, marked cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import ConfigError
from rlkit.plotting.figures import new_figure
from rlkit.plotting.glyphs import INK, PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

WALL = "#3a3f47"
FRAME = {"goal": "#00a651", "forbidden": "#f76707", "hole": "#0b0d0f"}
TINT = {"goal": "#d8f3e3", "hole": "#23272d"}
BLANK = "#e9ecef"
UNIT_SQUARE = 0.5 * np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])

DIVERGES_FROM = 0.2  # a sign counts from this share of the larger magnitude on
SMALLEST_MARK = 3.0  # points a cell from which marks on many cells tell anything
LARGEST_SIDE = 1500  # pixels; larger maps are thinned out


class Geometry(Protocol):
    """Where states and actions lie on a grid: what a picture needs to know of a model.

    Attributes:
        shape: rows and columns of the map.
        cells: (row, column) of every state, int `(S, 2)`.
        offsets: (row, column) that every action wishes to move by, int `(A, 2)`; (0, 0) stays.

    A geometry may also have `terminal`, bool `(S,)`, and `layout`, whose `grid.codes`, `grid.legend` and `terminal`
    say of what kind each cell is (as a grid world's model has); then goals, forbidden cells and holes are marked.
    """

    @property
    def shape(self) -> tuple[int, int]: ...  # noqa: D102
    @property
    def cells(self) -> NDArray[np.integer[Any]]: ...  # noqa: D102
    @property
    def offsets(self) -> NDArray[np.integer[Any]]: ...  # noqa: D102


def terminal_states(geometry: Geometry) -> NDArray[np.bool_]:
    """Which states end an episode, bool `(S,)`; none where the geometry does not say."""
    terminal = getattr(geometry, "terminal", None)
    return np.zeros(len(geometry.cells), dtype=bool) if terminal is None else np.asarray(terminal, dtype=bool)


def figure_of(ax: Axes) -> Figure:
    """Return the figure that axes belong to."""
    figure = ax.get_figure()
    while figure is not None and figure.figure is not figure:  # a subfigure
        figure = figure.figure
    if figure is None:
        raise ConfigError("ax belongs to no figure")
    return figure


def grid_axes(geometry: Geometry, ax: Axes | None, title: str | None) -> tuple[Axes, float]:
    """Make axes of one data unit a cell, row 0 on top; return them and the side of a cell in points."""
    height, width = geometry.shape
    if ax is None:
        cell = min(8.0 / max(height, width), 1.4 if max(height, width) <= 3 else 1.0)  # inches
        left, right, top, bottom = 0.45, 0.95, 0.25 if title is None else 0.5, 0.45
        wide, high = width * cell, height * cell
        figure = new_figure(wide + left + right, high + top + bottom)
        full_width, full_height = figure.get_size_inches()
        ax = figure.add_axes((left / full_width, bottom / full_height, wide / full_width, high / full_height))
    ax.set_aspect("equal")
    ax.set_xlim(-0.5, width - 0.5)
    ax.set_ylim(height - 0.5, -0.5)
    for axis, count in ((ax.xaxis, width), (ax.yaxis, height)):
        axis.set_ticks(_ticks(count))
        axis.set_tick_params(length=0, labelsize=8, labelcolor="#555555")
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_facecolor(WALL)
    if max(height, width) <= 40:
        ax.hlines(np.arange(height + 1) - 0.5, -0.5, width - 0.5, colors=PAPER, linewidth=0.8, zorder=1.2)
        ax.vlines(np.arange(width + 1) - 0.5, -0.5, height - 0.5, colors=PAPER, linewidth=0.8, zorder=1.2)
    if title is not None:
        ax.set_title(title, fontsize=11, color=INK)
    ax.apply_aspect()
    box = ax.get_window_extent()
    return ax, box.width / width * 72.0 / figure_of(ax).dpi


def _ticks(count: int) -> list[int]:
    """At most twelve round numbers from 0 to count - 1."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if count <= 12 * step)
    return list(range(0, count, step))


def colour_scale(values: NDArray[np.float64]) -> tuple[Normalize, Colormap]:
    """Choose sequential colours, or diverging ones around 0 when both signs matter."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    reach = max(-low, high)
    if min(-low, high) > DIVERGES_FROM * reach:
        return Normalize(-reach, reach), colormaps["RdBu"].with_extremes(bad=WALL)
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
        low, high = low - 0.5, high + 0.5
    return Normalize(low, high), colormaps["viridis"].with_extremes(bad=WALL)


def colour_bar(ax: Axes, mappable: ScalarMappable, values: NDArray[np.float64]) -> None:
    """Add a bar as high as the map and 0.15 inch wide, whatever the map's proportions."""
    inches = ax.get_window_extent().width / figure_of(ax).dpi
    place = ax.inset_axes((1.0 + 0.12 / inches, 0.0, 0.15 / inches, 1.0))
    bar = figure_of(ax).colorbar(mappable, cax=place)
    bar.outline.set_visible(False)
    finite = values[np.isfinite(values)]
    if finite.size and finite.min() < finite.max():  # of diverging colours, the part that occurs
        place.set_ylim(float(finite.min()), float(finite.max()))
    place.tick_params(length=2, labelsize=8, color="#888888", labelcolor="#555555")


def paint_values(ax: Axes, geometry: Geometry, values: NDArray[np.float64]) -> ScalarMappable:
    """Colour each state's cell by its value, leaving terminal states and what is no state dark; return the image."""
    height, width = geometry.shape
    live = ~terminal_states(geometry)
    norm, colours = colour_scale(values[live])
    grid = np.full((height, width), np.nan)
    cells = np.asarray(geometry.cells)
    grid[cells[live, 0], cells[live, 1]] = values[live]
    stride = -(-max(height, width) // LARGEST_SIDE)
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    image = ax.imshow(grid[::stride, ::stride], cmap=colours, norm=norm, interpolation="nearest", extent=extent)
    colour_bar(ax, image, values[live])
    return image


def mark_cells(ax: Axes, geometry: Geometry, cell_points: float, *, corners: bool = True) -> None:
    """Frame goals, forbidden cells and holes; write the drawing's character on every cell that is not plain.

    Args:
        ax: what `grid_axes` made.
        geometry: where it has no `layout`, only terminal states are marked.
        cell_points: the side of a cell in points.
        corners: whether there is room for a character in the corner of cells that are not terminal.
    """
    layout = getattr(geometry, "layout", None)
    if layout is None:
        _squares(ax, np.asarray(geometry.cells)[terminal_states(geometry)], 1.0, facecolors=BLANK)
        return
    for code, cell in enumerate(layout.grid.legend):
        places = np.argwhere(np.asarray(layout.grid.codes) == code)  # [N, 2]
        if cell.kind == "wall" or cell.character == "." or not len(places):
            continue
        if cell_points < SMALLEST_MARK and len(places) > 100:
            continue
        ends = bool(layout.terminal[code])
        if ends:
            _squares(ax, places, 1.0, facecolors=TINT.get(cell.kind, BLANK))
        if ends or cell.kind in FRAME:
            thickness = min(2.5, 0.1 * cell_points)
            style = {"linewidths": thickness, "alpha": None if cell_points > 8 else 0.7}
            colour = FRAME.get(cell.kind, "#868e96")
            _squares(ax, places, 0.96 - thickness / cell_points, facecolors="none", edgecolors=colour, **style)
        middle = ends or cell.kind == "portal"
        if len(places) <= 1000 and cell_points >= (15 if middle else 40) and (middle or corners):
            _write_character(ax, cell.character, cell.kind, places, middle, cell_points)


def _squares(ax: Axes, places: NDArray[np.integer[Any]], side: float, **style: Any) -> None:
    from matplotlib.collections import PolyCollection

    squares = PolyCollection(
        list(places[:, None, ::-1] + side * UNIT_SQUARE), zorder=1.1 if side == 1.0 else 2, **style
    )
    ax.add_collection(squares, autolim=False)


def _write_character(
    ax: Axes, character: str, kind: str, places: NDArray[np.intp], middle: bool, cell_points: float
) -> None:
    """Large in the middle of cells that end an episode and of portals, small in the corner of others."""
    from matplotlib.patheffects import withStroke

    size = min(24.0, 0.45 * cell_points) if middle else min(9.0, 0.2 * cell_points)
    colour = PAPER if kind in ("hole", "portal") else FRAME.get(kind, INK)
    for row, column in places:
        if middle:
            ax.text(column, row, character, ha="center", va="center", fontsize=size, color=colour, weight="bold")
        else:
            halo = [withStroke(linewidth=1.6, foreground=PAPER)]
            at = (column - 0.42, row - 0.41)
            ax.text(*at, character, ha="left", va="top", fontsize=size, color=INK, path_effects=halo, weight="bold")
