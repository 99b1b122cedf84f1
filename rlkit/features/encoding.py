"""Compiled code's side of features: one `encode` for every kind, and what is done with what it writes.

A kind of features has a NamedTuple of parameters, made once, and one small function on flat arrays that writes an
observation's features, registered by `@encoder(ThatNamedTuple)`. In compiled code `encode(parameters, x, out)` becomes
that function, chosen by the type of `parameters`: so a loop written once is compiled for each kind that it meets, with
the kind's code inlined, and numba's file cache keeps every one of them (closures it would not). What the compiler
should know as a number (how many dimensions, how many tilings) is the length of a tuple, which is part of the type.
Without numba (`NUMBA_DISABLE_JIT=1`) the same functions run as they stand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numba import types
from numba.extending import overload, register_jitable
from numpy.typing import NDArray

from rlkit.compiling import njit

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])

_ENCODERS: dict[type, Callable[..., int]] = {}
_COLLIDERS: dict[type, Callable[..., int]] = {}


def encoder(kind: type) -> Callable[[AnyFunction], AnyFunction]:
    """Register the function that `encode` stands for where the parameters are of type `kind`, a NamedTuple.

    The function is called `f(parameters, x, out)`, by these names. It writes the features of x to `out` (for sparse
    kinds: the active indices), allocates nothing, stays within `out` whatever x is (NaN too), and returns how many of
    x's coordinates it clipped, NaN being counted as clipped.
    """

    def register(function: AnyFunction) -> AnyFunction:
        _ENCODERS[kind] = function
        return function

    return register


def collider(kind: type) -> Callable[[AnyFunction], AnyFunction]:
    """Register what `collide` stands for where the parameters are of type `kind`; the others never collide."""

    def register(function: AnyFunction) -> AnyFunction:
        _COLLIDERS[kind] = function
        return function

    return register


def encode(parameters: Any, x: Any, out: NDArray[Any]) -> int:
    """Write the features of one observation; return how many of its coordinates were clipped.

    Args:
        parameters: `Features.parameters`.
        x: a state's number, or a vector: a float64 array or, in compiled code, a tuple of floats.
        out: int64 `(n_active,)` for active indices, float64 `(n_features,)` for dense features; all of it is written.
    """
    with np.errstate(over="ignore"):  # hashing counts on it; compiled code does not look
        return int(_ENCODERS[type(parameters)](parameters, x, out))


@overload(encode, jit_options={"forceinline": True})
def _encode(parameters: Any, x: Any, out: Any) -> Any:  # noqa: ARG001 (numba matches the names)
    return _ENCODERS.get(getattr(parameters, "instance_class", None))  # type: ignore[arg-type]


def collide(parameters: Any, x: Any, owners: NDArray[np.uint64]) -> int:
    """Claim the hashed indices of one observation, and return how many another tile had claimed before.

    Args:
        parameters: `Features.parameters`.
        x: as for `encode`.
        owners: which tile has claimed each feature, uint64 `(n_features,)`, at first 0; written.
    """
    function: Callable[..., int] = _COLLIDERS.get(type(parameters), _never)
    with np.errstate(over="ignore"):
        return int(function(parameters, x, owners))


@overload(collide, jit_options={"forceinline": True})
def _collide(parameters: Any, x: Any, owners: Any) -> Any:  # noqa: ARG001
    return _COLLIDERS.get(getattr(parameters, "instance_class", None), _never)  # type: ignore[arg-type]


def _never(parameters: Any, x: Any, owners: Any) -> int:  # noqa: ARG001
    return 0


def dot(phi: NDArray[Any], weights: NDArray[np.float64], first: int) -> float:
    """Return the linear value `w . phi`: the sum of the active weights, or of products; summed in order.

    Args:
        phi: what `encode` wrote.
        weights: float64 `(n_features,)`, or several such blocks in a row.
        first: where the block begins (0, or `action * n_features`).
    """
    return float(_dot_sparse(phi, weights, first) if phi.dtype.kind == "i" else _dot_dense(phi, weights, first))


def _dot_sparse(phi: Any, weights: Any, first: Any) -> Any:
    block, total = np.uint64(first), 0.0
    for k in range(len(phi)):
        total += weights[block + np.uint64(phi[k])]
    return total


def _dot_dense(phi: Any, weights: Any, first: Any) -> Any:
    block, total = np.uint64(first), 0.0
    for k in range(len(phi)):
        total += weights[block + np.uint64(k)] * phi[k]
    return total


@overload(dot, jit_options={"forceinline": True})
def _dot(phi: Any, weights: Any, first: Any) -> Any:  # noqa: ARG001
    return _dot_sparse if isinstance(phi.dtype, types.Integer) else _dot_dense


def add(phi: NDArray[Any], weights: NDArray[np.float64], first: int, step: float) -> None:
    """Move the weights by `step * phi`, in place; the arguments are `dot`'s."""
    (_add_sparse if phi.dtype.kind == "i" else _add_dense)(phi, weights, first, step)


def _add_sparse(phi: Any, weights: Any, first: Any, step: Any) -> None:
    block = np.uint64(first)
    for k in range(len(phi)):
        weights[block + np.uint64(phi[k])] += step


def _add_dense(phi: Any, weights: Any, first: Any, step: Any) -> None:
    block = np.uint64(first)
    for k in range(len(phi)):
        weights[block + np.uint64(k)] += step * phi[k]


@overload(add, jit_options={"forceinline": True})
def _add(phi: Any, weights: Any, first: Any, step: Any) -> Any:  # noqa: ARG001
    return _add_sparse if isinstance(phi.dtype, types.Integer) else _add_dense


@register_jitable(inline="always")
def scaled(x: Any, low: Any, high: Any, scale: Any, top: Any) -> Any:
    """Return x from [low, high] as a number in [0, top], and whether it had to be clipped; NaN becomes 0, clipped."""
    if not x > low:
        return 0.0, not x >= low
    if not x < high:
        return top, x > high
    return (x - low) * scale, False


@njit(cache=True)
def encode_one(parameters: Any, x: Any, out: Any) -> int:
    """`encode`, to be called from Python (see `direct`)."""
    return encode(parameters, x, out)


@njit(cache=True)
def encode_many(parameters: Any, xs: Any, out: Any, clipped: Any) -> None:
    """`encode` every row of `xs` to the same row of `out`; `clipped`, int64 `(N,)`, takes what it returns."""
    for i in range(len(xs)):
        clipped[i] = encode(parameters, xs[i], out[i])


@njit(cache=True)
def collide_one(parameters: Any, x: Any, owners: Any) -> int:
    """`collide`, to be called from Python."""
    return collide(parameters, x, owners)


def direct(function: Any, *arguments: Any) -> Callable[..., Any]:
    """Return a jitted function as compiled for arguments of just these types, which it then no longer looks up.

    Looking up the type of a NamedTuple takes a microsecond, several times what encoding takes. The caller answers for
    the types: of arrays the dtype, number of dimensions and contiguity.
    """
    if not hasattr(function, "compile"):  # numba is disabled
        return function  # type: ignore[no-any-return]
    entry: Callable[..., Any] = function.compile(tuple(map(numba.typeof, arguments)))
    return entry
