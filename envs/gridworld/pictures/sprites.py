"""The signs that stand in the cells of a grid-world picture: drawn large and reduced, so that edges are smooth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from rlkit.envs.gridworld.pictures.colours import BLUE, GOLD, GREEN, INK, MAGENTA, PAPER, PURPLE, RED, Colour

Point = tuple[float, float]
_FINER = 4  # pixels drawn for each that is kept, along each side


@lru_cache(maxsize=32)
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return Pillow's own font in a size in pixels."""
    return ImageFont.load_default(size)  # type: ignore[return-value]


def _reduced(size: int, draw: Callable[[ImageDraw.ImageDraw, float], None]) -> Image.Image:
    """Return an RGBA image of `size` pixels a side; `draw` gets a canvas and its side."""
    canvas = Image.new("RGBA", (size * _FINER, size * _FINER))
    draw(ImageDraw.Draw(canvas), float(size * _FINER))
    return canvas.resize((size, size), Image.Resampling.BOX)


@lru_cache(maxsize=256)
def agent(size: int) -> Image.Image:
    """A blue disc with two eyes."""

    def paint(pen: ImageDraw.ImageDraw, n: float) -> None:
        _disc(pen, n, (0.5, 0.53), 0.36, (0, 0, 0, 50))
        _disc(pen, n, (0.5, 0.5), 0.36, PAPER)
        _disc(pen, n, (0.5, 0.5), 0.36 - max(0.04, 1.2 * _FINER / n), BLUE)
        if size >= 20:
            for x in (0.40, 0.60):
                _disc(pen, n, (x, 0.46), 0.075, PAPER)
                _disc(pen, n, (x + 0.015, 0.475), 0.035, INK)

    return _reduced(size, paint)


@lru_cache(maxsize=64)
def star(size: int) -> Image.Image:
    """A golden star with a dark rim: a goal."""

    def paint(pen: ImageDraw.ImageDraw, n: float) -> None:
        for radius, colour in ((0.47, PAPER), (0.43, GREEN), (0.32, GOLD)):
            corners = [(0.5, 0.53, radius * (1 if k % 2 == 0 else 0.45), k * math.pi / 5) for k in range(10)]
            pen.polygon([(n * (x + r * math.sin(t)), n * (y - r * math.cos(t))) for x, y, r, t in corners], fill=colour)

    return _reduced(size, paint)


@lru_cache(maxsize=64)
def hatch(size: int) -> Image.Image:
    """Red diagonal stripes: forbidden."""

    def paint(pen: ImageDraw.ImageDraw, n: float) -> None:
        stripes = 5 if size >= 24 else 3 if size >= 12 else 1
        width = round(n * 0.05) if size >= 12 else round(n * 0.16)
        for k in range(-stripes, stripes):
            x = n * (k + 0.5) / stripes
            pen.line([(x - n * 0.1, n * 1.1), (x + n * 1.1, -n * 0.1)], fill=(*RED, 165), width=width)

    return _reduced(size, paint)


@lru_cache(maxsize=64)
def hole(size: int) -> Image.Image:
    """A dark pit."""

    def paint(pen: ImageDraw.ImageDraw, n: float) -> None:
        pen.ellipse([n * 0.14, n * 0.2, n * 0.86, n * 0.84], fill=(120, 134, 156))
        pen.ellipse([n * 0.18, n * 0.26, n * 0.82, n * 0.82], fill=INK)

    return _reduced(size, paint)


@lru_cache(maxsize=64)
def ring(size: int, kind: str) -> Image.Image:
    """Two rings: where a portal or a jump is entered."""
    colour = PURPLE if kind == "portal" else MAGENTA

    def paint(pen: ImageDraw.ImageDraw, n: float) -> None:
        for radius in (0.38, 0.22):
            box = [n * (0.5 - radius), n * (0.5 - radius), n * (0.5 + radius), n * (0.5 + radius)]
            pen.ellipse(box, outline=(*colour, 200), width=max(round(n * 0.055), _FINER))

    return _reduced(size, paint)


@lru_cache(maxsize=64)
def start(size: int) -> Image.Image:
    """The letter S in a blue disc."""

    def paint(pen: ImageDraw.ImageDraw, n: float) -> None:
        _disc(pen, n, (0.5, 0.5), 0.44, PAPER)
        _disc(pen, n, (0.5, 0.5), 0.38, BLUE)
        pen.text((n / 2, n / 2), "S", font=font(max(round(n * 0.52), 1)), fill=PAPER, anchor="mm")

    return _reduced(size, paint)


@lru_cache(maxsize=64)
def sides(
    size: int, closed: tuple[tuple[int, int], ...], opened: tuple[tuple[int, int], ...], colour: Colour
) -> Image.Image:
    """Bars along the closed sides of a one-way cell, chevrons in `colour` on the open ones; (row, column) offsets."""

    def paint(pen: ImageDraw.ImageDraw, n: float) -> None:
        for down, right in closed:
            if not (down and right):
                middle = (0.5 + 0.46 * right, 0.5 + 0.46 * down)
                half = (0.5 * abs(down), 0.5 * abs(right))
                ends = [(n * (middle[0] + sign * half[0]), n * (middle[1] + sign * half[1])) for sign in (-1, 1)]
                pen.line(ends, fill=RED, width=max(round(n * 0.07), _FINER))
        for down, right in opened:
            _chevron(pen, n, (0.5 + 0.42 * right, 0.5 + 0.42 * down), (right, down), 0.09, colour)

    return _reduced(size, paint)


@lru_cache(maxsize=64)
def wind(size: int, rows: int, columns: int, colour: Colour) -> Image.Image:
    """One chevron in the upper left corner for each cell that the wind carries on (at most three a direction)."""

    def paint(pen: ImageDraw.ImageDraw, n: float) -> None:
        for way, strength in (
            ((0.0, math.copysign(1, rows)), abs(rows)),
            ((math.copysign(1, columns), 0.0), abs(columns)),
        ):
            count = min(strength, 3)
            for k in range(count):
                shift = 0.09 * (k - (count - 1) / 2)
                centre = (0.17 + shift * abs(way[0]) + 0.2 * abs(way[0]), 0.2 + shift * abs(way[1]))
                _chevron(pen, n, centre, way, 0.075, colour)

    return _reduced(size, paint)


@lru_cache(maxsize=4096)
def arrows(size: int, ways: tuple[tuple[int, int, int], ...], length: float, colour: Colour) -> Image.Image:
    """Arrows from the middle.

    Args:
        size: pixels a side.
        ways: (row, column, tenths of the full length) of each; a row and column of 0 is a ring: staying.
        length: of a full arrow, as a share of the size.
        colour: of arrows and ring.
    """

    def paint(pen: ImageDraw.ImageDraw, n: float) -> None:
        thick = max(round(n * 0.035), round(1.1 * _FINER))
        for down, right, tenths in ways:
            reach = length * tenths / 10
            if not (down or right):
                radius = 0.45 * reach + 0.02
                box = [n * (0.5 - radius), n * (0.5 - radius), n * (0.5 + radius), n * (0.5 + radius)]
                pen.ellipse(box, outline=colour, width=thick)
                continue
            scale = reach / math.hypot(down, right)
            step = (right * scale, down * scale)
            back = 0.5 * reach if len(ways) == 1 else 0.0  # a lone arrow is centred
            foot = (0.5 - step[0] / reach * back, 0.5 - step[1] / reach * back)
            tip = (
                foot[0] + step[0] * (1.5 if len(ways) == 1 else 1),
                foot[1] + step[1] * (1.5 if len(ways) == 1 else 1),
            )
            _arrow(
                pen, [(n * foot[0], n * foot[1]), (n * tip[0], n * tip[1])], thick, n * min(0.11, 0.75 * reach), colour
            )

    return _reduced(size, paint)


def curve(pen: ImageDraw.ImageDraw, begin: Point, end: Point, towards: Point, width: float, colour: Colour) -> None:
    """Draw an arrow from one point to another that bends towards a third."""
    dx, dy = end[0] - begin[0], end[1] - begin[1]
    middle = (begin[0] + dx / 2, begin[1] + dy / 2)
    side = math.copysign(0.18, (towards[0] - middle[0]) * dy - (towards[1] - middle[1]) * dx)
    bend = (middle[0] + side * dy, middle[1] - side * dx)
    path: list[Point] = []
    for k in range(25):
        t = k / 24
        p, q, r = (1 - t) ** 2, 2 * t * (1 - t), t * t
        path.append((p * begin[0] + q * bend[0] + r * end[0], p * begin[1] + q * bend[1] + r * end[1]))
    _arrow(pen, path, round(width), 3.2 * width, colour, rim=0.45 * width)


def _arrow(
    pen: ImageDraw.ImageDraw, path: Sequence[Point], thick: int, head: float, colour: Colour, rim: float = 0.0
) -> None:
    """Draw a line through the points of `path`, a head at its last; a rim sets it off from any ground."""
    (x0, y0), (x1, y1) = path[-2], path[-1]
    distance = math.hypot(x1 - x0, y1 - y0) or 1.0
    ux, uy = (x1 - x0) / distance, (y1 - y0) / distance
    for wider, fill in ((rim, PAPER), (0.0, colour)) if rim else ((0.0, colour),):
        neck = (x1 - 0.8 * head * ux, y1 - 0.8 * head * uy)
        pen.line([*path[:-1], neck], fill=fill, width=round(thick + 2 * wider), joint="curve")
        tip = (x1 + 2 * wider * ux, y1 + 2 * wider * uy)
        back, half = (x1 - (head + wider) * ux, y1 - (head + wider) * uy), 0.6 * head + 1.6 * wider
        pen.polygon(
            [tip, (back[0] - half * uy, back[1] + half * ux), (back[0] + half * uy, back[1] - half * ux)], fill=fill
        )


def _chevron(
    pen: ImageDraw.ImageDraw, n: float, centre: Point, way: tuple[float, float], reach: float, colour: Colour
) -> None:
    length = math.hypot(*way) or 1.0
    ux, uy = way[0] / length, way[1] / length
    tip = (centre[0] + 0.5 * reach * ux, centre[1] + 0.5 * reach * uy)
    wings = [(tip[0] - reach * ux + sign * reach * uy, tip[1] - reach * uy - sign * reach * ux) for sign in (-1, 1)]
    points = [(n * x, n * y) for x, y in (wings[0], tip, wings[1])]
    pen.line(points, fill=colour, width=max(round(n * 0.035), _FINER), joint="curve")


def _disc(pen: ImageDraw.ImageDraw, n: float, centre: Point, radius: float, colour: tuple[int, ...]) -> None:
    x, y = n * centre[0], n * centre[1]
    pen.ellipse([x - n * radius, y - n * radius, x + n * radius, y + n * radius], fill=colour)
