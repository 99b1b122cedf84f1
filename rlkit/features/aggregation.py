"""State aggregation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from rlkit.errors import ConfigError
from rlkit.features.base import check_size
from rlkit.features.registry import register
from rlkit.features.scaled import ScaledFeatures
from rlkit.features.tile_coding import Tiles, strides


@register
@dataclass(frozen=True, kw_only=True)
class StateAggregation(ScaledFeatures):
    """Groups of neighbours: the one feature of the group that the observation is in is 1 (S&B 2018, section 9.3).

    The space between the bounds is cut into boxes, which is tile coding with a single tiling. A state of a finite
    environment is the cell of width 1 around its point, so that groups of 1000 states in a row are equally large if
    their number divides 1000. The last dimension's group changes fastest.

    Attributes:
        groups: into how many each dimension is cut.
    """

    groups: tuple[int, ...]

    per_dimension: ClassVar[tuple[str, ...]] = ("groups",)
    default_groups: ClassVar[int] = 10
    margin: ClassVar[float] = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.groups) < 1:
            raise ConfigError(f"StateAggregation: groups={self.groups} are not all at least 1")
        check_size("StateAggregation", self.n_features)

    @cached_property
    def n_features(self) -> int:
        """How many groups there are."""
        return math.prod(self.groups)

    @property
    def n_active(self) -> int:
        """One group."""
        return 1

    @property
    def sparse(self) -> bool:
        """Encoded as an active index."""
        return True

    @property
    def vector_formula(self) -> Tiles:
        """The parameters of `encode_tiles`."""
        tops = tuple(map(float, self.groups))
        return Tiles(
            self.low,
            self.high,
            self._scales(tops),
            tops,
            strides(self.groups),
            (0,) * self.n_dims,
            (None,),
            self.n_features,
        )
