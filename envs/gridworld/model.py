"""A grid world's exact model: the operator of its Bellman equation, without a transition matrix."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rlkit.bellman.model import OnSweep, Sweeps, as_values
from rlkit.envs.gridworld.kernels import geometry, matrix, plain, rows
from rlkit.envs.gridworld.layout import Layout
from rlkit.envs.gridworld.solver import Ground, LargeGrid, SmallGrid

if TYPE_CHECKING:
    from rlkit.envs.gridworld.bands import BandPart
    from rlkit.mdp import FiniteMDP

_SMALL = 4096
"""Cells up to which a grid is solved from a list."""

_NO_VALUES = np.empty(0)
_NO_Q = np.empty((0, 0))
_NO_POLICY = np.empty(0, dtype=np.int8)


class GridModel:
    """The finite MDP of a grid world, exact and matrix-free: 9 bytes a state are enough to solve it.

    Implements `rlkit.bellman`'s model protocol. States are the cells that can be occupied (neither walls nor
    portals), numbered row by row; actions are `layout.offsets` in order: up, right, down, left, with 8 moves then the
    diagonals clockwise from up-right, then staying if the rules have it.

    Attributes:
        layout: the map under its rules.
        n_states, n_actions: how many there are.
        n_outcomes: the most outcomes that a (state, action) has.
        max_abs_reward: a bound on the magnitude of every reward that a transition pays.
        has_terminal: whether any state is terminal.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        codes = layout.grid.codes
        self._codes = np.ascontiguousarray(codes)
        self._kind = _kinds(layout)
        self._first = np.empty(codes.shape[0] + 1, dtype=np.int64)
        counts = np.zeros(len(self._kind), dtype=np.int64)
        geometry.number_states(self._codes, self._kind, self._first, counts)
        self._present = counts > 0
        self._n_irregular = int(counts[self._kind == geometry.IRREGULAR].sum())
        self.n_states = int(self._first[-1])
        self.n_actions = layout.n_actions
        self.has_terminal = bool((self._present & (self._kind == geometry.TERMINAL)).any())
        slips = layout.slip[self._present & layout.occupiable]
        mixed = layout.rules.moves if layout.rules.slip_kind == "uniform" else 3
        self.n_outcomes = mixed if slips.any() else 1
        rewards = [layout.enter_reward, layout.blocked_reward, layout.jump_reward]
        self.max_abs_reward = float(np.abs(np.stack(rewards)[:, self._present]).max())

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the grid."""
        return self.layout.shape

    @property
    def offsets(self) -> NDArray[np.int64]:
        """(row, column) offset that each action wishes for, int64 `(A, 2)`; (0, 0) is staying."""
        return self.layout.offsets

    @cached_property
    def cells(self) -> NDArray[np.int32]:
        """(row, column) of every state, int32 `(S, 2)`."""
        cells = np.empty((self.n_states, 2), dtype=np.int32)
        geometry.state_cells(self._codes, self._kind, cells)
        return cells

    def state_of(self, row: int, column: int) -> int:
        """Return the state that stands for a cell.

        Raises:
            IndexError: where the cell is outside the grid, a wall or a portal.
        """
        height, width = self.shape
        if not (0 <= row < height and 0 <= column < width):
            raise IndexError(f"cell ({row}, {column}) is outside the {height} x {width} grid")
        occupiable = self.layout.occupiable
        if not occupiable[self._codes[row, column]]:
            cell = self.layout.grid.legend[self._codes[row, column]]
            raise IndexError(f"cell ({row}, {column}) is a {cell.kind}: no state stands for it")
        return int(self._first[row] + np.count_nonzero(occupiable[self._codes[row, :column]]))

    @cached_property
    def terminal(self) -> NDArray[np.bool_]:
        """Which states are terminal, bool `(S,)`."""
        return np.asarray(self._by_state(self.layout.terminal))

    def _by_state(self, table: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Look a table by code up for every state."""
        inside = self.layout.occupiable[self._codes]
        return np.asarray(table[self._codes[inside]])

    @cached_property
    def _tables(self) -> tuple[NDArray[np.float64], ...]:
        """By code: entering, a blocked move beyond it, slip; target (padded index) and what passing pays beyond it."""
        layout, width = self.layout, self.shape[1]
        target = layout.target
        row, column = np.divmod(target, width)
        padded = np.where(target >= 0, (row + 1) * (width + 2) + column + 1, -1)
        passing = np.where(layout.jump, layout.jump_reward, layout.enter_reward)
        link = np.where(target >= 0, passing - layout.enter_reward[self._codes.ravel()[target]], 0.0)
        return layout.enter_reward, layout.blocked_reward - layout.enter_reward, layout.slip, padded, link

    @cached_property
    def _irregular(self) -> NDArray[np.int32]:
        """Landings of the irregular cells, int32 `(N, D)`."""
        wanted = np.arange(6) == geometry.IRREGULAR
        return self._landings(wanted, self._n_irregular)[1]

    def _landings(self, wanted: NDArray[np.bool_], count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        layout = self.layout
        place = np.empty(count, dtype=np.int32)
        land = np.empty((count, self.n_actions), dtype=np.int32)
        geometry.list_landings(self._codes, self._kind, wanted, layout.offsets, layout.wind, layout.exits, place, land)
        return place, land

    def _sweep(
        self,
        v: NDArray[np.float64],
        gamma: float,
        *,
        q: NDArray[np.float64] = _NO_Q,
        best: NDArray[np.float64] = _NO_VALUES,
        policy: NDArray[np.int8] = _NO_POLICY,
    ) -> tuple[float, float]:
        height, width = self.shape
        enter, bump, slip, target, link = self._tables
        rules = self.layout.rules
        w = np.full((height + 2) * (width + 2), plain.BLOCKED)
        passing = plain.enter_values(v, self._codes, self._kind, enter, target, link, gamma, w)
        steps = geometry.offsets_in(self.layout.offsets, width)
        low, high = plain.sweep(
            w, self._codes, self._kind, bump, slip, passing, v, steps, rules.moves, rules.slip_kind == "uniform",
            self._irregular, q, best, policy,
        )  # fmt: skip
        return float(low), float(high)

    @cached_property
    def _listed(self) -> SmallGrid | None:
        return SmallGrid(self) if self._codes.size <= _SMALL else None

    def divide(self, blocks: int) -> list[BandPart]:
        """Cut the grid into bands of rows for `rlkit.distributed.value_iteration`.

        Raises:
            ConfigError: for more bands than there are rows.
        """
        from rlkit.envs.gridworld.bands import divide

        return divide(self.ground, self.layout.grid.codes, blocks)

    def prove(self, low: float, high: float, largest: float, gamma: float) -> tuple[float, float, bool]:
        """Turn what one synchronous sweep of all bands would change into a shift and a bound; see `Ground.prove`."""
        return self.ground.prove(low, high, largest, gamma)

    @property
    def ground(self) -> Ground:
        """What the tiled kernels read."""
        return Ground.of(self)

    @cached_property
    def _solver(self) -> SmallGrid | LargeGrid:
        return self._listed or LargeGrid(self.ground)

    def q_from_v(self, v: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
        """Return the action values that one step followed by v has, float64 `(S, A)`; 0 where a state is terminal."""
        v = as_values(v, self.n_states)
        if self._listed is not None:
            return self._listed.q_from_v(v, gamma)
        q = np.empty((self.n_states, self.n_actions))  # [S, A]
        self._sweep(v, gamma, q=q)
        return q

    def backup(self, v: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
        """Apply the Bellman optimality operator to v once, all states at the same time, float64 `(S,)`."""
        v = as_values(v, self.n_states)
        if self._listed is not None:
            return np.asarray(self._listed.q_from_v(v, gamma).max(axis=1))
        best = np.empty(self.n_states)
        self._stream(v, gamma, best=best)
        return best

    def greedy(self, v: NDArray[np.float64], gamma: float) -> NDArray[np.int8]:
        """Return the lowest action of those that are best by one step followed by v, int8 `(S,)`; 0 if terminal."""
        v = as_values(v, self.n_states)
        if self._listed is not None:
            return np.asarray(self._listed.q_from_v(v, gamma).argmax(axis=1), dtype=np.int8)
        policy = np.empty(self.n_states, dtype=np.int8)
        self._stream(v, gamma, policy=policy)
        return policy

    def residual(self, v: NDArray[np.float64], gamma: float) -> tuple[float, float]:
        """Return the least and largest `(T v - v)(s)` over the states that are not terminal; (0, 0) without any."""
        v = as_values(v, self.n_states)
        if self._listed is not None:
            change = (self._listed.q_from_v(v, gamma).max(axis=1) - v)[~self._listed.ends]
            return (float(change.min()), float(change.max())) if len(change) else (0.0, 0.0)
        low, high = self._stream(v, gamma)
        return (low, high) if low <= high else (0.0, 0.0)

    def _stream(
        self,
        v: NDArray[np.float64],
        gamma: float,
        *,
        best: NDArray[np.float64] = _NO_VALUES,
        policy: NDArray[np.int8] = _NO_POLICY,
    ) -> tuple[float, float]:
        """Sweep row by row where there is nothing irregular, else like `_sweep`: the same numbers, to the bit."""
        if self._n_irregular:
            return self._sweep(v, gamma, best=best, policy=policy)
        layout, rules = self.layout, self.layout.rules
        enter, bump, _, _, link = self._tables
        kind = np.where(self._present, self._kind, geometry.PLAIN).astype(np.uint8)  # what is not there slows nothing
        scale = np.where(kind == geometry.TERMINAL, 0.0, gamma)
        passing = np.zeros(len(self._kind))
        for code in np.flatnonzero((layout.target >= 0) & self._present):
            target = divmod(int(layout.target[code]), self.shape[1])
            entered = self._codes[target]
            passing[code] = (enter[entered] + scale[entered] * v[self.state_of(*target)]) + link[code]
        turns = rules.slip > 0.0 and rules.slip_kind == "perpendicular"
        low, high = rows.sweep(
            v, self._codes, self._first, kind, enter, scale, bump, passing, layout.offsets, rules.moves, turns,
            rules.slip, 0.0 if rules.stay else plain.BLOCKED, best, policy,
        )  # fmt: skip
        return float(low), float(high)

    def optimal_values(
        self,
        gamma: float,
        *,
        tol: float,
        max_sweeps: int,
        on_sweep: OnSweep | None = None,
    ) -> Sweeps:
        """Solve the Bellman optimality equation for gamma < 1 to a proven error of at most tol, if float64 can."""
        return self._solver.solve(gamma, tol=tol, max_sweeps=max_sweeps, on_sweep=on_sweep)

    def to_finite_mdp(self) -> FiniteMDP:
        """Write the model out as a `FiniteMDP`, the same to the rounding of the probabilities' sums."""
        from rlkit.mdp import FiniteMDP

        layout, (height, width) = self.layout, self.shape
        enter, bump, slip, *_ = self._tables
        place = np.divmod(layout.target, width)
        targets = np.array([self.state_of(*cell) if cell[0] >= 0 else -1 for cell in zip(*place, strict=True)])
        numbers = np.empty((height + 2) * (width + 2), dtype=np.int32)
        matrix.number_cells(self._codes, self._kind, targets, numbers)
        rows = self.n_states * self.n_actions
        indptr = np.empty(rows + 1, dtype=np.int64)
        indices = np.empty(rows * self.n_outcomes + 1, dtype=np.int32)
        data = np.empty(len(indices))
        rewards = np.empty((self.n_states, self.n_actions))  # [S, A]
        mixing = np.stack([layout.mixing(s) for s in slip])  # [K, A, D]
        count = matrix.write_rows(
            self._codes, self._kind, numbers, enter, bump, layout.jump_reward, targets, mixing,
            geometry.offsets_in(layout.offsets, width), self._irregular, indptr, indices, data, rewards,
        )  # fmt: skip
        transitions = sp.csr_matrix((data[:count], indices[:count], indptr), shape=(rows, self.n_states))
        return FiniteMDP(transitions, rewards, self.terminal)


def _kinds(layout: Layout) -> NDArray[np.uint8]:
    """Sort the legend's codes by what the sweeps need to know, uint8 `(K,)`."""
    moves_alike = layout.exits.all(axis=1) & ~layout.wind.any(axis=1) & (layout.slip == layout.rules.slip)
    kind = np.where(moves_alike, geometry.PLAIN, geometry.IRREGULAR)
    kind[layout.jump] = geometry.JUMP
    kind[layout.terminal] = geometry.TERMINAL
    kind[~layout.occupiable] = geometry.PORTAL
    kind[layout.wall] = geometry.WALL
    return kind.astype(np.uint8)
