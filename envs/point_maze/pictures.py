"""Pictures of point mazes: frames of an episode, drawn with Pillow, and figures of runs against the shortest way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from rlkit.envs.gridworld.pictures import colours, sprites
from rlkit.envs.gridworld.pictures.render import Painter
from rlkit.envs.point_maze.aim import as_places
from rlkit.plotting.glyphs import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rlkit.envs.gridworld.layout import Layout
    from rlkit.envs.point_maze.env import PointMaze

Floats = NDArray[np.float64]

COLOURS = ("#e8590c", "#c2255c", "#1971c2", "#5f3dc4", "#0b7285", "#2b8a3e")
"""Of the runs in a figure, one after the other."""
_FINER = 3  # pixels drawn for each that is kept, along each side


class Frames:
    """Draws the point in its maze, with its trail behind it."""

    def __init__(self, layout: Layout) -> None:
        self._painter = Painter(layout)

    def frame(self, trail: Floats) -> NDArray[np.uint8]:
        """Return the picture of a trail `(T, 2)`, x and y, that ends where the point is; uint8 `(height, width, 3)`."""
        painter = self._painter
        height, width = painter.layout.shape
        side = painter.cell / painter.stride
        board = painter.frame()
        left, top = painter.origin
        places = np.column_stack([trail[:, 0] + width / 2, height / 2 - trail[:, 1]]) * side + (left, top)  # [T, 2]
        picture = Image.fromarray(board)
        self._draw_trail(picture, places, side)
        self._stamp(picture, sprites.agent(max(round(0.5 * side), 9)), *places[-1].tolist())
        return np.asarray(picture).copy()

    def _draw_trail(self, picture: Image.Image, places: Floats, side: float) -> None:
        overlay = Image.new("RGBA", (picture.width * _FINER, picture.height * _FINER))
        pen = ImageDraw.Draw(overlay)
        points = [(x * _FINER, y * _FINER) for x, y in places.tolist()]
        pen.line(points, fill=(*colours.BLUE, 150), width=max(round(0.06 * side * _FINER), _FINER), joint="curve")
        overlay = overlay.resize(picture.size, Image.Resampling.BOX)
        picture.paste(overlay, (0, 0), overlay)

    def _stamp(self, picture: Image.Image, sprite: Image.Image, x: float, y: float) -> None:
        picture.paste(sprite, (round(x - sprite.width / 2), round(y - sprite.height / 2)), sprite)


def plot_maze(
    env: PointMaze,
    runs: Mapping[str, ArrayLike | Sequence[ArrayLike]] | None = None,
    *,
    cell: tuple[int, int] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a maze, coloured by the length of the shortest way to the goal, with that way and runs through it.

    Args:
        env: the maze.
        runs: by name, places or observations of an episode, of which the first two numbers count, float
            `(T, 2 or more)`; or a list of such arrays.
        cell: (row, column) from whose middle the shortest way is drawn; None for the first start.
        ax: axes to draw on; None for a new figure.
        title: what to write above.

    Raises:
        ConfigError: a run has another shape, or no way leads from the cell.
    """
    from rlkit.envs.gridworld.model import GridModel
    from rlkit.plotting.canvas import figure_of, grid_axes, mark_cells

    model = GridModel(env.layout)
    alone = ax is None
    ax, cell_points = grid_axes(model, ax, title)
    _paint_field(ax, env)
    mark_cells(ax, model, cell_points)
    thin = min(2.2, 0.06 * cell_points)
    x, y = _on_grid(env.reference(cell).path, env)
    ax.plot(x, y, color=INK, linewidth=thin, linestyle=(0, (3, 1.6)), zorder=5, label="shortest")
    for index, (name, run) in enumerate((runs or {}).items()):
        style: dict[str, Any] = {"color": COLOURS[index % len(COLOURS)], "linewidth": thin, "zorder": 6}
        for number, places in enumerate(_as_episodes(run)):
            x, y = _on_grid(places, env)
            ax.plot(x, y, label=name if number == 0 else None, solid_capstyle="round", **style)
            ax.plot(x[-1:], y[-1:], "o", markersize=2.2 * thin, markeredgecolor="white", **style)
    _add_legend(ax, room=0.35 if alone else 0.0)
    return figure_of(ax)


def _paint_field(ax: Axes, env: PointMaze) -> None:
    from rlkit.plotting.canvas import LARGEST_SIDE, colour_bar, colour_scale

    height, width = env.layout.shape
    field = env.distance_field(max(1, min(16, LARGEST_SIDE // max(height, width))))
    norm, scale = colour_scale(field)
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    image = ax.imshow(field, cmap=scale.reversed(), norm=norm, extent=extent, interpolation="nearest", alpha=0.75)
    colour_bar(ax, image, field)


def _add_legend(ax: Axes, room: float) -> None:
    """Write below the axes, on a figure made so many inches higher, what the lines are."""
    from rlkit.plotting.canvas import figure_of

    figure = figure_of(ax)
    width, height = figure.get_size_inches()
    if room:
        left, bottom, wide, high = ax.get_position().bounds
        figure.set_size_inches(width, height + room)
        ax.set_position((left, (bottom * height + room) / (height + room), wide, high * height / (height + room)))
    inches = ax.get_position().height * (height + room)
    ax.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.2 / inches), ncols=5, frameon=False, fontsize=9, handlelength=1.8
    )


def _as_episodes(run: Any) -> list[Floats]:
    several = isinstance(run, list | tuple) and len(run) > 0 and np.ndim(run[0]) > 1
    return [as_places("plot_maze", places) for places in (run if several else [run])]


def _on_grid(places: Floats, env: PointMaze) -> tuple[Floats, Floats]:
    """Return columns and rows `(T,)`, where whole numbers are the middles of cells."""
    height, width = env.layout.shape
    return places[:, 0] + (width - 1) / 2, (height - 1) / 2 - places[:, 1]
