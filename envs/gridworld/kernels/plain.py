"""One synchronous Bellman sweep over any grid, in strict float64 order: what the faster solvers are checked by.

All sweeps work on `w[c] = r + gamma v[c]`, what a transition that enters cell c is worth, in the padded grid of
`geometry`; walls and padding hold `BLOCKED`.
"""

from __future__ import annotations

import numpy as np

from rlkit.compiling import njit
from rlkit.envs.gridworld.kernels.geometry import IRREGULAR, JUMP, PORTAL, TERMINAL, WALL

BLOCKED = -1e300
"""The value of what cannot be entered: below any value that rewards up to 1e12 give, and finite."""


@njit(cache=True)
def enter_values(v, codes, kind, enter, target, link, gamma, w):  # type: ignore[no-untyped-def]
    """Write w from v; return what passing through every portal or jump is worth, float64 `(K,)`.

    Args:
        v: float64 `(S,)`.
        enter: what entering each code pays, float64 `(K,)`.
        target: padded index that each portal or jump leads to, else -1, int64 `(K,)`.
        link: what its passing pays beyond the target's entering, float64 `(K,)`.
        w: float64, padded; its border holds `BLOCKED`.
    """
    height, width = codes.shape
    state = portals = 0
    for row in range(height):
        at = (row + 1) * (width + 2) + 1
        for column in range(width):
            code = codes[row, column]
            what = kind[code]
            if what == WALL:
                w[at + column] = BLOCKED
            elif what == PORTAL:
                portals += 1
            else:
                w[at + column] = enter[code] if what == TERMINAL else enter[code] + gamma * v[state]
                state += 1
    passing = np.zeros(len(kind))
    for code in range(len(kind)):
        if target[code] >= 0:
            passing[code] = w[target[code]] + link[code]
    if portals:
        for row in range(height):
            at = (row + 1) * (width + 2) + 1
            for column in range(width):
                if kind[codes[row, column]] == PORTAL:
                    w[at + column] = passing[codes[row, column]]
    return passing


@njit(cache=True)
def mix(land, moves, slip, uniform, q):  # type: ignore[no-untyped-def]
    """Turn the worth of every direction into that of every action; the same order of operations for all actions.

    Args:
        land: worth of each direction, float64 `(D,)`; moves first, staying last if there is any.
        moves: 4 or 8.
        slip: the probability that the direction is replaced.
        uniform: whether by any direction; else by one of the two at right angles.
        q: worth of each action, float64 `(A,)`, written.
    """
    for a in range(len(land)):
        q[a] = land[a]
    if slip == 0.0:
        return
    if uniform:
        total = 0.0
        for d in range(moves):
            total += land[d]
        for a in range(moves):
            q[a] = (1.0 - slip) * land[a] + slip / moves * total
        return
    for a in range(moves):
        ring = a & ~3  # straight directions turn into straight ones, diagonal ones into diagonal ones
        sides = land[ring + (a + 1) % 4] + land[ring + (a + 3) % 4]
        q[a] = (1.0 - slip) * land[a] + slip / 2 * sides


@njit(cache=True)
def sweep(  # type: ignore[no-untyped-def]
    w, codes, kind, bump, slip, passing, v, offsets, moves, uniform, irregular, q, best, policy
):
    """Apply the Bellman optimality operator once; return the least and largest change over non-terminal states.

    Args:
        w, passing: from `enter_values`.
        bump: what a blocked move pays beyond entering the own cell, float64 `(K,)`.
        slip: float64 `(K,)`.
        v: float64 `(S,)`.
        offsets: int64 `(D,)`, steps in the padded grid.
        irregular: the landings of the irregular cells, int32 `(N, D)`.
        q, best, policy: `(S, A)`, `(S,)`, `(S,)`; written unless empty.
    """
    height, width = codes.shape
    n_actions = len(offsets)
    land, values = np.empty(n_actions), np.empty(n_actions)
    low, high = np.inf, -np.inf
    state = listed = 0
    for row in range(height):
        at = (row + 1) * (width + 2) + 1
        for column in range(width):
            code = codes[row, column]
            what = kind[code]
            if what in (WALL, PORTAL):
                continue
            here = at + column
            values[:] = 0.0
            if what == JUMP:
                values[:] = passing[code]
            elif what != TERMINAL:
                for d in range(n_actions):
                    there = np.int64(irregular[listed, d]) if what == IRREGULAR else here + offsets[d]
                    if there < 0 or w[there] == BLOCKED:
                        land[d] = w[here] + bump[code]
                    else:
                        land[d] = w[there]
                listed += what == IRREGULAR
                mix(land, moves, slip[code], uniform, values)
            chosen = 0
            for a in range(1, n_actions):
                if values[a] > values[chosen]:
                    chosen = a
            if what != TERMINAL:
                low = min(low, values[chosen] - v[state])
                high = max(high, values[chosen] - v[state])
            if len(q):
                q[state] = values
            if len(best):
                best[state] = values[chosen]
            if len(policy):
                policy[state] = chosen
            state += 1
    return low, high
