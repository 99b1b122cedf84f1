"""Packed replay: one float32 row a transition, so that a batch is one gather and the critic's input one slice."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.compiling import njit
from rlkit.errors import CheckpointError, ConfigError, InvalidTransition
from rlkit.replay.memory import available_memory

if TYPE_CHECKING:
    from torch import Tensor


MEANING = ("n_observations", "n_actions", "n_steps", "gamma")  # of a row


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
    observation if it was truncated. A transition that does not begin where its stream's last one ended begins another
    episode.

    Args:
        capacity: rows; the oldest goes first.
        n_observations: O, numbers in an observation.
        n_actions: A, numbers in an action.
        n_steps: n.
        gamma: discount of later rewards.

    Attributes:
        added: how many transitions were ever added.

    Raises:
        ConfigError: the rows take more memory than there is. All of it is taken when the first one is stored, not as
            they fill; so who only looks at what was saved takes no more than that.
    """

    def __init__(
        self, capacity: int, n_observations: int, n_actions: int, *, n_steps: int = 1, gamma: float = 0.99
    ) -> None:
        self.capacity, self.n_observations, self.n_actions = capacity, n_observations, n_actions
        self.n_steps, self.gamma = n_steps, gamma
        self.added = 0
        self._powers = [gamma**m for m in range(n_steps + 1)]
        self._waiting: dict[int, deque[int]] = {}  # numbers of each stream's rows that lack rewards, oldest first
        self._rows = _allocate(capacity, 2 * n_observations + n_actions + 2)
        self._is_taken = False
        self._fields: Any = PackedBatch(*_fields(self._rows, n_observations, n_actions))
        self._row = np.zeros(self._rows.shape[1], np.float32)  # what is being added
        self._new: Any = PackedBatch(*_fields(self._row, n_observations, n_actions))
        self._shapes = (n_observations,), (n_actions,), (n_observations,)
        self._drawn = np.empty((0, 0), np.float32)
        self._batch: PackedBatch | None = None  # shows what is drawn

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

        Raises:
            InvalidTransition: something has another shape, or is not finite as float32; nothing is stored.
        """
        if (observation.shape, action.shape, next_observation.shape) != self._shapes:
            raise InvalidTransition(self._misshapen(observation, action, next_observation))
        row, new, at = self._row, self._new, self.added % self.capacity
        new.observation[...] = observation
        new.action[...] = action
        new.reward[...] = reward
        new.discount[...] = 0.0 if terminated else self._powers[1]
        new.next_observation[...] = next_observation
        if not all_finite(row):
            raise InvalidTransition(self._not_finite())
        if not self._is_taken:
            self._rows[len(self) :], self._is_taken = 0.0, True
        self._rows[at] = row
        if self.n_steps > 1:
            self._lengthen(stream, terminated, truncated)
        self.added += 1

    def _lengthen(self, stream: int, terminated: bool, truncated: bool) -> None:
        """Add the new reward to the rows of its stream that wait for it; let the new row wait for the next."""
        waiting = self._waiting.setdefault(stream, deque(maxlen=self.n_steps - 1))
        rows, reward, seen = self._fields, float(self._new.reward), self._new.next_observation
        overwritten = self.added - self.capacity
        if waiting and not equal(rows.next_observation[waiting[-1] % self.capacity], self._new.observation):
            waiting.clear()
        for m, number in enumerate(reversed(waiting), start=1):
            if number <= overwritten:
                break
            at = number % self.capacity
            rows.reward[at] += self._powers[m] * reward
            rows.discount[at] = 0.0 if terminated else self._powers[m + 1]
            rows.next_observation[at] = seen
        if terminated or truncated:
            waiting.clear()
        else:
            waiting.append(self.added)

    def _misshapen(self, *given: NDArray[Any]) -> str:
        found = zip(("observation", "action", "next_observation"), given, self._shapes, strict=True)
        name, array, shape = next((name, array, shape) for name, array, shape in found if array.shape != shape)
        return f"{type(self).__name__}: the {name} is of shape {array.shape}, expected {shape}"

    def _not_finite(self) -> str:
        found = ((name, getattr(self._new, name)) for name in ("observation", "action", "reward", "next_observation"))
        name, array = next((name, array) for name, array in found if not np.isfinite(array).all())
        at = int(np.isfinite(array).argmin())
        where = f"{name}[{at}]" if array.ndim else name
        return f"{type(self).__name__}: the {where} is {array.flat[at]} in float32, expected a finite number"

    def cut(self) -> None:
        """End the episodes of all streams here: what comes next is not their continuation."""
        self._waiting.clear()

    def sample(self, batch_size: int, rng: np.random.Generator) -> PackedBatch:
        """Draw transitions uniformly, with replacement, into a batch that is good until the next one is drawn."""
        if self._batch is None or len(self._drawn) != batch_size:
            import torch

            self._drawn = np.empty((batch_size, self._rows.shape[1]), np.float32)
            self._batch = PackedBatch(*_fields(torch.from_numpy(self._drawn), self.n_observations, self.n_actions))
        chosen = rng.integers(len(self), size=batch_size)  # [B]
        self._rows.take(chosen, axis=0, out=self._drawn, mode="clip")
        return self._batch

    def state_dict(self) -> dict[str, Any]:
        """Return what is in use, for a checkpoint, and what it means."""
        meaning = {name: getattr(self, name) for name in MEANING}
        return {**meaning, "added": self.added, "rows": self._rows[: len(self)], "waiting": self._waiting}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what another buffer of the same size, n and gamma gave.

        Raises:
            CheckpointError: the rows do not fit this buffer, or mean something else.
        """
        for name in MEANING:
            if state[name] != getattr(self, name):
                raise CheckpointError(f"buffer.{name} is {state[name]}, expected {getattr(self, name)}")
        added, saved = state["added"], state["rows"]
        expected = (min(added, self.capacity), self._rows.shape[1])
        if saved.dtype != np.float32 or saved.shape != expected:
            raise CheckpointError(f"buffer.rows is {saved.dtype} {saved.shape}, expected float32 {expected}")
        self._rows[: len(saved)] = saved
        self._waiting = {  # but for what was left out of the file
            stream: deque((number for number in rows if number < added), maxlen=self.n_steps - 1)
            for stream, rows in state["waiting"].items()
        }
        self.added = added

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a copy (`copy.deepcopy`, or from another process) be made anew, so that its views are of its own rows."""
        make = partial(type(self), n_steps=self.n_steps, gamma=self.gamma)
        return make, (self.capacity, self.n_observations, self.n_actions), self.state_dict()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.load_state_dict(state)


def _fields(rows: Any, n_observations: int, n_actions: int) -> tuple[Any, ...]:
    """Return the parts of rows `[..., 2 O + A + 2]` in the order of `PackedBatch`, as views."""
    o, oa = n_observations, n_observations + n_actions
    parts = slice(0, oa), slice(0, o), slice(o, oa), oa, oa + 1, slice(oa + 2, None)
    return tuple(rows[..., part] for part in parts)


def _allocate(capacity: int, width: int) -> NDArray[np.float32]:
    """Return rows of zeros; until they are written to, the operating system lends none of them."""
    n_bytes, available = 4 * capacity * width, available_memory()
    takes = f"replay: buffer_size={capacity} takes {_gib(n_bytes)} ({width} float32 numbers a transition)"
    if available is not None and n_bytes > available:
        most = available // (4 * width)
        raise ConfigError(f"{takes}, and {_gib(available)} of memory are available; expected at most {most}")
    try:
        return np.zeros((capacity, width), np.float32)
    except (MemoryError, ValueError):  # ValueError: more than has addresses
        raise ConfigError(f"{takes}, which the system refuses; expected less") from None


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.2f} GiB"


@njit(cache=True)
def all_finite(numbers: Any) -> bool:
    """Say whether none of `(N,)` numbers is infinite or NaN; ten times faster than NumPy for a few."""
    for number in numbers:  # noqa: SIM110 (numba)
        if not np.isfinite(number):
            return False
    return True


@njit(cache=True)
def equal(these: Any, those: Any) -> bool:
    """Say whether `(N,)` numbers are those `(N,)`; ten times faster than NumPy for a few."""
    for i in range(len(these)):  # noqa: SIM110 (numba)
        if these[i] != those[i]:
            return False
    return True
