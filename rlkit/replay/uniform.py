"""Uniform replay of single transitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import Space, spaces
from numpy.typing import NDArray

from rlkit.errors import CheckpointError, SpaceError
from rlkit.transition import Batch, Transition


class ReplayBuffer:
    """Keeps the latest `capacity` transitions and draws batches of them uniformly (Lin 1992; Mnih et al. 2015).

    Its saved form holds the rows in use, not the capacity.

    Raises:
        SpaceError: a space whose members are not arrays of one shape.
    """

    def __init__(self, capacity: int, observation_space: Space[Any], action_space: Space[Any]) -> None:
        observation_shape, observation_dtype = _layout(observation_space)
        action_shape, action_dtype = _layout(action_space)
        self.capacity = capacity
        self.added = 0
        self._rows = Batch(
            observation=np.zeros((capacity, *observation_shape), observation_dtype),
            action=np.zeros((capacity, *action_shape), action_dtype),
            reward=np.zeros(capacity),
            next_observation=np.zeros((capacity, *observation_shape), observation_dtype),
            terminated=np.zeros(capacity, np.bool_),
        )

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    @property
    def nbytes(self) -> int:
        """The memory that a full buffer takes; until it is written to, the operating system lends none of it."""
        return sum(rows.nbytes for rows in self._columns().values())

    def add(self, transition: Transition) -> None:
        """Store a transition, over the oldest one when the buffer is full."""
        row, at = self._rows, self.added % self.capacity
        row.observation[at] = transition.observation
        row.action[at] = transition.action
        row.reward[at] = transition.reward
        row.next_observation[at] = transition.next_observation
        row.terminated[at] = transition.terminated
        self.added += 1

    def sample(self, batch_size: int, rng: np.random.Generator) -> Any:
        """Draw transitions uniformly, with replacement, as a `Batch`."""
        chosen = rng.integers(len(self), size=batch_size)  # [B]
        return Batch._make(field[chosen] for field in self._rows)

    def _columns(self) -> dict[str, NDArray[Any]]:
        """Return all arrays that have a row for each transition, by the names under which they are saved."""
        return self._rows._asdict()

    def state_dict(self) -> dict[str, Any]:
        """Return what is in use, for a checkpoint."""
        return {"added": self.added, **{name: rows[: len(self)] for name, rows in self._columns().items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what another buffer of the same capacity and spaces gave.

        Raises:
            CheckpointError: the rows do not fit this buffer.
        """
        added = state["added"]
        used = min(added, self.capacity)
        for name, rows in self._columns().items():
            saved: NDArray[Any] = state[name]
            if saved.dtype != rows.dtype or saved.shape != (used, *rows.shape[1:]):
                raise CheckpointError(
                    f"buffer.{name} is {saved.dtype} {saved.shape}, expected {rows.dtype} {(used, *rows.shape[1:])}"
                )
            rows[:used] = saved
        self.added = added


def _layout(space: Space[Any]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    if isinstance(space, spaces.Discrete):
        return (), np.dtype(np.int64)
    if isinstance(space, spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary):
        return space.shape, np.dtype(space.dtype)
    raise SpaceError(f"a replay buffer cannot hold members of {space}; flatten the space first")
