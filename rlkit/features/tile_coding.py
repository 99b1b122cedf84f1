"""Tile coding, exact or hashed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numba.extending import register_jitable

from rlkit.config import bounded
from rlkit.errors import ConfigError
from rlkit.features.encoding import collider, encoder, scaled
from rlkit.features.registry import register
from rlkit.features.scaled import ScaledFeatures


class Tiles(NamedTuple):
    """What `encode_tiles` needs.

    Attributes:
        low, high: bounds.
        scale: n_tilings * tiles / (high - low), for each dimension.
        tops: n_tilings * tiles, at least 1.
        strides: how far apart neighbours along each dimension are in the index; if hashed, a large odd number.
        shifts: by how many n-ths of a tile the next tiling is displaced along each dimension.
        tilings: as many Nones as there are tilings, which is how the compiler knows the number.
        size: tiles of a tiling; if hashed, features in all.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    scale: tuple[float, ...]
    tops: tuple[float, ...]
    strides: tuple[int, ...]
    shifts: tuple[int, ...]
    tilings: tuple[None, ...]
    size: int


class HashedTiles(NamedTuple):
    """What `encode_hashed_tiles` needs: see `Tiles`."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    scale: tuple[float, ...]
    tops: tuple[float, ...]
    strides: tuple[int, ...]
    shifts: tuple[int, ...]
    tilings: tuple[None, ...]
    size: int


@register_jitable(inline="always")
def tile_of(parameters: Any, x: Any, k: Any) -> Any:
    """Return the sum of stride * tile over the dimensions, uint64, for the tile of tiling k that x is in.

    It is tile floor(u + (k * shift mod n) / n), u being x in units of tiles, and n the number of tilings; in n-ths of a
    tile all of this is whole numbers. (The compiler unrolls the tilings, and works out once what they have in common.)
    """
    n = np.uint64(len(parameters.tilings))
    total = np.uint64(0)
    for d in range(len(parameters.low)):
        u, _ = scaled(x[d], parameters.low[d], parameters.high[d], parameters.scale[d], parameters.tops[d])
        parts = np.uint64(np.int64(min(u, parameters.tops[d] - 1.0)))
        shift = (np.uint64(k) * np.uint64(parameters.shifts[d])) % n
        total += np.uint64(parameters.strides[d]) * (parts // n + np.uint64(parts % n + shift >= n))
    return total


@register_jitable
def count_clipped(parameters: Any, x: Any) -> Any:
    """Return how many coordinates are out of bounds."""
    n_clipped = 0
    for d in range(len(parameters.low)):
        n_clipped += not (x[d] >= parameters.low[d] and x[d] <= parameters.high[d])
    return n_clipped


@encoder(Tiles)
def encode_tiles(parameters: Any, x: Any, out: Any) -> Any:
    """Write the index of each tiling's tile that x is in."""
    for k in range(len(parameters.tilings)):
        out[k] = np.int64(np.uint64(k) * np.uint64(parameters.size) + tile_of(parameters, x, k))
    return count_clipped(parameters, x)


@encoder(HashedTiles)
def encode_hashed_tiles(parameters: Any, x: Any, out: Any) -> Any:
    """Write the hash, in [0, size), of each tiling's tile that x is in."""
    for k in range(len(parameters.tilings)):
        out[k] = reduce(mix(tile_of(parameters, x, k), k), parameters.size)
    return count_clipped(parameters, x)


@collider(HashedTiles)
def collide_hashed_tiles(parameters: Any, x: Any, owners: Any) -> Any:
    """Claim each tile's index for the tile, known by its whole hash; count those that another tile has."""
    collisions = 0
    for k in range(len(parameters.tilings)):
        tile = mix(tile_of(parameters, x, k), k)
        at = reduce(tile, parameters.size)
        if owners[at] == np.uint64(0):
            owners[at] = tile
        elif owners[at] != tile:
            collisions += 1
    return collisions


@register_jitable
def mix(tile: Any, tiling: Any) -> Any:
    """Return 64 well-mixed bits, not all 0: the finaliser of SplitMix64 (Steele, Lea & Flood 2014)."""
    z = np.uint64(tile) + np.uint64(tiling + 1) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (z ^ (z >> np.uint64(31))) | np.uint64(1)


@register_jitable
def reduce(bits: Any, size: Any) -> Any:
    """Return a number in [0, size) by the upper half of the bits: multiply and shift, no division (Lemire 2019)."""
    return np.int64(((bits >> np.uint64(32)) * np.uint64(size)) >> np.uint64(32))


@register
@dataclass(frozen=True, kw_only=True)
class TileCoding(ScaledFeatures):
    """Tile coding: in each of several displaced tilings, the one tile that the observation is in is active.

    Source: S&B 2018, section 9.5.4 (CMAC, Albus 1981). With n tilings, tiling k is displaced along dimension d by
    k * (2d + 1) / n of a tile, whole tiles left out: the asymmetric offsets that Miller & Glanz (1996) recommend, the
    first odd numbers. n should be a power of 2 that is at least 4 * n_dims. A state of a finite environment is the cell
    of width 1 around its point. Step sizes are usually divided by `n_active`, the number of tilings.

    Attributes:
        tilings: how many there are, n.
        tiles: how many a tiling has between the bounds of each dimension; one more covers the displacement. A
            dimension with 0 does not count (so that tilings of some dimensions can be concatenated with others).
        shifts: the displacement in n-ths of a tile from one tiling to the next along each dimension; None: 1, 3, 5...
        size: the most features. If the tilings have more tiles, these are hashed to so many indices, and those that
            collide share a weight.
    """

    tilings: int = bounded(8, at_least=1, up_to=1024, help="number of tilings")
    tiles: tuple[int, ...]
    shifts: tuple[int, ...] | None = None
    size: int | None = bounded(None, at_least=1, up_to=2**31, help="most features, beyond which tiles are hashed")

    per_dimension: ClassVar[tuple[str, ...]] = ("tiles",)
    default_tiles: ClassVar[int] = 8
    margin: ClassVar[float] = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.tiles) < 0 or max(self.tiles) > 1 << 31:
            raise ConfigError(f"TileCoding: tiles={self.tiles} are not all in [0, {1 << 31}]")
        if self.shifts is not None and (len(self.shifts) != self.n_dims or min(self.shifts) < 0):
            raise ConfigError(f"TileCoding: shifts={self.shifts} are not {self.n_dims} numbers of at least 0")
        if self.size is None and self.n_tiles > 1 << 31:
            raise ConfigError(f"TileCoding: makes {self.n_tiles} tiles; give size= to hash them")

    @cached_property
    def extent(self) -> tuple[int, ...]:
        """How many tiles a tiling has along each dimension, the displacement covered."""
        more = int(self.tilings > 1)
        return tuple(count + more if count else 1 for count in self.tiles)

    @cached_property
    def n_tiles(self) -> int:
        """How many tiles there are in all tilings."""
        return self.tilings * math.prod(self.extent)

    @cached_property
    def n_features(self) -> int:
        """How many features there are: tiles, or at most `size`."""
        return self.n_tiles if self.size is None else min(self.n_tiles, self.size)

    @property
    def n_active(self) -> int:
        """The number of tilings."""
        return self.tilings

    @property
    def sparse(self) -> bool:
        """Encoded as active indices."""
        return True

    @property
    def hashed(self) -> bool:
        """Whether there are more tiles than features."""
        return self.n_tiles > self.n_features

    @property
    def vector_formula(self) -> Tiles | HashedTiles:
        """The parameters of `encode_tiles` or `encode_hashed_tiles`."""
        n, n_dims = self.tilings, self.n_dims
        parts = [float(n * count) for count in self.tiles]
        odd = tuple(range(1, 2 * n_dims, 2)) if self.shifts is None else self.shifts
        geometry = (
            tuple(low if count else -math.inf for low, count in zip(self.low, self.tiles, strict=True)),
            tuple(high if count else math.inf for high, count in zip(self.high, self.tiles, strict=True)),
            self._scales(parts),
            tuple(max(part, 1.0) for part in parts),
        )
        shifts = tuple(shift % n for shift in odd)
        if self.hashed:
            return HashedTiles(*geometry, _multipliers(n_dims), shifts, (None,) * n, self.n_features)
        return Tiles(*geometry, strides(self.extent), shifts, (None,) * n, math.prod(self.extent))


def strides(extent: tuple[int, ...]) -> tuple[int, ...]:
    """Return the distance in row-major order of neighbours along each dimension."""
    return tuple(math.prod(extent[d + 1 :]) for d in range(len(extent)))


def _multipliers(n_dims: int) -> tuple[int, ...]:
    """Return large odd numbers: multiples of them by small numbers hardly ever have equal sums."""
    bits = (0x9E3779B97F4A7C15 * (d + 1) % 2**64 for d in range(n_dims))
    return tuple(((b ^ (b >> 29)) * 0xBF58476D1CE4E5B9 % 2**64) >> 2 | 1 for b in bits)
