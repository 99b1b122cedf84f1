"""TD(lambda) and Sarsa(lambda): eligibility traces, accumulating, replacing and dutch.

A trace says how much of each feature was seen of late. Of sparse features, only the traces that are alive are touched
at a step: they stand in a list, and leave it when they fall to the cutoff. The rules are the same for both.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from rlkit.compiled.kinds import chosen_by_kind
from rlkit.features.encoding import add, dot
from rlkit.updates.rule import forget, learn


class DenseTraces(NamedTuple):
    """A trace for each weight, all of them alive: for dense features.

    Attributes:
        z: float64 `(n_weights,)`.
    """

    z: NDArray[np.float64]


class SparseTraces(NamedTuple):
    """A trace for each weight, and a list of those that are not 0: for sparse features.

    Attributes:
        z: float64 `(n_weights,)`.
        alive: in its first `n_alive[0]` entries, the numbers of the weights whose traces are not 0; int64
            `(n_weights + 1,)`.
        listed: whether a weight's number is among them, uint8 `(n_weights,)`.
        n_alive: int64 `(1,)`.
        cutoff: a trace that is no larger, in size, becomes 0.
    """

    z: NDArray[np.float64]
    alive: NDArray[np.int64]
    listed: NDArray[np.uint8]
    n_alive: NDArray[np.int64]
    cutoff: float


Traces = DenseTraces | SparseTraces


def no_traces(n_weights: int, *, sparse: bool, cutoff: float) -> Traces:
    """Return traces that are all 0, for so many weights, of sparse features or of dense ones."""
    return as_traces(np.zeros(n_weights), sparse=sparse, cutoff=cutoff)


def as_traces(z: NDArray[np.float64], *, sparse: bool, cutoff: float) -> Traces:
    """Return traces that share the array z, with a list of those that are alive if features are sparse."""
    if not sparse:
        return DenseTraces(z)
    found = np.flatnonzero(z)
    alive, listed = np.zeros(len(z) + 1, np.int64), np.zeros(len(z), np.uint8)
    alive[: len(found)], listed[found] = found, True
    return SparseTraces(z, alive, listed, np.array([len(found)], np.int64), cutoff)


class Accumulating(NamedTuple):
    """TD(lambda) with accumulating traces.

    Attributes:
        w: weights, float64 `(n_weights,)`.
        traces: `no_traces(...)` at first.
        lam: lambda, in [0, 1].
    """

    w: NDArray[np.float64]
    traces: Traces
    lam: float


class Replacing(NamedTuple):
    """TD(lambda) with replacing traces, for sparse features.

    Attributes:
        w, traces, lam: as of `Accumulating`.
    """

    w: NDArray[np.float64]
    traces: Traces
    lam: float


class Dutch(NamedTuple):
    """True online TD(lambda), on policy.

    Attributes:
        w, traces, lam: as of `Accumulating`.
        old: the value of the observation that is left, as the weights before the previous step had it; float64 `(1,)`,
            0 at first.
    """

    w: NDArray[np.float64]
    traces: Traces
    lam: float
    old: NDArray[np.float64]


@learn.of(Accumulating)
def accumulating(rule: Any, t: Any) -> Any:
    """z = rho (gamma lambda z + phi);  w += alpha delta z  (S&B 2018, equations 12.5 to 12.7, and 12.25)."""
    delta = t.reward + t.discount * t.next_value - dot(t.phi, rule.w, t.first)
    see(rule.traces, t.phi, t.first, 1.0)
    spread(rule.traces, rule.w, t.alpha * t.rho * delta, t.rho * t.discount * rule.lam, 1.0)
    if t.ended or t.cut:
        forget(rule)
    return delta


@learn.of(Replacing)
def replacing(rule: Any, t: Any) -> Any:
    """z = 1 where phi is, else gamma lambda z;  w += alpha delta z  (S&B 2018, equation 12.11); both times rho."""
    delta = t.reward + t.discount * t.next_value - dot(t.phi, rule.w, t.first)
    renew(rule.traces, t.phi, t.first)
    spread(rule.traces, rule.w, t.alpha * t.rho * delta, t.rho * t.discount * rule.lam, 1.0)
    if t.ended or t.cut:
        forget(rule)
    return delta


@learn.of(Dutch)
def dutch(rule: Any, t: Any) -> Any:
    """z = gamma lambda z + alpha (1 - gamma lambda z.phi) phi;  w += (delta + v - old) z - alpha (v - old) phi.

    van Seijen, Mahmood, Pilarski, Machado & Sutton (2016), algorithm 1, with each step size in the trace of its own
    time, so that they may fall; S&B 2018, sections 12.5 and 12.7, has the constant alpha before z. What is kept between
    steps is gamma lambda z.
    """
    value = dot(t.phi, rule.w, t.first)
    delta = t.reward + t.discount * t.next_value - value
    change = value - rule.old[0]
    see(rule.traces, t.phi, t.first, t.alpha * (1.0 - dot(t.phi, rule.traces.z, t.first)))
    spread(rule.traces, rule.w, delta + change, t.discount * rule.lam, t.alpha)
    add(t.phi, rule.w, t.first, -t.alpha * change)
    rule.old[0] = t.next_value
    if t.ended or t.cut:
        forget(rule)
    return delta


@forget.of(Accumulating)
def clear_traces(rule: Any) -> Any:
    """Begin without traces."""
    clear(rule.traces)


forget.of(Replacing)(clear_traces)


@forget.of(Dutch)
def clear_dutch_traces(rule: Any) -> Any:
    """Begin without traces, and without the value of what was left."""
    clear(rule.traces)
    rule.old[0] = 0.0


@chosen_by_kind
def see(traces: Any, phi: Any, first: int, size: float) -> None:
    """z += size phi."""


@chosen_by_kind
def renew(traces: Any, phi: Any, first: int) -> None:
    """z = 1 where phi is."""


@chosen_by_kind
def spread(traces: Any, w: Any, step: float, decay: float, unit: float) -> None:
    """w += step z, then z *= decay; of sparse features, what is no larger than cutoff times unit becomes 0."""


@chosen_by_kind
def clear(traces: Any) -> None:
    """z = 0."""


@see.of(DenseTraces)
def see_dense(traces: Any, phi: Any, first: Any, size: Any) -> Any:
    """Add to the block."""
    add(phi, traces.z, first, size)


@spread.of(DenseTraces)
def spread_dense(traces: Any, w: Any, step: Any, decay: Any, unit: Any) -> Any:
    """Move every weight."""
    z = traces.z
    for i in range(len(z)):
        w[i] += step * z[i]
        z[i] *= decay


@clear.of(DenseTraces)
def clear_dense(traces: Any) -> Any:
    """Clear them all."""
    traces.z[:] = 0.0


@see.of(SparseTraces)
def see_sparse(traces: Any, phi: Any, first: Any, size: Any) -> Any:
    """Add to the active features' traces, and list those that were not."""
    enlist(traces, phi, first)
    add(phi, traces.z, first, size)


@renew.of(SparseTraces)
def renew_sparse(traces: Any, phi: Any, first: Any) -> Any:
    """Set the active features' traces, and list those that were not."""
    enlist(traces, phi, first)
    block = np.uint64(first)
    for k in range(len(phi)):
        traces.z[block + np.uint64(phi[k])] = 1.0


@register_jitable(forceinline=True)
def enlist(traces: Any, phi: Any, first: Any) -> None:
    """Have the active features be in the list: each is written to its end, which moves on if it was not in it."""
    alive, listed, block, n = traces.alive, traces.listed, np.uint64(first), np.uint64(traces.n_alive[0])
    for k in range(len(phi)):
        i = block + np.uint64(phi[k])
        alive[n] = i
        n += np.uint64(1) - np.uint64(listed[i])
        listed[i] = True
    traces.n_alive[0] = n


@spread.of(SparseTraces)
def spread_sparse(traces: Any, w: Any, step: Any, decay: Any, unit: Any) -> Any:
    """Move the weights whose traces are alive; the last of the list takes the place of one that leaves it."""
    z, alive, n, k = traces.z, traces.alive, np.uint64(traces.n_alive[0]), np.uint64(0)
    while k < n:
        i = np.uint64(alive[k])
        w[i] += step * z[i]
        z[i] *= decay
        if abs(z[i]) > traces.cutoff * unit:
            k += np.uint64(1)
        else:
            z[i] = 0.0
            traces.listed[i] = False
            n -= np.uint64(1)
            alive[k] = alive[n]
    traces.n_alive[0] = n


@clear.of(SparseTraces)
def clear_sparse(traces: Any) -> Any:
    """Clear those that are alive."""
    for k in range(traces.n_alive[0]):
        i = np.uint64(traces.alive[np.uint64(k)])
        traces.z[i] = 0.0
        traces.listed[i] = False
    traces.n_alive[0] = 0
