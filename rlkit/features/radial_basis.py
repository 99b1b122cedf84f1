"""Gaussian radial basis functions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.config import bounded
from rlkit.errors import ConfigError
from rlkit.features.base import check_size
from rlkit.features.encoding import encoder, scaled
from rlkit.features.registry import register
from rlkit.features.scaled import ScaledFeatures


class RadialBasisParameters(NamedTuple):
    """What `encode_radial_basis` needs; `centers`, float64 `(n_features, n_dims)`, in units of their spacing."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    scale: tuple[float, ...]
    tops: tuple[float, ...]
    centers: NDArray[np.float64]
    sharpness: float
    normalized: bool


@encoder(RadialBasisParameters)
def encode_radial_basis(parameters: Any, x: Any, out: Any) -> Any:
    """Write exp(-||u - c||^2 / (2 width^2)) for every center c, divided by their sum if normalized."""
    n_clipped = 0
    out[:] = 0.0
    for d in range(len(parameters.low)):
        u, outside = scaled(x[d], parameters.low[d], parameters.high[d], parameters.scale[d], parameters.tops[d])
        n_clipped += outside
        for j in range(len(out)):
            away = u - parameters.centers[j, d]
            out[j] += away * away
    nearest = 0.0
    if parameters.normalized:  # the nearest center's becomes 1 before the division, lest all of them vanish
        nearest = math.inf
        for j in range(len(out)):
            nearest = min(nearest, out[j])
    total = 0.0
    for j in range(len(out)):
        out[j] = math.exp((nearest - out[j]) * parameters.sharpness)
        total += out[j]
    if parameters.normalized:
        for j in range(len(out)):
            out[j] /= total
    return n_clipped


@register
@dataclass(frozen=True, kw_only=True)
class RadialBasis(ScaledFeatures):
    """Gaussian bumps on a regular grid of centers, from bound to bound (S&B 2018, section 9.5.5).

    A dimension with one center does not count. The last dimension's center changes fastest.

    Attributes:
        centers: how many there are along each dimension.
    """

    centers: tuple[int, ...]
    width: float = bounded(1.0, above=0, help="standard deviation of a bump, in units of the centers' spacing")
    normalized: bool = bounded(False, help="let the features of an observation sum to 1")

    per_dimension: ClassVar[tuple[str, ...]] = ("centers",)
    default_centers: ClassVar[int] = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.centers) < 1:
            raise ConfigError(f"RadialBasis: centers={self.centers} are not all at least 1")
        check_size("RadialBasis", self.n_features)

    @cached_property
    def n_features(self) -> int:
        """How many features there are."""
        return math.prod(self.centers)

    @property
    def vector_formula(self) -> RadialBasisParameters:
        """The parameters of `encode_radial_basis`."""
        grid = np.indices(self.centers).reshape(self.n_dims, -1).T.astype(np.float64, order="C")
        tops = tuple(float(count - 1) for count in self.centers)
        sharpness = 1.0 / (2.0 * self.width**2)
        return RadialBasisParameters(self.low, self.high, self._scales(tops), tops, grid, sharpness, self.normalized)
