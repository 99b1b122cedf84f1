"""Asynchronous value iteration over blocks of states that fit in cache, where their inputs still move.

v starts below v*, with T v >= v. Then every update v(s) <- max_a q(s, a) raises v(s), and never above v*(s), in
whatever order the states are taken (Bertsekas & Tsitsiklis 1989, section 4.3). So blocks can be left alone while
nothing they read has moved, coarse changes can go before fine ones, and the updates between two choices of actions
can follow the actions chosen (modified policy iteration, Puterman & Shin 1978) at 1 / A of the price.
"""

from __future__ import annotations

import numpy as np

from rlkit.bellman.sparse.sweeps import FAST, ONE
from rlkit.compiling import njit

SHIFT = 10
"""Blocks have 2**10 states: with their successors they fit in a core's own cache."""
FOLLOWING_SWEEPS = 8
"""Most sweeps that follow the chosen actions after one that chooses them."""
SETTLED = 0.1
"""They stop early when they move the values by less than this share of what the choosing sweep did."""
REFINEMENT = 0.1
"""All changes above one level are worked off before the level is lowered by this factor."""


@njit(cache=True, error_model="numpy")
def readers_of_blocks(successor, first):  # type: ignore[no-untyped-def]
    """Return which other blocks read each block: `readers[start_of[b]:start_of[b + 1]]`, int64 and int32."""
    n_states = first.size - 1
    n_blocks = ((n_states - 1) >> SHIFT) + 1
    start_of = np.zeros(n_blocks + 2, np.int64)
    readers = np.empty(0, np.int32)
    for filling in range(2):
        last_reader = np.full(n_blocks, -1, np.int32)
        for b in range(n_blocks):
            start, stop = first[b << SHIFT], first[min((b + 1) << SHIFT, n_states)]
            for k in range(np.uint64(start), np.uint64(stop)):
                read = np.int64(successor[k]) >> SHIFT
                if last_reader[read] != b:
                    last_reader[read] = b
                    if read != b and not filling:
                        start_of[read + 2] += 1
                    elif read != b:
                        readers[start_of[read + 1]] = b
                        start_of[read + 1] += 1
        if not filling:
            for b in range(n_blocks):
                start_of[b + 2] += start_of[b + 1]
            readers = np.empty(start_of[n_blocks + 1], np.int32)
    return start_of[: n_blocks + 1], readers


@njit(cache=True, error_model="numpy", fastmath=FAST)
def _choose(successor, first, form, form_first, row_first, coefficient, v, row_of, at, start, stop, backward):  # type: ignore[no-untyped-def]
    """Raise v(s) to max_a q(s, a), state after state in place; return the largest rise.

    `row_of` and `at` remember the row that attains it, and where its successors are.
    """
    largest = 0.0
    for i in range(np.uint64(start), np.uint64(stop)):
        s = np.uint64(start) + np.uint64(stop) - ONE - i if backward else i
        k = np.uint64(first[s])
        f = np.uint64(form[s])
        best = v[s]
        for row in range(np.uint64(form_first[f]), np.uint64(form_first[f + ONE])):
            begin, end = np.uint64(row_first[row]), np.uint64(row_first[row + ONE])
            q = coefficient[begin]
            ahead = k - begin - ONE
            for c in range(begin + ONE, end):
                q += coefficient[c] * v[np.uint64(successor[c + ahead])]
            if q > best:
                best = q
                row_of[s] = row
                at[s] = k
            k += end - begin - ONE
        largest = max(largest, best - v[s])
        v[s] = best
    return largest


@njit(cache=True, error_model="numpy", fastmath=FAST)
def _follow(successor, row_first, coefficient, v, row_of, at, start, stop, backward):  # type: ignore[no-untyped-def]
    """Raise v(s) to q(s, a) for the action chosen last, in place; return the largest rise."""
    largest = 0.0
    for i in range(np.uint64(start), np.uint64(stop)):
        s = np.uint64(start) + np.uint64(stop) - ONE - i if backward else i
        if row_of[s] >= 0:
            row = np.uint64(row_of[s])
            begin, end = np.uint64(row_first[row]), np.uint64(row_first[row + ONE])
            q = coefficient[begin]
            ahead = np.uint64(at[s]) - begin - ONE
            for c in range(begin + ONE, end):
                q += coefficient[c] * v[np.uint64(successor[c + ahead])]
            largest = max(largest, q - v[s])
            v[s] = max(v[s], q)
    return largest


@njit(cache=True, error_model="numpy", fastmath=FAST)
def raise_blocks(  # type: ignore[no-untyped-def]
    successor,
    first,
    form,
    form_first,
    row_first,
    coefficient,
    start_of,
    readers,
    v,
    row_of,
    at,
    inbox,
    backward,
    n_actions,
    level,
    threshold,
    most_updates,
):
    """Visit blocks until none has more than `threshold` waiting, or about `most_updates` of q(s, a) are made.

    Args:
        inbox: for each block, the sum of the largest moves of what it reads since it was visited; changed in place.
        backward: for each block, the direction of its next sweep; changed in place.
        level: blocks with less in their inbox wait.

    Returns:
        The level reached, the updates made, and whether nothing is left to do.
    """
    n_states, n_blocks = v.size, inbox.size
    updates = 0
    downward = False
    while True:
        visited = False
        for i in range(n_blocks):
            b = n_blocks - 1 - i if downward else i
            if inbox[b] > level:
                visited = True
                start, stop = b << SHIFT, min((b + 1) << SHIFT, n_states)
                largest = _choose(
                    successor, first, form, form_first, row_first, coefficient, v, row_of, at, start, stop, backward[b]
                )
                backward[b] = not backward[b]
                updates += (stop - start) * n_actions
                moved, rise, sweep = largest, largest, 0
                while largest > level and rise > SETTLED * largest and sweep < FOLLOWING_SWEEPS:
                    rise = _follow(successor, row_first, coefficient, v, row_of, at, start, stop, backward[b])
                    backward[b] = not backward[b]
                    updates += stop - start
                    moved += rise
                    sweep = sweep + 1 if updates < most_updates else FOLLOWING_SWEEPS
                inbox[b] = largest
                for k in range(start_of[b], start_of[b + 1]):
                    inbox[readers[k]] += moved
                if updates >= most_updates:
                    return level, updates, False
        downward = not downward
        if not visited:
            if level <= threshold:
                return level, updates, True
            level = max(threshold, REFINEMENT * level)
