"""The finite MDPs that the timings are taken on, as plain sparse arrays: made once, handed to every library alike."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


class Instance(NamedTuple):
    """An MDP without terminal states.

    Attributes:
        transitions: CSR `(S * A, S)`, row `s * A + a`, probabilities that sum to 1.
        rewards: expected reward, float64 `(S, A)`.
    """

    transitions: sp.csr_matrix
    rewards: NDArray[np.float64]


def forbidden_cells(height: int, width: int, share: float = 0.2, seed: int = 0) -> NDArray[np.bool_]:
    """Return which cells of a random grid are forbidden (they can be entered, and cost 1), bool `(H, W)`."""
    forbidden = np.random.default_rng(seed).random((height, width)) < share
    forbidden[height // 2, width // 2] = False  # the target
    return forbidden


def grid_as_matrix(height: int, width: int, *, slip: float = 0.0, seed: int = 0) -> Instance:
    """Zhao's grid world, 20 % of the cells forbidden, the target in the middle, written out as a matrix.

    Actions up, right, down, left, stay; entering or staying on a cell pays +1 on the target, -1 on a forbidden cell,
    else 0; a move against the edge stays and pays -1. With `slip`, a move goes to either side with slip / 2 each.
    """
    pays = np.where(forbidden_cells(height, width, seed=seed), -1.0, 0.0)
    pays[height // 2, width // 2] = 1.0
    row, column = np.divmod(np.arange(height * width), width)
    landing = np.empty((height * width, 5), dtype=np.int32)  # [S, direction]
    reward = np.empty((height * width, 5))
    for direction, (down, right) in enumerate(((-1, 0), (0, 1), (1, 0), (0, -1), (0, 0))):
        to_row, to_column = row + down, column + right
        inside = (to_row >= 0) & (to_row < height) & (to_column >= 0) & (to_column < width)
        landing[:, direction] = np.where(inside, to_row, row) * width + np.where(inside, to_column, column)
        reward[:, direction] = np.where(inside, pays.ravel()[landing[:, direction]], -1.0)
    if not slip:
        n = landing.size
        matrix = sp.csr_matrix((np.ones(n), landing.ravel(), np.arange(n + 1, dtype=np.int32)), (n, height * width))
        return Instance(matrix, reward)
    return _slipping(landing, reward, slip)


def _slipping(landing: NDArray[np.int32], reward: NDArray[np.float64], slip: float) -> Instance:
    n_states = len(landing)
    wished = np.array([[0, 1, 3], [1, 0, 2], [2, 1, 3], [3, 0, 2], [4, 4, 4]])  # [A, outcome]: the wish, then the sides
    weight = np.array([[1 - slip, slip / 2, slip / 2]] * 4 + [[1.0, 0.0, 0.0]])
    indices = landing[:, wished].reshape(-1)  # [S * A * 3]
    data = np.tile(weight.reshape(-1), n_states)
    matrix = sp.csr_matrix((data, indices, np.arange(0, len(data) + 1, 3, dtype=np.int32)), (n_states * 5, n_states))
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return Instance(matrix, (reward[:, wished] * weight).sum(axis=2))


def garnet(n_states: int, n_actions: int, n_successors: int, *, seed: int = 0) -> Instance:
    """A Garnet random MDP (Archibald, McKinnon & Thomas 1995): random successors, random probabilities.

    Probabilities are the gaps between sorted uniform cuts of [0, 1]; rewards are standard normal, one each.
    """
    random = np.random.default_rng(seed)
    rows = n_states * n_actions
    indices = random.integers(0, n_states, size=(rows, n_successors), dtype=np.int32)
    cuts = np.sort(random.random((rows, n_successors - 1)), axis=1)
    data = np.diff(cuts, axis=1, prepend=0.0, append=1.0)
    indptr = np.arange(0, rows * n_successors + 1, n_successors, dtype=np.int32)
    matrix = sp.csr_matrix((data.ravel(), indices.ravel(), indptr), (rows, n_states))
    matrix.sum_duplicates()
    return Instance(matrix, random.standard_normal((n_states, n_actions)))
