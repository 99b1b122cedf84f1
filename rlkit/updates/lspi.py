"""LSTDQ: the action values of a policy from a batch of transitions, by least squares."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from rlkit.compiling import njit
from rlkit.features.action_encoding import action_values, block, encode_action
from rlkit.features.encoding import add


@njit(cache=True)
def lstdq(features: Any, batch: Any, gamma: float, w: Any, room: Any, A: Any, b: Any) -> None:
    """A += phi(s, a) (phi(s, a) - gamma phi(s', pi(s')))^T,  b += phi(s, a) r,  pi being greedy by the weights w.

    Lagoudakis & Parr (2003), section 6. The weights that solve A w = b are those of pi. Ties go to the lowest action.

    Args:
        features: `ActionFeatures.parameters`.
        batch: observations, actions, rewards, next observations, and whether they are terminal; of length N.
        gamma: discount.
        w: weights, float64 `(n_features,)`.
        room: for features of a pair, twice, and for action values.
        A: float64 `(n_features, n_features)`; written.
        b: float64 `(n_features,)`; written.
    """
    xs, actions, rewards, next_xs, terminated = batch
    phi, next_phi, q = room
    for i in range(len(rewards)):
        encode_action(features, xs[i], actions[i], phi)
        first, next_first, discount = block(features, actions[i]), 0, 0.0
        if not terminated[i]:
            action_values(features, next_xs[i], w, next_phi, q)
            best = int(np.argmax(q))
            encode_action(features, next_xs[i], best, next_phi)
            next_first, discount = block(features, best), gamma
        add(phi, b, first, rewards[i])
        for k in range(len(phi)):
            row, size = entry(phi, k)
            add(phi, A[first + row], first, size)
            if discount > 0.0:
                add(next_phi, A[first + row], next_first, -discount * size)


def entry(phi: Any, k: int) -> tuple[int, float]:
    """Return which feature is the k-th that is encoded, and what it is."""
    return _sparse_entry(phi, k) if phi.dtype.kind == "i" else _dense_entry(phi, k)  # type: ignore[no-any-return]


def _sparse_entry(phi: Any, k: Any) -> Any:
    return phi[k], 1.0


def _dense_entry(phi: Any, k: Any) -> Any:
    return k, phi[k]


@overload(entry, jit_options={"forceinline": True})
def _entry(phi: Any, k: Any) -> Any:
    return _sparse_entry if isinstance(phi.dtype, types.Integer) else _dense_entry
