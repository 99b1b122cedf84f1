"""What all features have in common: from an observation to what a linear function multiplies its weights with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from gymnasium import Space, spaces
from numpy.typing import ArrayLike, NDArray

from rlkit.config import Config
from rlkit.errors import ConfigError, SpaceError
from rlkit.features.coordinates import count_states, terminal_states
from rlkit.features.encoding import collide_one, direct, encode_many, encode_one, encoder
from rlkit.features.observations import check_finite, check_observation, check_observations
from rlkit.features.registry import rebuild
from rlkit.features.report import FeatureReport

_TABLE_BYTES = 1 << 26  # of the features of all states, up to which they are worked out beforehand


class Rows(NamedTuple):
    """The features of every state, worked out beforehand.

    Attributes:
        rows: int64 `(S, n_active)` or float64 `(S, n_features)`.
        clipped: how many coordinates of each state were clipped, int64 `(S,)`.
    """

    rows: NDArray[Any]
    clipped: NDArray[np.int64]


@encoder(Rows)
def encode_row(parameters: Any, x: Any, out: Any) -> Any:
    """Copy a state's row."""
    state = np.uint64(x)
    for k in range(len(out)):
        out[k] = parameters.rows[state, k]
    return parameters.clipped[state]


@dataclass(frozen=True, kw_only=True)
class Features(Config):
    """A fixed function from observations to features, made by `SomeFeatures.for_env(env, ...)`.

    Its fields are plain values, ranges and coordinates included, so that `to_dict` and `from_dict` (with `"kind"`, the
    name of the class, as one more entry) are exact inverses, through JSON as well.

    An observation is a state's number (`n_states` of them) or a vector of `n_dims` numbers. It is encoded sparse, as
    the int64 indices of its `n_active` active features, which are all 1 (an index may come twice, then the feature is
    2), or dense, as all its float64 features.
    """

    @property
    def n_features(self) -> int:
        """How many features there are: the length of a weight vector."""
        raise NotImplementedError

    @property
    def n_active(self) -> int:
        """How many numbers an encoded observation has."""
        return self.n_features

    @property
    def sparse(self) -> bool:
        """Whether observations are encoded as active indices."""
        return False

    @property
    def hashed(self) -> bool:
        """Whether two tiles may share a feature by chance."""
        return False

    @property
    def n_states(self) -> int | None:
        """How many states there are; None where observations are vectors."""
        raise NotImplementedError

    @property
    def n_dims(self) -> int:
        """How many coordinates observations (or states) have."""
        raise NotImplementedError

    @property
    def step_scales(self) -> NDArray[np.float64]:
        """What to multiply each feature's step size with, float64 `(n_features,)`: 1, unless a kind says else."""
        return np.ones(self.n_features)

    @property
    def formula(self) -> Any:
        """The NamedTuple with which `encode` works features out, in compiled code, from an observation."""
        raise NotImplementedError

    @cached_property
    def parameters(self) -> Any:
        """The NamedTuple for `encode` in compiled loops: `formula`, or all states' rows where they are small."""
        return self.formula if self.n_states is None else self.tabulate(self.formula, self.n_states)

    def tabulate(self, formula: Any, n_states: int) -> Any:
        """Return all states' rows as `formula` works them out; the formula itself if they are many, or hashed."""
        if self.hashed or n_states * self.n_active * 8 > _TABLE_BYTES:
            return formula
        rows, clipped = self._encode_all(np.arange(n_states), formula)
        rows.flags.writeable = clipped.flags.writeable = False
        return Rows(rows, clipped)

    def __call__(self, observation: Any, report: FeatureReport | None = None) -> NDArray[Any]:
        """Encode one observation: int64 `(n_active,)` active indices if sparse, else float64 `(n_features,)`.

        Args:
            observation: a state's number or a vector.
            report: counts what was clipped and what collided.

        Raises:
            InvalidTransition: the observation is of the wrong shape, not finite, or no state's number.
            ConfigError: the report is that of other features.
        """
        x = self._checked(observation)
        out: NDArray[Any] = np.empty(*self._row)
        clipped = self._encode_one(self.parameters, x, out)
        if clipped:
            check_finite(np.asarray(x), type(self).__name__)
        if report is not None:
            self._count(report, [x], int(clipped > 0))
        return out

    def encode(self, observations: ArrayLike, report: FeatureReport | None = None) -> NDArray[Any]:
        """Encode a batch of N: int64 `(N, n_active)` active indices if sparse, else float64 `(N, n_features)`.

        Raises:
            InvalidTransition: as for one observation.
        """
        xs = check_observations(observations, self._n_states, self._n_dims, type(self).__name__)
        out, clipped = self._encode_all(xs, self.parameters)
        if clipped.any():
            check_finite(xs, type(self).__name__)
        if report is not None:
            self._count(report, xs, int((clipped > 0).sum()))
        return out

    def transform(self, X: ArrayLike) -> Any:
        """Return the features of a batch of N observations, `(N, n_features)`, as scikit-learn's transformers do.

        Returns:
            A float64 array if dense, a float64 `scipy.sparse.csr_array` if sparse.
        """
        encoded = self.encode(X)
        if not self.sparse:
            return encoded
        pointers = np.arange(0, encoded.size + 1, self.n_active)
        matrix = sp.csr_array((np.ones(encoded.size), encoded.ravel(), pointers), (len(encoded), self.n_features))
        matrix.sum_duplicates()
        return matrix

    def matrix(self, env: Any) -> NDArray[np.float64]:
        """Return the features of every state of a finite environment or model, dense, float64 `(S, n_features)`.

        Rows of terminal states are 0, as their values are. (Where this is too large: `transform(np.arange(S))`.)

        Raises:
            SpaceError: the features are not for an environment of so many states.
        """
        n_states = count_states(env)
        if self.n_states != n_states:
            raise SpaceError(
                f"{type(self).__name__}: made for {self._domain()}, this environment has {n_states} states"
            )
        found = self.transform(np.arange(n_states))
        matrix: NDArray[np.float64] = found.toarray() if self.sparse else found
        matrix[terminal_states(env, n_states)] = 0.0
        return matrix

    def report(self) -> FeatureReport:
        """Return a fresh report, to be handed over with every observation and kept by the caller."""
        return FeatureReport(self._n_hashed)

    def check_space(self, space: Space[Any]) -> None:
        """Check that these are features of a space's observations.

        Raises:
            SpaceError: they are not.
        """
        if isinstance(space, spaces.Discrete):
            suits = self.n_states == space.n and space.start == 0
        else:
            suits = self.n_states is None and isinstance(space, spaces.Box) and space.shape == (self.n_dims,)
        if not suits:
            raise SpaceError(f"{type(self).__name__}: made for {self._domain()}, the observation space is {space}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build what `to_dict` described; on `Features` itself, features of any registered kind.

        Raises:
            ConfigError: an unknown kind, or hyperparameters that are wrong.
        """
        return rebuild(cls, values)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON-ready values, with the class's name as `"kind"`."""
        return {"kind": type(self).__name__, **super().to_dict()}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name in self.__dataclass_fields__}

    @cached_property
    def _row(self) -> tuple[int, type]:
        return self.n_active, np.int64 if self.sparse else np.float64

    @cached_property
    def _encode_one(self) -> Callable[..., int]:
        example = np.zeros(self.n_dims) if self.n_states is None else 0
        return direct(encode_one, self.parameters, example, np.empty(*self._row))

    @cached_property
    def _collide_one(self) -> Callable[..., int]:
        example = np.zeros(self.n_dims) if self.n_states is None else 0
        return direct(collide_one, self.parameters, example, np.zeros(0, np.uint64))

    @cached_property
    def _n_states(self) -> int | None:
        return self.n_states

    @cached_property
    def _n_dims(self) -> int:
        return self.n_dims

    @cached_property
    def _n_hashed(self) -> int:
        return self.n_features if self.hashed else 0

    def _encode_all(self, xs: NDArray[Any], parameters: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
        out: NDArray[Any] = np.empty((len(xs), self.n_active), self._row[1])
        clipped = np.empty(len(xs), np.int64)
        encode_many(parameters, xs, out, clipped)
        return out, clipped

    def _count(self, report: FeatureReport, xs: Any, n_clipped: int) -> None:
        if report.owners.size != self._n_hashed:
            raise ConfigError(f"{type(self).__name__}: the report is that of other features")
        report.n_encoded += len(xs)
        report.n_clipped += n_clipped
        if report.owners.size:
            report.n_active += len(xs) * self.n_active
            report.n_collisions += sum(self._collide_one(self.parameters, x, report.owners) for x in xs)

    def _checked(self, observation: Any) -> Any:
        return check_observation(observation, self._n_states, self._n_dims, type(self).__name__)

    def _domain(self) -> str:
        return f"vectors of {self.n_dims} numbers" if self.n_states is None else f"{self.n_states} states"


def check_size(title: str, n_features: int) -> None:
    """Refuse more features than anyone wants.

    Raises:
        ConfigError: naming the number.
    """
    if n_features > 1 << 31:
        raise ConfigError(
            f"{title}: makes {n_features} features, expected at most {1 << 31}; tile coding can hash them"
        )
