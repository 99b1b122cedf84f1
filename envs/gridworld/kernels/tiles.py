"""Sweeps over one tile of a large grid, in cache and in full vectors.

A tile of `ROWS` x `COLUMNS` cells lies in one block of `SIZE` float64, its halo included and even and odd columns
apart, so that every update of a row's cells of one parity is a few full vectors. Sweeps go over four colours (parity
of row and column): Gauss-Seidel without a chain of dependences, so that nothing waits. What is stored is
`w[c] = r + gamma v[c]`, what a transition that enters c is worth; what cannot be entered holds `BLOCKED`.

Values only rise, from a lower bound of the optimal ones, and `max` with the old value stands for staying in place, the
worth of which the start already has. Where the expanded reward is `BLOCKED` too, a cell holds its value for ever.
"""

from __future__ import annotations

from numba import uint64

from rlkit.compiling import njit
from rlkit.envs.gridworld.kernels.plain import BLOCKED

ROWS, COLUMNS = 32, 64
LANES = COLUMNS // 2
PITCH = LANES + 8
HALF = (ROWS + 2) * PITCH
SIZE = 2 * HALF
CELLS = ROWS * COLUMNS

DETERMINISTIC, PERPENDICULAR, UNIFORM = range(3)

fast = njit(cache=True, fastmath={"nnan", "nsz", "contract"}, error_model="numpy")
_UP, _ONE = uint64(PITCH), uint64(1)


@njit(cache=True)
def within(row, column):  # type: ignore[no-untyped-def]
    """Place of a tile's cell in its block; rows -1 and `ROWS`, columns -1 and `COLUMNS` are the halo."""
    return (column & 1) * HALF + (row + 1) * PITCH + 8 + (column >> 1)


@fast
def expand(codes, table, r):  # type: ignore[no-untyped-def]
    """Look up every cell's reward, in the order of the block; `codes` are one tile's."""
    for row in range(ROWS):
        source, even, odd = uint64(row * COLUMNS), uint64((row + 1) * PITCH + 8), uint64(HALF + (row + 1) * PITCH + 8)
        for lane in range(LANES):
            k = uint64(lane)
            r[even + k] = table[codes[source + k]]
            r[odd + k] = table[codes[source + uint64(LANES) + k]]


@fast
def _deterministic(x, r, own, at, left, gamma):  # type: ignore[no-untyped-def]
    """Four moves: `w = max(w, r + gamma max_d w_d)`."""
    up, down, right = own - _UP, own + _UP, left + _ONE
    for lane in range(LANES):
        k = uint64(lane)
        most = max(max(x[up + k], x[down + k]), max(x[left + k], x[right + k]))
        x[own + k] = max(x[own + k], r[at + k] + gamma * most)


@fast
def _deterministic_8(x, r, own, at, left, gamma):  # type: ignore[no-untyped-def]
    """Eight moves: `w = max(w, r + gamma max_d w_d)`."""
    up, down, right = own - _UP, own + _UP, left + _ONE
    for lane in range(LANES):
        k = uint64(lane)
        most = max(max(x[up + k], x[down + k]), max(x[left + k], x[right + k]))
        upper = max(x[left - _UP + k], x[right - _UP + k])
        lower = max(x[left + _UP + k], x[right + _UP + k])
        x[own + k] = max(x[own + k], r[at + k] + gamma * max(most, max(upper, lower)))


@fast
def turning(a, b, up, right, down, left):  # type: ignore[no-untyped-def]
    """The best of four moves that slip to either side: the move has weight a, each side b."""
    return max(a * max(up, down) + b * (left + right), a * max(left, right) + b * (up + down))


@fast
def _perpendicular(x, r, own, at, left, a, b):  # type: ignore[no-untyped-def]
    up, down, right = own - _UP, own + _UP, left + _ONE
    for lane in range(LANES):
        k = uint64(lane)
        best = turning(a, b, x[up + k], x[right + k], x[down + k], x[left + k])
        x[own + k] = max(x[own + k], r[at + k] + best)


@fast
def _perpendicular_walled(x, r, own, at, left, a, b, bump, keep):  # type: ignore[no-untyped-def]
    up, down, right = own - _UP, own + _UP, left + _ONE
    for lane in range(LANES):
        k = uint64(lane)
        here = x[own + k]
        stuck = here + (bump - keep * r[at + k])
        north, south, west, east = x[up + k], x[down + k], x[left + k], x[right + k]
        north = stuck if north == BLOCKED else north
        south = stuck if south == BLOCKED else south
        west = stuck if west == BLOCKED else west
        east = stuck if east == BLOCKED else east
        x[own + k] = max(here, r[at + k] + turning(a, b, north, east, south, west))


@fast
def _perpendicular_8(x, r, own, at, left, a, b, bump, keep):  # type: ignore[no-untyped-def]
    up, down, right = own - _UP, own + _UP, left + _ONE
    for lane in range(LANES):
        k = uint64(lane)
        here = x[own + k]
        stuck = here + (bump - keep * r[at + k])
        north, south, west, east = x[up + k], x[down + k], x[left + k], x[right + k]
        north = stuck if north == BLOCKED else north
        south = stuck if south == BLOCKED else south
        west = stuck if west == BLOCKED else west
        east = stuck if east == BLOCKED else east
        best = turning(a, b, north, east, south, west)
        north, south, west, east = x[right - _UP + k], x[left + _UP + k], x[left - _UP + k], x[right + _UP + k]
        north = stuck if north == BLOCKED else north
        south = stuck if south == BLOCKED else south
        west = stuck if west == BLOCKED else west
        east = stuck if east == BLOCKED else east
        x[own + k] = max(here, r[at + k] + max(best, turning(a, b, north, east, south, west)))


@fast
def _uniform(x, r, own, at, left, a, b, bump, keep):  # type: ignore[no-untyped-def]
    up, down, right = own - _UP, own + _UP, left + _ONE
    for lane in range(LANES):
        k = uint64(lane)
        here = x[own + k]
        stuck = here + (bump - keep * r[at + k])
        north, south, west, east = x[up + k], x[down + k], x[left + k], x[right + k]
        north = stuck if north == BLOCKED else north
        south = stuck if south == BLOCKED else south
        west = stuck if west == BLOCKED else west
        east = stuck if east == BLOCKED else east
        most, total = max(max(north, south), max(west, east)), (north + south) + (west + east)
        x[own + k] = max(here, r[at + k] + (a * most + b * total))


@fast
def _uniform_8(x, r, own, at, left, a, b, bump, keep):  # type: ignore[no-untyped-def]
    up, down, right = own - _UP, own + _UP, left + _ONE
    for lane in range(LANES):
        k = uint64(lane)
        here = x[own + k]
        stuck = here + (bump - keep * r[at + k])
        north, south, west, east = x[up + k], x[down + k], x[left + k], x[right + k]
        north = stuck if north == BLOCKED else north
        south = stuck if south == BLOCKED else south
        west = stuck if west == BLOCKED else west
        east = stuck if east == BLOCKED else east
        most, total = max(max(north, south), max(west, east)), (north + south) + (west + east)
        north, south, west, east = x[right - _UP + k], x[left + _UP + k], x[left - _UP + k], x[right + _UP + k]
        north = stuck if north == BLOCKED else north
        south = stuck if south == BLOCKED else south
        west = stuck if west == BLOCKED else west
        east = stuck if east == BLOCKED else east
        most, total = max(most, max(max(north, south), max(west, east))), total + ((north + south) + (west + east))
        x[own + k] = max(here, r[at + k] + (a * most + b * total))


@fast
def sweep(x, base, r, rule, diagonal, walled, a, b, bump, keep):  # type: ignore[no-untyped-def]
    """Update every cell of a tile once.

    Args:
        x: all blocks; the tile's begins at `base`.
        r: the tile's rewards, from `expand`.
        rule, diagonal: how moves slip; whether there are eight of them.
        walled: whether anything in the tile or its halo cannot be entered.
        a, b: gamma times the weight of the wished direction, and of each other one that a slip may take.
        bump, keep: a blocked move pays `bump - keep * r` beyond entering the own cell again.
    """
    for colour in range(4):
        even = uint64(colour == 0 or colour == 3)
        first = uint64(0) if even else uint64(HALF)
        other = uint64(HALF) - even if even else uint64(0)
        for row in range(1 + colour % 2, ROWS + 1, 2):
            skip = uint64(row * PITCH + 8)
            own, at, left = base + first + skip, first + skip, base + other + skip
            if rule == DETERMINISTIC:
                if diagonal:
                    _deterministic_8(x, r, own, at, left, a)
                else:
                    _deterministic(x, r, own, at, left, a)
            elif rule == PERPENDICULAR:
                if diagonal:
                    _perpendicular_8(x, r, own, at, left, a, b, bump, keep)
                elif walled:
                    _perpendicular_walled(x, r, own, at, left, a, b, bump, keep)
                else:
                    _perpendicular(x, r, own, at, left, a, b)
            elif diagonal:
                _uniform_8(x, r, own, at, left, a, b, bump, keep)
            else:
                _uniform(x, r, own, at, left, a, b, bump, keep)
