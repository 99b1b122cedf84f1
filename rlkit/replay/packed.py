"""Packed replay: one float32 row a transition, so that a batch is one gather and the critic's input one slice."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor


class PackedBatch(NamedTuple):
    """B transitions, as views of one float32 tensor `[B, 2 O + A + 2]`.

    Attributes:
        observation_action: `[B, O + A]`, the two next to each other.
        observation: `[B, O]`.
        action: `[B, A]`.
        reward: `[B]`, r_1 + gamma r_2 + ... + gamma^(m-1) r_m, where m = n unless the episode ended before.
        discount: `[B]`, what the value of `next_observation` is multiplied with: gamma^m, or 0 if that is terminal.
        next_observation: `[B, O]`, what was seen after the m-th reward.
    """

    observation_action: Tensor
    observation: Tensor
    action: Tensor
    reward: Tensor
    discount: Tensor
    next_observation: Tensor


class PackedReplay:
    """Keeps the latest `capacity` transitions as rows `[observation | action | reward | discount | next observation]`.

    Draws are uniform (Lin 1992). The returns of n rewards (S&B 2018, equation 7.1, without a correction for the n - 1
    later actions being an earlier policy's) are built as transitions come: each later reward of the episode, up to the
    n-th, is added to the rows that wait for it. A row that still waits is a transition of fewer rewards, and is drawn
    like any other; so is the end of an episode, with no value if that terminated and with the value of its last
    observation if it was truncated.

    Args:
        capacity: rows; the oldest goes first.
        n_observations: O, numbers in an observation.
        n_actions: A, numbers in an action.
        n_steps: n.
        gamma: discount of later rewards.

    Attributes:
        added: how many transitions were ever added.
    """

    def __init__(
        self, capacity: int, n_observations: int, n_actions: int, *, n_steps: int = 1, gamma: float = 0.99
    ) -> None:
        self.capacity, self.n_observations, self.n_actions = capacity, n_observations, n_actions
        self.n_steps = n_steps
        self.added = 0
        self._powers = [gamma**m for m in range(n_steps + 1)]
        self._waiting: dict[int, deque[int]] = {}  # numbers of each stream's rows that lack rewards, oldest first
        self._rows = np.zeros((capacity, 2 * n_observations + n_actions + 2), np.float32)
        self._fields = _fields(self._rows, n_observations, n_actions)
        self._batch: PackedBatch | None = None
        self._drawn = np.empty((0, 0), np.float32)  # what `_batch` shows

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    @property
    def nbytes(self) -> int:
        """The memory that it takes, from the start."""
        return self._rows.nbytes

    def add(
        self,
        observation: NDArray[Any],
        action: NDArray[Any],
        reward: float,
        next_observation: NDArray[Any],
        terminated: bool,
        truncated: bool,
        stream: int = 0,
    ) -> None:
        """Store a transition, over the oldest one when the buffer is full.

        Args:
            observation, next_observation: `(O,)`.
            action: `(A,)`.
            reward: what it paid.
            terminated, truncated: as in a `Transition`.
            stream: which of several environments it is the next transition of.
        """
        _, of_observation, of_action, of_reward, of_discount, of_next = self._fields
        at = self.added % self.capacity
        of_observation[at] = observation
        of_action[at] = action
        of_reward[at] = reward
        of_discount[at] = 0.0 if terminated else self._powers[1]
        of_next[at] = next_observation
        if self.n_steps > 1:
            self._lengthen(stream, reward, next_observation, terminated, truncated)
        self.added += 1

    def _lengthen(self, stream: int, reward: float, seen: NDArray[Any], terminated: bool, truncated: bool) -> None:
        """Add a reward to the rows of a stream that wait for it; let the row that is being added wait for the next."""
        waiting = self._waiting.setdefault(stream, deque(maxlen=self.n_steps - 1))
        _, _, _, of_reward, of_discount, of_next = self._fields
        oldest = self.added - self.capacity
        for m, number in enumerate(reversed(waiting), start=1):
            if number <= oldest:  # overwritten
                break
            at = number % self.capacity
            of_reward[at] += self._powers[m] * reward
            of_discount[at] = 0.0 if terminated else self._powers[m + 1]
            of_next[at] = seen
        if terminated or truncated:
            waiting.clear()
        else:
            waiting.append(self.added)

    def cut(self) -> None:
        """End the episodes of all streams here: what comes next is not their continuation."""
        self._waiting.clear()

    def sample(self, batch_size: int, rng: np.random.Generator) -> PackedBatch:
        """Draw transitions uniformly, with replacement, into a batch that is good until the next one is drawn."""
        if self._batch is None or len(self._drawn) != batch_size:
            import torch

            self._drawn = np.empty((batch_size, self._rows.shape[1]), np.float32)
            tensor = torch.from_numpy(self._drawn)
            self._batch = PackedBatch(*_fields(tensor, self.n_observations, self.n_actions))
        chosen = rng.integers(len(self), size=batch_size)  # [B]
        self._rows.take(chosen, axis=0, out=self._drawn, mode="clip")
        return self._batch

    def state_dict(self) -> dict[str, Any]:
        """Return what is in use, for a checkpoint."""
        return {"added": self.added, "rows": self._rows[: len(self)], "waiting": self._waiting}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what another buffer of the same size gave.

        Raises:
            CheckpointError: the rows do not fit this buffer.
        """
        added, saved = state["added"], state["rows"]
        expected = (min(added, self.capacity), self._rows.shape[1])
        if saved.dtype != np.float32 or saved.shape != expected:
            raise CheckpointError(f"buffer.rows is {saved.dtype} {saved.shape}, expected float32 {expected}")
        self._rows[: len(saved)] = saved
        self._waiting = state["waiting"]
        self.added = added


def _fields(rows: Any, n_observations: int, n_actions: int) -> tuple[Any, ...]:
    """Return the parts of rows in the order of `PackedBatch`, as views."""
    o, oa = n_observations, n_observations + n_actions
    return rows[:, :oa], rows[:, :o], rows[:, o:oa], rows[:, oa], rows[:, oa + 1], rows[:, oa + 2 :]
