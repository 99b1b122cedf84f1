"""The Fourier basis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.config import bounded
from rlkit.features.base import check_size
from rlkit.features.encoding import encoder, scaled
from rlkit.features.registry import register
from rlkit.features.scaled import ScaledFeatures


class FourierParameters(NamedTuple):
    """What `encode_fourier` needs; `coefficients` is float64 `(n_features, n_dims)`."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    scale: tuple[float, ...]
    coefficients: NDArray[np.float64]


@encoder(FourierParameters)
def encode_fourier(parameters: Any, x: Any, out: Any) -> Any:
    """Write cos(pi c . u) for every row c of coefficients, u being x scaled to [0, 1]."""
    n_clipped = 0
    out[:] = 0.0
    for d in range(len(parameters.low)):
        u, outside = scaled(x[d], parameters.low[d], parameters.high[d], parameters.scale[d], 1.0)
        n_clipped += outside
        for j in range(len(out)):
            out[j] += parameters.coefficients[j, d] * u
    for j in range(len(out)):
        out[j] = math.cos(math.pi * out[j])
    return n_clipped


@register
@dataclass(frozen=True, kw_only=True)
class Fourier(ScaledFeatures):
    """The Fourier cosine basis: cos(pi c . u) for all integer vectors c with entries from 0 to `order`.

    Source: Konidaris, Osentoski & Thomas 2011; S&B 2018, section 9.5.2. u is the observation scaled to [0, 1]; there
    are `(order + 1) ** n_dims` features, the last dimension's coefficient changing fastest. `step_scales` are the
    authors' recommendation, 1 / ||c|| (1 for c = 0).
    """

    order: int = bounded(3, at_least=0, help="largest coefficient of a dimension")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_size("Fourier", self.n_features)

    @cached_property
    def n_features(self) -> int:
        """How many features there are."""
        return int((self.order + 1) ** self.n_dims)

    @cached_property
    def coefficients(self) -> NDArray[np.float64]:
        """The vectors c, float64 `(n_features, n_dims)`."""
        return np.indices((self.order + 1,) * self.n_dims).reshape(self.n_dims, -1).T.astype(np.float64, order="C")

    @property
    def step_scales(self) -> NDArray[np.float64]:
        """1 / ||c||, and 1 for the constant, float64 `(n_features,)`."""
        norm = np.sqrt((self.coefficients**2).sum(axis=1))
        norm[0] = 1.0
        scales: NDArray[np.float64] = 1.0 / norm
        return scales

    @property
    def vector_formula(self) -> FourierParameters:
        """The parameters of `encode_fourier`."""
        return FourierParameters(self.low, self.high, self._scales([1.0] * self.n_dims), self.coefficients)
