"""Checks of what is to be encoded: the last before compiled code, which reads it unchecked."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlkit.errors import InvalidTransition


def check_observation(observation: Any, n_states: int | None, n_dims: int, title: str) -> Any:
    """Return an observation as compiled code reads it: a plain int, or float64 `(n_dims,)` in a row.

    Raises:
        InvalidTransition: it is neither a state's number nor, where `n_states` is None, a vector of this length.
    """
    if n_states is None:
        try:
            x = np.ascontiguousarray(observation, np.float64)
        except (TypeError, ValueError):
            x = np.empty(0)
        if x.shape != (n_dims,):
            raise InvalidTransition(f"{title}: an observation is {_brief(observation)}, expected {n_dims} numbers")
        return x
    try:
        state = operator.index(observation)
    except TypeError:
        raise InvalidTransition(
            f"{title}: an observation is {_brief(observation)}, expected a state's number"
        ) from None
    if not 0 <= state < n_states:
        raise InvalidTransition(f"{title}: observation {state} is outside [0, {n_states})")
    return state


def check_observations(observations: ArrayLike, n_states: int | None, n_dims: int, title: str) -> NDArray[Any]:
    """Return a batch as compiled code reads it: int64 `(N,)`, or float64 `(N, n_dims)` in a row.

    Raises:
        InvalidTransition: it is no such batch.
    """
    try:
        given = np.asarray(observations)
    except ValueError:
        given = np.empty(0, object)
    if n_states is None:
        if given.ndim != 2 or given.shape[1] != n_dims or given.dtype.kind not in "fiub":
            raise InvalidTransition(f"{title}: observations are {given.dtype} {given.shape}, expected (N, {n_dims})")
        return np.ascontiguousarray(given, np.float64)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise InvalidTransition(f"{title}: observations are {given.dtype} {given.shape}, expected states' numbers (N,)")
    if (wrong := np.flatnonzero((given < 0) | (given >= n_states))).size:
        raise InvalidTransition(f"{title}: observation {given[wrong[0]]} is outside [0, {n_states})")
    return np.ascontiguousarray(given, np.int64)


def check_finite(x: Any, title: str) -> None:
    """Check an observation, or a batch, of which something was clipped.

    Raises:
        InvalidTransition: naming the first dimension that is not finite.
    """
    finite = np.isfinite(x)
    if not finite.all():
        where = tuple(np.argwhere(~finite)[0])
        raise InvalidTransition(f"{title}: dimension {where[-1]} of an observation is {x[where]}, which is not finite")


def _brief(observation: Any) -> str:
    shape = np.shape(observation) if isinstance(observation, np.ndarray) else ""
    text = " ".join(repr(observation).split())
    return f"{text if len(text) <= 60 else text[:57] + '...'}{f' of shape {shape}' if shape else ''}"
