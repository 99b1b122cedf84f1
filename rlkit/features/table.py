"""Features that somebody wrote down: one row for each state."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from rlkit.errors import ConfigError, SpaceError
from rlkit.features.base import Features, Rows
from rlkit.features.registry import register


@register
@dataclass(frozen=True, kw_only=True)
class FeatureTable(Features):
    """Any features of a finite environment, given as their matrix (Baird's star, Boyan's chain).

    Attributes:
        rows: the features of each state; all rows are of one length, and finite.

    Raises:
        ConfigError: they are not.
    """

    rows: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.rows or not self.rows[0]:
            raise ConfigError("FeatureTable: rows are empty")
        for s, row in enumerate(self.rows):
            if len(row) != len(self.rows[0]):
                raise ConfigError(f"FeatureTable: rows[{s}] has {len(row)} features, rows[0] has {len(self.rows[0])}")
            if not np.isfinite(row).all():
                raise ConfigError(f"FeatureTable: rows[{s}]={row} is not finite")

    @classmethod
    def of(cls, matrix: ArrayLike) -> Self:
        """Build from a matrix `(S, n_features)`.

        Raises:
            ConfigError: it is not a matrix of finite numbers.
        """
        rows = np.asarray(matrix, np.float64)
        if rows.ndim != 2:
            raise ConfigError(f"FeatureTable: a matrix of shape {rows.shape}, expected (states, features)")
        return cls(rows=tuple(map(tuple, rows.tolist())))

    @classmethod
    def for_env(cls, env: Any) -> Self:
        """Build from an environment's own `features` `(S, n_features)`, as textbook examples have them.

        Raises:
            SpaceError: it has none.
        """
        own = getattr(getattr(env, "unwrapped", env), "features", None)
        if own is None:
            raise SpaceError(f"FeatureTable: {type(env).__name__} has no features of its own")
        return cls.of(own)

    @property
    def n_features(self) -> int:
        """How many features there are."""
        return len(self.rows[0])

    @property
    def n_states(self) -> int:
        """How many states there are."""
        return len(self.rows)

    @property
    def n_dims(self) -> int:
        """States have no coordinates here; their number counts as one."""
        return 1

    @cached_property
    def formula(self) -> Rows:
        """The rows."""
        rows, clipped = np.array(self.rows, np.float64), np.zeros(len(self.rows), np.int64)
        rows.flags.writeable = clipped.flags.writeable = False
        return Rows(rows, clipped)

    @property
    def parameters(self) -> Rows:
        """The rows."""
        return self.formula
