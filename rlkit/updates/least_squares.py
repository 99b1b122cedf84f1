"""LSTD: the linear system whose solution is TD's fixed point, summed up transition by transition."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from rlkit.features.encoding import dot
from rlkit.updates.rule import forget, learn
from rlkit.updates.traces import Traces, clear, see, spread


class LeastSquares(NamedTuple):
    """LSTD(lambda): the sums A and b; who solves A w = b is somebody else.

    Attributes:
        w: weights, float64 `(n_features,)`, which stay as they are.
        columns: float64 `(n_features, n_features)`, of which row j is column j of A; at first 0.
        b: float64 `(n_features,)`; at first 0.
        traces: `no_traces(...)` at first.
        lam: lambda, in [0, 1].
    """

    w: NDArray[np.float64]
    columns: NDArray[np.float64]
    b: NDArray[np.float64]
    traces: Traces
    lam: float


@learn.of(LeastSquares)
def least_squares(rule: Any, t: Any) -> Any:
    """z = gamma lambda rho' z + phi;  A += rho z (phi - gamma phi')^T;  b += rho z r  (rho' of the step before).

    Bradtke & Barto (1996), section 5; Boyan (2002), section 2; S&B 2018, equation 9.20; with ratios Yu (2010). Returns
    the TD error by the weights as they are.
    """
    see(rule.traces, t.phi, t.first, 1.0)
    add_outer(rule.columns, rule.traces, t.phi, t.rho)
    add_outer(rule.columns, rule.traces, t.next_phi, -t.rho * t.discount)
    spread(rule.traces, rule.b, t.rho * t.reward, t.rho * t.discount * rule.lam, 1.0)
    if t.ended:
        forget(rule)
    return t.reward + t.discount * t.next_value - dot(t.phi, rule.w, t.first)


@forget.of(LeastSquares)
def clear_traces(rule: Any) -> Any:
    """Begin without traces; what is summed up stays."""
    clear(rule.traces)


def add_outer(columns: Any, traces: Any, phi: Any, size: float) -> None:
    """A += size z phi^T."""
    (_add_outer_sparse if phi.dtype.kind == "i" else _add_outer_dense)(columns, traces, phi, size)


def _add_outer_sparse(columns: Any, traces: Any, phi: Any, size: Any) -> None:
    for k in range(len(phi)):
        spread(traces, columns[np.uint64(phi[k])], size, 1.0, 1.0)


def _add_outer_dense(columns: Any, traces: Any, phi: Any, size: Any) -> None:
    for k in range(len(phi)):
        spread(traces, columns[k], size * phi[k], 1.0, 1.0)


@overload(add_outer, jit_options={"forceinline": True})
def _add_outer(columns: Any, traces: Any, phi: Any, size: Any) -> Any:
    return _add_outer_sparse if isinstance(phi.dtype, types.Integer) else _add_outer_dense
