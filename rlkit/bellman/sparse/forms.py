"""A compact copy of an MDP for one discount: staying solved for, states renumbered, equal coefficients shared.

A row that stays with probability p solves to

    q(s, a) = (r + gamma sum_{s' != s} p(s') v(s')) / (1 - gamma p)

and a row that only stays is a constant, which `lower_bound` has taken care of. What is left of a state is the list of
its successors and its *form*: of each row the numbers r / (1 - gamma p) and gamma p(s') / (1 - gamma p). On a grid a
few dozen forms serve a million states, and then a state takes 56 bytes instead of 200.
"""

from __future__ import annotations

import numpy as np

from rlkit.bellman.sparse.sweeps import FAST, ONE, ZERO
from rlkit.compiling import njit

MAX_SHARED = 1 << 14
"""Once there are so many different forms, every further state gets its own."""
SLOTS = 1 << 16
"""Of the hash table that finds forms again."""
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, error_model="numpy")
def place_successors(indptr, indices, terminal, n_actions, place, first):  # type: ignore[no-untyped-def]
    """Return the places of each state's successors other than itself, all rows in one list, int32.

    Args:
        place: the place of each state, `(S,)`.
        first: filled with where the list of each place starts, `(S + 1,)` of an integer type that holds nnz.
    """
    n_states = terminal.size
    first[0] = 0
    for s in range(np.uint64(n_states)):
        count = 0
        if not terminal[s]:
            rows = s * np.uint64(n_actions)
            for k in range(np.uint64(indptr[rows]), np.uint64(indptr[rows + np.uint64(n_actions)])):
                count += np.uint64(indices[k]) != s
        first[np.uint64(place[s]) + ONE] = count
    for i in range(np.uint64(n_states)):
        first[i + ONE] += first[i]
    successor = np.empty(first[n_states], np.int32)
    for s in range(np.uint64(n_states)):
        if not terminal[s]:
            rows, filled = s * np.uint64(n_actions), np.uint64(first[np.uint64(place[s])])
            for k in range(np.uint64(indptr[rows]), np.uint64(indptr[rows + np.uint64(n_actions)])):
                if np.uint64(indices[k]) != s:
                    successor[filled] = place[np.uint64(indices[k])]
                    filled += ONE
    return successor


@njit(cache=True, error_model="numpy")
def _same_form(one, other, form_first, row_first, bits):  # type: ignore[no-untyped-def]
    """Tell whether two forms are equal to the bit."""
    first, second = form_first[one], form_first[other]
    if form_first[one + 1] - first != form_first[other + 1] - second:
        return False
    for row in range(form_first[one + 1] - first):
        start, begin = row_first[first + row], row_first[second + row]
        if row_first[first + row + 1] - start != row_first[second + row + 1] - begin:
            return False
        for k in range(row_first[first + row + 1] - start):
            if bits[start + k] != bits[begin + k]:
                return False
    return True


@njit(cache=True, error_model="numpy", fastmath=FAST)
def share_forms(indptr, indices, data, rewards, terminal, gamma, place):  # type: ignore[no-untyped-def]
    """Return the form of each place, and the forms; in one piece, because calls from this loop double its time.

    Returns:
        form: int32 `(S,)`; terminal states have an empty one.
        form_first: first row of each form, int64.
        row_first: first coefficient of each row, int64.
        coefficient: of each row the constant, then one for each successor.
    """
    n_states, n_actions = rewards.shape
    form, form_first = np.empty(n_states, np.int32), np.empty(n_states + 1, np.int64)
    row_first = np.empty(n_states * n_actions + 1, np.int64)
    coefficient = np.empty(indices.size + n_states * n_actions)
    bits = coefficient.view(np.uint64)
    slots = np.full(SLOTS, -1, np.int32)
    form_first[0], row_first[0] = 0, 0
    n_forms, n_rows, size = 0, ZERO, ZERO
    for s in range(np.uint64(n_states)):
        rows_before, size_before = n_rows, size
        for a in range(np.uint64(0 if terminal[s] else n_actions)):
            row, start, stays = s * np.uint64(n_actions) + a, size, 0.0
            size += ONE
            for k in range(np.uint64(indptr[row]), np.uint64(indptr[row + ONE])):
                if np.uint64(indices[k]) == s:
                    stays += data[k]
                else:
                    coefficient[size] = gamma * data[k]
                    size += ONE
            if size == start + ONE:
                size = start
            else:
                coefficient[start] = rewards[s, a]
                if stays > 0.0:
                    for k in range(start, size):
                        coefficient[k] /= 1.0 - gamma * stays
                n_rows += ONE
                row_first[n_rows] = size
        form_first[n_forms + 1] = n_rows

        known = n_forms
        if n_forms < MAX_SHARED:
            mixed, odd = n_rows - rows_before, MULTIPLIER
            for k in range(size_before, size):
                mixed += (bits[k] ^ (bits[k] >> np.uint64(32))) * odd
                odd += MULTIPLIER << ONE
            slot = np.int64(mixed >> np.uint64(48))
            while slots[slot] >= 0 and not _same_form(slots[slot], n_forms, form_first, row_first, bits):
                slot = (slot + 1) % SLOTS
            if slots[slot] >= 0:
                known = slots[slot]
                n_rows, size = rows_before, size_before
            else:
                slots[slot] = n_forms
        form[np.uint64(place[s])] = known
        n_forms += known == n_forms
    return form, form_first[: n_forms + 1], row_first[: n_rows + ONE], coefficient
