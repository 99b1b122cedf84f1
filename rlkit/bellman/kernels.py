"""The Bellman operator of a sparse MDP, one compiled loop each.

Rows of `indptr, indices, data` are (state, action) pairs, row `s * A + a`; states marked `terminal` are skipped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rlkit.compiling import njit

Floats = NDArray[np.float64]
Ints = NDArray[np.int32] | NDArray[np.int64]
Bools = NDArray[np.bool_]


@njit(cache=True, inline="always")
def row_value(indptr, indices, data, v, row):  # type: ignore[no-untyped-def]
    """Return sum_s' p(s' | row) v(s')."""
    total = 0.0
    for k in range(indptr[row], indptr[row + 1]):
        total += data[k] * v[indices[k]]
    return total


@njit(cache=True)
def q_from_v(indptr, indices, data, rewards, terminal, gamma, v, q):  # type: ignore[no-untyped-def]
    """Fill q(s, a) = r(s, a) + gamma sum_s' p(s' | s, a) v(s'); 0 at terminal states."""
    n_states, n_actions = rewards.shape
    for s in range(n_states):
        for a in range(n_actions):
            if terminal[s]:
                q[s, a] = 0.0
            else:
                q[s, a] = rewards[s, a] + gamma * row_value(indptr, indices, data, v, s * n_actions + a)


@njit(cache=True)
def backup(indptr, indices, data, rewards, terminal, gamma, v, out):  # type: ignore[no-untyped-def]
    """Fill out(s) = max_a q(s, a)."""
    n_states, n_actions = rewards.shape
    for s in range(n_states):
        best = 0.0 if terminal[s] else -np.inf
        if not terminal[s]:
            for a in range(n_actions):
                q = rewards[s, a] + gamma * row_value(indptr, indices, data, v, s * n_actions + a)
                best = max(best, q)
        out[s] = best


@njit(cache=True)
def greedy(indptr, indices, data, rewards, terminal, gamma, v, policy):  # type: ignore[no-untyped-def]
    """Fill policy(s) = the lowest a that maximises q(s, a); 0 at terminal states."""
    n_states, n_actions = rewards.shape
    for s in range(n_states):
        policy[s] = 0
        best = -np.inf
        if not terminal[s]:
            for a in range(n_actions):
                q = rewards[s, a] + gamma * row_value(indptr, indices, data, v, s * n_actions + a)
                if q > best:
                    best = q
                    policy[s] = a


@njit(cache=True)
def residual(indptr, indices, data, rewards, terminal, gamma, v):  # type: ignore[no-untyped-def]
    """Return the range of `T v - v` over the states that are not terminal, (0, 0) if all are."""
    n_states, n_actions = rewards.shape
    low, high = np.inf, -np.inf
    for s in range(n_states):
        if not terminal[s]:
            best = -np.inf
            for a in range(n_actions):
                q = rewards[s, a] + gamma * row_value(indptr, indices, data, v, s * n_actions + a)
                best = max(best, q)
            low = min(low, best - v[s])
            high = max(high, best - v[s])
    return (low, high) if low <= high else (0.0, 0.0)


@njit(cache=True)
def check_rows(indptr, indices, data, termination, terminal, n_actions, tolerance):  # type: ignore[no-untyped-def]
    """Look at every row once: is it a distribution?

    Returns:
        Verdict (0 good, 1 a probability that is negative, above 1 or not a number, 2 a column out of range, 3 a sum
        that is not 1, 4 row pointers out of order), the first bad row, the position of its bad entry (or its sum),
        the length of the longest row, and the largest |sum - 1|.
    """
    n_rows, n_states = indptr.size - 1, terminal.size
    longest, worst = 0, 0.0
    for row in range(n_rows):
        start, stop = indptr[row], indptr[row + 1]
        if start > stop or start < 0 or stop > data.size:
            return 4, row, 0.0, longest, worst
        ends = termination[row] if termination.size else 0.0
        if not (ends >= 0.0 and ends <= 1.0 + tolerance):
            return 1, row, -1.0, longest, worst
        total = ends
        for k in range(start, stop):
            p = data[k]
            if not (p >= 0.0 and p <= 1.0 + tolerance):
                return 1, row, float(k), longest, worst
            if indices[k] < 0 or indices[k] >= n_states:
                return 2, row, float(k), longest, worst
            total += p
        if not terminal[row // n_actions]:
            off = abs(total - 1.0)
            if off > tolerance:
                return 3, row, total, longest, worst
            worst = max(worst, off)
            longest = max(longest, stop - start)
    return 0, 0, 0.0, longest, worst


@njit(cache=True)
def normalise_rows(indptr, data, termination):  # type: ignore[no-untyped-def]
    """Scale every row, in place, so that with the probability of ending it sums to 1."""
    for row in range(indptr.size - 1):
        total = 0.0
        for k in range(indptr[row], indptr[row + 1]):
            total += data[k]
        if total > 0.0:
            wanted = 1.0 - (termination[row] if termination.size else 0.0)
            for k in range(indptr[row], indptr[row + 1]):
                data[k] *= wanted / total
