"""One synchronous Bellman sweep over a grid without irregular cells, row by row, in strict float64 order.

Three rows of `w[c] = r + gamma v[c]` are all that is held: the memory it needs does not grow with the number of rows.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from rlkit.compiling import njit
from rlkit.envs.gridworld.kernels.geometry import JUMP, PORTAL, TERMINAL, WALL
from rlkit.envs.gridworld.kernels.plain import BLOCKED

strict = njit(cache=True, error_model="numpy", fastmath={"nnan", "nsz"})
"""Without contraction: equal operands give equal bits, wherever in a row they stand."""


@strict
def _enter_row(v, codes, row, full, ending, state, kind, enter, scale, passing, w):  # type: ignore[no-untyped-def]
    """Write one row of w, between its two BLOCKED ends; `scale` is gamma, 0 where an episode ends."""
    width = codes.shape[1]
    if full and ending:
        for column in range(width):
            k = uint64(column)
            code = codes[row, k]
            w[k + uint64(1)] = enter[code] + scale[code] * v[uint64(state) + k]
        return
    if full:
        gamma = scale[codes[row, 0]]
        for column in range(width):
            k = uint64(column)
            w[k + uint64(1)] = enter[codes[row, k]] + gamma * v[uint64(state) + k]
        return
    for column in range(width):
        code = codes[row, column]
        what = kind[code]
        if what == WALL:
            w[column + 1] = BLOCKED
        elif what == PORTAL:
            w[column + 1] = passing[code]
        else:
            w[column + 1] = enter[code] + scale[code] * v[state]
            state += 1


@strict
def _best_row(above, here, below, stuck, best, width, turns, diagonal, stay, slip, moves):  # type: ignore[no-untyped-def]
    """Write the worth of the best action in every cell of a row; the operations and their order are `plain.mix`'s."""
    wished, each = 1.0 - slip, slip / 2 if turns else slip / moves
    for column in range(width):
        k = uint64(column)
        own, bumped = here[k + uint64(1)], stuck[k]
        up, down = above[k + uint64(1)], below[k + uint64(1)]
        left, right = here[k], here[k + uint64(2)]
        up = bumped if up == BLOCKED else up
        right = bumped if right == BLOCKED else right
        down = bumped if down == BLOCKED else down
        left = bumped if left == BLOCKED else left
        most = max(max(up, down), max(left, right))
        if turns:
            upright = wished * max(up, down) + each * (left + right)
            most = max(upright, wished * max(left, right) + each * (up + down))
        elif slip != 0.0 and not diagonal:
            most = wished * most + each * (up + right + down + left)
        best[k] = max(most, own + stay)
    if diagonal:
        for column in range(width):
            k = uint64(column)
            own, bumped = here[k + uint64(1)], stuck[k]
            up, down = above[k + uint64(1)], below[k + uint64(1)]
            left, right = here[k], here[k + uint64(2)]
            upright, downright = above[k + uint64(2)], below[k + uint64(2)]
            downleft, upleft = below[k], above[k]
            up = bumped if up == BLOCKED else up
            right = bumped if right == BLOCKED else right
            down = bumped if down == BLOCKED else down
            left = bumped if left == BLOCKED else left
            upright = bumped if upright == BLOCKED else upright
            downright = bumped if downright == BLOCKED else downright
            downleft = bumped if downleft == BLOCKED else downleft
            upleft = bumped if upleft == BLOCKED else upleft
            most = max(max(upright, downleft), max(downright, upleft))
            if turns:
                rising = wished * max(upright, downleft) + each * (downright + upleft)
                falling = wished * max(downright, upleft) + each * (upright + downleft)
                best[k] = max(best[k], max(rising, falling))
            elif slip != 0.0:
                most = max(most, max(max(up, down), max(left, right)))
                total = up + right + down + left + upright + downright + downleft + upleft
                best[k] = max(wished * most + each * total, own + stay)
            else:
                best[k] = max(best[k], most)


@strict
def _best_open_row(above, here, below, best, width, turns, stay, slip, moves):  # type: ignore[no-untyped-def]
    """Do the same for four moves where nothing is blocked."""
    wished, each = 1.0 - slip, slip / 2 if turns else slip / moves
    if turns:
        for column in range(width):
            k = uint64(column)
            up, down, left, right = above[k + uint64(1)], below[k + uint64(1)], here[k], here[k + uint64(2)]
            most = max(wished * max(up, down) + each * (left + right), wished * max(left, right) + each * (up + down))
            best[k] = max(most, here[k + uint64(1)] + stay)
    elif slip != 0.0:
        for column in range(width):
            k = uint64(column)
            up, down, left, right = above[k + uint64(1)], below[k + uint64(1)], here[k], here[k + uint64(2)]
            most = wished * max(max(up, down), max(left, right)) + each * (up + right + down + left)
            best[k] = max(most, here[k + uint64(1)] + stay)
    else:
        for column in range(width):
            k = uint64(column)
            most = max(max(above[k + uint64(1)], below[k + uint64(1)]), max(here[k], here[k + uint64(2)]))
            best[k] = max(most, here[k + uint64(1)] + stay)


@strict
def _choose_row(above, here, below, stuck, best, chosen, width, turns, offsets, slip, moves):  # type: ignore[no-untyped-def]
    """Write the lowest action whose worth is the best one's."""
    wished, each = 1.0 - slip, slip / 2 if turns else slip / moves
    land = np.empty(len(offsets))
    for column in range(width):
        for d in range(len(offsets)):
            at = column + 1 + offsets[d, 1]
            worth = above[at] if offsets[d, 0] < 0 else below[at] if offsets[d, 0] > 0 else here[at]
            land[d] = stuck[column] if worth == BLOCKED else worth
        total = 0.0
        for d in range(moves):
            total += land[d]
        chosen[column] = 0
        for a in range(len(offsets)):
            value = land[a]
            if a < moves and slip != 0.0:
                ring = a & ~3
                others = land[ring + (a + 1) % 4] + land[ring + (a + 3) % 4] if turns else total
                value = wished * value + each * others
            if value == best[column]:
                chosen[column] = a
                break


@strict
def sweep(  # type: ignore[no-untyped-def]
    v, codes, first, kind, enter, scale, bump, passing, offsets, moves, turns, slip, stay, best, policy
):
    """Apply the Bellman optimality operator once.

    Args:
        v: float64 `(S,)`.
        first: the first state of every row, int64 `(H + 1,)`.
        enter, scale, bump, passing: entering, gamma or 0, a blocked move beyond entering, what passing through a portal
            or jump is worth, float64 `(K,)`.
        stay: 0 if there is an action that stays, else BLOCKED.
        best, policy: float64 and int8 `(S,)`, one of them written unless both are empty.

    Returns:
        If both are empty, the least and largest change over the non-terminal states.
    """
    height, width = codes.shape
    w = np.full((3, width + 2), BLOCKED)
    stuck, spare = np.empty(width), np.empty(width)
    lows, highs = np.full(width, np.inf), np.full(width, -np.inf)  # kept apart by column: no chain of dependences
    chosen = np.zeros(width, dtype=np.int8)
    low, high = np.inf, -np.inf
    ending, jumping = False, False
    for code in range(len(kind)):
        ending |= kind[code] == TERMINAL
        jumping |= kind[code] == JUMP
    _enter_row(v, codes, 0, first[1] - first[0] == width, ending, 0, kind, enter, scale, passing, w[0])
    for row in range(height):
        here, below = w[row % 3], w[(row + 1) % 3]
        if row + 1 < height:
            full = first[row + 2] - first[row + 1] == width
            _enter_row(v, codes, row + 1, full, ending, first[row + 1], kind, enter, scale, passing, below)
        else:
            below[:] = BLOCKED
        above = w[(row + 2) % 3]
        state = first[row]
        at_once = not ending and not jumping and first[row + 1] - state == width
        values = best[state : state + width] if at_once and len(best) else spare
        open_row = 0 < row < height - 1 and first[row + 2] - first[row - 1] == 3 * width and moves == 4
        for column in range(0, width, width - 1 if open_row and width > 1 else 1):
            stuck[column] = here[column + 1] + bump[codes[row, column]]
        if open_row:
            _best_open_row(above, here, below, values, width, turns, stay, slip, moves)
            for column in range(0, width, max(1, width - 1)):
                sides = slice(column, column + 3)
                at = slice(column, column + 1)
                _best_row(
                    above[sides], here[sides], below[sides], stuck[at], values[at], 1, turns, False, stay, slip, 4
                )
        else:
            _best_row(above, here, below, stuck, values, width, turns, moves == 8, stay, slip, moves)
        if len(policy):
            _choose_row(above, here, below, stuck, values, chosen, width, turns, offsets, slip, moves)
        if at_once:
            if len(policy):
                policy[state : state + width] = chosen
            elif not len(best):
                for column in range(width):
                    k = uint64(column)
                    change = values[k] - v[uint64(state) + k]
                    lows[k], highs[k] = min(lows[k], change), max(highs[k], change)
            continue
        for column in range(width):
            code = codes[row, column]
            what = kind[code]
            if what in (WALL, PORTAL):
                continue
            value, action = values[column], chosen[column]
            if what == TERMINAL:
                value, action = 0.0, 0
            else:
                if what == JUMP:
                    value, action = passing[code], 0
                low, high = min(low, value - v[state]), max(high, value - v[state])
            if len(best):
                best[state] = value
            if len(policy):
                policy[state] = action
            state += 1
    return min(low, lows.min()), max(high, highs.max())
