"""Where an MDP can go on for ever: end components, and the graph searches around them.

Everything here works on *choices*: each is a row of a sparse matrix of probabilities, owned by the state in which it
can be taken. Unlike in a `FiniteMDP`, states may have different numbers of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rlkit.bellman.bounds import rounding_slack
from rlkit.compiling import njit

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Choices:
    """K choices among X states, none of them terminal.

    Attributes:
        owner: the state of each choice, int64 `(K,)`, ascending; every state owns at least one.
        matrix: probabilities of the next states, all above 0, float64 CSR `(K, X)`; what is missing to 1 ends.
        rewards: expected rewards, float64 `(K,)`.
        ends: whether a choice can end the episode, bool `(K,)`.
        source: the row `s * A + a` of the MDP that each choice is, -1 if it is none, int64 `(K,)`.
        terms: the units of roundoff that a row's product with v costs.
    """

    owner: NDArray[np.int64]
    matrix: sp.csr_array
    rewards: Floats
    ends: Bools
    source: NDArray[np.int64]
    terms: int

    @property
    def n_states(self) -> int:
        """X."""
        return int(self.matrix.shape[1])

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """The first choice of each state, int64 `(X,)`."""
        return np.searchsorted(self.owner, np.arange(self.n_states))

    @cached_property
    def leading_to(self) -> sp.csc_array:
        """The matrix by columns: which choices can lead to each state."""
        return sp.csc_array(self.matrix)

    def q(self, v: Floats) -> Floats:
        """Return r + P v of every choice, `(K,)`."""
        q: Floats = self.rewards + self.matrix @ v
        return q

    def best(self, q: Floats) -> Floats:
        """Return the largest q of every state, `(X,)`."""
        largest: Floats = np.maximum.reduceat(q, self.starts) if q.size else q
        return largest

    def first(self, wanted: Bools) -> NDArray[np.int64]:
        """Return the first wanted choice of every state, `(X,)`; each has one."""
        rows = np.flatnonzero(wanted)
        return rows[np.searchsorted(self.owner[rows], np.arange(self.n_states))]

    def slack(self, v: Floats) -> float:
        """Bound the rounding of one entry of `q(v) - v`."""
        return rounding_slack(float(np.abs(self.rewards).max(initial=0) + np.abs(v).max(initial=0)), self.terms)

    def restricted(self, kept: Bools) -> Choices:
        """Return the kept choices only; every state must keep one."""
        rows = np.flatnonzero(kept)
        return Choices(
            self.owner[rows], self.matrix[rows], self.rewards[rows], self.ends[rows], self.source[rows], self.terms
        )


def end_components(choices: Choices, allowed: Bools) -> tuple[NDArray[np.int64], Bools]:
    """Find the maximal end components: sets of states that allowed choices can keep to for ever, and move about in.

    Drops, until nothing changes, what can leave: choices that end or lead to where no choice is left, then choices
    that lead out of their strongly connected component (de Alfaro 1997; Baier and Katoen 2008, Algorithm 47).

    Args:
        choices: what there is.
        allowed: which choices may be used, bool `(K,)`.

    Returns:
        The component of each state, from 0, -1 if it is in none, `(X,)`; and which choices stay inside, `(K,)`.
    """
    from scipy.sparse.csgraph import connected_components

    inside = allowed & ~choices.ends
    leading = choices.leading_to
    edge_row = np.repeat(np.arange(choices.owner.size), np.diff(choices.matrix.indptr))
    edge_to = choices.matrix.indices
    while True:
        _drop_leaks(leading.indptr, leading.indices, choices.owner, inside)
        edges = inside[edge_row]
        tail, head = choices.owner[edge_row[edges]], edge_to[edges]
        graph = sp.csr_array((np.ones(tail.size, dtype=np.int8), (tail, head)), shape=(choices.n_states,) * 2)
        _, label = connected_components(graph, directed=True, connection="strong")
        crossing = edge_row[edges][label[tail] != label[head]]
        if crossing.size == 0:
            break
        inside[crossing] = False
    component = np.full(choices.n_states, -1, dtype=np.int64)  # [X]
    members = np.unique(choices.owner[inside])
    component[members] = np.unique(label[members], return_inverse=True)[1]
    return component, inside


def way_to(choices: Choices, allowed: Bools, goals: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Find, for every state, an allowed choice on a good way to a goal, so that who follows them gets there surely.

    A transition of probability p counts as 1 / p steps, the tries that it takes if they are free; the choices are
    those of the shortest paths (Dijkstra 1959). Each leads nearer with positive probability.

    Args:
        choices: what there is.
        allowed: which choices may be used, bool `(K,)`.
        goals: states; None for the end of the episode.

    Returns:
        One choice a state, int64 `(X,)`; -1 at goals, -2 where no goal can be reached.
    """
    from scipy.sparse.csgraph import dijkstra

    sink = choices.n_states
    matrix = choices.matrix
    row = np.repeat(np.arange(choices.owner.size), np.diff(matrix.indptr))
    head, tries = matrix.indices.astype(np.int64), 1.0 / matrix.data
    if goals is None:
        last = np.flatnonzero(choices.ends)
        gone = 1.0 - matrix.sum(axis=1)[last]
        row, head = np.concatenate([row, last]), np.concatenate([head, np.full(last.size, sink)])
        tries = np.concatenate([tries, 1.0 / np.maximum(gone, 1e-16)])
    else:
        is_goal = np.zeros(sink + 1, dtype=bool)
        is_goal[goals] = True
        head = np.where(is_goal[head], sink, head)
    used = allowed[row]
    row, head, tries = row[used], head[used], tries[used]

    tail = choices.owner[row]
    order = np.lexsort((tries, tail, head))
    fresh = np.diff(head[order] * (sink + 1) + tail[order], prepend=-1) != 0  # of parallel ways, the shortest
    first = order[fresh]
    backwards = sp.csr_array((tries[first], (head[first], tail[first])), shape=(sink + 1, sink + 1))
    (distance,) = dijkstra(backwards, indices=[sink])  # [X + 1]

    way = np.full(sink, -2, dtype=np.int64)  # [X]
    nearest = (distance[head] + tries <= distance[tail]) & np.isfinite(distance[tail])
    way[tail[nearest][::-1]] = row[nearest][::-1]  # the lowest is written last
    if goals is not None:
        way[goals] = -1
    return way


@njit(cache=True)
def _drop_leaks(indptr: Any, rows: Any, owner: Any, inside: Any) -> None:
    """Drop, in place, the choices that can lead to a state that has none left, until there are no more of them."""
    n_states = indptr.size - 1
    left = np.zeros(n_states, dtype=np.int64)
    for row in range(owner.size):
        left[owner[row]] += inside[row]
    stack = np.empty(n_states, dtype=np.int64)
    size = 0
    for state in range(n_states):
        if left[state] == 0:
            stack[size] = state
            size += 1
    while size:
        size -= 1
        state = stack[size]
        for k in range(indptr[state], indptr[state + 1]):
            row = rows[k]
            if inside[row]:
                inside[row] = False
                left[owner[row]] -= 1
                if left[owner[row]] == 0:
                    stack[size] = owner[row]
                    size += 1
