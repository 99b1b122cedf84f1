"""Where each direction leads, cell by cell, in the padded grid that the sweeps work on.

The padded grid has one extra row or column on every side, `pitch = W + 2`; cell (row, column) is at
`(row + 1) * pitch + column + 1`. These kernels repeat `Layout.landings` without its temporaries.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rlkit.compiling import njit

PLAIN, WALL, PORTAL, JUMP, TERMINAL, IRREGULAR = range(6)
"""What the sweeps need to know of a legend code; IRREGULAR has wind, closed sides or a slip of its own."""


@njit(cache=True)
def number_states(codes, kind, first, counts):  # type: ignore[no-untyped-def]
    """Write the number of the first state of every row, int64 `(H + 1,)`, and how often each code occurs, `(K,)`."""
    height, width = codes.shape
    states = 0
    for row in range(height):
        first[row] = states
        for column in range(width):
            code = codes[row, column]
            counts[code] += 1
            states += kind[code] != WALL and kind[code] != PORTAL
    first[height] = states


@njit(cache=True)
def state_cells(codes, kind, cells):  # type: ignore[no-untyped-def]
    """Write (row, column) of every state into `cells`, int32 `(S, 2)`."""
    height, width = codes.shape
    state = 0
    for row in range(height):
        for column in range(width):
            what = kind[codes[row, column]]
            if what != WALL and what != PORTAL:
                cells[state, 0] = row
                cells[state, 1] = column
                state += 1


@njit(cache=True)
def _closed(codes, kind, row, column):  # type: ignore[no-untyped-def]
    height, width = codes.shape
    return row < 0 or row >= height or column < 0 or column >= width or kind[codes[row, column]] == WALL


@njit(cache=True)
def _blown(codes, kind, row, column, wind, down, right):  # type: ignore[no-untyped-def]
    """Count the cells by which the wind carries on along one axis until a wall or the edge stops it, with its sign."""
    sign = 1 if wind > 0 else -1
    carried = 0
    while carried != wind:
        ahead = carried + sign
        if _closed(codes, kind, row + down * ahead, column + right * ahead):
            break
        carried = ahead
    return carried


@njit(cache=True)
def land_at(codes, kind, offsets, wind, exits, row, column, d):  # type: ignore[no-untyped-def]
    """Return the flat cell that a direction leads to before any portal is passed, its complement if it bumps."""
    code, width = codes[row, column], codes.shape[1]
    step_row, step_column = offsets[d, 0] * exits[code, d], offsets[d, 1] * exits[code, d]
    wind_row, wind_column = wind[code, 0], wind[code, 1]
    if step_row * wind_row < 0:  # a move against the wind takes one cell off it
        wind_row, step_row = wind_row + step_row, 0
    if step_column * wind_column < 0:
        wind_column, step_column = wind_column + step_column, 0
    to_row, to_column = row + step_row, column + step_column
    closed = _closed(codes, kind, to_row, to_column)
    if closed:
        to_row, to_column = row, column
    to_row += _blown(codes, kind, to_row, to_column, wind_row, 1, 0)
    to_column += _blown(codes, kind, to_row, to_column, wind_column, 0, 1)
    stuck = to_row == row and to_column == column and (closed or not exits[code, d])
    end = to_row * width + to_column
    return ~end if stuck else end


@njit(cache=True)
def list_landings(codes, kind, wanted, offsets, wind, exits, place, land):  # type: ignore[no-untyped-def]
    """List the cells of the kinds wanted, and where their directions lead before any portal is passed.

    Args:
        codes: uint8 `(H, W)`.
        kind: uint8 `(K,)`.
        wanted: bool `(6,)`, by kind.
        offsets, wind, exits: as in `Layout`: `(D, 2)`, `(K, 2)`, `(K, D)`.
        place: padded index of every cell listed, `(N,)`, written.
        land: padded index that a direction leads to, its complement where the move is blocked, `(N, D)`, written.
    """
    height, width = codes.shape
    n = 0
    for row in range(height):
        for column in range(width):
            if not wanted[kind[codes[row, column]]]:
                continue
            place[n] = (row + 1) * (width + 2) + column + 1
            for d in range(offsets.shape[0]):
                end = land_at(codes, kind, offsets, wind, exits, row, column, d)
                cell = ~end if end < 0 else end
                there = (cell // width + 1) * (width + 2) + cell % width + 1
                land[n, d] = ~there if end < 0 else there
            n += 1


def offsets_in(offsets: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Turn (row, column) offsets `(D, 2)` into steps in the padded grid, int64 `(D,)`."""
    return offsets[:, 0] * (width + 2) + offsets[:, 1]
