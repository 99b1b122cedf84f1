"""Compiled code's side of action features: one `encode_action` for blocks and joint features; see `encoding`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload
from numba.np.unsafe.ndarray import to_fixed_tuple
from numpy.typing import NDArray

from rlkit.compiling import njit
from rlkit.features.encoding import dot, encode


class Blocks(NamedTuple):
    """Parameters of features of observations, `n_features` of them, of which each action has its own copy."""

    features: Any
    n_features: int


class JointVectors(NamedTuple):
    """Parameters of features of (x..., action); as many Nones as x has dimensions."""

    features: Any
    dims: tuple[None, ...]


class JointStates(NamedTuple):
    """Parameters of features of numbered pairs: pair `state * n_actions + action`."""

    pairs: Any
    n_actions: int


def encode_action(parameters: Any, x: Any, action: int, out: NDArray[Any]) -> int:
    """Write the features of an observation and an action; return how many coordinates were clipped.

    Their weights begin at `block(parameters, action)`, which is what `dot` and `add` ask for as `first`.

    Args:
        parameters: `ActionFeatures.parameters`.
        x: a state's number, or a vector: a float64 array or, in compiled code, a tuple of floats.
        action: its number, unchecked.
        out: as for `encode`, of `n_encoded` numbers.
    """
    return int(_KINDS[type(parameters)](parameters, x, action, out))


def _encode_block(parameters: Any, x: Any, action: Any, out: Any) -> Any:  # noqa: ARG001
    return encode(parameters.features, x, out)


def _encode_vectors(parameters: Any, x: Any, action: Any, out: Any) -> Any:
    return encode(parameters.features, join(x, action, parameters.dims), out)


def _encode_states(parameters: Any, x: Any, action: Any, out: Any) -> Any:
    return encode(parameters.pairs, x * parameters.n_actions + action, out)


_KINDS: dict[type, Callable[..., int]] = {
    Blocks: _encode_block,
    JointVectors: _encode_vectors,
    JointStates: _encode_states,
}


@overload(encode_action, jit_options={"forceinline": True})
def _encode_action(parameters: Any, x: Any, action: Any, out: Any) -> Any:  # noqa: ARG001
    return _KINDS.get(getattr(parameters, "instance_class", None))  # type: ignore[arg-type]


def join(x: Any, action: Any, dims: Any) -> tuple[float, ...]:  # noqa: ARG001
    """Return (x..., action) as a tuple of floats; `dims` has as many members as x."""
    return (*x, float(action))


@overload(join, jit_options={"forceinline": True})
def _join(x: Any, action: Any, dims: Any) -> Any:  # noqa: ARG001
    n_dims = len(dims)

    def of_array(x: Any, action: Any, dims: Any) -> Any:  # noqa: ARG001
        return to_fixed_tuple(x, n_dims) + (float(action),)  # type: ignore[call-arg]  # noqa: RUF005

    def of_tuple(x: Any, action: Any, dims: Any) -> Any:  # noqa: ARG001
        return x + (float(action),)  # noqa: RUF005

    return of_array if isinstance(x, types.Array) else of_tuple


def block(parameters: Any, action: int) -> int:
    """Return where the weights of an action's block begin: 0 for joint features."""
    return int(_block(parameters, action)) if isinstance(parameters, Blocks) else 0


def _block(parameters: Any, action: Any) -> Any:
    return action * parameters.n_features


def _no_block(parameters: Any, action: Any) -> int:  # noqa: ARG001
    return 0


@overload(block, jit_options={"forceinline": True})
def _find_block(parameters: Any, action: Any) -> Any:  # noqa: ARG001
    return _block if getattr(parameters, "instance_class", None) is Blocks else _no_block


def action_values(parameters: Any, x: Any, weights: NDArray[np.float64], phi: NDArray[Any], q: NDArray[Any]) -> int:
    """Write the value of every action to `q`, float64 `(A,)`; return how many coordinates were clipped.

    For blocks x is encoded once, and `phi` then holds it; for joint features once for each action.
    """
    function = _values_of_blocks if isinstance(parameters, Blocks) else _values_of_pairs
    return int(function(parameters, x, weights, phi, q))


def _values_of_blocks(parameters: Any, x: Any, weights: Any, phi: Any, q: Any) -> Any:
    n_clipped = encode(parameters.features, x, phi)
    for action in range(len(q)):
        q[action] = dot(phi, weights, action * parameters.n_features)
    return n_clipped


def _values_of_pairs(parameters: Any, x: Any, weights: Any, phi: Any, q: Any) -> Any:
    n_clipped = 0
    for action in range(len(q)):
        n_clipped = encode_action(parameters, x, action, phi)
        q[action] = dot(phi, weights, 0)
    return n_clipped


@overload(action_values, jit_options={"forceinline": True})
def _action_values(parameters: Any, x: Any, weights: Any, phi: Any, q: Any) -> Any:  # noqa: ARG001
    return _values_of_blocks if getattr(parameters, "instance_class", None) is Blocks else _values_of_pairs


@njit(cache=True)
def values_one(parameters: Any, x: Any, weights: Any, phi: Any, q: Any) -> int:
    """`action_values`, to be called from Python."""
    return action_values(parameters, x, weights, phi, q)


@njit(cache=True)
def values_many(parameters: Any, xs: Any, weights: Any, phi: Any, q: Any) -> None:
    """`action_values` of every row of `xs`, to the same row of `q`."""
    for i in range(len(xs)):
        action_values(parameters, xs[i], weights, phi, q[i])
