"""From observations to what a network reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium import Space, spaces
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from rlkit.errors import SpaceError
from rlkit.features import Features
from rlkit.features.coordinates import box_range

_MOST_ENTRIES = 1 << 28  # of the table of all states' inputs: 1 GiB


class Inputs(nn.Module):
    """Turns observations into what a network reads, float32 `(N, n_inputs)`.

    A state is looked up in a table that is worked out once: its features, or else its one-hot vector. A vector is
    flattened and, where the space bounds all its dimensions, scaled to [-1, 1] by these bounds (to scale some would
    change how they compare with the others); or its features are worked out by NumPy. No part of it is learnt, and so
    none is saved.

    Args:
        space: of the observations, `Discrete` or a `Box`.
        features: what the network sees of them (`Polynomial.for_env(env, degree=1)` is a grid's columns and rows,
            scaled to [-1, 1], and a 1); None as said above.

    Attributes:
        n_inputs: how many numbers an observation becomes.
        table: float32 `(S, n_inputs)` for `Discrete` observations, else None.

    Raises:
        SpaceError: a space of another kind, features of other observations, or a table that would be larger than 1 GiB.
    """

    table: Tensor | None
    centre: Tensor
    scale: Tensor

    def __init__(self, space: Space[Any], features: Features | None = None) -> None:
        super().__init__()
        if not isinstance(space, spaces.Discrete | spaces.Box):
            raise SpaceError(f"Inputs: the observation space is {space}, expected Discrete or Box")
        if features is not None:
            features.check_space(space)
        self.features = features
        self.first = int(space.start) if isinstance(space, spaces.Discrete) else 0
        table, centre, scale = None, None, None
        if isinstance(space, spaces.Discrete):
            table = torch.from_numpy(_rows(int(space.n), features))
            self.n_inputs = table.shape[1]
        elif features is not None:
            self.n_inputs = features.n_features
        else:
            centre, scale = map(torch.from_numpy, _scaling(space))
            self.n_inputs = len(centre)
        self.register_buffer("table", table, persistent=False)
        self.register_buffer("centre", centre, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, observations: Any) -> Tensor:
        """Return the inputs of N observations, stacked: states' numbers `(N,)` or vectors `(N, ...)`."""
        if self.table is not None:
            states = torch.as_tensor(observations, device=self.table.device)
            return self.table[states - self.first if self.first else states]
        if self.features is not None:
            return torch.from_numpy(dense(self.features, observations))
        vectors = torch.as_tensor(observations, device=self.centre.device).to(torch.float32)
        scaled: Tensor = (vectors.flatten(1) - self.centre) * self.scale
        return scaled

    def read(self, observations: Any) -> NDArray[np.float32]:
        """Return the same as a NumPy array, `(N, n_inputs)`, which for few observations takes less time."""
        if self.table is not None:
            rows: NDArray[np.float32] = self.table.numpy()[np.asarray(observations) - self.first]
            return rows
        if self.features is not None:
            return dense(self.features, observations)
        vectors = np.asarray(observations, np.float32)
        scaled: NDArray[np.float32] = (vectors.reshape(len(vectors), -1) - self.centre.numpy()) * self.scale.numpy()
        return scaled

    def reader(self) -> Callable[[Any], NDArray[np.float32]]:
        """Return a function that reads one observation quickly, as `(n_inputs,)`."""
        if self.table is not None:
            table, first = self.table.numpy(), self.first
            return lambda state: table[int(state) - first]
        if self.features is not None:
            return lambda vector: self.read(np.asarray(vector)[None])[0]
        centre, scale = self.centre.numpy(), self.scale.numpy()
        return lambda vector: (np.asarray(vector, np.float32).ravel() - centre) * scale


def dense(features: Features, observations: ArrayLike) -> NDArray[np.float32]:
    """Return the features of N observations, dense, float32 `(N, n_features)`."""
    found = features.transform(observations)
    return np.asarray(found.toarray() if features.sparse else found, np.float32)


def _rows(n_states: int, features: Features | None) -> NDArray[np.float32]:
    """Return every state's inputs, float32 `(S, n_inputs)`."""
    n_inputs = n_states if features is None else features.n_features
    if n_states * n_inputs > _MOST_ENTRIES:
        what = "one-hot inputs" if features is None else f"{n_inputs} features"
        raise SpaceError(f"Inputs: {what} of {n_states} states are more than 1 GiB; give fewer features")
    return np.eye(n_states, dtype=np.float32) if features is None else dense(features, np.arange(n_states))


def _scaling(space: spaces.Box) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return centre and scale of every dimension, float32 `(D,)`: 0 and 1 if there is one that is not bounded."""
    low, high = box_range(spaces.Box(space.low.ravel(), space.high.ravel(), dtype=space.dtype.type))
    if not (np.isfinite(low) & np.isfinite(high)).all():
        return np.zeros(low.size, np.float32), np.ones(low.size, np.float32)
    width = np.where(low < high, high - low, 2.0)
    return ((low + high) / 2).astype(np.float32), (2 / width).astype(np.float32)
