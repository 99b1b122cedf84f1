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
from rlkit.envs.gridworld.rules import Rules

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


class Ground(NamedTuple):
    """What the tiled kernels read of a grid, K codes, D directions.

    Attributes:
        codes: uint8 `(H, W)`.
        kind, present: what the sweeps need to know of every code (`kernels.geometry`), and whether it occurs, `(K,)`.
        enter, bump, slip, link: what entering pays, a blocked move beyond it, the slip, and what passing through a
            portal or jump pays beyond its target's entering, float64 `(K,)`.
        target: the flat cell that a portal or jump leads to, else -1, int64 `(K,)`.
        offsets, wind, exits: as in `Layout`: `(D, 2)`, `(K, 2)`, `(K, D)`.
        rules: of the whole grid.
        least_reward: a lower bound of what a step pays.
        n_states, max_abs_reward, n_outcomes, has_terminal: as in `GridModel`.
    """

    codes: NDArray[np.uint8]
    kind: NDArray[np.uint8]
    present: NDArray[np.bool_]
    enter: NDArray[np.float64]
    bump: NDArray[np.float64]
    slip: NDArray[np.float64]
    link: NDArray[np.float64]
    target: NDArray[np.int64]
    offsets: NDArray[np.int64]
    wind: NDArray[np.int64]
    exits: NDArray[np.bool_]
    rules: Rules
    least_reward: float
    n_states: int
    max_abs_reward: float
    n_outcomes: int
    has_terminal: bool

    @classmethod
    def of(cls, model: GridModel) -> Ground:
        """Describe a whole grid."""
        layout = model.layout
        enter, bump, slip, _, link = model._tables
        return cls(
            model._codes, model._kind, model._present, enter, bump, slip, link, layout.target, layout.offsets,
            layout.wind, layout.exits, layout.rules, _least_reward(model), model.n_states,
            model.max_abs_reward, model.n_outcomes, model.has_terminal,
        )  # fmt: skip

    def floor(self, gamma: float) -> float:
        """Return a lower bound of every optimal value."""
        return (min(self.least_reward, 0.0) if self.has_terminal else self.least_reward) / (1.0 - gamma)

    def slack(self, largest: float) -> float:
        """Bound the rounding of one sweep's residual, and of the sweep that makes the values returned."""
        scale = 2 * self.max_abs_reward + largest
        mixed = 0 if self.n_outcomes == 1 else self.n_outcomes + 2
        return 2 * (mixed + 6) * bounds.UNIT_ROUNDOFF * scale

    def prove(self, low: float, high: float, largest: float, gamma: float) -> tuple[float, float, bool]:
        """Turn what one synchronous sweep would change into a shift and a proven bound (`bounds.midrange`).

        Args:
            low, high: the least and largest change of w; inf and -inf where nothing can change.
            largest: max |w|.

        Returns:
            The shift, the bound, and whether only rounding is left.
        """
        slack = self.slack(largest)
        low, high = (low, high) if low <= high else (0.0, 0.0)
        return *bounds.midrange(low, high, gamma, terminal=self.has_terminal, slack=slack), high <= 4 * slack


class Items(NamedTuple):
    """What the vector sweeps cannot do, tile by tile; see `kernels.large.list_items`."""

    first: NDArray[np.int64]
    own: NDArray[np.signedinteger]
    code_of: NDArray[np.uint8]
    land: NDArray[np.signedinteger]


class LargeGrid:
    """One solution of a grid by the tiled kernels.

    Args:
        ground: the grid.
    """

    def __init__(self, ground: Ground) -> None:
        rules = ground.rules
        height, width = ground.codes.shape
        self.ground = ground
        self.codes, self.kind = ground.codes, ground.kind
        self.across = -(-width // tiles.COLUMNS)
        self.n_tiles = self.across * -(-height // tiles.ROWS)
        self.moves = rules.moves
        self.uniform = rules.slip_kind == "uniform"
        slip = rules.slip
        kinds = (tiles.PERPENDICULAR, tiles.UNIFORM)
        self.rule = kinds[self.uniform] if slip else tiles.DETERMINISTIC
        self.weights = (1.0 - slip, slip / self.moves if self.uniform else slip / 2)
        boundary = rules.boundary_reward
        self.bump = (0.0, 0.0) if boundary is None else (boundary, 1.0)
        self.stay = 0.0 if rules.stay else BLOCKED
        codes = len(self.kind)
        self.tables = np.zeros((4, 256))
        self.tables[:, :codes] = ground.enter, ground.bump, ground.slip, ground.link
        self.rewards = np.full(256, BLOCKED)
        self.rewards[:codes][self.kind == geometry.PLAIN] = ground.enter[self.kind == geometry.PLAIN]
        self.pieces = np.empty(self.n_tiles * tiles.CELLS, dtype=np.uint8)
        large.cut(self.codes, self.pieces)
        self._list_items()
        self.pace = _SURE if self.rule == tiles.DETERMINISTIC else _LISTED if len(self.items.own) else _SLIPPING

    def _list_items(self) -> None:
        ground = self.ground
        listed = np.zeros(256, dtype=np.bool_)
        special = (geometry.IRREGULAR, geometry.PORTAL, geometry.JUMP)
        listed[: len(self.kind)] = np.isin(self.kind, special) & ground.present
        first = np.zeros(self.n_tiles + 1, dtype=np.int64)
        self.hearing_first, self.hearing = first, first[:0]
        if listed.any():
            large.count_items(self.pieces, listed, first)
        n, width = int(first[-1]), len(ground.offsets)
        place = np.dtype(np.int32 if self.n_tiles * tiles.SIZE < 2**31 else np.int64)  # read in every visit
        own: NDArray[np.signedinteger] = np.empty(n, dtype=place)
        land: NDArray[np.signedinteger] = np.zeros((n, width), dtype=place)
        code_of = np.empty(n, dtype=np.uint8)
        self.items = Items(first, own, code_of, land)
        if n:
            pairs = large.list_items(
                self.codes, self.kind, ground.target, ground.offsets, ground.wind, ground.exits, *self.items
            )
            heard, self.hearing = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2).T.copy()
            self.hearing_first = np.searchsorted(heard, np.arange(self.n_tiles + 1))

    def start(self, gamma: float) -> NDArray[np.float64]:
        """Fill the blocks with w of a lower bound of the optimal values; halos agree with borders."""
        ground = self.ground
        enter = self.tables[0, : len(self.kind)]
        floor = ground.floor(gamma)
        value = np.full(256, floor)
        if ground.rules.stay:
            plain = self.kind == geometry.PLAIN
            value[: len(self.kind)][plain] = np.maximum(floor, enter[plain] / (1.0 - gamma))
        start = self.tables[0] + gamma * value
        start[: len(self.kind)][self.kind == geometry.TERMINAL] = enter[self.kind == geometry.TERMINAL]
        start[: len(self.kind)][self.kind == geometry.WALL] = BLOCKED
        start[large.OUTSIDE] = BLOCKED
        x = _aligned(self.n_tiles * tiles.SIZE)
        large.begin(self.pieces, start, x)
        bumping = self.tables[1, : len(self.kind)][self.kind == geometry.PLAIN] > 0.0
        if self.rule == tiles.DETERMINISTIC and (bumping.any() or not ground.rules.stay):
            large.lift(
                self.codes, self.kind, ground.offsets[: self.moves], self.tables, gamma, not ground.rules.stay, x
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
        x = self.start(gamma)
        unheard = np.full(self.n_tiles, np.inf)
        item_best, highs = np.empty(len(self.items.own)), np.empty(self.n_tiles)
        used, budget = 0, min(max_sweeps * self.n_tiles, UNLIMITED)
        portion = budget if on_sweep is None else _REPORT * self.n_tiles
        threshold = tol * (1.0 - gamma)
        while True:
            spent = self.settle(x, unheard, gamma, threshold, min(portion, budget - used))
            used += spent
            self.pass_portals(x, unheard)
            low, high, largest = self.certify(x, gamma, item_best, highs)
            shift, bound, exhausted = self.ground.prove(low, high, largest, gamma)
            sweeps = math.ceil(used / self.n_tiles) + 1
            if on_sweep is not None:
                v = np.empty(self.ground.n_states)
                self.write(x, item_best, 0.0, v)
                low, high = (low, high) if low <= high else (0.0, 0.0)
                on_sweep(sweeps, v, low / max(gamma, 1e-300), high / max(gamma, 1e-300))
            if bound <= tol or used >= budget or exhausted:
                break
            if spent < portion:
                unheard[highs > 0.5 * threshold] = np.inf
                threshold *= 0.5
        v = x[: self.ground.n_states]
        v_max = self.write(x, item_best, shift, v)
        return Sweeps(v, bound, sweeps, v_max)

    def settle(
        self, x: NDArray[np.float64], unheard: NDArray[np.float64], gamma: float, threshold: float, budget: int
    ) -> int:
        """Sweep tiles that have heard of more than `threshold`; return how many sweeps of tiles that took."""
        a, b = (gamma * weight for weight in self.weights)
        used = large.settle(
            x, self.pieces, self.walled, self.across, unheard, *self.items, self.hearing_first, self.hearing,
            self.kind, self.tables, self.rewards, self.rule, self.uniform, self.moves, a, b, *self.bump, gamma,
            threshold, *self.pace, budget, _aligned(tiles.SIZE), _aligned(tiles.SIZE),
        )  # fmt: skip
        return int(used)

    def pass_portals(self, x: NDArray[np.float64], unheard: NDArray[np.float64]) -> None:
        """Give every portal exactly what entering it is worth."""
        if len(self.items.own):
            large.pass_portals(x, *self.items, self.kind, self.tables, self.across, self.moves == 8, unheard)

    def certify(
        self, x: NDArray[np.float64], gamma: float, item_best: NDArray[np.float64], highs: NDArray[np.float64]
    ) -> tuple[float, float, float]:
        """Return the least and largest change of w that one synchronous sweep would make, and the largest |w|.

        Without a cell that can change they are inf and -inf.
        """
        first, own, code_of, land = self.items
        low, high, largest = large.certify(
            x, self.pieces, first, own, code_of, land, self.kind, self.tables, self.rewards, self.rule, self.uniform,
            self.moves, *self.weights, *self.bump, self.stay, gamma, item_best, highs,
        )  # fmt: skip
        return float(low), float(high), float(largest)

    def write(
        self, x: NDArray[np.float64], item_best: NDArray[np.float64], shift: float, v: NDArray[np.float64]
    ) -> float:
        """Write the values that the certified sweep gives into v, which may be a view of x; return max |v|."""
        largest = large.write_values(
            x, self.pieces, self.codes, self.kind, self.items.first, self.items.own, item_best, self.rewards,
            self.rule, self.moves, *self.weights, *self.bump, self.stay, shift, v,
        )  # fmt: skip
        return float(largest)


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
