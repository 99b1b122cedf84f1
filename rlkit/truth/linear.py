"""All errors of linear values in a few microseconds, however many states there are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class LinearErrors:
    """The errors of values Phi w as quadratic functions of the D weights.

    Each is the length of a vector that is affine in w. A rotation takes the S of its numbers to D + 1 or fewer without
    changing the length (QR factorisation), once and for all.

    Args:
        Phi: features `(S, D)`, 0 at terminal states.
        transitions: P `(S, S)` of the policy, dense or sparse.
        rewards: r `(S,)`.
        v: the policy's exact values `(S,)`.
        d: the weights of the states `(S,)`.
        gamma: discount.
    """

    class Errors(NamedTuple):
        """Roots of the mean squared errors: of the values, of the Bellman equation, of its projection."""

        rmsve: float
        rmsbe: float
        rmspbe: float

    def __init__(
        self, Phi: ArrayLike, transitions: Any, rewards: ArrayLike, v: Floats, d: Floats, gamma: float
    ) -> None:
        features, r, root = np.asarray(Phi, np.float64), np.asarray(rewards, np.float64), np.sqrt(d)[:, None]
        change = gamma * (transitions @ features) - features  # [S, D]: what w adds to the Bellman error
        basis = range_of(root * features)  # [S, rank]
        value = root * np.column_stack([features, -v])  # [S, D + 1], for (w, 1)
        bellman = root * np.column_stack([change, r])
        parts = [_shortened(value), _shortened(bellman), basis.T @ bellman]
        stacked = np.concatenate(parts)
        self._matrix, self._offset = np.ascontiguousarray(stacked[:, :-1]), stacked[:, -1].copy()
        self._first = np.cumsum([0, *map(len, parts)])[:-1]  # row where each error's vector begins

    def __call__(self, w: Floats) -> Errors:
        """Return the errors of weights `(D,)`."""
        x = self._matrix @ w + self._offset
        return self.Errors(*np.sqrt(np.add.reduceat(x * x, self._first)).tolist())


def _shortened(matrix: Floats) -> Floats:
    """Return R of the QR factorisation: it gives every product the same length."""
    return np.asarray(np.linalg.qr(matrix, mode="r"))


def range_of(matrix: Floats) -> Floats:
    """Return orthonormal columns that span the same space."""
    U, sizes, _ = np.linalg.svd(matrix, full_matrices=False)
    span: Floats = U[:, sizes > sizes[0] * max(matrix.shape) * np.finfo(float).eps]
    return span
