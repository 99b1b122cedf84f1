"""Replay buffers: uniform; with n-step returns; and prioritised.

All keep the latest transitions in plain arrays, one row each, and are saved and restored to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from gymnasium import Space, spaces
from numpy.typing import NDArray

from rlkit.compiling import njit
from rlkit.errors import CheckpointError, Diverged, SpaceError
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


class NStepBatch(NamedTuple):
    """B transitions with up to n rewards each, one array a field: observations and actions `[B, ...]`, the rest `[B]`.

    Attributes:
        observation, action: where it began and what was done.
        reward: r_1 + gamma r_2 + ... + gamma^(m-1) r_m, where m = n unless the episode ended before.
        next_observation: what was seen after the m-th reward.
        discount: what the value of `next_observation` is multiplied with: gamma^m, or 0 if that is terminal.
        weight: what the loss is multiplied with: 1, or the importance weight of a prioritised draw.
        row: where in the buffer it began.
    """

    observation: NDArray[Any]
    action: NDArray[Any]
    reward: NDArray[np.float64]
    next_observation: NDArray[Any]
    discount: NDArray[np.float64]
    weight: NDArray[np.float64]
    row: NDArray[np.int64]


class NStepReplay(ReplayBuffer):
    """Draws n-step transitions uniformly, made from the stored single ones when they are drawn.

    The return of n rewards as in S&B (2018), equation 7.1, from replay as in Hessel et al. (2018): without a correction
    for the n - 1 later actions being an earlier policy's. It never crosses an episode: a shorter one ends where the
    episode did, with no value if that terminated and with the value of its last observation if it was truncated. One
    that would reach beyond the newest transition ends there, with the value of what was seen then.

    A transition that does not begin where the one before it ended begins another episode, whether or not its forerunner
    said that it had ended; so transitions in no particular order are good for n = 1 only.

    Args:
        capacity, observation_space, action_space: as for `ReplayBuffer`, and so the memory, but for one byte a row.
        n_steps: n.
        gamma: discount of later rewards.
    """

    def __init__(
        self,
        capacity: int,
        observation_space: Space[Any],
        action_space: Space[Any],
        *,
        n_steps: int = 1,
        gamma: float = 0.99,
    ) -> None:
        super().__init__(capacity, observation_space, action_space)
        self.n_steps, self.gamma = n_steps, gamma
        self._ended = np.zeros(capacity, np.bool_)
        self._expected: Any = None  # the newest transition's next observation, as the caller's object

    def add(self, transition: Transition) -> None:
        """Store a transition, over the oldest one when the buffer is full."""
        at, before = self.added % self.capacity, (self.added - 1) % self.capacity
        if self.n_steps > 1 and self.added and transition.observation is not self._expected:
            went_on = np.array_equal(transition.observation, self._rows.next_observation[before])
            self._ended[before] |= not went_on
        super().add(transition)
        self._ended[at] = transition.terminated or transition.truncated
        self._expected = transition.next_observation

    def sample(self, batch_size: int, rng: np.random.Generator) -> NStepBatch:
        """Draw transitions uniformly, with replacement."""
        return self.take(rng.integers(len(self), size=batch_size), np.ones(batch_size))

    def take(self, row: NDArray[np.int64], weight: NDArray[np.float64]) -> NStepBatch:
        """Return the n-step transitions that begin at rows `[B]`."""
        rows, newest = self._rows, (self.added - 1) % self.capacity
        last, returns, discount = np.empty_like(row), np.empty(len(row)), np.empty(len(row))
        look_ahead(
            row, newest, self.n_steps, self.gamma, rows.reward, self._ended, rows.terminated, last, returns, discount
        )
        seen = rows.next_observation[last]
        return NStepBatch(rows.observation[row], rows.action[row], returns, seen, discount, weight, row)

    def _columns(self) -> dict[str, NDArray[Any]]:
        return {**super()._columns(), "ended": self._ended}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what another buffer of the same capacity and spaces gave.

        Raises:
            CheckpointError: the rows do not fit this buffer.
        """
        super().load_state_dict(state)
        self._expected = None


class PrioritizedReplay(NStepReplay):
    """Draws transitions in proportion to their priority, and weighs them against the bias that this brings.

    Proportional prioritisation (Schaul et al. 2016, sections 3.3 and 3.4): P(i) = p_i^alpha / sum_k p_k^alpha with
    p_i = |TD error| + 1e-6, one draw from each of B equal shares of the sum; weights w_i = (N P(i))^-beta, divided by
    their largest. What is new gets the largest priority so far. Departures: "largest" means of all times for
    priorities, and in the batch for weights.

    Args:
        capacity, observation_space, action_space, n_steps, gamma: as for `NStepReplay`, and so the memory, but for a
            sum tree of 16 bytes a row (the capacity rounded up to a power of 2).
        alpha: 0 draws uniformly.

    Attributes:
        beta: how much of the bias is taken back: 1 for all of it; whoever learns raises it.
    """

    def __init__(
        self,
        capacity: int,
        observation_space: Space[Any],
        action_space: Space[Any],
        *,
        n_steps: int = 1,
        gamma: float = 0.99,
        alpha: float = 0.6,
        beta: float = 0.4,
    ) -> None:
        super().__init__(capacity, observation_space, action_space, n_steps=n_steps, gamma=gamma)
        self.alpha, self.beta = alpha, beta
        self._highest = 1.0  # p^alpha
        self._tree = np.zeros(2 << (capacity - 1).bit_length())  # the children of node k are nodes 2k and 2k + 1
        self._leaves = self._tree[len(self._tree) // 2 :][:capacity]

    def add(self, transition: Transition) -> None:
        """Store a transition, with the largest priority, over the oldest one when the buffer is full."""
        set_leaf(self._tree, self.added % self.capacity, self._highest)
        super().add(transition)

    def sample(self, batch_size: int, rng: np.random.Generator) -> NStepBatch:
        """Draw transitions in proportion to their priorities, with replacement."""
        shares = (np.arange(batch_size) + rng.random(batch_size)) / batch_size
        row = np.empty(batch_size, np.int64)
        find_leaves(self._tree, shares, row)
        weight = (len(self) * self._leaves[row] / self._tree[1]) ** -self.beta
        return self.take(row, weight / weight.max())

    def set_priorities(self, row: NDArray[np.int64], error: NDArray[Any]) -> None:
        """Let the priorities of rows `[B]` follow from their TD errors `[B]`.

        Raises:
            Diverged: an error is not finite.
        """
        priority = (np.abs(error, dtype=np.float64) + 1e-6) ** self.alpha
        highest = float(priority.max())
        if not np.isfinite(highest):
            raise Diverged(f"{type(self).__name__}: a TD error is {error[priority.argmax()]}, expected a finite number")
        self._highest = max(self._highest, highest)
        set_leaves(self._tree, row, priority)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The probability of each row in use to be drawn, float64 `(N,)`."""
        shares: NDArray[np.float64] = self._leaves[: len(self)] / self._tree[1]
        return shares

    def _columns(self) -> dict[str, NDArray[Any]]:
        return {**super()._columns(), "priority": self._leaves}

    @property
    def nbytes(self) -> int:
        """The memory that a full buffer takes; until it is written to, the operating system lends none of it."""
        return super().nbytes - self._leaves.nbytes + self._tree.nbytes

    def state_dict(self) -> dict[str, Any]:
        """Return what is in use, for a checkpoint."""
        return {**super().state_dict(), "highest": self._highest, "beta": self.beta}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what another buffer of the same capacity and spaces gave.

        Raises:
            CheckpointError: the rows do not fit this buffer.
        """
        super().load_state_dict(state)
        self._highest, self.beta = float(state["highest"]), float(state["beta"])
        self._leaves[len(self) :] = 0.0
        add_up(self._tree)


@njit(cache=True)
def look_ahead(
    row: Any,
    newest: int,
    n_steps: int,
    gamma: float,
    reward: Any,
    ended: Any,
    terminated: Any,
    last: Any,
    returns: Any,
    discount: Any,
) -> None:
    """G = r_1 + gamma r_2 + ... + gamma^(m-1) r_m, m <= n  (S&B 2018, equation 7.1, but for the value at its end).

    Args:
        row: where each of B begins, int64 `(B,)`.
        newest: the row that was written last; the one after it is the oldest.
        n_steps: n.
        gamma: discount.
        reward, ended, terminated: of every row, `(capacity,)`.
        last: takes the row of r_m, int64 `(B,)`.
        returns: takes G, float64 `(B,)`.
        discount: takes gamma^m, or 0 if row `last` terminated, float64 `(B,)`.
    """
    for b in range(len(row)):
        at, scale = row[b], 1.0
        total = reward[at]
        for _ in range(n_steps - 1):
            if ended[at] or at == newest:
                break
            at = at + 1 if at + 1 < len(reward) else 0
            scale *= gamma
            total += scale * reward[at]
        last[b], returns[b] = at, total
        discount[b] = 0.0 if terminated[at] else scale * gamma


@njit(cache=True)
def set_leaf(tree: Any, row: int, value: float) -> None:
    """Set one leaf of a sum tree, and every sum that it is part of."""
    node = len(tree) // 2 + row
    tree[node] = value
    node //= 2
    while node:
        tree[node] = tree[2 * node] + tree[2 * node + 1]  # never by a difference: sums depend on the leaves alone
        node //= 2


@njit(cache=True)
def set_leaves(tree: Any, row: Any, value: Any) -> None:
    """Set B leaves of a sum tree, one after the other, and every sum that they are part of."""
    for b in range(len(row)):
        set_leaf(tree, row[b], value[b])


@njit(cache=True)
def add_up(tree: Any) -> None:
    """Work out all sums of a sum tree from its leaves."""
    for node in range(len(tree) // 2 - 1, 0, -1):
        tree[node] = tree[2 * node] + tree[2 * node + 1]


@njit(cache=True)
def find_leaves(tree: Any, share: Any, row: Any) -> None:
    """Find the leaf in which the sum of all leaves so far comes to exceed a share of the whole, of B shares in [0, 1).

    What rounding leaves over at the end of a row of leaves falls to the last that is not 0.
    """
    for b in range(len(share)):
        node, mass = 1, share[b] * tree[1]
        while node < len(tree) // 2:
            node *= 2
            if mass >= tree[node] and tree[node + 1] > 0.0:
                mass -= tree[node]
                node += 1
        row[b] = node - len(tree) // 2


def _layout(space: Space[Any]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    if isinstance(space, spaces.Discrete):
        return (), np.dtype(np.int64)
    if isinstance(space, spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary):
        return space.shape, np.dtype(space.dtype)
    raise SpaceError(f"a replay buffer cannot hold members of {space}; flatten the space first")
