"""A grid world written out as a sparse matrix, one row a (state, action)."""

from __future__ import annotations

from rlkit.compiling import njit
from rlkit.envs.gridworld.kernels.geometry import IRREGULAR, JUMP, PORTAL, TERMINAL, WALL


@njit(cache=True)
def write_rows(  # type: ignore[no-untyped-def]
    codes, kind, numbers, enter, bump, passing, target, mixing, offsets, irregular, indptr, indices, data, rewards
):
    """Write the rows of every (state, action); return how many entries there are.

    Args:
        numbers: the state of every padded cell, int32, portals holding their target's.
        enter, bump, passing: what entering, a blocked move beyond it, and passing pay, float64 `(K,)`.
        target: the state that each portal or jump leads to, int64 `(K,)`.
        mixing: `Layout.mixing` of each code, float64 `(K, A, D)`.
        offsets, irregular: as in `plain.sweep`.
        indptr, indices, data: the CSR matrix, int64 `(S * A + 1,)`, int32 and float64, written.
        rewards: expected rewards, float64 `(S, A)`, written.
    """
    height, width = codes.shape
    n_actions = len(offsets)
    ends, pays = [0] * n_actions, [0.0] * n_actions
    state = listed = count = 0
    indptr[0] = 0
    for row in range(height):
        for column in range(width):
            code = codes[row, column]
            what = kind[code]
            if what in (WALL, PORTAL):
                continue
            here = (row + 1) * (width + 2) + column + 1
            for d in range(n_actions):
                there = irregular[listed, d] if what == IRREGULAR else here + offsets[d]
                ends[d], pays[d] = state, enter[code] + bump[code]
                if what == TERMINAL:
                    pays[d] = 0.0
                elif what == JUMP:
                    ends[d], pays[d] = target[code], passing[code]
                elif there >= 0 and numbers[there] >= 0:
                    there_code = codes[there // (width + 2) - 1, there % (width + 2) - 1]
                    ends[d], pays[d] = numbers[there], enter[there_code]
            listed += what == IRREGULAR
            for a in range(n_actions):
                begin = count
                reward = 0.0
                for d in range(n_actions):
                    p = mixing[code, a, d]
                    if p == 0.0:
                        continue
                    reward += p * pays[d]
                    place = begin
                    while place < count and indices[place] < ends[d]:
                        place += 1
                    if place < count and indices[place] == ends[d]:
                        data[place] += p
                        continue
                    for moved in range(count, place, -1):
                        indices[moved], data[moved] = indices[moved - 1], data[moved - 1]
                    indices[place], data[place] = ends[d], p
                    count += 1
                indptr[state * n_actions + a + 1] = count
                rewards[state, a] = reward
            state += 1
    return count


@njit(cache=True)
def number_cells(codes, kind, targets, numbers):  # type: ignore[no-untyped-def]
    """Write the state of every padded cell into `numbers`, int32: a portal has its target's, else -1."""
    height, width = codes.shape
    state = 0
    numbers[:] = -1
    for row in range(height):
        at = (row + 1) * (width + 2) + 1
        for column in range(width):
            code = codes[row, column]
            if kind[code] == PORTAL:
                numbers[at + column] = targets[code]
            elif kind[code] != WALL:
                numbers[at + column] = state
                state += 1
