"""Synchronous sweeps over the rows of a sparse MDP: the Bellman operators of all actions and of chosen ones.

Rows of `indptr, indices, data` are (state, action) pairs, row `s * A + a`. Loop variables are unsigned, which spares
numba the test for negative indices.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rlkit.compiling import njit

FAST = {"nnan", "nsz", "contract"}
ZERO, ONE = np.uint64(0), np.uint64(1)


@njit(cache=True, error_model="numpy", fastmath=FAST)
def lower_bound(indptr, indices, data, rewards, terminal, ends, gamma):  # type: ignore[no-untyped-def]
    """Return values v with T v >= v, so that no v* is below them, `(S,)`.

    An action that leads nowhere else is worth r / (1 - gamma p) when it is taken for ever, p being the probability to
    stay. And no state is worth less than min_s max_a r(s, a) / (1 - gamma), or than 0 if that is less and an episode
    can end (`ends`).
    """
    n_states, n_actions = rewards.shape
    v = np.full(n_states, -np.inf)  # [S]
    worst = np.inf
    for s in range(np.uint64(n_states)):
        if not terminal[s]:
            best = -np.inf
            for a in range(np.uint64(n_actions)):
                row = s * np.uint64(n_actions) + a
                stays = 0.0
                alone = True
                for k in range(np.uint64(indptr[row]), np.uint64(indptr[row + ONE])):
                    if np.uint64(indices[k]) != s:
                        alone = False
                        break
                    stays += data[k]
                if alone:
                    v[s] = max(v[s], rewards[s, a] / (1.0 - gamma * stays))
                best = max(best, rewards[s, a])
            worst = min(worst, best)
    everywhere = (min(worst, 0.0) if ends else worst) / (1.0 - gamma)
    for s in range(np.uint64(n_states)):
        v[s] = 0.0 if terminal[s] else max(v[s], everywhere)
    return v


@njit(cache=True, error_model="numpy", fastmath=FAST)
def improve(indptr, indices, data, rewards, terminal, gamma, v, out, policy):  # type: ignore[no-untyped-def]
    """Fill out = T v, with the action that attains it.

    (T v)(s) = max_a [r(s, a) + gamma sum_s' p(s' | s, a) v(s')]; 0 at terminal states.

    Returns:
        The least and the largest entry of T v - v, its sum and its sum of squares, terminal states left out.
    """
    n_states, n_actions = rewards.shape
    low, high, total_change, squares = np.inf, -np.inf, 0.0, 0.0
    for s in range(np.uint64(n_states)):
        row = s * np.uint64(n_actions)
        best = -np.inf
        choice: Any = ZERO
        for a in range(np.uint64(n_actions)):
            start, stop = np.uint64(indptr[row + a]), np.uint64(indptr[row + a + ONE])
            total = 0.0
            for k in range(start, stop):
                total += data[k] * v[np.uint64(indices[k])]
            q = rewards[s, a] + gamma * total
            if q > best:
                choice = a
            best = max(best, q)
        policy[s] = choice
        out[s] = 0.0 if terminal[s] else best
        if not terminal[s]:
            change = best - v[s]
            low, high = min(low, change), max(high, change)
            total_change += change
            squares += change * change
    return low, high, total_change, squares


@njit(cache=True, error_model="numpy", fastmath=FAST)
def pick(indptr, indices, data, rewards, terminal, policy, start_of, column, weight, reward):  # type: ignore[no-untyped-def]
    """Copy the rows that a policy uses: P_pi as row pointers, columns and probabilities, and r_pi; nothing if terminal.

    `column` and `weight` have room for all rows; the memory behind what is not used is never touched.
    """
    n_states, n_actions = rewards.shape
    size = np.uint64(0)
    for s in range(np.uint64(n_states)):
        start_of[s] = size
        reward[s] = 0.0
        if not terminal[s]:
            a = np.uint64(policy[s])
            row = s * np.uint64(n_actions) + a
            reward[s] = rewards[s, a]
            for k in range(np.uint64(indptr[row]), np.uint64(indptr[row + ONE])):
                column[size] = indices[k]
                weight[size] = data[k]
                size += ONE
    start_of[n_states] = size


@njit(cache=True, error_model="numpy", fastmath=FAST)
def evaluate(start_of, column, weight, reward, terminal, gamma, v, out):  # type: ignore[no-untyped-def]
    """Fill out = T_pi v = r_pi + gamma P_pi v; return the range of T_pi v - v, terminal states left out."""
    low, high = np.inf, -np.inf
    for s in range(np.uint64(v.size)):
        total = 0.0
        for k in range(np.uint64(start_of[s]), np.uint64(start_of[s + ONE])):
            total += weight[k] * v[np.uint64(column[k])]
        out[s] = reward[s] + gamma * total
        if not terminal[s]:
            change = out[s] - v[s]
            low, high = min(low, change), max(high, change)
    return low, high
