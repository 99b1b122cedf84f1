"""How a point moves among squares: straight on, cell by cell, and along the walls that it meets."""

from __future__ import annotations

from rlkit.compiling import njit

FREE, WALL, TERMINAL = 0, 1, 2
"""Kinds of cells."""


@njit(cache=True)
def crossing(x, y, row, column, dx, dy, half_width, half_height):  # type: ignore[no-untyped-def]
    """Return which share of the displacement `(dx, dy)` reaches the next column, and which the next row, if any does.

    Cell (row, column) spans `[column, column + 1] - half_width` in x, `half_height - [row + 1, row]` in y: its faces
    are whole numbers of halves, and so exact.
    """
    across, along = 2.0, 2.0
    if dx > 0.0:
        across = (column + 1 - half_width - x) / dx
    elif dx < 0.0:
        across = (column - half_width - x) / dx
    if dy > 0.0:
        along = (half_height - row - y) / dy
    elif dy < 0.0:
        along = (half_height - row - 1 - y) / dy
    return across, along


@njit(cache=True)
def within(x, y, row, column, half_width, half_height):  # type: ignore[no-untyped-def]
    """Return the point of a cell, faces included, that is nearest to `(x, y)`."""
    x = min(max(x, column - half_width), column + 1 - half_width)
    y = min(max(y, half_height - row - 1), half_height - row)
    return x, y


@njit(cache=True)
def advance(kind, pays, state, cell, dx, dy):  # type: ignore[no-untyped-def]
    """Move the point by `(dx, dy)` as far as walls let it, sliding along them; stop where a terminal cell is entered.

    After every crossing the point is in the closed square of a cell that is no wall, and only then does it go on: so
    it never is inside a wall, however far it goes in one step, and never passes between two walls that touch at a
    corner. What it meets head-on takes the velocity across it away.

    Args:
        kind: uint8 `(H, W)`; what is outside counts as walls.
        pays: float64 `(H, W)`, for being in each cell.
        state: position, velocity, and whatever, float64 `(4+,)`; changed.
        cell: row and column, int64 `(2,)`; changed.
        dx, dy: how far to go.

    Returns:
        What the worst of the cells that were entered pays, of the first cell if none was, or of the terminal cell;
        whether a wall was met; whether a terminal cell was entered.
    """
    height, width = kind.shape
    half_width, half_height = width / 2, height / 2
    x, y, row, column = state[0], state[1], cell[0], cell[1]
    reward, met, ended, entered = pays[row, column], False, False, False
    while not ended:
        across, along = crossing(x, y, row, column, dx, dy, half_width, half_height)
        share = min(across, along)
        if share >= 1.0:
            x, y = within(x + dx, y + dy, row, column, half_width, half_height)
            break
        share = max(share, 0.0)
        x, y = within(x + share * dx, y + share * dy, row, column, half_width, half_height)
        sideways = across <= along
        to_row, to_column = row, column
        if sideways:
            x = column + (dx > 0.0) - half_width
            to_column += 1 if dx > 0.0 else -1
        else:
            y = half_height - row - (dy < 0.0)
            to_row += 1 if dy < 0.0 else -1
        dx, dy = (1.0 - share) * dx, (1.0 - share) * dy
        outside = to_row < 0 or to_row >= height or to_column < 0 or to_column >= width
        if outside or kind[to_row, to_column] == WALL:
            met = True
            if sideways:
                dx, state[2] = 0.0, 0.0
            else:
                dy, state[3] = 0.0, 0.0
            continue
        row, column = to_row, to_column
        ended = kind[row, column] == TERMINAL
        paid = pays[row, column]
        reward = paid if ended or not entered else min(reward, paid)
        entered = True
    state[0], state[1], cell[0], cell[1] = x, y, row, column
    return reward, met, ended


@njit(cache=True)
def push(kind, pays, state, cell, force_x, force_y, dt, acceleration, max_speed):  # type: ignore[no-untyped-def]
    """Let a force act for a moment: first the velocity changes, then the point moves (semi-implicit Euler).

    v' = v + dt * acceleration * (force - v / max_speed): drag grows with speed, so that a full force comes to
    `max_speed` and never above it. Arguments and result as for `advance`.
    """
    for axis, force in ((2, force_x), (3, force_y)):
        v = state[axis] + dt * acceleration * (force - state[axis] / max_speed)
        state[axis] = min(max(v, -max_speed), max_speed)  # rounding
    return advance(kind, pays, state, cell, dt * state[2], dt * state[3])
