"""Where the states of a finite environment lie, and between which bounds observations do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from gymnasium import Space, spaces
from numpy.typing import NDArray

from rlkit.config import Config
from rlkit.errors import ConfigError, SpaceError

Bounds = float | Sequence[float | None] | None
"""One bound for all dimensions, or one each; None stands for what the environment says."""

_UNBOUNDED = float(np.finfo(np.float32).max)  # what some environments write for infinity


@dataclass(frozen=True, kw_only=True)
class Coordinates(Config):
    """Which cell of an array of cells each state is: grid and chain geometry, captured.

    A state's point is its cell's position, last axis first: for a grid x is the column and y the row, both from 0. Axes
    of one cell are left out.

    Attributes:
        shape: cells along each axis: for a grid, rows and columns.
        cells: the row-major number of each state's cell; None if every cell is a state, in this order.

    Raises:
        ConfigError: an axis without cells, or a cell that is outside the array or is two states'.
    """

    shape: tuple[int, ...]
    cells: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        total = math.prod(self.shape)
        if not self.shape or min(self.shape) < 1:
            raise ConfigError(f"Coordinates: shape={self.shape} has no cells")
        if self.cells is not None:
            if not self.cells or min(self.cells) < 0 or max(self.cells) >= total:
                raise ConfigError(f"Coordinates: cells are not numbers in [0, {total}), one for each state")
            if len(set(self.cells)) < len(self.cells):
                raise ConfigError("Coordinates: two states have the same cell")

    @property
    def n_states(self) -> int:
        """How many states there are."""
        return math.prod(self.shape) if self.cells is None else len(self.cells)

    @property
    def n_dims(self) -> int:
        """How many numbers a point has."""
        return max(sum(length > 1 for length in self.shape), 1)

    def points(self) -> NDArray[np.float64]:
        """Return every state's point, float64 `(n_states, n_dims)`."""
        cells = np.arange(self.n_states) if self.cells is None else np.array(self.cells)
        places = np.stack(np.unravel_index(cells, self.shape), axis=1).astype(np.float64)  # [S, axes]
        long = [axis for axis, length in enumerate(self.shape) if length > 1] or [0]
        return np.ascontiguousarray(places[:, long[::-1]])

    @classmethod
    def of(cls, env: Any) -> Self:
        """Capture the geometry of a finite environment or model.

        It is read off `shape` and `cells` (row and column of each state) of the environment or of its `model()`, or of
        `shape` alone where its cells are as many as the states; else the states lie on a line, in order.
        """
        inner = getattr(env, "unwrapped", env)
        n_states = count_states(env)
        for source in (inner, model_of(inner)):
            shape, cells = getattr(source, "shape", None), getattr(source, "cells", None)
            if not isinstance(shape, tuple) or not shape:
                continue
            shape = tuple(map(int, shape))
            if cells is not None and np.shape(cells) == (n_states, len(shape)):
                numbers = np.ravel_multi_index(tuple(np.asarray(cells).T), shape)
                everywhere = np.array_equal(numbers, np.arange(math.prod(shape)))
                return cls(shape=shape, cells=None if everywhere else tuple(numbers.tolist()))
            if cells is None and math.prod(shape) == n_states:
                return cls(shape=shape)
        return cls(shape=(n_states,))


def model_of(env: Any) -> Any:
    """Return `env.model()`, the model itself, or None where there is neither."""
    env = getattr(env, "unwrapped", env)
    make = getattr(env, "model", None)
    if callable(make):
        return make()
    return env if hasattr(env, "n_states") else None


def count_states(env: Any) -> int:
    """Return the number of states of a finite environment or model.

    Raises:
        SpaceError: there is no such number.
    """
    space = getattr(env, "observation_space", None)
    if isinstance(space, spaces.Discrete):
        if space.start != 0:
            raise SpaceError(f"features: the observation space is {space}, expected one that starts at 0")
        return int(space.n)
    n_states = getattr(env, "n_states", None)
    if space is None and n_states is not None:
        return int(n_states)
    raise SpaceError(f"features: {space if space is not None else type(env).__name__} has no numbered states")


def terminal_states(env: Any, n_states: int) -> NDArray[np.bool_]:
    """Return which states are terminal, bool `(S,)`: none where there is no model to ask."""
    terminal = getattr(model_of(env), "terminal", None)
    return np.zeros(n_states, np.bool_) if terminal is None else np.asarray(terminal, np.bool_)


def point_range(points: NDArray[np.float64], terminal: NDArray[np.bool_]) -> tuple[NDArray[np.float64], ...]:
    """Return the least and the largest coordinates of the states whose values are learnt, the ones not terminal."""
    live = points[~terminal] if not terminal.all() else points
    low, high = live.min(axis=0), live.max(axis=0)
    flat = low == high
    return np.where(flat, points.min(axis=0), low), np.where(flat, points.max(axis=0), high)


def observed_range(env: Any, margin: float) -> tuple[Coordinates | None, NDArray[np.float64], NDArray[np.float64]]:
    """Return where an environment's states lie (None for a `Box`), and the bounds of its observations or points.

    Args:
        env: an environment or a model.
        margin: how far a state reaches beyond its point.

    Raises:
        SpaceError: its observations are neither states' numbers nor vectors.
    """
    space = getattr(env, "observation_space", None)
    if space is not None and not isinstance(space, spaces.Discrete):
        return None, *box_range(space)
    coordinates = Coordinates.of(env)
    low, high = point_range(coordinates.points(), terminal_states(env, coordinates.n_states))
    return coordinates, low - margin, high + margin


def box_range(space: Space[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the bounds of a space of vectors, infinite where it has none.

    Raises:
        SpaceError: the space is not a `Box` of vectors.
    """
    if not isinstance(space, spaces.Box) or len(space.shape) != 1 or space.shape[0] == 0:
        raise SpaceError(f"features: the observation space is {space}, expected Discrete or a Box of vectors")
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    return np.where(low <= -_UNBOUNDED, -np.inf, low), np.where(high >= _UNBOUNDED, np.inf, high)


def each_dimension(given: Bounds, n_dims: int) -> list[float | None]:
    """Return one bound for each dimension, of one for all or one each."""
    if given is None or isinstance(given, int | float | np.generic):
        return [given] * n_dims
    return list(given)


def settle(given: Bounds, found: NDArray[np.float64], name: str) -> tuple[float, ...]:
    """Return the given bounds, and the found ones where none is given.

    Raises:
        ConfigError: there is neither, or the wrong number is given.
    """
    n_dims = len(found)
    each = each_dimension(given, n_dims)
    if len(each) != n_dims:
        raise ConfigError(f"features: {len(each)} numbers are given for {name}, expected {n_dims}")
    bounds = tuple(float(own if mine is None else mine) for mine, own in zip(each, found, strict=True))
    for d, bound in enumerate(bounds):
        if not math.isfinite(bound):
            raise ConfigError(
                f"features: dimension {d} of the observations has no bound ({name}[{d}]={bound}); give low= and high="
            )
    return bounds
