"""Solve a small grid by Gauss-Seidel sweeps, back and forth, over a list of where everything leads."""

from __future__ import annotations

import numpy as np

from rlkit.compiling import njit
from rlkit.envs.gridworld.kernels.plain import mix


@njit(cache=True)
def start(land, pay, ends, slip, moves, gamma, floor, v):  # type: ignore[no-untyped-def]
    """Write a lower bound of the optimal values; it is what staying, or going back and forth, is worth for ever.

    Args:
        land, pay: the state that each direction leads to and what it pays, int32 and float64 `(S, D)`.
        ends: which states are terminal, bool `(S,)`.
        slip: float64 `(S,)`.
        floor: a lower bound of every value.
        v: float64 `(S,)`, written.
    """
    n_states, n_directions = land.shape
    for s in range(n_states):
        v[s] = 0.0 if ends[s] else floor
        if ends[s]:
            continue
        for d in range(0 if slip[s] == 0.0 else moves, n_directions):
            there = land[s, d]
            if there == s:
                v[s] = max(v[s], pay[s, d] / (1.0 - gamma))
            elif not ends[there]:
                for e in range(0 if slip[there] == 0.0 else moves, n_directions):
                    if land[there, e] == s:
                        v[s] = max(v[s], (pay[s, d] + gamma * pay[there, e]) / (1.0 - gamma * gamma))


@njit(cache=True)
def _best(land, pay, slip, moves, uniform, gamma, v, s, ends, values):  # type: ignore[no-untyped-def]
    for d in range(len(ends)):
        ends[d] = pay[s, d] + gamma * v[land[s, d]]
    if slip[s] == 0.0:
        return ends.max()
    mix(ends, moves, slip[s], uniform, values)
    return values.max()


@njit(cache=True)
def improve(land, pay, ends, slip, moves, uniform, gamma, threshold, limit, v, best):  # type: ignore[no-untyped-def]
    """Raise v until a sweep changes nothing by more than `threshold`; then sweep synchronously, from v to `best`.

    Returns:
        The least and largest change of the last sweep over non-terminal states, the sweeps used, and max |best|.
    """
    n_states, n_directions = land.shape
    worth, values = np.empty(n_directions), np.empty(n_directions)
    used = 1
    rise = np.inf
    while rise > threshold and used < limit:
        rise = 0.0
        for turn in range(n_states):
            s = turn if used % 2 else n_states - 1 - turn
            if not ends[s]:
                new = _best(land, pay, slip, moves, uniform, gamma, v, s, worth, values)
                rise = max(rise, new - v[s])
                v[s] = max(v[s], new)
        used += 1
    low, high, largest = np.inf, -np.inf, 0.0
    for s in range(n_states):
        best[s] = 0.0
        if not ends[s]:
            best[s] = _best(land, pay, slip, moves, uniform, gamma, v, s, worth, values)
            low, high = min(low, best[s] - v[s]), max(high, best[s] - v[s])
            largest = max(largest, abs(best[s]))
    return low, high, used, largest
