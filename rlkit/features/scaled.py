"""Features of coordinates: observations scaled from their bounds, clipped to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import ConfigError
from rlkit.features.base import Features
from rlkit.features.coordinates import Bounds, Coordinates, observed_range, settle
from rlkit.features.encoding import collide, collider, encode, encoder

if TYPE_CHECKING:
    from gymnasium import Env


class Located(NamedTuple):
    """Features of a state's point.

    Attributes:
        points: float64 `(S, n_dims)`.
        formula: the parameters of the features of vectors.
    """

    points: NDArray[np.float64]
    formula: Any


@encoder(Located)
def encode_located(parameters: Any, x: Any, out: Any) -> Any:
    """Encode the point of a state."""
    return encode(parameters.formula, parameters.points[np.uint64(x)], out)


@collider(Located)
def collide_located(parameters: Any, x: Any, owners: Any) -> Any:
    """Count what collides at the point of a state."""
    return collide(parameters.formula, parameters.points[np.uint64(x)], owners)


@dataclass(frozen=True, kw_only=True)
class ScaledFeatures(Features):
    """Features of a vector scaled by its bounds: of a `Box` observation, or of the point where a state lies.

    Attributes:
        low, high: the bounds of each dimension; what is outside is clipped (and counted, see `FeatureReport`).
        coordinates: where the states of a `Discrete` space lie; None where observations are vectors.

    Raises:
        ConfigError: bounds that are not finite or not in order, or a field with the wrong number of dimensions.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    coordinates: Coordinates | None = None

    per_dimension: ClassVar[tuple[str, ...]] = ()
    """Fields with one number for each dimension, for which `for_env` takes a single one, too."""
    margin: ClassVar[float] = 0.0
    """How far beyond its point a state reaches: half a cell for kinds that cut space into tiles."""

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            if isinstance(bounds := getattr(self, name), tuple | list) and all(
                isinstance(b, int | float) for b in bounds
            ):
                object.__setattr__(self, name, tuple(map(float, bounds)))
        super().__post_init__()
        title, n_dims = type(self).__name__, len(self.low)
        if not n_dims:
            raise ConfigError(f"{title}: low={self.low} has no dimensions")
        for name in ("high", *self.per_dimension):
            if len(getattr(self, name)) != n_dims:
                raise ConfigError(
                    f"{title}: {name}={getattr(self, name)} is not one number for each of {n_dims} dimensions"
                )
        for d, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            if not np.isfinite(high - low) or low > high or (low == high and self.coordinates is None):
                raise ConfigError(f"{title}: dimension {d} is bounded by [{low}, {high}], expected finite low < high")
        if self.coordinates is not None and self.coordinates.n_dims != n_dims:
            raise ConfigError(f"{title}: bounds of {n_dims} dimensions, coordinates of {self.coordinates.n_dims}")

    @classmethod
    def for_env(cls, env: Env[Any, Any] | Any, *, low: Bounds = None, high: Bounds = None, **parameters: Any) -> Self:
        """Build features for an environment's observations: `Fourier.for_env(env, order=3)`.

        Args:
            env: with a `Box` space of vectors, or finite: with a `Discrete` space, or a model. States lie where
                `Coordinates.of(env)` finds them.
            low, high: bounds of the observations (for states: of their points), all the same or one each; None takes
                the space's, or the range of the points of the states that are not terminal (for kinds with tiles,
                half a cell more at each end).
            **parameters: the fields of the class; those `per_dimension` may be a single number.

        Raises:
            ConfigError: a bound that is neither given nor known, a hyperparameter that is unknown or wrong.
            SpaceError: a space of another type.
        """
        coordinates, least, largest = observed_range(env, cls.margin)
        bounds = {"low": settle(low, least, "low"), "high": settle(high, largest, "high")}
        return cls.of_bounds(**bounds, coordinates=coordinates, parameters=parameters)

    @classmethod
    def of_bounds(
        cls,
        *,
        low: tuple[float, ...],
        high: tuple[float, ...],
        coordinates: Coordinates | None,
        parameters: dict[str, Any],
    ) -> Self:
        """Build from bounds and the class's other fields, spreading single numbers over the dimensions."""
        spread = {name: getattr(cls, f"default_{name}") for name in cls.per_dimension} | parameters
        for name in cls.per_dimension:
            value = spread[name]
            spread[name] = (value,) * len(low) if np.ndim(value) == 0 else tuple(np.asarray(value).tolist())
        return cls.from_dict({**spread, "low": low, "high": high, "coordinates": coordinates})

    @property
    def n_states(self) -> int | None:
        """How many states there are; None where observations are vectors."""
        return None if self.coordinates is None else self.coordinates.n_states

    @property
    def n_dims(self) -> int:
        """How many coordinates observations (or states) have."""
        return len(self.low)

    @cached_property
    def formula(self) -> Any:
        """The NamedTuple with which `encode` works features out from an observation."""
        return (
            self.vector_formula if self.coordinates is None else Located(self.coordinates.points(), self.vector_formula)
        )

    @property
    def vector_formula(self) -> Any:
        """The NamedTuple with which `encode` works features out from a vector of `n_dims` numbers."""
        raise NotImplementedError

    def _scales(self, tops: Iterable[float]) -> tuple[float, ...]:
        """Return what to multiply each coordinate's distance from `low` with, so that `high` becomes `top`."""
        triples = zip(self.low, self.high, tops, strict=True)
        return tuple(top / (high - low) if high > low else 0.0 for low, high, top in triples)
