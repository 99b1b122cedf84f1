"""What features of an observation and an action have in common."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from gymnasium import Space, spaces
from numpy.typing import ArrayLike, NDArray

from rlkit.config import Config, bounded
from rlkit.errors import ConfigError, InvalidTransition, SpaceError
from rlkit.features.action_encoding import values_many, values_one
from rlkit.features.base import Features
from rlkit.features.coordinates import count_states, terminal_states
from rlkit.features.encoding import direct
from rlkit.features.observations import check_finite, check_observations
from rlkit.features.registry import rebuild
from rlkit.features.report import FeatureReport


@dataclass(frozen=True, kw_only=True)
class ActionFeatures(Config):
    """A fixed function from an observation and an action to features, sparse or dense like those it is made from."""

    n_actions: int = bounded(2, at_least=2, help="number of actions")

    @property
    def features(self) -> Features:
        """What encodes."""
        raise NotImplementedError

    @property
    def parameters(self) -> Any:
        """The NamedTuple for `encode_action`, `block` and `action_values` in compiled loops."""
        raise NotImplementedError

    @property
    def n_features(self) -> int:
        """How many features there are: the length of a weight vector."""
        raise NotImplementedError

    @property
    def n_states(self) -> int | None:
        """How many states there are; None where observations are vectors."""
        raise NotImplementedError

    @property
    def step_scales(self) -> NDArray[np.float64]:
        """What to multiply each feature's step size with, float64 `(n_features,)`."""
        raise NotImplementedError

    @property
    def n_encoded(self) -> int:
        """How many numbers `encode_action` writes; of sparse features, how many are active."""
        return self.features.n_active

    @property
    def sparse(self) -> bool:
        """Whether active indices stand for the features."""
        return self.features.sparse

    def __call__(self, observation: Any, action: int, report: FeatureReport | None = None) -> NDArray[Any]:
        """Encode: int64 `(n_encoded,)` active indices if sparse, else float64 `(n_features,)`.

        Raises:
            InvalidTransition: the observation is of the wrong shape, not finite, or no state's number; or there is no
                such action.
        """
        raise NotImplementedError

    def values(self, observation: Any, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the linear value of every action, float64 `(A,)`.

        Args:
            observation: a state's number or a vector.
            weights: float64 `(n_features,)`, contiguous.

        Raises:
            InvalidTransition: as for a call.
            ConfigError: the weights are not such an array.
        """
        if weights.shape != (self.n_features,) or weights.dtype != np.float64 or not weights.flags.c_contiguous:
            raise ConfigError(
                f"weights are {weights.dtype} {weights.shape}, expected float64 {(self.n_features,)} in a row"
            )
        x = self._checked(observation)
        q = np.empty(self.n_actions)
        if self._values_one(self.parameters, x, weights, np.empty(*self._row), q):
            check_finite(np.asarray(x), type(self).__name__)
        return q

    def all_values(self, observations: ArrayLike, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the linear value of every action for a batch of N observations, float64 `(N, A)`.

        Raises:
            InvalidTransition: as for a call.
        """
        xs = check_observations(observations, self.n_states, self._n_dims, type(self).__name__)
        q = np.empty((len(xs), self.n_actions))
        values_many(self.parameters, xs, weights, np.empty(*self._row), q)
        return q

    def check_spaces(self, observation_space: Space[Any], action_space: Space[Any]) -> None:
        """Check that these are features of a space's observations and another's actions.

        Raises:
            SpaceError: they are not.
        """
        if not isinstance(action_space, spaces.Discrete) or action_space.n != self.n_actions:
            raise SpaceError(
                f"{type(self).__name__}: made for {self.n_actions} actions, the action space is {action_space}"
            )
        if isinstance(observation_space, spaces.Discrete):
            suits = self.n_states == observation_space.n
        else:
            suits = self.n_states is None and observation_space.shape == (self._n_dims,)
        if not suits:
            kind = f"vectors of {self._n_dims} numbers" if self.n_states is None else f"{self.n_states} states"
            raise SpaceError(f"{type(self).__name__}: made for {kind}, the observation space is {observation_space}")

    def matrix(self, env: Any) -> NDArray[np.float64]:
        """Return the features of every (state, action), dense, float64 `(S * A, n_features)`; row `s * A + a`.

        Rows of terminal states are 0, as their values are.

        Raises:
            SpaceError: the features are not for an environment of so many states.
        """
        n_states = count_states(env)
        if self.n_states != n_states:
            raise SpaceError(f"{type(self).__name__}: made for {self.n_states} states, this environment has {n_states}")
        matrix = self._every_pair()
        matrix[np.repeat(terminal_states(env, n_states), self.n_actions)] = 0.0
        return matrix

    def report(self) -> FeatureReport:
        """Return a fresh report, to be handed over with every observation and kept by the caller."""
        return self.features.report()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build what `to_dict` described; on `ActionFeatures` itself, of any registered kind.

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
        return self.features._row

    @cached_property
    def _values_one(self) -> Callable[..., int]:
        x = np.zeros(self._n_dims) if self.n_states is None else 0
        return direct(values_one, self.parameters, x, np.empty(0), np.empty(*self._row), np.empty(0))

    @property
    def _n_dims(self) -> int:
        raise NotImplementedError

    def _checked(self, observation: Any) -> Any:
        raise NotImplementedError

    def _every_pair(self) -> NDArray[np.float64]:
        raise NotImplementedError

    def _checked_action(self, action: Any) -> int:
        try:
            number = operator.index(action)
        except TypeError:
            number = -1
        if not 0 <= number < self.n_actions:
            raise InvalidTransition(
                f"{type(self).__name__}: action {action!r} is not an integer in [0, {self.n_actions})"
            )
        return number


def count_actions(env: Any) -> int:
    """Return the number of actions of an environment or model.

    Raises:
        SpaceError: there is no such number.
    """
    space = getattr(env, "action_space", None)
    n_actions = getattr(env, "n_actions", None) if space is None else getattr(space, "n", None)
    if n_actions is None or (space is not None and not (isinstance(space, spaces.Discrete) and space.start == 0)):
        raise SpaceError(f"features of actions: the action space is {space}, expected Discrete, from 0")
    return int(n_actions)
