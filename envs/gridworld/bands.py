"""A grid cut into bands of rows, each of which is solved by itself from what the others tell it.

A band holds its own rows, the rows about them that its cells can lead to, and, below, the cells elsewhere that its
portals and jumps lead to. What is not its own it *holds*: a code of its own kind that no sweep changes, whose values
are what the owner last told. So the tiled kernels (`solver.LargeGrid`) work on a band as on any grid.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.gridworld.kernels import geometry, large, tiles
from rlkit.envs.gridworld.solver import Ground, LargeGrid
from rlkit.errors import ConfigError, MapError

Places = NDArray[np.int64]


@dataclass(frozen=True)
class FileRows:
    """Rows of a map in a file, for whoever can open it.

    Attributes:
        path: the file.
        offset: where the map begins in it.
        shape: rows and columns of the map.
        first, last: the rows meant, last excluded.
    """

    path: str
    offset: int
    shape: tuple[int, int]
    first: int
    last: int

    def read(self) -> NDArray[np.uint8]:
        """Return the rows' codes, `(last - first, W)`.

        Raises:
            MapError: where the file cannot be opened.
        """
        try:
            codes = np.memmap(self.path, dtype=np.uint8, mode="r", offset=self.offset, shape=self.shape)
        except (OSError, ValueError) as error:
            raise MapError(f"{self.path}: cannot be opened by whoever solves rows {self.first} on ({error})") from None
        return np.array(codes[self.first : self.last])


@dataclass(frozen=True, eq=False)
class BandPart:
    """What a band is built from, wherever that is; `rlkit.distributed.Part`.

    Attributes:
        ground: the whole grid's, with no rows in its codes.
        rows: codes of the rows held, uint8 `(last - first, W)`, or where to read them.
        first: the first row held.
        top, bottom: the rows of its own, bottom excluded.
        heard: the cells (flat, in the whole grid) that each other band tells it of, by band.
        told: the cells of its own that it tells each other band of, by band.
    """

    ground: Ground
    rows: NDArray[np.uint8] | FileRows
    first: int
    top: int
    bottom: int
    heard: Mapping[int, Places]
    told: Mapping[int, Places]

    @property
    def hears(self) -> tuple[int, ...]:
        """The bands that tell it something."""
        return tuple(self.heard)

    @property
    def tells(self) -> tuple[int, ...]:
        """The bands that it tells something."""
        return tuple(self.told)

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"rows {self.top} to {self.bottom - 1}"

    def build(self, gamma: float) -> Band:
        """Make the band, its values a lower bound of the optimal ones."""
        return Band(self, gamma)


class Band:
    """One band's values and how they change; `rlkit.distributed.Block`.

    Args:
        part: which band of which grid.
        gamma: discount in [0, 1).
    """

    def __init__(self, part: BandPart, gamma: float) -> None:
        self.gamma = gamma
        rows = part.rows if isinstance(part.rows, np.ndarray) else part.rows.read()
        elsewhere = _elsewhere(part, len(rows))
        ground = _local_ground(part, rows, elsewhere, gamma)
        self._grid = LargeGrid(ground)
        self._x = self._grid.start(gamma)
        self._unheard = np.full(self._grid.n_tiles, np.inf)
        self._item_best, self._highs = np.empty(len(self._grid.items.own)), np.empty(self._grid.n_tiles)
        self._across = self._grid.across
        self._heard = [self._places(cells, part, len(rows), elsewhere) for cells in part.heard.values()]
        self._told = [self._places(cells, part, len(rows), elsewhere) for cells in part.told.values()]
        states = ~np.isin(part.ground.kind, (geometry.WALL, geometry.PORTAL))
        self.n_states = int(states[rows[part.top - part.first : part.bottom - part.first]].sum())
        self.question = _checksum(part, rows, gamma)

    def _places(self, cells: Places, part: BandPart, n_rows: int, elsewhere: Places) -> Places:
        """Turn cells of the whole grid into places in x."""
        row, column = np.divmod(_local(cells, part, n_rows, elsewhere), part.ground.codes.shape[1])
        tile = row // tiles.ROWS * self._across + column // tiles.COLUMNS
        within = (column & 1) * tiles.HALF + (row % tiles.ROWS + 1) * tiles.PITCH + 8 + (column % tiles.COLUMNS >> 1)
        return np.asarray(tile * tiles.SIZE + within)

    def hear(self, messages: Sequence[NDArray[np.float64]], *, exactly: bool = False) -> None:
        """Take what others told, in the order of `BandPart.hears`.

        Args:
            messages: from each, the w of the cells that it tells of.
            exactly: whether to take them as they are; else only what is more than was held, as both are lower bounds.
        """
        for places, message in zip(self._heard, messages, strict=True):
            before = self._x[places]
            new = message if exactly else np.maximum(before, message)
            self._x[places] = new
            self._wake(places // tiles.SIZE, new - before)

    def _wake(self, tile_of: Places, rise: NDArray[np.float64]) -> None:
        """Pass what has changed on to halos, and to those who hear of it."""
        grid, unheard = self._grid, self._unheard
        rises = np.zeros(grid.n_tiles)
        np.maximum.at(rises, tile_of, rise)
        for tile in np.unique(tile_of[rise != 0.0]):
            unheard[tile] += rises[tile]
            large.share(self._x, tile, grid.across, grid.moves == 8, unheard)
            for n in range(grid.hearing_first[tile], grid.hearing_first[tile + 1]):
                unheard[grid.hearing[n]] += rises[tile]

    def settle(self, threshold: float, sweeps: int, wake: float | None = None) -> tuple[float, bool]:
        """Sweep what has heard of more than `threshold`, for about so many sweeps of the whole band at most.

        Args:
            threshold: of a rise worth a sweep.
            sweeps: about the most to make.
            wake: look again at all that the last `certify` saw rise by more than this.

        Returns:
            The sweeps made, a tile's as its share, and whether nothing is left to do.
        """
        if wake is not None:
            self._unheard[self._highs > wake] = np.inf
        n_tiles = self._grid.n_tiles
        budget = max(sweeps, self._grid.pace.every) * n_tiles  # with fewer nobody would look whether anything moves
        used = self._grid.settle(self._x, self._unheard, self.gamma, threshold, budget)
        return used / n_tiles, not (self._unheard > threshold).any()

    def tell(self) -> list[NDArray[np.float64]]:
        """Return the w of the cells that others are told of, in the order of `BandPart.tells`."""
        return [self._x[places] for places in self._told]

    def meet(self) -> None:
        """Make consistent what a synchronous sweep cannot: what entering a portal is worth."""
        self._grid.pass_portals(self._x, self._unheard)

    def certify(self) -> tuple[float, float, float]:
        """Return the range of what one synchronous sweep would change, and the largest |w|."""
        return self._grid.certify(self._x, self.gamma, self._item_best, self._highs)

    def write(self, shift: float, v: NDArray[np.float64]) -> None:
        """Write what the certified sweep gives, plus `shift`, into v, float64 `(n_states,)`."""
        kind = self._grid.kind
        self._grid.kind = kind.copy()
        self._grid.kind[-2] = geometry.WALL  # what is only held is no state of this band
        self._grid.write(self._x, self._item_best, shift, v)
        self._grid.kind = kind

    def dump(self) -> NDArray[np.float64]:
        """Return all that a checkpoint needs; not copied."""
        return self._x

    def restore(self, saved: NDArray[np.float64]) -> None:
        """Go on from what `dump` returned.

        Raises:
            ConfigError: if that was another band's.
        """
        if saved.shape != self._x.shape or saved.dtype != np.float64:
            raise ConfigError(f"a checkpoint of {saved.shape} {saved.dtype} is not one of this band")
        self._x[:] = saved
        self._unheard[:] = np.inf


def divide(ground: Ground, codes: NDArray[np.uint8], blocks: int) -> list[BandPart]:
    """Cut a grid into bands of as equally many rows as possible.

    Args:
        ground: the whole grid.
        codes: its map, which is read from its file by whoever builds a band if it is a `numpy.memmap`.
        blocks: how many bands.

    Raises:
        ConfigError: for more bands than rows, or a legend too long to add what is held to it.
    """
    height, width = ground.codes.shape
    if not 1 <= blocks <= height:
        raise ConfigError(
            f"blocks={blocks} is outside its range [1, {height}]: a block has at least one row of the map"
        )
    if len(ground.kind) > large.OUTSIDE - 2:
        raise ConfigError(f"a map with a legend of {len(ground.kind)} entries cannot be divided; 253 are the most")
    edges = [height * n // blocks for n in range(blocks + 1)]
    reach = 1 + int(np.abs(ground.wind[:, 0]).max(initial=0))
    targets = np.unique(ground.target[ground.target >= 0])
    heard: list[dict[int, Places]] = []
    for top, bottom in pairwise(edges):
        needed = _needed(max(0, top - reach), top, bottom, min(height, bottom + reach), width, targets)
        owner = np.searchsorted(edges, needed // width, side="right") - 1
        heard.append({int(n): needed[owner == n] for n in np.unique(owner)})
    parts = []
    for n, (top, bottom) in enumerate(pairwise(edges)):
        first, last = max(0, top - reach), min(height, bottom + reach)
        told = {other: cells[n] for other, cells in enumerate(heard) if n in cells}
        rest = ground._replace(codes=np.empty((0, width), dtype=np.uint8))
        parts.append(BandPart(rest, _rows(codes, first, last), first, top, bottom, heard[n], told))
    return parts


def _needed(first: int, top: int, bottom: int, last: int, width: int, targets: Places) -> Places:
    """Return the flat cells that the band needs and does not own, in order."""
    outside = targets[(targets < top * width) | (targets >= bottom * width)]
    rows = np.r_[first * width : top * width, bottom * width : last * width]
    return np.union1d(rows, outside).astype(np.int64)


def _rows(codes: NDArray[np.uint8], first: int, last: int) -> NDArray[np.uint8] | FileRows:
    """Return rows of a map, or where they are if it lies in a file."""
    if isinstance(codes, np.memmap) and isinstance(codes.filename, (str, os.PathLike)):
        path, (height, width) = Path(codes.filename).absolute(), codes.shape
        if codes.flags.c_contiguous and codes.offset + codes.nbytes == path.stat().st_size:  # the whole file, no slice
            return FileRows(str(path), codes.offset, (height, width), first, last)
    return np.asarray(codes[first:last])


def _elsewhere(part: BandPart, n_rows: int) -> Places:
    """Return the flat cells that the band hears of beyond the rows that it holds, in order."""
    width = part.ground.codes.shape[1]
    heard = np.concatenate([np.empty(0, dtype=np.int64), *part.heard.values()])
    return np.sort(heard[(heard < part.first * width) | (heard >= (part.first + n_rows) * width)])


def _local(cells: Places, part: BandPart, n_rows: int, elsewhere: Places) -> Places:
    """Turn flat cells of the whole grid into flat cells of the band's."""
    width = part.ground.codes.shape[1]
    mail = (n_rows + 1) * width + np.searchsorted(elsewhere, cells)
    near = cells - part.first * width
    return np.asarray(np.where((near >= 0) & (near < n_rows * width), near, mail))


def _local_ground(part: BandPart, rows: NDArray[np.uint8], elsewhere: Places, gamma: float) -> Ground:
    """Describe a band by itself: two more codes, held cells and walls, and, if need be, rows of held cells below."""
    ground, (n_rows, width) = part.ground, rows.shape
    held, wall = len(ground.kind), len(ground.kind) + 1
    below = 1 + -(-len(elsewhere) // width) if len(elsewhere) else 0  # a wall between
    codes = np.full((n_rows + below, width), wall, dtype=np.uint8)
    codes[:n_rows] = rows
    codes.reshape(-1)[(n_rows + 1) * width :][: len(elsewhere)] = held
    own = slice(part.top - part.first, part.bottom - part.first)
    is_wall = ground.kind == geometry.WALL
    for outer in (codes[: own.start], codes[own.stop : n_rows]):
        outer[~is_wall[outer]] = held
    linked = ground.target >= 0
    target = np.full(wall + 1, -1)
    target[:held][linked] = _local(ground.target[linked], part, n_rows, elsewhere)
    least = ground.least_reward + gamma * ground.floor(gamma)  # of what is held until it is told
    return ground._replace(
        codes=codes,
        kind=np.append(ground.kind, [geometry.TERMINAL, geometry.WALL]).astype(np.uint8),
        present=np.append(ground.present, [True, True]),
        enter=np.append(ground.enter, [least, 0.0]),
        bump=np.append(ground.bump, [0.0, 0.0]),
        slip=np.append(ground.slip, [0.0, 0.0]),
        link=np.append(ground.link, [0.0, 0.0]),
        target=target,
        wind=np.concatenate([ground.wind, np.zeros((2, 2), dtype=np.int64)]),
        exits=np.concatenate([ground.exits, np.ones((2, ground.exits.shape[1]), dtype=np.bool_)]),
    )


def _checksum(part: BandPart, rows: NDArray[np.uint8], gamma: float) -> str:
    """Return what tells this band of this question from all others."""
    ground = part.ground
    tables = (
        ground.kind,
        ground.enter,
        ground.bump,
        ground.slip,
        ground.link,
        ground.target,
        ground.wind,
        ground.exits,
    )
    crc = zlib.crc32(repr((gamma, part.first, part.top, part.bottom, rows.shape, ground.rules)).encode())
    for array in (rows, *tables):
        crc = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, crc)
    return f"{crc:08x}"
