"""Solve a large grid by a work-list of tiles: what moves is swept until it rests, then its neighbours are told.

All blocks (`tiles`) lie in one array x, tile by tile; every block's halo is kept equal to its neighbours' borders, so
that a tile by itself is enough for a sweep. What the vector sweeps cannot do is listed as *items*, tile by tile:
irregular cells with where their directions lead, portals and jumps with where they lead.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from rlkit.compiling import njit
from rlkit.envs.gridworld.kernels.geometry import IRREGULAR, JUMP, PLAIN, PORTAL, WALL, land_at
from rlkit.envs.gridworld.kernels.plain import BLOCKED, mix
from rlkit.envs.gridworld.kernels.tiles import (
    CELLS,
    COLUMNS,
    HALF,
    LANES,
    PERPENDICULAR,
    PITCH,
    ROWS,
    SIZE,
    expand,
    fast,
    sweep,
    turning,
    within,
)  # fmt: skip

OUTSIDE = 255
"""The code of what a tile has beyond the map; legends have at most 255 entries."""


@njit(cache=True)
def cut(codes, pieces):  # type: ignore[no-untyped-def]
    """Write every tile's codes, even columns of a row before odd ones, uint8 `(tiles * CELLS,)`."""
    height, width = codes.shape
    across = (width + COLUMNS - 1) // COLUMNS
    down = (height + ROWS - 1) // ROWS
    for row in range(down * ROWS):
        for j in range(across):
            to = ((row // ROWS) * across + j) * CELLS + (row % ROWS) * COLUMNS
            if row < height and (j + 1) * COLUMNS <= width:
                for lane in range(LANES):
                    pieces[uint64(to + lane)] = codes[row, uint64(j * COLUMNS + 2 * lane)]
                    pieces[uint64(to + LANES + lane)] = codes[row, uint64(j * COLUMNS + 2 * lane + 1)]
            else:
                for column in range(COLUMNS):
                    inside = row < height and j * COLUMNS + column < width
                    code = codes[row, j * COLUMNS + column] if inside else OUTSIDE
                    pieces[to + (column & 1) * LANES + column // 2] = code


@fast
def begin(pieces, start, x):  # type: ignore[no-untyped-def]
    """Write the values to start from, by code, into all blocks; halos are BLOCKED."""
    for tile in range(len(pieces) // CELLS):
        block = x[tile * SIZE : (tile + 1) * SIZE]
        for k in range(SIZE):
            block[uint64(k)] = BLOCKED
        expand(pieces[tile * CELLS : (tile + 1) * CELLS], start, block)


@njit(cache=True)
def lift(codes, kind, offsets, tables, gamma, cycles, x):  # type: ignore[no-untyped-def]
    """Raise deterministic plain cells to the worth of bumping for ever and of going back and forth for ever.

    On an undirected graph with rewards on entering, no cycle is worth more: along a best one, w[i + 1] >= w[i - 1]
    because going back is possible, so that w is the same all along each parity, and going back is as good.
    """
    height, width = codes.shape
    across = (width + COLUMNS - 1) // COLUMNS
    for row in range(height):
        for column in range(width):
            code = codes[row, column]
            if kind[code] != PLAIN:
                continue
            best = BLOCKED
            for d in range(len(offsets)):
                to_row, to_column = row + offsets[d, 0], column + offsets[d, 1]
                inside = 0 <= to_row < height and 0 <= to_column < width
                if not inside or kind[codes[to_row, to_column]] == WALL:
                    best = max(best, (tables[0, code] + tables[1, code]) / (1.0 - gamma))
                elif cycles and kind[codes[to_row, to_column]] == PLAIN:
                    there = tables[0, codes[to_row, to_column]]
                    best = max(best, (there + gamma * tables[0, code]) / (1.0 - gamma * gamma))
            place = (row // ROWS * across + column // COLUMNS) * SIZE + within(row % ROWS, column % COLUMNS)
            x[place] = max(x[place], tables[0, code] + gamma * best)


@njit(cache=True)
def lift_items(own, code_of, land, kind, tables, moves, gamma, x):  # type: ignore[no-untyped-def]
    """Raise items to the worth of staying in place for ever, where an action surely does."""
    for n in range(len(own)):
        code = code_of[n]
        best = BLOCKED
        if kind[code] == JUMP and land[n, 0] == own[n]:
            best = (tables[0, code] + tables[3, code]) / (1.0 - gamma)
        elif kind[code] == IRREGULAR:
            for d in range(0 if tables[2, code] == 0.0 else moves, land.shape[1]):
                if land[n, d] < 0:
                    best = max(best, (tables[0, code] + tables[1, code]) / (1.0 - gamma))
                elif land[n, d] == own[n]:
                    best = max(best, tables[0, code] / (1.0 - gamma))
        x[own[n]] = max(x[own[n]], tables[0, code] + gamma * best)


@njit(cache=True)
def pass_portals(x, first, own, code_of, land, kind, tables, across, diagonal, unheard):  # type: ignore[no-untyped-def]
    """Give every portal exactly what entering it is worth."""
    for tile in range(len(first) - 1):
        passed = False
        for n in range(first[tile], first[tile + 1]):
            if kind[code_of[n]] == PORTAL:
                x[own[n]] = x[land[n, 0]] + tables[3, code_of[n]]
                passed = True
        if passed:
            share(x, tile, across, diagonal, unheard)


@fast
def meet(x, across, diagonal, walled):  # type: ignore[no-untyped-def]
    """Fill all halos; note which tiles have something in or about them that cannot be entered."""
    n_tiles = len(walled)
    unheard = np.zeros(n_tiles)
    for tile in range(n_tiles):
        share(x, tile, across, diagonal, unheard)
    for tile in range(n_tiles):
        low = 0.0
        for row in range(ROWS + 2):
            at = uint64(tile * SIZE + row * PITCH + 8)
            for lane in range(LANES):
                low = min(low, min(x[at + uint64(lane)], x[at + uint64(HALF + lane)]))
            low = min(low, min(x[at + uint64(LANES)], x[at + uint64(HALF - 1)]))
        walled[tile] = low == BLOCKED


@fast
def _tell(x, theirs, mine, step, count):  # type: ignore[no-untyped-def]
    """Copy part of a border into a neighbour's halo; return by how much that rises."""
    rise = 0.0
    for n in range(count):
        there, here = uint64(theirs + n * step), uint64(mine + n * step)
        rise = max(rise, x[here] - x[there])
        x[there] = x[here]
    return rise


@fast
def _tell_row(x, theirs, mine):  # type: ignore[no-untyped-def]
    return max(_tell(x, theirs, mine, 1, LANES), _tell(x, theirs + HALF, mine + HALF, 1, LANES))


@fast
def share(x, tile, across, diagonal, unheard):  # type: ignore[no-untyped-def]
    """Copy a tile's border into its neighbours' halos; add to `unheard`, float64 `(tiles,)`, what is new to each."""
    base, column = tile * SIZE, tile % across
    west, east = column > 0, column < across - 1
    north, south = tile >= across, tile + across < len(unheard)
    first, last = PITCH + 8, ROWS * PITCH + 8  # the tile's own first and last row, even columns
    low, high = 8, (ROWS + 1) * PITCH + 8  # the halo above and below
    if north:
        unheard[tile - across] += _tell_row(x, base - across * SIZE + high, base + first)
    if south:
        unheard[tile + across] += _tell_row(x, base + across * SIZE + low, base + last)
    if west:
        unheard[tile - 1] += _tell(x, base - SIZE + first + LANES, base + first, PITCH, ROWS)
    if east:
        unheard[tile + 1] += _tell(x, base + SIZE + HALF + first - 1, base + HALF + first + LANES - 1, PITCH, ROWS)
    if diagonal:
        if north and west:
            there = tile - across - 1
            unheard[there] += _tell(x, there * SIZE + high + LANES, base + first, 1, 1)
        if north and east:
            there = tile - across + 1
            unheard[there] += _tell(x, there * SIZE + HALF + high - 1, base + HALF + first + LANES - 1, 1, 1)
        if south and west:
            there = tile + across - 1
            unheard[there] += _tell(x, there * SIZE + low + LANES, base + last, 1, 1)
        if south and east:
            there = tile + across + 1
            unheard[there] += _tell(x, there * SIZE + HALF + low - 1, base + HALF + last + LANES - 1, 1, 1)


@njit(cache=True)
def count_items(pieces, listed, first):  # type: ignore[no-untyped-def]
    """Write where each tile's items begin, int64 `(tiles + 1,)`; `listed` says which codes have them, bool `(256,)`."""
    total = 0
    for tile in range(len(first) - 1):
        first[tile] = total
        for k in range(tile * CELLS, (tile + 1) * CELLS):
            total += listed[pieces[k]]
    first[-1] = total


@njit(cache=True)
def list_items(codes, kind, target, offsets, wind, exits, first, own, code_of, land):  # type: ignore[no-untyped-def]
    """List the items of every tile.

    Args:
        target: flat cell that each code leads to, else -1, int64 `(K,)`.
        own: place in x of every item's cell, `(N,)`, written.
        code_of: its code, uint8 `(N,)`, written.
        land: place in x that each direction leads to, its complement where it is blocked, `(N, D)`, written; a portal
            or jump has its target first.

    Returns:
        Which tiles hear of which: pairs (heard, hearing) of tiles other than neighbours through their halos.
    """
    height, width = codes.shape
    across = (width + COLUMNS - 1) // COLUMNS
    told = np.full(len(first) - 1, -1)
    pairs = [(0, 0) for _ in range(0)]
    for tile in range(len(first) - 1):
        if first[tile] == first[tile + 1]:
            continue
        n = first[tile]
        top, start = tile // across * ROWS, tile % across * COLUMNS
        for row in range(top, min(top + ROWS, height)):
            for column in range(start, min(start + COLUMNS, width)):
                code = codes[row, column]
                what = kind[code]
                if what != IRREGULAR and what != PORTAL and what != JUMP:
                    continue
                own[n], code_of[n] = tile * SIZE + within(row - top, column - start), code
                for d in range(offsets.shape[0] if what == IRREGULAR else 1):
                    end = target[code]
                    if what == IRREGULAR:
                        end = land_at(codes, kind, offsets, wind, exits, row, column, d)
                    cell = ~end if end < 0 else end
                    to_row, to_column = cell // width, cell % width
                    there = to_row // ROWS * across + to_column // COLUMNS
                    place = there * SIZE + within(to_row % ROWS, to_column % COLUMNS)
                    land[n, d] = ~place if end < 0 else place
                    if there != tile and told[there] != tile:
                        told[there] = tile
                        pairs.append((there, tile))
                n += 1
    return pairs


@njit(cache=True)
def _item_best(x, n, own, code_of, land, kind, tables, moves, uniform, ends, values):  # type: ignore[no-untyped-def]
    """Return what acting best in an item's cell is worth, or, in a portal, what entering it is."""
    code = code_of[n]
    if kind[code] != IRREGULAR:
        return x[land[n, 0]] + tables[3, code]
    for d in range(len(ends)):
        place = land[n, d]
        ends[d] = x[own[n]] + tables[1, code] if place < 0 else x[place]
    mix(ends, moves, tables[2, code], uniform, values)
    return values.max()


@fast
def relax_items(x, begin_at, end_at, own, code_of, land, kind, tables, moves, uniform, gamma):  # type: ignore[no-untyped-def]
    """Update the items of one tile; `tables` are entering, a bump beyond it, slip and a link's pay, `(4, 256)`.

    A sum over all moves, or over both sides of a move, is what the slip adds, whichever action was wished.
    """
    n_actions = land.shape[1]
    for item in range(begin_at, end_at):
        n = uint64(item)
        code, here = uint64(code_of[n]), uint64(own[n])
        if kind[code] != IRREGULAR:
            best = x[uint64(land[n, uint64(0)])] + tables[uint64(3), code]
            x[here] = max(x[here], best if kind[code] == PORTAL else tables[uint64(0), code] + gamma * best)
            continue
        slip, bumped = tables[uint64(2), code], x[here] + tables[uint64(1), code]
        best = x[here] if n_actions > moves and land[n, uint64(moves)] == own[n] else BLOCKED
        if n_actions > moves and land[n, uint64(moves)] != own[n]:
            best = x[uint64(land[n, uint64(moves)])]
        for ring in range(0, moves, 4):
            at = uint64(ring)
            a, b = land[n, at], land[n, at + uint64(1)]
            c, d = land[n, at + uint64(2)], land[n, at + uint64(3)]
            up, right = x[uint64(a)] if a >= 0 else bumped, x[uint64(b)] if b >= 0 else bumped
            down, left = x[uint64(c)] if c >= 0 else bumped, x[uint64(d)] if d >= 0 else bumped
            most = max(max(up, down), max(left, right))
            if slip > 0.0 and not uniform:
                most = turning(1.0 - slip, 0.5 * slip, up, right, down, left)
            elif slip > 0.0:
                total = (up + down) + (left + right)
                for other in range(moves - 4):
                    e = land[n, uint64((ring + 4 + other) % 8)]
                    total += x[uint64(e)] if e >= 0 else bumped
                most = (1.0 - slip) * most + slip / moves * total
            best = max(best, most)
        x[here] = max(x[here], tables[uint64(0), code] + gamma * best)


@fast
def _rise(x, base, old):  # type: ignore[no-untyped-def]
    """Return by how much the block has risen since `old`, which is lost: rows are folded onto the first, in vectors."""
    for lane in range(PITCH):
        k = uint64(lane)
        old[k] = x[base + k] - old[k]
    for row in range(1, 2 * (ROWS + 2)):
        at = uint64(row * PITCH)
        for lane in range(PITCH):
            k = uint64(lane)
            old[k] = max(old[k], x[base + at + k] - old[at + k])
    rise = 0.0
    for lane in range(PITCH):
        rise = max(rise, old[uint64(lane)])
    return rise


@fast
def _remember(x, base, old):  # type: ignore[no-untyped-def]
    for k in range(SIZE):
        old[uint64(k)] = x[base + uint64(k)]


@njit(cache=True)
def settle(  # type: ignore[no-untyped-def]
    x, pieces, walled, across, unheard, first, own, code_of, land, hearing_first, hearing, kind, tables, rewards,
    rule, uniform, moves, a, b, bump, keep, gamma, threshold, block, visit, every, budget, r, old,
):  # fmt: skip
    """Sweep tiles that have heard of more than `threshold` until none has; return how many sweeps of tiles that took.

    Args:
        unheard: how much of each tile's surroundings has risen since its last visit, or it itself in its last sweep.
        first, own, code_of, land: the items.
        hearing_first, hearing: the tiles whose items lead into each tile.
        rewards: what entering pays by code, BLOCKED for what the vector sweeps must leave alone, float64 `(256,)`.
        block, visit: sweeps before a tile's rise is looked at; sweeps before its neighbours are told at the latest.
        every: rounds through all tiles between two that look at whether a tile still moves; in the others it is taken
            to. Tiles that items elsewhere lead into are always looked at.
        every: rounds between two that look at whether tiles still move; in the others they are taken to, except where
            items lead, which are always looked at.
        budget: sweeps of tiles in all.
        r, old: float64 `(SIZE,)` of scratch, beginning at cache lines.
    """
    n_tiles, diagonal = len(walled), moves == 8
    used = rounds = 0
    busy = True
    while busy and used < budget:
        busy = False
        for turn in range(n_tiles):
            tile = turn if rounds % 2 == 0 else n_tiles - 1 - turn
            if not unheard[tile] > threshold:
                continue
            busy = True
            base = uint64(tile * SIZE)
            expand(pieces[tile * CELLS : (tile + 1) * CELLS], rewards, r)
            heard = hearing_first[tile + 1] > hearing_first[tile]
            looking = heard or rounds % every == every - 1
            rise, total, done = threshold + 1.0, 0.0, 0
            while rise > threshold and done < visit:
                for n in range(block):
                    if looking and n == (0 if heard else block - 1):
                        _remember(x, base, old)
                    sweep(x, base, r, rule, diagonal, walled[tile], a, b, bump, keep)
                    if first[tile + 1] > first[tile]:
                        relax_items(
                            x, first[tile], first[tile + 1], own, code_of, land, kind, tables, moves, uniform, gamma
                        )
                rise = _rise(x, base, old) if looking else unheard[tile]
                total += rise
                done += block
            unheard[tile] = rise
            share(x, tile, across, diagonal, unheard)
            for n in range(hearing_first[tile], hearing_first[tile + 1]):
                unheard[hearing[n]] += total
            used += done
        rounds += 1
    return used


@fast
def _best_row(x, own, left, out, at, turns, diagonal, a, b, bump, keep, r, stay):  # type: ignore[no-untyped-def]
    """Write the worth of the best action of one row's cells of one parity; a and b without gamma."""
    pitch = uint64(PITCH)
    up, down, right = own - pitch, own + pitch, left + uint64(1)
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
        if not turns:
            best = a * max(max(north, south), max(west, east)) + b * ((north + south) + (west + east))
        out[at + k] = max(best, here + stay)
    if diagonal:
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
            north, south, west, east = (
                x[right - pitch + k],
                x[left + pitch + k],
                x[left - pitch + k],
                x[right + pitch + k],
            )
            north = stuck if north == BLOCKED else north
            south = stuck if south == BLOCKED else south
            west = stuck if west == BLOCKED else west
            east = stuck if east == BLOCKED else east
            best = max(out[at + k], turning(a, b, north, east, south, west))
            if not turns:
                most = max(most, max(max(north, south), max(west, east)))
                best = max(a * most + b * (total + ((north + south) + (west + east))), here + stay)
            out[at + k] = best


@fast
def best_of_tile(x, base, r, out, rule, diagonal, a, b, bump, keep, stay):  # type: ignore[no-untyped-def]
    """Write what the best action of every cell of a tile is worth, in the order of the block."""
    for row in range(1, ROWS + 1):
        for half in range(2):
            at = uint64(half * HALF + row * PITCH + 8)
            left = base + uint64((1 - half) * HALF + row * PITCH + 8) - uint64(1 - half)
            _best_row(x, base + at, left, out, at, rule == PERPENDICULAR, diagonal, a, b, bump, keep, r, stay)


@fast
def _range_of_tile(x, base, r, best, gamma):  # type: ignore[no-untyped-def]
    """Return the least and largest change that a sweep would make, and the largest |w|."""
    low, high, largest = 0.0, 0.0, 0.0
    first = True
    for row in range(1, ROWS + 1):
        for half in range(2):
            at = uint64(half * HALF + row * PITCH + 8)
            for lane in range(LANES):
                k = at + uint64(lane)
                regular = r[k] > BLOCKED
                change = r[k] + gamma * best[k] - x[base + k]
                if first and regular:
                    low, high, first = change, change, False
                low = min(low, change if regular else low)
                high = max(high, change if regular else high)
                largest = max(largest, abs(x[base + k]) if regular else largest)
    return low, high, largest, first


@njit(cache=True)
def certify(  # type: ignore[no-untyped-def]
    x, pieces, first, own, code_of, land, kind, tables, rewards, rule, uniform, moves, a, b, bump, keep, stay,
    gamma, item_best, highs,
):  # fmt: skip
    """Make one synchronous sweep and keep nothing of it but its range: `(low, high, largest |w|)`.

    Args:
        item_best: what acting best in every item's cell is worth, float64 `(N,)`, written.
        highs: the largest change of each tile, float64 `(tiles,)`, written.
    """
    n_tiles = len(highs)
    r = np.empty(SIZE)
    best = np.empty(SIZE)
    n_actions = land.shape[1]
    ends, values = np.empty(n_actions), np.empty(n_actions)
    low, high, largest = np.inf, -np.inf, 0.0
    for tile in range(n_tiles):
        base = uint64(tile * SIZE)
        expand(pieces[tile * CELLS : (tile + 1) * CELLS], rewards, r)
        best_of_tile(x, base, r, best, rule, moves == 8, a, b, bump, keep, stay)
        tile_low, tile_high, tile_largest, empty = _range_of_tile(x, base, r, best, gamma)
        if empty:
            tile_low, tile_high = np.inf, -np.inf
        for n in range(first[tile], first[tile + 1]):
            item_best[n] = _item_best(x, n, own, code_of, land, kind, tables, moves, uniform, ends, values)
            code = code_of[n]
            entered = item_best[n] if kind[code] == PORTAL else tables[0, code] + gamma * item_best[n]
            change = entered - x[own[n]]
            tile_low, tile_high = min(tile_low, change), max(tile_high, change)
            tile_largest = max(tile_largest, abs(x[own[n]]))
        highs[tile] = tile_high
        low, high, largest = min(low, tile_low), max(high, tile_high), max(largest, tile_largest)
    return low, high, largest


@njit(cache=True)
def write_values(  # type: ignore[no-untyped-def]
    x, pieces, codes, kind, first, own, item_best, rewards, rule, moves, a, b, bump, keep, stay, shift, v
):
    """Write the values that one more sweep gives, plus `shift`, into v, which may share x's memory; return max |v|."""
    height, width = codes.shape
    across = (width + COLUMNS - 1) // COLUMNS
    band = np.empty((ROWS, across * COLUMNS))
    r = np.empty(SIZE)
    best = np.empty(SIZE)
    state = 0
    largest = 0.0
    for top in range(0, height, ROWS):
        for j in range(across):
            tile = top // ROWS * across + j
            base = tile * SIZE
            expand(pieces[tile * CELLS : (tile + 1) * CELLS], rewards, r)
            best_of_tile(x, uint64(base), r, best, rule, moves == 8, a, b, bump, keep, stay)
            for n in range(first[tile], first[tile + 1]):
                at = own[n] - base
                best[at], r[at] = item_best[n], 0.0
            for row in range(ROWS):
                at = uint64((row + 1) * PITCH + 8)
                for lane in range(LANES):
                    even, odd = at + uint64(lane), at + uint64(HALF + lane)
                    band[row, j * COLUMNS + 2 * lane] = best[even] + shift if r[even] > BLOCKED else 0.0
                    band[row, j * COLUMNS + 2 * lane + 1] = best[odd] + shift if r[odd] > BLOCKED else 0.0
        for row in range(min(ROWS, height - top)):
            for column in range(width):
                what = kind[codes[top + row, column]]
                value = band[row, column]
                if what != WALL and what != PORTAL:
                    v[state] = value
                    state += 1
                    largest = max(largest, abs(value))
    return largest
