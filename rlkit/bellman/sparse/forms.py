"""A compact copy of an MDP for one discount: staying solved for, states renumbered, equal coefficients shared.

A row that stays with probability p solves to

    q(s, a) = (r + gamma sum_{s' != s} p(s') v(s')) / (1 - gamma p)

and a row that only stays is a constant, which `lower_bound` has taken care of. What is left of a state is its *form*
(the number of rows, and of each row the numbers r / (1 - gamma p) and gamma p(s') / (1 - gamma p)) and the list of
its successors. On a grid a few dozen forms serve a million states, and then a state takes 56 bytes instead of 200.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from rlkit.bellman.sparse.sweeps import FAST, ONE

MAX_SHARED = 1 << 14
"""Once there are so many different forms, every further state gets its own."""
_SLOTS = 1 << 16
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


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
def pack(indptr, indices, data, rewards, terminal, gamma, order, place, first):  # type: ignore[no-untyped-def]
    """Return the copy.

    Args:
        order, place: the numbering, of `grow_blocks`.
        first: filled with where each state's successors start, `(S + 1,)` of an integer type that holds nnz.

    Returns:
        successor: place of every successor, int32, in the order of the form's rows.
        form: each state's form, int32 `(S,)`.
        form_first: first row of each form, int32.
        row_first: first coefficient of each row, int64.
        coefficient: of each row the constant, then one for each successor.
    """
    n_states, n_actions = rewards.shape
    successor = np.empty(indices.size, np.int32)
    form = np.empty(n_states, np.int32)
    form_first = np.empty(n_states + 1, np.int32)
    row_first = np.empty(n_states * n_actions + 1, np.int64)
    form_first[0], row_first[0] = 0, 0
    coefficient = np.empty(indices.size + n_states * n_actions)
    bits = coefficient.view(np.uint64)
    slots = np.full(_SLOTS, -1, np.int32)
    n_forms, n_rows, n_coefficients, n_successors = 0, np.uint64(0), np.uint64(0), np.uint64(0)
    for i in range(np.uint64(n_states)):
        s = np.uint64(order[i])
        first[i] = n_successors
        rows_before, coefficients_before = n_rows, n_coefficients
        for a in range(np.uint64(0 if terminal[s] else n_actions)):
            row = s * np.uint64(n_actions) + a
            start = n_coefficients
            n_coefficients += ONE
            stays = 0.0
            for k in range(np.uint64(indptr[row]), np.uint64(indptr[row + ONE])):
                to = np.uint64(indices[k])
                if to == s:
                    stays += data[k]
                else:
                    successor[n_successors] = place[to]
                    coefficient[n_coefficients] = gamma * data[k]
                    n_successors += ONE
                    n_coefficients += ONE
            if n_coefficients == start + ONE:
                n_coefficients = start
            else:
                coefficient[start] = rewards[s, a]
                if stays > 0.0:
                    for k in range(start, n_coefficients):
                        coefficient[k] /= 1.0 - gamma * stays
                n_rows += ONE
                row_first[n_rows] = n_coefficients
        form_first[n_forms + 1] = n_rows
        known = n_forms
        if n_forms < MAX_SHARED:
            mixed, odd = n_rows - rows_before, _MULTIPLIER
            for k in range(coefficients_before, n_coefficients):
                mixed += (bits[k] ^ (bits[k] >> np.uint64(32))) * odd
                odd += _MULTIPLIER << ONE
            slot = np.int64(mixed >> np.uint64(48))
            while slots[slot] >= 0 and not _same_form(slots[slot], n_forms, form_first, row_first, bits):
                slot = (slot + 1) % _SLOTS
            if slots[slot] >= 0:
                known = slots[slot]
                n_rows, n_coefficients = rows_before, coefficients_before
            else:
                slots[slot] = n_forms
        form[i] = known
        n_forms += known == n_forms
    first[n_states] = n_successors
    return successor[:n_successors], form, form_first[: n_forms + 1], row_first[: n_rows + ONE], coefficient
