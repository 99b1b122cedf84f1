"""Whether a map makes sense under its rules: somewhere to start from, and goals that can be reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from rlkit.compiling import njit
from rlkit.envs.gridworld.drawing.counting import BLOCK, blocks, count_codes, find_codes
from rlkit.envs.gridworld.drawing.diagnostics import Diagnostics
from rlkit.envs.gridworld.layout import GridMap, Layout
from rlkit.envs.gridworld.rules import Rules

_COMPILED_FROM = 2_000  # cells; below, the search is over before it would be compiled
_MOST_NAMED = 10  # goals named one by one; the rest are counted


def check(grid: GridMap, rules: Rules, source: str = "<map>") -> None:
    """Refuse a map that has no cell to start from, no goal (unless continuing), or goals that are all out of reach.

    A goal is a cell of kind `goal`, or another terminal cell that is not a hole. It can be reached if some sequence
    of actions, slips included, leads there from some start. Takes one byte a cell and the search's frontier.

    Args:
        grid: the map.
        rules: its rules.
        source: what messages call a map that was not read from a text.

    Raises:
        MapError: listing everything that is wrong. A goal that is out of reach while another is not is a `MapWarning`.
    """
    diagnostics = Diagnostics(source if grid.origin is None else grid.origin.source)
    note_senseless(Layout(grid, rules), diagnostics)
    diagnostics.finish()


def note_senseless(layout: Layout, diagnostics: Diagnostics) -> None:
    """Note what `check` refuses."""
    counts = count_codes(layout.grid.codes)[: len(layout.grid.legend)]
    start, goal = start_codes(layout, counts), goal_codes(layout)
    if not counts[start].any():
        diagnostics.error("no cell to start from: all are walls, portals or terminal; draw an 'S' or a '.'")
    if not counts[goal].any():
        if not layout.rules.continuing:
            diagnostics.error("no goal: draw a 'G', make a legend entry terminal, or set continuing = true")
    elif counts[start].any():
        _note_unreachable(layout, start, goal, int(counts[goal].sum()), diagnostics)


def _note_unreachable(
    layout: Layout, start: NDArray[np.bool_], goal: NDArray[np.bool_], goals: int, diagnostics: Diagnostics
) -> None:
    grid, width = layout.grid, layout.shape[1]
    lost, count = _lost_goals(grid.codes, goal, reachable(layout, start, goal, goals))
    if count == 0:
        return
    note = diagnostics.error if count == goals else diagnostics.warn
    start_cell = divmod(int(find_codes(grid.codes, start, most=1)[0]), width)
    drawn = grid.legend[int(grid.codes[start_cell])].kind == "start"
    where = str(start_cell) if drawn else "every start"
    for cell in lost:
        row, column = divmod(cell, width)
        at = grid.place(row, column, diagnostics.source)
        note(f"a goal is out of reach: {_obstacles(layout)} cut {where} off from ({row}, {column})", at)
    if count > len(lost):
        note(f"and {count - len(lost)} more goals are out of reach")


def _lost_goals(codes: NDArray[np.uint8], goal: NDArray[np.bool_], seen: NDArray[np.bool_]) -> tuple[list[int], int]:
    """Return the first goals that were not seen, and how many there are in all."""
    lost: list[int] = []
    count = 0
    for first, block in blocks(codes):
        here = np.flatnonzero(goal[block] & ~seen[first : first + len(block)])
        lost.extend((here[: _MOST_NAMED - len(lost)] + first).tolist())
        count += len(here)
    return lost, count


def _obstacles(layout: Layout) -> str:
    """Name what there is on the map that can cut cells off from each other."""
    counts = count_codes(layout.grid.codes)[: len(layout.grid.legend)]
    present = {
        "walls": layout.wall,
        "terminal cells": layout.terminal & ((counts[layout.terminal].sum() > 1) | layout.rules.continuing),
        "one-way cells": ~layout.exits.all(axis=1),
        "winds": (layout.wind != 0).any(axis=1),
        "portals and jumps": layout.target >= 0,
    }
    return ", ".join(name for name, code in present.items() if counts[code].any())


def start_codes(layout: Layout, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where episodes start: in kind `start`, or if none is drawn, in all that is not terminal; bool `(K,)`."""
    drawn = np.array([cell.kind == "start" for cell in layout.grid.legend])
    return drawn if counts[drawn].any() else layout.occupiable & ~layout.terminal


def goal_codes(layout: Layout) -> NDArray[np.bool_]:
    """Return which codes are goals: kind `goal`, and terminal ones that are not holes; bool `(K,)`."""
    kinds = np.array([cell.kind for cell in layout.grid.legend])
    goal: NDArray[np.bool_] = (kinds == "goal") | (layout.terminal & (kinds != "hole"))
    return goal


def reachable(layout: Layout, start: NDArray[np.bool_], goal: NDArray[np.bool_], goals: int) -> NDArray[np.bool_]:
    """Return which cells can be reached from the start codes, and which are walls; bool `(H * W,)`.

    The search ends when all goals are found.

    Args:
        layout: the map under its rules.
        start: where to start from, bool `(K,)`; none of them terminal.
        goal: what to find, bool `(K,)`.
        goals: how many cells are goals.
    """
    codes = layout.grid.codes
    seen = np.zeros(codes.size, dtype=np.bool_)
    for first, block in blocks(codes):
        seen[first : first + len(block)] = (start | layout.wall)[block]
        goals -= int(goal[block[start[block]]].sum())
    search: Callable[..., int] = _search if codes.size >= _COMPILED_FROM else getattr(_search, "py_func", _search)
    passed = ~layout.terminal
    calm = ~layout.jump & layout.exits.all(axis=1) & (layout.wind == 0).all(axis=1)
    tables = (calm, layout.wall, layout.exits, layout.wind, layout.jump, layout.target, passed, goal)
    for starts in _batches(codes, start, goal):
        if goals <= 0:
            break
        queue = np.empty(BLOCK, dtype=np.int64)
        queue[: len(starts)] = starts
        goals = search(codes.ravel(), layout.shape, queue, len(starts), seen, layout.offsets, *tables, goals)
    return seen


def _batches(
    codes: NDArray[np.uint8], start: NDArray[np.bool_], goal: NDArray[np.bool_]
) -> Iterator[NDArray[np.int64]]:
    """Yield the start cells, those beside goals first: where every cell is a start, they end the search at once."""
    width = codes.shape[1]
    goals = find_codes(codes, goal, most=BLOCK // 8)
    beside = (goals[:, None] + [-1, 1, -width, width]).ravel()
    beside = beside[(beside >= 0) & (beside < codes.size)]
    yield beside[start[codes.ravel()[beside]]]
    for first, block in blocks(codes):
        yield np.flatnonzero(start[block]) + first


@njit(cache=True)
def _search(codes, shape, queue, count, seen, offsets, calm, wall, exits, wind, jump, target, passed, goal, goals):  # type: ignore[no-untyped-def]
    """Breadth first from the queue on, marking `seen`; return how many goals are left. See `Layout.landings`.

    The queue, a ring of a power of two, holds `count` cells.
    `calm` codes have neither wind nor closed exits nor a jump; walls are `seen`, which saves another test.
    """
    height, width = shape
    size = len(queue)
    head = 0
    while count > 0 and goals > 0:
        cell = queue[head]
        head, count = (head + 1) & (size - 1), count - 1
        own = codes[cell]
        own_row = cell // width
        own_column = cell - own_row * width
        for direction in range(len(offsets)):
            down, right = offsets[direction, 0], offsets[direction, 1]
            inside = 0 <= own_row + down < height and 0 <= own_column + right < width
            if calm[own]:
                if not inside:
                    continue
                end = cell + down * width + right
            elif jump[own]:
                end = target[own]
            else:
                row, column = own_row, own_column
                blown_down, blown_right = wind[own, 0], wind[own, 1]
                if not exits[own, direction]:
                    down, right = 0, 0
                if down * blown_down < 0:
                    down, blown_down = 0, blown_down + down
                if right * blown_right < 0:
                    right, blown_right = 0, blown_right + right
                inside = 0 <= row + down < height and 0 <= column + right < width
                if inside and not wall[codes[cell + down * width + right]]:
                    row, column = row + down, column + right
                step = 1 if blown_down > 0 else -1
                while blown_down != 0 and 0 <= row + step < height and not wall[codes[(row + step) * width + column]]:
                    row, blown_down = row + step, blown_down - step
                step = 1 if blown_right > 0 else -1
                while blown_right != 0 and 0 <= column + step < width and not wall[codes[row * width + column + step]]:
                    column, blown_right = column + step, blown_right - step
                end = row * width + column
            if seen[end]:
                continue
            code = codes[end]
            if target[code] >= 0 and not jump[code]:  # a portal is passed through, and never seen itself
                end = target[code]
                code = codes[end]
                if seen[end]:
                    continue
            seen[end] = True
            goals -= goal[code]
            if passed[code]:
                if count == size:
                    longer = np.empty(2 * size, np.int64)
                    for place in range(size):
                        longer[place] = queue[(head + place) & (size - 1)]
                    queue, head, size = longer, 0, 2 * size
                queue[(head + count) & (size - 1)] = end
                count += 1
    return goals
