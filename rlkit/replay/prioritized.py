"""Prioritised replay, on a sum tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import Space
from numpy.typing import NDArray

from rlkit.compiling import njit
from rlkit.errors import Diverged
from rlkit.replay.n_step import NStepBatch, NStepReplay
from rlkit.transition import Transition


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
        self._leaves = self._leaves_of_tree()

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

    def _leaves_of_tree(self) -> NDArray[np.float64]:
        """Return the priorities of all rows, as a view."""
        return self._tree[len(self._tree) // 2 :][: self.capacity]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Be a copy (`copy.deepcopy`, or from another process), with leaves of its own tree."""
        vars(self).update(state)
        self._leaves = self._leaves_of_tree()

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
