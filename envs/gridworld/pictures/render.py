"""Pictures of grid worlds, as text and in colour, with Pillow alone: no matplotlib, no window."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from rlkit.envs.gridworld.cells import DIRECTIONS
from rlkit.envs.gridworld.dynamics import Numbering
from rlkit.envs.gridworld.layout import Layout
from rlkit.envs.gridworld.pictures import colours, sprites
from rlkit.envs.gridworld.pictures.colours import Scale, contrasting

_BOARD = 800  # pixels that the longer side of the board may have
_LARGEST_CELL = 100
_LEAST_NUMBERED = 36  # pixels a cell from which values are written out
_LEAST_POINTED = 14  # from which arrows are legible
_LEAST_SIGNED = 5  # from which cells carry signs
_LEAST_MARK = 15  # pixels of the agent and of the few goals and starts, however small the cells
_MOST_MARKS = 100
_MOST_LINKS = 12  # portals and jumps whose arrows still tell something
_PLAIN = {"γ": "gamma", "π": "pi", "−": "-", "×": "x", "→": "->", "≤": "<=", "≥": ">=", "–": "-", "·": "|"}
_TEXT_ARROWS = "↑→↓←↗↘↙↖"


def render_grid(
    layout: Layout,
    *,
    values: ArrayLike | None = None,
    policy: ArrayLike | None = None,
    agent: int | None = None,
    cell_size: int | None = None,
    title: str | None = None,
) -> NDArray[np.uint8]:
    """Draw a grid world, uint8 `(height, width, 3)`; its longer side stays below about 1,000 pixels.

    Cells show what they are: walls dark, goals a star, forbidden cells hatched, holes a pit, portals and jumps rings
    (with an arrow to where they lead), one-way cells a bar on every closed side, wind chevrons. Numbers and arrows
    are drawn where the cells are large enough to read them.

    Args:
        layout: the map under its rules.
        values: a number for every state, float `(S,)`: a heat map, with a colour bar. Terminal states show none.
        policy: one action a state, int `(S,)`; or bool `(S, A)`, all actions to show; or probabilities `(S, A)`,
            shown as the lengths of the arrows. Not shown in terminal cells and jumps, where it does not matter.
        agent: the state in which to draw the agent.
        cell_size: pixels a cell, at least 1; None fits the picture to about 800 pixels.
        title: a line above; what follows a newline is smaller.

    Raises:
        ValueError: an array has another shape.
    """
    return Painter(layout, values=values, policy=policy, cell_size=cell_size, title=title).frame(agent)


class Painter:
    """Draws one grid world again and again, with the agent elsewhere; arguments as for `render_grid`."""

    def __init__(
        self,
        layout: Layout,
        *,
        values: ArrayLike | None = None,
        policy: ArrayLike | None = None,
        cell_size: int | None = None,
        title: str | None = None,
    ) -> None:
        self.layout = layout
        self.title = "" if title is None else title
        longest = max(layout.shape)
        if cell_size is not None and cell_size < 1:
            raise ValueError(f"cell_size={cell_size} is below 1")
        size = min(_BOARD // longest, _LARGEST_CELL) if cell_size is None else cell_size
        self.cell = max(size, 1)
        self.stride = math.ceil(longest * self.cell / (_BOARD + 200)) if cell_size is None else 1  # cells a drawn cell
        self.codes = np.ascontiguousarray(layout.grid.codes[:: self.stride, :: self.stride])  # [h, w]
        self._numbering = Numbering(layout.grid.codes, layout.occupiable)
        self._values = self._checked_values(values)
        self._policy = self._checked_policy(policy)

    def frame(self, agent: int | None = None) -> NDArray[np.uint8]:
        """Return the picture with the agent in a state, uint8 `(height, width, 3)`."""
        picture = self._background
        if agent is not None and agent >= 0:
            picture = picture.copy()
            row, column = divmod(int(self._numbering.cells(np.array([agent]))[0]), self.layout.shape[1])
            row, column = row // self.stride, column // self.stride
            if self._number_font and np.isfinite(self._shown_values[row, column]):
                self._stamp(picture, sprites.agent(round(0.46 * self.cell)), row, column, (0.24, 0.24))
            else:
                self._stamp(picture, sprites.agent(max(self.cell, _LEAST_MARK)), row, column)
        return np.asarray(picture).copy()

    def _checked_values(self, values: ArrayLike | None) -> NDArray[np.float64] | None:
        if values is None:
            return None
        array = np.asarray(values, np.float64)
        if array.shape != (len(self._numbering),):
            raise ValueError(
                f"values has shape {array.shape}, where one for each state, ({len(self._numbering)},), was expected"
            )
        return array

    def _checked_policy(self, policy: ArrayLike | None) -> NDArray[np.generic] | None:
        if policy is None:
            return None
        array, n_states, n_actions = np.asarray(policy), len(self._numbering), self.layout.n_actions
        if array.shape == (n_states,) and array.dtype.kind in "iu":
            return array
        if array.shape == (n_states, n_actions) and array.dtype.kind in "bf":
            return array
        text = f"({n_states},) integers or ({n_states}, {n_actions}) booleans or probabilities were expected"
        raise ValueError(f"policy has shape {array.shape} and dtype {array.dtype}, where {text}")

    @cached_property
    def _states(self) -> NDArray[np.int64]:
        """The state in every drawn cell, -1 in walls and portals, int64 `(h, w)`."""
        rows, columns = (np.arange(0, side, self.stride) for side in self.layout.shape)
        return self._numbering.numbers(rows[:, None] * self.layout.shape[1] + columns)

    @cached_property
    def _shown_values(self) -> NDArray[np.float64]:
        """The value to colour every drawn cell by, NaN where there is none, float64 `(h, w)`."""
        if self._values is None:
            return np.full(self.codes.shape, np.nan)
        shown = np.where(self._states >= 0, self._values[self._states], np.nan)
        return np.where(self.layout.terminal[self.codes], np.nan, shown)

    @cached_property
    def _scale(self) -> Scale:
        return Scale(self._shown_values)

    @cached_property
    def _cell_colours(self) -> NDArray[np.uint8]:
        """The ground colour of every drawn cell, uint8 `(h, w, 3)`."""
        by_kind = {
            "wall": colours.WALL,
            "start": colours.START,
            "goal": colours.GOAL,
            "forbidden": colours.FORBIDDEN,
            "hole": colours.HOLE,
            "portal": colours.PORTAL,
            "jump": colours.JUMP,
        }
        table = np.array([by_kind.get(cell.kind, colours.FREE) for cell in self.layout.grid.legend], np.uint8)
        if self.cell < _LEAST_SIGNED:  # the ground alone must tell what a cell is
            strong = {"goal": colours.GREEN, "forbidden": (240, 150, 130), "hole": colours.INK}
            for code, entry in enumerate(self.layout.grid.legend):
                table[code] = strong.get(entry.kind, tuple(table[code]))
        plain = table[self.codes]
        valued = np.isfinite(self._shown_values)
        return np.where(valued[..., None], self._scale(self._shown_values), plain) if valued.any() else plain

    @cached_property
    def origin(self) -> tuple[int, int]:
        """(x, y) of the board's upper left corner."""
        lines = self.title.split("\n") if self.title else []
        top = 12 + sum(26 if line == lines[0] else 20 for line in lines) + (4 if lines else 0)
        ticked = self._tick_step is not None
        return (34 if ticked else 12), top + (16 if ticked else 0)

    @cached_property
    def _tick_step(self) -> int | None:
        """Rows and columns between two numbered ones; None where the board is too small for numbers."""
        height, width = self.codes.shape
        if max(height, width) * self.cell < 60:
            return None
        return next(step for step in _steps() if step * self.cell >= 26 * self.stride)

    @cached_property
    def _background(self) -> Image.Image:
        height, width = (side * self.cell for side in self.codes.shape)
        x, y = self.origin
        bar = 92 if np.isfinite(self._shown_values).any() else 12
        text_width = max(
            (sprites.font(_title_size(k)).getlength(_plain(line)) for k, line in enumerate(self.title.split("\n"))),
            default=0,
        )
        total = max(x + width + bar, math.ceil(text_width) + 24)
        lower = y + max(height, 90 if bar > 12 else 0) + 12
        picture = Image.new("RGB", (total + total % 2, lower + lower % 2), colours.PAPER)  # even, as video formats ask
        self._write_title(picture)
        picture.paste(Image.fromarray(self._board()), (x, y))
        self._write_ticks(picture)
        if self.cell >= _LEAST_SIGNED:
            for row, column, sprite in self._signs():
                self._stamp(picture, sprite, row, column, (0.5, 0.5 if sprite.height == self.cell else 0.38))
        self._draw_links(picture)
        self._mark(picture)
        self._draw_policy(picture)
        self._write_numbers(picture)
        if bar > 12:
            self._draw_bar(picture, x + width + 18, y, max(height, 90))
        ImageDraw.Draw(picture).rectangle([x - 1, y - 1, x + width, y + height], outline=colours.WALL)
        return picture

    def _write_title(self, picture: Image.Image) -> None:
        pen, y = ImageDraw.Draw(picture), 10
        for k, line in enumerate(self.title.split("\n") if self.title else []):
            colour = colours.INK if k == 0 else colours.FAINT
            pen.text((12, y), _plain(line), font=sprites.font(_title_size(k)), fill=colour)
            y += 26 if k == 0 else 20

    def _board(self) -> NDArray[np.uint8]:
        """Return the ground with its grid lines, uint8 `(h * cell, w * cell, 3)`."""
        board = self._cell_colours.repeat(self.cell, axis=0).repeat(self.cell, axis=1)
        if self.cell < (_LEAST_POINTED if self._values is not None else _LEAST_SIGNED + 1):
            return board
        line, share = (np.array(colours.PAPER), 0.55) if self._values is not None else (np.array(colours.INK), 0.12)
        solid = self.layout.wall[self.codes]
        across = np.repeat(~(solid[1:] & solid[:-1]), self.cell, axis=1)  # between two rows
        along = np.repeat(~(solid[:, 1:] & solid[:, :-1]), self.cell, axis=0)
        for part, where in ((board[self.cell :: self.cell], across), (board[:, self.cell :: self.cell], along)):
            part[where] = (part[where] * (1 - share) + line * share).round()
        return board

    def _write_ticks(self, picture: Image.Image) -> None:
        if self._tick_step is None:
            return
        pen, (x, y), scale = ImageDraw.Draw(picture), self.origin, self.cell / self.stride
        font = sprites.font(11)
        for column in range(0, self.layout.shape[1], self._tick_step):
            pen.text(
                (x + column * scale + self.cell / 2, y - 5), str(column), font=font, fill=colours.FAINT, anchor="mb"
            )
        for row in range(0, self.layout.shape[0], self._tick_step):
            pen.text((x - 6, y + row * scale + self.cell / 2), str(row), font=font, fill=colours.FAINT, anchor="rm")

    def _signs(self) -> Iterator[tuple[int, int, Image.Image]]:
        """Yield (row, column, sprite) of everything that the legend says about cells."""
        layout, size = self.layout, self.cell
        windy = [bool(wind.any()) for wind in layout.wind]
        ways = list(DIRECTIONS.items())[: layout.rules.moves]
        for code, entry in enumerate(layout.grid.legend):
            ground = self._kind_sprite(entry.kind)
            opened = tuple(offset for name, offset in ways if entry.exits is None or name in entry.exits)
            closed = tuple(offset for _, offset in ways if offset not in opened)
            if ground is None and not closed and not windy[code]:
                continue
            for row, column in np.argwhere(self.codes == code).tolist():
                if ground is not None:
                    yield row, column, ground
                valued = np.isfinite(self._shown_values[row, column])
                colour = contrasting(self._cell_colours[row, column]) if valued else colours.SKY
                if closed and size >= _LEAST_POINTED:
                    yield row, column, sprites.sides(size, closed, opened, colour)
                if windy[code] and size >= _LEAST_POINTED:
                    yield row, column, sprites.wind(size, *layout.wind[code].tolist(), colour)

    def _kind_sprite(self, kind: str) -> Image.Image | None:
        if kind == "forbidden":
            return sprites.hatch(self.cell)
        if kind == "hole":
            return sprites.hole(self.cell)
        if kind in ("portal", "jump"):
            return sprites.ring(round(self.cell * (0.44 if kind == "jump" and self._number_font else 1)), kind)
        return None

    def _stamp(
        self, picture: Image.Image, sprite: Image.Image, row: int, column: int, place: tuple[float, float] = (0.5, 0.5)
    ) -> None:
        """Lay a sprite with its middle over a place in a drawn cell: shares of its width and height."""
        x, y = self.origin
        left = round(x + (column + place[0]) * self.cell - sprite.width / 2)
        upper = round(y + (row + place[1]) * self.cell - sprite.height / 2)
        picture.paste(sprite, (left, upper), sprite)

    def _draw_links(self, picture: Image.Image) -> None:
        """Draw an arrow to where each portal and jump leads: from its only cells, or from the first of many."""
        if self.cell < _LEAST_POINTED:
            return
        leading = [np.argwhere(self.codes == code) for code in np.flatnonzero(self.layout.target >= 0)]
        drawn = [cell for cells in leading for cell in (cells if len(cells) <= 3 else cells[:1]).tolist()]
        if not 0 < len(drawn) <= _MOST_LINKS:
            return
        finer, side = 3, self.cell * 3
        overlay = Image.new("RGBA", (self.codes.shape[1] * side, self.codes.shape[0] * side))
        pen, centre = ImageDraw.Draw(overlay), (overlay.width / 2, overlay.height / 2)
        for row, column in drawn:
            code = self.codes[row, column]
            end_row, end_column = divmod(int(self.layout.target[code]), self.layout.shape[1])
            colour = colours.MAGENTA if self.layout.jump[code] else colours.PURPLE
            height = 0.38 if self.layout.jump[code] and self._number_font else 0.5
            begin = ((column + 0.5) * side, (row + height) * side)
            end = ((end_column + 0.5) * side, (end_row + 0.5) * side)
            sprites.curve(pen, begin, end, centre, max(0.035 * side, 1.2 * finer), colour)
        overlay = overlay.resize((overlay.width // finer, overlay.height // finer), Image.Resampling.BOX)
        picture.paste(overlay, self.origin, overlay)

    def _mark(self, picture: Image.Image) -> None:
        """Draw goals and starts; while they are few, no smaller than can be seen."""
        for kind in ("start", "goal"):
            drawn = [code for code, cell in enumerate(self.layout.grid.legend) if cell.kind == kind]
            here = np.isin(self.layout.grid.codes, drawn)
            few = np.count_nonzero(here) <= _MOST_MARKS
            if not few and self.cell < _LEAST_SIGNED:
                continue
            crowded = self.cell >= _LEAST_NUMBERED
            for row, column in np.argwhere(here).tolist():
                occupied = crowded and bool(self._written[row // self.stride, column // self.stride])
                size = max(round(self.cell * (0.3 if occupied else 0.62)), _LEAST_MARK if few else _LEAST_SIGNED)
                sprite = sprites.start(size) if kind == "start" else sprites.star(size)
                place = (0.84, 0.17) if occupied else (0.5, 0.5)
                self._stamp(picture, sprite, row // self.stride, column // self.stride, place)

    @cached_property
    def _written(self) -> NDArray[np.bool_]:
        """Which drawn cells have a number or arrows in them, bool `(h, w)`."""
        acting = (self._states >= 0) & ~self.layout.terminal[self.codes] & ~self.layout.jump[self.codes]
        return np.isfinite(self._shown_values) | (acting & (self._policy is not None))

    @cached_property
    def _number_font(self) -> int:
        """Pixels of the font that values are written in; 0 where they are not."""
        if self._values is None or self.cell < _LEAST_NUMBERED or not np.isfinite(self._shown_values).any():
            return 0
        widest = max((self._number(value) for value in (self._scale.low, self._scale.high)), key=len)
        share = 0.19 if self._policy is not None else 0.24
        size = min(round(self.cell * share), 22)
        while size > 8 and sprites.font(size).getlength(widest) > 0.88 * self.cell:
            size -= 1
        return size if size >= 8 and sprites.font(size).getlength(widest) <= 0.96 * self.cell else 0

    def _number(self, value: float) -> str:
        return spell(value, max(abs(self._scale.low), abs(self._scale.high)))

    def _write_numbers(self, picture: Image.Image) -> None:
        if not self._number_font:
            return
        pen, (x, y), font = ImageDraw.Draw(picture), self.origin, sprites.font(self._number_font)
        height = 0.5 if self._policy is None else 0.82
        hatched = np.array([cell.kind == "forbidden" for cell in self.layout.grid.legend])[self.codes]
        for row, column in np.argwhere(np.isfinite(self._shown_values)).tolist():
            place = (x + (column + 0.5) * self.cell, y + (row + height) * self.cell)
            ground = self._cell_colours[row, column]
            rim = 2 if hatched[row, column] else 0
            text = self._number(float(self._shown_values[row, column]))
            pen.text(
                place,
                text,
                font=font,
                fill=contrasting(ground),
                anchor="mm",
                stroke_width=rim,
                stroke_fill=tuple(ground.tolist()),
            )

    def _draw_policy(self, picture: Image.Image) -> None:
        if self._policy is None or self.cell < _LEAST_POINTED:
            return
        offsets = [tuple(offset) for offset in self.layout.offsets.tolist()]
        across, length = (0.42, 0.27) if self._number_font else (0.5, 0.36)
        acting = (self._states >= 0) & ~self.layout.terminal[self.codes] & ~self.layout.jump[self.codes]
        for row, column in np.argwhere(acting).tolist():
            tenths = _tenths(self._policy[self._states[row, column]], len(offsets))
            ways = tuple((*offset, each) for offset, each in zip(offsets, tenths, strict=True) if each)
            colour = contrasting(self._cell_colours[row, column])
            self._stamp(picture, sprites.arrows(self.cell, ways, length, colour), row, column, (0.5, across))

    def _draw_bar(self, picture: Image.Image, x: int, y: int, height: int) -> None:
        """Draw what number each colour stands for."""
        low, high = self._scale.low, self._scale.high
        ramp = self._scale(np.linspace(high, low, height))[:, None].repeat(16, axis=1)
        picture.paste(Image.fromarray(ramp), (x, y))
        pen, font = ImageDraw.Draw(picture), sprites.font(12)
        pen.rectangle([x - 1, y - 1, x + 16, y + height], outline=colours.WALL)
        ticks, step = nice_ticks(low, high, max(height // 50, 2))
        for tick in ticks:
            place = y + (height - 1) * (0.5 if high == low else (high - tick) / (high - low))
            pen.line([(x + 17, place), (x + 20, place)], fill=colours.FAINT)
            pen.text((x + 24, place), _tick_label(tick, step), font=font, fill=colours.INK, anchor="lm")


def draw_text(layout: Layout, *, agent: int | None = None, policy: ArrayLike | None = None) -> str:
    """Return the drawing, one line a row, the agent's cell in brackets; a policy `(S,)` shows as arrows in free cells.

    Only grids of at most a million cells are drawn.

    Raises:
        ValueError: the grid is larger, or the policy has another shape.
    """
    codes, legend = layout.grid.codes, layout.grid.legend
    if codes.size > 1_000_000:
        raise ValueError(f"a map of {codes.size:,} cells is too large to be drawn as text")
    signs = np.array([cell.character for cell in legend])[codes]  # [H, W]
    numbering = Numbering(codes, layout.occupiable)
    if policy is not None:
        array = np.asarray(policy)
        if array.shape != (len(numbering),) or array.dtype.kind not in "iu":
            raise ValueError(
                f"policy has shape {array.shape}, where integers of shape ({len(numbering)},) were expected"
            )
        arrows = np.array([*_TEXT_ARROWS[: layout.rules.moves], *"o" * layout.rules.stay])
        free = np.array([cell.kind in ("free", "forbidden") for cell in legend])[codes] & ~layout.terminal[codes]
        signs[free] = arrows[array[numbering.numbers(np.flatnonzero(free))]]
    lines = [f" {' '.join(row)} " for row in signs.tolist()]
    if agent is not None and agent >= 0:
        row, column = divmod(int(numbering.cells(np.array([agent]))[0]), layout.shape[1])
        place = 2 * column
        lines[row] = f"{lines[row][:place]}[{lines[row][place + 1]}]{lines[row][place + 3 :]}"
    return "\n".join(line.rstrip() for line in lines)


def spell(value: float, largest: float) -> str:
    """Write a number so that the largest of its kind has three digits or two decimals, whichever is more."""
    if largest != 0 and not 1e-3 <= largest < 1e5:
        return f"{value:.1e}".replace("e+0", "e").replace("e-0", "e-")
    decimals = 2 if largest == 0 or 1 <= largest < 100 else max(0, min(4, 2 - math.floor(math.log10(largest))))
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def nice_ticks(low: float, high: float, most: int) -> tuple[list[float], float]:
    """Return at most about `most` round numbers in `[low, high]`, and their distance."""
    if high <= low:
        return [low], abs(low) or 1.0
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)], step


def _tick_label(tick: float, step: float) -> str:
    if max(abs(tick), step) >= 1e5 or step < 1e-4:
        return f"{tick:.3g}"
    text = f"{tick:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _tenths(choice: NDArray[np.generic] | np.generic, n_actions: int) -> list[int]:
    """Return the length of every action's arrow in tenths, from one state's part of a policy."""
    row = np.asarray(choice)
    if row.ndim == 0:
        return [10 * (action == int(row)) for action in range(n_actions)]
    largest = float(row.max()) or 1.0
    return [max(round(10 * float(p) / largest), 2) if p > 0 else 0 for p in row]


def _steps() -> Iterator[int]:
    for power in range(12):
        yield from (factor * 10**power for factor in (1, 2, 5))


def _title_size(line: int) -> int:
    return 19 if line == 0 else 13


def _plain(text: str) -> str:
    """Spell out the signs that Pillow's own font lacks."""
    return "".join(_PLAIN.get(sign, sign) for sign in text)
