"""The polynomial basis."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.config import bounded
from rlkit.errors import ConfigError
from rlkit.features.base import check_size
from rlkit.features.encoding import encoder, scaled
from rlkit.features.registry import register
from rlkit.features.scaled import ScaledFeatures


class PolynomialParameters(NamedTuple):
    """What `encode_polynomial` needs.

    Each monomial but the constant is another one, its parent, times the last coordinate that occurs in it. `products`,
    int64 `(n_features - 1, 2)`, holds (monomial, parent), ordered by that coordinate and then with parents first;
    coordinate d's end before `ends[d]`.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    scale: tuple[float, ...]
    start: float
    length: float
    products: NDArray[np.int64]
    ends: tuple[int, ...]


@encoder(PolynomialParameters)
def encode_polynomial(parameters: Any, x: Any, out: Any) -> Any:
    """Write the product of u_d ** e_d over d for every row e of exponents, u being x scaled to the interval."""
    n_clipped, m = 0, 0
    out[0] = 1.0
    for d in range(len(parameters.low)):
        u, outside = scaled(x[d], parameters.low[d], parameters.high[d], parameters.scale[d], 1.0)
        n_clipped += outside
        u = parameters.start + parameters.length * u
        while m < parameters.ends[d]:
            out[np.uint64(parameters.products[m, 0])] = out[np.uint64(parameters.products[m, 1])] * u
            m += 1
    return n_clipped


@register
@dataclass(frozen=True, kw_only=True)
class Polynomial(ScaledFeatures):
    """All monomials of the scaled coordinates up to a degree, the constant first, by degree.

    Source: Zhao, section 8.2.4 (total degree: 3, 6, 10 features in two dimensions); S&B 2018, section 9.5.1 (`full`:
    `(degree + 1) ** n_dims` features, each coordinate's exponent up to the degree). In two
    dimensions they are 1, x, y, x^2, x y, y^2, x^3, ...

    Attributes:
        interval: what observations are scaled to; [-1, 1] is Zhao's and better conditioned, [0, 1] is S&B's.
    """

    degree: int = bounded(2, at_least=0, help="largest degree")
    full: bool = bounded(False, help="limit each coordinate's exponent, instead of their sum")
    interval: tuple[float, float] = (-1.0, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (np.isfinite(self.interval).all() and self.interval[0] < self.interval[1]):
            raise ConfigError(f"Polynomial: interval={self.interval} is not one of finite numbers in order")
        check_size("Polynomial", self.n_features)

    @cached_property
    def n_features(self) -> int:
        """How many features there are."""
        n_dims = self.n_dims
        return int((self.degree + 1) ** n_dims) if self.full else math.comb(n_dims + self.degree, n_dims)

    @cached_property
    def exponents(self) -> NDArray[np.int64]:
        """The exponent of each coordinate in each monomial, int64 `(n_features, n_dims)`."""
        rows = _exponents(self.n_dims, self.degree, self.full)
        return np.array(sorted(rows, key=lambda e: (sum(e), tuple(-each for each in e))), np.int64)

    @property
    def vector_formula(self) -> PolynomialParameters:
        """The parameters of `encode_polynomial`."""
        number = {tuple(row): j for j, row in enumerate(self.exponents.tolist())}
        products, ends = [], []
        for d in range(self.n_dims):
            own = sorted((e for e in number if e[d] and not any(e[d + 1 :])), key=lambda e: e[d])
            products += [(number[e], number[(*e[:d], e[d] - 1, *e[d + 1 :])]) for e in own]
            ends.append(len(products))
        start, end = map(float, self.interval)
        return PolynomialParameters(
            self.low,
            self.high,
            self._scales([1.0] * self.n_dims),
            start,
            end - start,
            np.array(products, np.int64).reshape(-1, 2),
            tuple(ends),
        )


def _exponents(n_dims: int, degree: int, full: bool) -> list[tuple[int, ...]]:
    if full:
        return list(itertools.product(range(degree + 1), repeat=n_dims))
    if n_dims == 1:
        return [(e,) for e in range(degree + 1)]
    return [(e, *rest) for e in range(degree + 1) for rest in _exponents(n_dims - 1, degree - e, False)]
