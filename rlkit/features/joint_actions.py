"""Joint action features: the action is one more coordinate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import ConfigError
from rlkit.features.action_encoding import JointStates, JointVectors
from rlkit.features.actions import ActionFeatures, count_actions
from rlkit.features.coordinates import Bounds, Coordinates, each_dimension, observed_range, settle
from rlkit.features.observations import check_observation
from rlkit.features.registry import register
from rlkit.features.report import FeatureReport
from rlkit.features.scaled import Located, ScaledFeatures


@register
@dataclass(frozen=True, kw_only=True)
class JointActions(ActionFeatures):
    """The action is the last coordinate of what is encoded, (x..., a), so that features reach across actions.

    Source: Zhao, section 8.4 (figures 8.9 and 8.10: (x, y, a) of the grid, Fourier basis of order 5, 216 features).

    Attributes:
        of: features of vectors (x..., a).
        coordinates: where the states of a `Discrete` space lie; None where observations are vectors.
    """

    of: ScaledFeatures
    coordinates: Coordinates | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.of.coordinates is not None:
            raise ConfigError("JointActions: features of numbered states have no room for an action; see for_env")
        if self.coordinates is not None and self.coordinates.n_dims + 1 != self.of.n_dims:
            raise ConfigError(
                f"features of {self.of.n_dims} dimensions, points of {self.coordinates.n_dims} and an action"
            )

    @classmethod
    def for_env(
        cls,
        env: Any,
        kind: type[ScaledFeatures],
        *,
        low: Bounds = None,
        high: Bounds = None,
        **parameters: Any,
    ) -> Self:
        """Build for an environment: `JointActions.for_env(env, Fourier, order=5)`.

        Args:
            env: as for `ScaledFeatures.for_env`.
            kind: the class of the features of (x..., a).
            low, high: bounds as there; with one number more, that is the action's (else 0 and A - 1).
            **parameters: the fields of `kind`; those per dimension have one number for the action, last.

        Raises:
            ConfigError: a bound that is neither given nor known, a hyperparameter that is unknown or wrong.
            SpaceError: a space of another type.
        """
        n_actions = count_actions(env)
        coordinates, least, largest = observed_range(env, kind.margin)
        lows = settle(_with_action(low, len(least)), np.append(least, 0.0 - kind.margin), "low")
        highs = settle(_with_action(high, len(least)), np.append(largest, n_actions - 1.0 + kind.margin), "high")
        features = kind.of_bounds(low=lows, high=highs, coordinates=None, parameters=parameters)
        return cls(of=features, n_actions=n_actions, coordinates=coordinates)

    @property
    def features(self) -> ScaledFeatures:
        """Those of (x..., a)."""
        return self.of

    @cached_property
    def parameters(self) -> JointVectors | JointStates:
        """The parameters of (x..., a), or of numbered pairs."""
        if self.coordinates is None:
            return JointVectors(self.of.parameters, (None,) * self._n_dims)
        return JointStates(self.of.tabulate(Located(self._pairs, self.of.parameters), len(self._pairs)), self.n_actions)

    @cached_property
    def n_features(self) -> int:
        """How many features there are."""
        return self.of.n_features

    @property
    def n_states(self) -> int | None:
        """How many states there are; None where observations are vectors."""
        return None if self.coordinates is None else self.coordinates.n_states

    @property
    def step_scales(self) -> NDArray[np.float64]:
        """Those of the features of (x..., a)."""
        return self.of.step_scales

    def __call__(self, observation: Any, action: int, report: FeatureReport | None = None) -> NDArray[Any]:
        """Encode: int64 `(n_encoded,)` active indices if sparse, else float64 `(n_features,)`."""
        number, x = self._checked_action(action), self._checked(observation)
        if self.coordinates is not None:
            return self.of(self._pairs[x * self.n_actions + number], report)
        point = np.empty(len(x) + 1)
        point[:-1] = x
        point[-1] = number
        return self.of(point, report)

    @property
    def _n_dims(self) -> int:
        return self.of.n_dims - 1

    @cached_property
    def _pairs(self) -> NDArray[np.float64]:
        """The point of every pair, float64 `(S * A, n_dims + 1)`."""
        assert self.coordinates is not None
        points = self.coordinates.points()
        actions = np.tile(np.arange(self.n_actions, dtype=np.float64), len(points))
        return np.column_stack([np.repeat(points, self.n_actions, axis=0), actions])

    def _checked(self, observation: Any) -> Any:
        return check_observation(observation, self.n_states, self._n_dims, type(self).__name__)

    def _every_pair(self) -> NDArray[np.float64]:
        found = self.of.transform(self._pairs)
        matrix: NDArray[np.float64] = found.toarray() if self.sparse else found
        return matrix


def _with_action(given: Bounds, n_dims: int) -> Bounds:
    each = each_dimension(given, n_dims)
    return [*each, None] if len(each) == n_dims else each
