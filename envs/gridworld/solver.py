"""The fastest solver of large grids: tiles in cache, values that only rise, one synchronous sweep as proof."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.bellman import bounds
from rlkit.bellman.model import UNLIMITED, OnSweep, Sweeps
from rlkit.envs.gridworld.kernels import geometry, large, small, tiles
from rlkit.envs.gridworld.kernels.plain import BLOCKED

if TYPE_CHECKING:
    from rlkit.envs.gridworld.model import GridModel


class Pace(NamedTuple):
    """How long a tile is stayed with; see `kernels.large.settle`. Measured."""

    block: int
    visit: int
    every: int


_SURE = Pace(block=4, visit=8, every=1)
"""Where no move slips."""

_SLIPPING = Pace(block=1, visit=1, every=4)
"""Where moves slip: loops across a border close in once a visit, so that visits are short."""

_LISTED = Pace(block=4, visit=4, every=1)
"""Where moves slip and cells are listed as items, which take longer to read than to update."""

_LOOK = 64
"""Sweeps of a small grid between two looks at how evenly its values rise."""

_REPORT = 32
"""Full sweeps between two reports."""


class SmallGrid:
    """The solver of a small `GridModel`: everything listed once, so that a solution takes microseconds."""

    def __init__(self, model: GridModel) -> None:
        layout = model.layout
        codes = layout.grid.codes.ravel()
        cells = np.flatnonzero(layout.occupiable[codes])  # [S]
        state_of = np.full(codes.size, -1, dtype=np.int32)
        state_of[cells] = np.arange(len(cells))
        landing, pay = layout.landings(cells)  # [S, D]
        self.has_terminal = model.has_terminal
        self.ends = layout.terminal[codes[cells]]  # [S]
        self.lowest = float(pay[~self.ends].min(initial=np.inf)) if not self.ends.all() else 0.0
        self.scale = model.max_abs_reward
        self.outcomes = 2 * (model.n_outcomes + 4)
        self.lists = state_of[landing], pay, self.ends, layout.slip[codes[cells]], layout.rules.moves
        self.uniform = layout.rules.slip_kind == "uniform"

    def q_from_v(self, v: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
        """Return the action values, `(S, A)`; equal landings give equal bits. Nothing is compiled for it."""
        land, pay, ends, slip, moves = self.lists
        worth: NDArray[np.float64] = pay + gamma * np.where(ends, 0.0, v)[land]  # [S, D]
        worth[ends] = 0.0
        if not slip.any():
            return worth
        wished, each = 1.0 - slip[:, None], slip[:, None] / (moves if self.uniform else 2)
        if self.uniform:
            slipped = np.broadcast_to(worth[:, :moves].sum(axis=1)[:, None], (len(v), moves))
        else:
            rings = worth[:, :moves].reshape(len(v), -1, 4)
            slipped = (np.roll(rings, -1, axis=2) + np.roll(rings, 1, axis=2)).reshape(len(v), moves)
        q = worth.copy()
        q[:, :moves] = np.where(slip[:, None] == 0.0, worth[:, :moves], wished * worth[:, :moves] + each * slipped)
        return q

    def solve(self, gamma: float, *, tol: float, max_sweeps: int, on_sweep: OnSweep | None = None) -> Sweeps:
        """Find the optimal values; see `GridModel.optimal_values`."""
        floor = (min(self.lowest, 0.0) if self.has_terminal else self.lowest) / (1.0 - gamma)
        v, best = np.empty(len(self.ends)), np.empty(len(self.ends))
        small.start(*self.lists, gamma, floor, v)
        threshold, used = 0.5 * tol * (1.0 - gamma), 0
        portion = max_sweeps if on_sweep is None and self.has_terminal else _LOOK if on_sweep is None else 2
        while True:
            low, high, spent, largest = small.improve(
                *self.lists, self.uniform, gamma, threshold, min(portion, max_sweeps - used), v, best
            )
            used += spent
            if low > high:
                low = high = 0.0
            slack = bounds.rounding_slack(self.scale + gamma * largest, self.outcomes)
            # best = T v, so that T best - best lies between gamma low and gamma high
            shift, bound = bounds.midrange(gamma * low, gamma * high, gamma, terminal=self.has_terminal, slack=slack)
            if on_sweep is not None:
                on_sweep(used, best.copy(), low, high)
            if bound <= tol or used >= max_sweeps or high <= 4 * slack:
                break
            v, best = best, v
            if not self.has_terminal and low > 0.0:
                v += gamma * low / (1.0 - gamma)  # still a lower bound
            if spent < portion:
                threshold *= 0.5
        if shift:
            best += shift
        return Sweeps(best, bound, used, largest + abs(shift))


class Items(NamedTuple):
    """What the vector sweeps cannot do, tile by tile; see `kernels.large.list_items`."""

    first: NDArray[np.int64]
    own: NDArray[np.signedinteger]
    code_of: NDArray[np.uint8]
    land: NDArray[np.signedinteger]


class LargeGrid:
    """One solution of a `GridModel` by the tiled kernels.

    Args:
        model: the grid.
    """

    def __init__(self, model: GridModel) -> None:
        layout = model.layout
        height, width = layout.shape
        self.model = model
        self.codes, self.kind = model._codes, model._kind
        self.across = -(-width // tiles.COLUMNS)
        self.n_tiles = self.across * -(-height // tiles.ROWS)
        self.moves = layout.rules.moves
        self.uniform = layout.rules.slip_kind == "uniform"
        slip = layout.rules.slip
        kinds = (tiles.PERPENDICULAR, tiles.UNIFORM)
        self.rule = kinds[self.uniform] if slip else tiles.DETERMINISTIC
        self.weights = (1.0 - slip, slip / self.moves if self.uniform else slip / 2)
        boundary = layout.rules.boundary_reward
        self.bump = (0.0, 0.0) if boundary is None else (boundary, 1.0)
        self.stay = 0.0 if layout.rules.stay else BLOCKED
        codes = len(self.kind)
        self.tables = np.zeros((4, 256))
        enter, bump, slips, _, link = model._tables
        self.tables[:, :codes] = enter, bump, slips, link
        self.rewards = np.full(256, BLOCKED)
        self.rewards[:codes][self.kind == geometry.PLAIN] = enter[self.kind == geometry.PLAIN]
        self.pieces = np.empty(self.n_tiles * tiles.CELLS, dtype=np.uint8)
        large.cut(self.codes, self.pieces)
        self._list_items()

    def _list_items(self) -> None:
        layout = self.model.layout
        listed = np.zeros(256, dtype=np.bool_)
        special = (geometry.IRREGULAR, geometry.PORTAL, geometry.JUMP)
        listed[: len(self.kind)] = np.isin(self.kind, special) & self.model._present
        first = np.zeros(self.n_tiles + 1, dtype=np.int64)
        self.hearing_first, self.hearing = first, first[:0]
        if listed.any():
            large.count_items(self.pieces, listed, first)
        n, width = int(first[-1]), self.model.n_actions
        place = np.dtype(np.int32 if self.n_tiles * tiles.SIZE < 2**31 else np.int64)  # read in every visit
        own: NDArray[np.signedinteger] = np.empty(n, dtype=place)
        land: NDArray[np.signedinteger] = np.zeros((n, width), dtype=place)
        code_of = np.empty(n, dtype=np.uint8)
        self.items = Items(first, own, code_of, land)
        if n:
            pairs = large.list_items(
                self.codes, self.kind, layout.target, layout.offsets, layout.wind, layout.exits, *self.items
            )
            heard, self.hearing = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2).T.copy()
            self.hearing_first = np.searchsorted(heard, np.arange(self.n_tiles + 1))

    def _start(self, gamma: float) -> NDArray[np.float64]:
        """Fill the blocks with w of a lower bound of the optimal values; halos agree with borders."""
        model, layout = self.model, self.model.layout
        enter = self.tables[0, : len(self.kind)]
        lowest = _least_reward(model)
        floor = (min(lowest, 0.0) if model.has_terminal else lowest) / (1.0 - gamma)
        value = np.full(256, floor)
        if layout.rules.stay:
            plain = self.kind == geometry.PLAIN
            value[: len(self.kind)][plain] = np.maximum(floor, enter[plain] / (1.0 - gamma))
        start = self.tables[0] + gamma * value
        start[: len(self.kind)][self.kind == geometry.TERMINAL] = enter[self.kind == geometry.TERMINAL]
        start[: len(self.kind)][self.kind == geometry.WALL] = BLOCKED
        start[large.OUTSIDE] = BLOCKED
        x = _aligned(self.n_tiles * tiles.SIZE)
        large.begin(self.pieces, start, x)
        bumping = self.tables[1, : len(self.kind)][self.kind == geometry.PLAIN] > 0.0
        if self.rule == tiles.DETERMINISTIC and (bumping.any() or not layout.rules.stay):
            large.lift(
                self.codes, self.kind, layout.offsets[: self.moves], self.tables, gamma, not layout.rules.stay, x
            )
        items = self.items
        large.lift_items(items.own, items.code_of, items.land, self.kind, self.tables, self.moves, gamma, x)
        self.walled = np.empty(self.n_tiles, dtype=np.bool_)
        large.meet(x, self.across, self.moves == 8, self.walled)
        return x

    def solve(
        self,
        gamma: float,
        *,
        tol: float,
        max_sweeps: int,
        on_sweep: OnSweep | None = None,
    ) -> Sweeps:
        """Find the optimal values; see `GridModel.optimal_values`."""
        x = self._start(gamma)
        unheard = np.full(self.n_tiles, np.inf)
        item_best, highs = np.empty(len(self.items.own)), np.empty(self.n_tiles)
        used, budget = 0, min(max_sweeps * self.n_tiles, UNLIMITED)
        portion = budget if on_sweep is None else _REPORT * self.n_tiles
        threshold = tol * (1.0 - gamma)
        while True:
            spent = self._settle(x, unheard, gamma, threshold, min(portion, budget - used))
            used += spent
            low, high, largest = self._certify(x, unheard, gamma, item_best, highs)
            slack = self._slack(largest)
            shift, bound = bounds.midrange(low, high, gamma, terminal=self.model.has_terminal, slack=slack)
            sweeps = math.ceil(used / self.n_tiles) + 1
            if on_sweep is not None:
                v = np.empty(self.model.n_states)
                self._write(x, item_best, 0.0, v)
                on_sweep(sweeps, v, low / max(gamma, 1e-300), high / max(gamma, 1e-300))
            if bound <= tol or used >= budget or high <= 4 * slack:
                break
            if spent < portion:
                unheard[highs > 0.5 * threshold] = np.inf
                threshold *= 0.5
        v = x[: self.model.n_states]
        v_max = self._write(x, item_best, shift, v)
        return Sweeps(v, bound, sweeps, v_max)

    def _settle(
        self, x: NDArray[np.float64], unheard: NDArray[np.float64], gamma: float, threshold: float, budget: int
    ) -> int:
        a, b = (gamma * weight for weight in self.weights)
        pace = _SURE if self.rule == tiles.DETERMINISTIC else _LISTED if len(self.items.own) else _SLIPPING
        used = large.settle(
            x, self.pieces, self.walled, self.across, unheard, *self.items, self.hearing_first, self.hearing,
            self.kind, self.tables, self.rewards, self.rule, self.uniform, self.moves, a, b, *self.bump, gamma,
            threshold, *pace, budget, _aligned(tiles.SIZE), _aligned(tiles.SIZE),
        )  # fmt: skip
        return int(used)

    def _certify(
        self,
        x: NDArray[np.float64],
        unheard: NDArray[np.float64],
        gamma: float,
        item_best: NDArray[np.float64],
        highs: NDArray[np.float64],
    ) -> tuple[float, float, float]:
        """Return the least and largest change of w that one synchronous sweep would make, and the largest |w|."""
        first, own, code_of, land = self.items
        if len(own):
            large.pass_portals(
                x, first, own, code_of, land, self.kind, self.tables, self.across, self.moves == 8, unheard
            )
        low, high, largest = large.certify(
            x, self.pieces, first, own, code_of, land, self.kind, self.tables, self.rewards, self.rule, self.uniform,
            self.moves, *self.weights, *self.bump, self.stay, gamma, item_best, highs,
        )  # fmt: skip
        return (low, high, largest) if low <= high else (0.0, 0.0, largest)

    def _write(
        self, x: NDArray[np.float64], item_best: NDArray[np.float64], shift: float, v: NDArray[np.float64]
    ) -> float:
        """Write the values that the certified sweep gives into v, which may be a view of x; return max |v|."""
        largest = large.write_values(
            x, self.pieces, self.codes, self.kind, self.items.first, self.items.own, item_best, self.rewards,
            self.rule, self.moves, *self.weights, *self.bump, self.stay, shift, v,
        )  # fmt: skip
        return float(largest)

    def _slack(self, largest: float) -> float:
        """Bound the rounding of one sweep's residual, and of the sweep that makes the values returned."""
        scale = 2 * self.model.max_abs_reward + largest
        mixed = 0 if self.model.n_outcomes == 1 else self.model.n_outcomes + 2
        return 2 * (mixed + 6) * bounds.UNIT_ROUNDOFF * scale


def _least_reward(model: GridModel) -> float:
    """Return a lower bound of what a step pays."""
    layout, present = model.layout, model._present
    return float(min(layout.enter_reward[present].min(), layout.blocked_reward[present].min(),
                     layout.jump_reward[present & layout.jump].min(initial=np.inf)))  # fmt: skip


def _aligned(count: int) -> NDArray[np.float64]:
    """Return uninitialised float64 that begin at a cache line, so that a vector of them never straddles two."""
    raw = np.empty(count + 8)
    skip = -(raw.ctypes.data // 8) % 8
    return raw[skip : skip + count]
