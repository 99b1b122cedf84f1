"""What happens when a grid world is stepped: states by number, and the outcomes of every action."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.gridworld.layout import Layout
from rlkit.envs.stepping import Outcome, Outcomes

_BLOCK = 4096  # cells whose marked ones are counted together: the memory of a Numbering is 8 bytes for so many cells


class Numbering:
    """The marked cells of a map, numbered row-major from 0, in two thousandths of a byte a cell.

    Args:
        codes: uint8 `(H, W)`.
        marked: bool `(K,)`, which codes count.
    """

    def __init__(self, codes: NDArray[np.uint8], marked: NDArray[np.bool_]) -> None:
        self._codes = codes.reshape(-1)
        self._marked = marked
        blocks = range(0, self._codes.size, _BLOCK)
        counts = [np.count_nonzero(marked[self._codes[start : start + _BLOCK]]) for start in blocks]
        self._before = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))  # marked cells before each block

    def __len__(self) -> int:
        return int(self._before[-1])

    def cells(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the flat cell index of each number, int64, of the shape of `numbers`; all must be in `[0, len)`."""
        block = np.searchsorted(self._before, numbers, side="right") - 1
        cells = np.empty(np.shape(numbers), np.int64)
        for each, here in _grouped(block):
            inside = np.flatnonzero(self._inside(each))
            cells.flat[here] = each * _BLOCK + inside[np.ravel(numbers)[here] - self._before[each]]
        return cells

    def numbers(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of each flat cell index, -1 where it is not marked; int64, of the shape of `cells`."""
        block = np.asarray(cells) // _BLOCK
        numbers = np.empty(np.shape(cells), np.int64)
        for each, here in _grouped(block):
            inside = self._inside(each)
            counted = np.where(inside, np.cumsum(inside) - 1 + self._before[each], -1)
            numbers.flat[here] = counted[np.ravel(cells)[here] - each * _BLOCK]
        return numbers

    def _inside(self, block: int) -> NDArray[np.bool_]:
        return self._marked[self._codes[block * _BLOCK : (block + 1) * _BLOCK]]


def _grouped(block: NDArray[np.int64]) -> Iterator[tuple[int, slice | NDArray[np.int64]]]:
    """Yield every number that occurs in `block`, and where it does, as an index of the flat array."""
    flat = block.ravel()
    if not flat.size:
        return
    first = int(flat[0])
    if (flat == first).all():
        yield first, slice(None)
        return
    order = np.argsort(flat, kind="stable")
    edges = np.flatnonzero(np.diff(flat[order])) + 1
    for here in np.split(order, edges):
        yield int(flat[here[0]]), here


class Landings(NamedTuple):
    """Where each direction leads from each of N states.

    Attributes:
        state: int64 `(N, D)`.
        reward: float64 `(N, D)`.
        terminated: bool `(N, D)`, whether the episode ends there.
    """

    state: NDArray[np.int64]
    reward: NDArray[np.float64]
    terminated: NDArray[np.bool_]


class Dynamics:
    """A layout's transitions by state number, made for the states that are asked for."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.states = Numbering(layout.grid.codes, layout.occupiable)

    @cached_property
    def starts(self) -> Numbering:
        """The cells in which episodes begin: the start cells, or without any all that are not terminal."""
        layout = self.layout
        drawn = np.array([cell.kind == "start" for cell in layout.grid.legend]) & ~layout.terminal
        starts = Numbering(layout.grid.codes, drawn)
        return starts if len(starts) else Numbering(layout.grid.codes, layout.occupiable & ~layout.terminal)

    @cached_property
    def fingerprint(self) -> int:
        """A checksum of map and rules: a saved state of another grid world has another one."""
        layout = self.layout
        rules = zlib.crc32(repr((layout.shape, layout.grid.legend, layout.rules)).encode())
        return zlib.crc32(layout.grid.codes.reshape(-1).data, rules)

    def terminal(self, states: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of the given states are terminal."""
        return self.layout.terminal[self.layout.grid.codes.reshape(-1)[self.states.cells(states)]]

    def landings(self, states: NDArray[np.int64]) -> Landings:
        """Return where each direction leads from the given states, int64 `(N,)`."""
        cell, reward = self.layout.landings(self.states.cells(states))
        terminated = self.layout.terminal[self.layout.grid.codes.reshape(-1)[cell]]
        return Landings(self.states.numbers(cell), reward, terminated)

    def outcomes(self, states: NDArray[np.int64]) -> list[dict[int, Outcomes]]:
        """Return the outcomes of every action in the given states, int64 `(N,)`, equal ones added up."""
        landings = self.landings(states)
        codes = self.layout.grid.codes.reshape(-1)[self.states.cells(states)]
        mixing = {slip: self.layout.mixing(slip) for slip in np.unique(self.layout.slip[codes]).tolist()}
        weights = {slip: [_positive(row) for row in table] for slip, table in mixing.items()}
        rows = []
        columns = (landings.state.tolist(), landings.reward.tolist(), landings.terminated.tolist())
        for state, reward, terminated, slip in zip(*columns, self.layout.slip[codes].tolist(), strict=True):
            reached = list(zip(state, reward, terminated, strict=True))  # [D]
            rows.append({action: _merge(reached, weight) for action, weight in enumerate(weights[slip])})
        return rows


def _positive(probabilities: NDArray[np.float64]) -> list[tuple[int, float]]:
    return [(direction, p) for direction, p in enumerate(probabilities.tolist()) if p > 0]


def _merge(reached: list[Outcome], weights: list[tuple[int, float]]) -> Outcomes:
    if len(weights) == 1:
        return (), (reached[weights[0][0]],)
    merged: dict[Outcome, float] = {}
    for direction, probability in weights:
        outcome = reached[direction]
        merged[outcome] = merged.get(outcome, 0.0) + probability
    return tuple(accumulate(merged.values()))[:-1], tuple(merged)
