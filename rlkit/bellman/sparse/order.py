"""A numbering of the states in which what depends on each other lies together.

Value flows against the transitions: v(s) needs the values of what follows s. So the numbering grows blocks of `size`
states backwards from where the value comes from, each breadth-first from one seed, and the next seeds are the states
at which earlier blocks were cut off: on a grid, patches instead of the thin rings of one breadth-first search.
"""

from __future__ import annotations

import numpy as np

from rlkit.bellman.sparse.sweeps import ONE
from rlkit.compiling import njit

UNSEEN, WAITING = -1, -2


@njit(cache=True, error_model="numpy")
def predecessors(indptr, indices, data, terminal, n_actions):  # type: ignore[no-untyped-def]
    """Return who most probably comes to each state: for every (s, a) only its likeliest other state counts.

    The predecessors of s are `who[start_of[s]:start_of[s + 1]]`.
    """
    n_states = terminal.size
    likeliest = np.empty(n_states * n_actions, np.int32)  # [S * A], -1 for none
    start_of = np.zeros(n_states + 2, np.int64)
    for s in range(np.uint64(n_states)):
        for row in range(s * np.uint64(n_actions), (s + ONE) * np.uint64(n_actions)):
            most, target = 0.0, np.int32(-1)
            for k in range(np.uint64(indptr[row]), np.uint64(indptr[row + ONE])):
                if data[k] > most and np.uint64(indices[k]) != s and not terminal[s]:
                    most, target = data[k], np.int32(indices[k])
            likeliest[row] = target
            if target >= 0:
                start_of[np.uint64(target) + ONE + ONE] += 1
    for s in range(np.uint64(n_states)):
        start_of[s + ONE + ONE] += start_of[s + ONE]
    who = np.empty(start_of[n_states + 1], np.int32)
    for s in range(np.uint64(n_states)):
        for row in range(s * np.uint64(n_actions), (s + ONE) * np.uint64(n_actions)):
            if likeliest[row] >= 0:
                after = np.uint64(likeliest[row]) + ONE
                who[np.uint64(start_of[after])] = s
                start_of[after] += 1
    return start_of, who


@njit(cache=True, error_model="numpy")
def grow_blocks(start_of, who, sources, n_states, size):  # type: ignore[no-untyped-def]
    """Number the states in blocks of `size` (the last one shorter), beginning at the `sources`.

    Returns:
        `order`, the state at each place, and `place`, the place of each state, int32 `(S,)`.
    """
    order = np.empty(n_states, np.int32)
    place = np.full(n_states, UNSEEN, np.int32)
    seeds = np.empty(n_states, np.int32)  # a queue; every state enters it at most once
    first_seed, last_seed = 0, sources.size
    for i in range(last_seed):
        seeds[i] = sources[i]
        place[sources[i]] = WAITING
    head, tail, untouched = 0, 0, 0
    while tail < n_states:
        while first_seed < last_seed and place[seeds[first_seed]] >= 0:
            first_seed += 1
        if first_seed < last_seed:
            seed = seeds[first_seed]
        else:
            while place[untouched] >= 0:
                untouched += 1
            seed = untouched
        order[tail], place[seed] = seed, tail
        full = min((tail // size + 1) * size, n_states)
        tail += 1
        while head < tail:
            s = np.uint64(order[head])
            head += 1
            for k in range(np.uint64(start_of[s]), np.uint64(start_of[s + ONE])):
                before = np.uint64(who[k])
                if place[before] < 0:
                    if tail < full:
                        order[tail], place[before] = before, tail
                        tail += 1
                    elif place[before] == UNSEEN:
                        place[before] = WAITING
                        seeds[last_seed] = before
                        last_seed += 1
    return order, place
