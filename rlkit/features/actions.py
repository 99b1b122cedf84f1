"""Features of an observation and an action, for control: a block for each action, or the action as a coordinate."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from gymnasium import spaces
from numba import types
from numba.extending import overload
from numba.np.unsafe.ndarray import to_fixed_tuple
from numpy.typing import NDArray

from rlkit.compiling import njit
from rlkit.config import Config, bounded
from rlkit.errors import ConfigError, InvalidTransition, SpaceError
from rlkit.features.base import Features
from rlkit.features.coordinates import Bounds, Coordinates, count_states, observed_range, settle, terminal_states
from rlkit.features.encoding import direct, dot, encode
from rlkit.features.observations import check_finite, check_observation
from rlkit.features.registry import rebuild, register
from rlkit.features.report import FeatureReport
from rlkit.features.scaled import Located, ScaledFeatures


class Blocks(NamedTuple):
    """Parameters of features of observations, `n_features` of them, of which each action has its own copy."""

    features: Any
    n_features: int


class JointVectors(NamedTuple):
    """Parameters of features of (x..., action); as many Nones as x has dimensions."""

    features: Any
    dims: tuple[None, ...]


class JointStates(NamedTuple):
    """Parameters of features of numbered pairs: pair `state * n_actions + action`."""

    pairs: Any
    n_actions: int


def encode_action(parameters: Any, x: Any, action: int, out: NDArray[Any]) -> int:
    """Write the features of an observation and an action; return how many coordinates were clipped.

    Their weights begin at `block(parameters, action)`, which is what `dot` and `add` ask for as `first`.

    Args:
        parameters: `ActionFeatures.parameters`.
        x: a state's number, or a vector: a float64 array or, in compiled code, a tuple of floats.
        action: its number, unchecked.
        out: as for `encode`, of `n_encoded` numbers.
    """
    return int(_KINDS[type(parameters)](parameters, x, action, out))


def _encode_block(parameters: Any, x: Any, action: Any, out: Any) -> Any:  # noqa: ARG001
    return encode(parameters.features, x, out)


def _encode_vectors(parameters: Any, x: Any, action: Any, out: Any) -> Any:
    return encode(parameters.features, join(x, action, parameters.dims), out)


def _encode_states(parameters: Any, x: Any, action: Any, out: Any) -> Any:
    return encode(parameters.pairs, x * parameters.n_actions + action, out)


_KINDS: dict[type, Callable[..., int]] = {
    Blocks: _encode_block,
    JointVectors: _encode_vectors,
    JointStates: _encode_states,
}


@overload(encode_action)
def _encode_action(parameters: Any, x: Any, action: Any, out: Any) -> Any:  # noqa: ARG001
    return _KINDS.get(getattr(parameters, "instance_class", None))  # type: ignore[arg-type]


def join(x: Any, action: Any, dims: Any) -> tuple[float, ...]:  # noqa: ARG001
    """Return (x..., action) as a tuple of floats; `dims` has as many members as x."""
    return (*x, float(action))


@overload(join)
def _join(x: Any, action: Any, dims: Any) -> Any:  # noqa: ARG001
    n_dims = len(dims)

    def of_array(x: Any, action: Any, dims: Any) -> Any:  # noqa: ARG001
        return to_fixed_tuple(x, n_dims) + (float(action),)  # type: ignore[call-arg]  # noqa: RUF005

    def of_tuple(x: Any, action: Any, dims: Any) -> Any:  # noqa: ARG001
        return x + (float(action),)  # noqa: RUF005

    return of_array if isinstance(x, types.Array) else of_tuple


def block(parameters: Any, action: int) -> int:
    """Return where the weights of an action's block begin: 0 for joint features."""
    return int(_block(parameters, action)) if isinstance(parameters, Blocks) else 0


def _block(parameters: Any, action: Any) -> Any:
    return action * parameters.n_features


def _no_block(parameters: Any, action: Any) -> int:  # noqa: ARG001
    return 0


@overload(block)
def _find_block(parameters: Any, action: Any) -> Any:  # noqa: ARG001
    return _block if getattr(parameters, "instance_class", None) is Blocks else _no_block


def action_values(parameters: Any, x: Any, weights: NDArray[np.float64], phi: NDArray[Any], q: NDArray[Any]) -> int:
    """Write the value of every action to `q`, float64 `(A,)`; return how many coordinates were clipped.

    For blocks x is encoded once, and `phi` then holds it; for joint features once for each action.
    """
    function = _values_of_blocks if isinstance(parameters, Blocks) else _values_of_pairs
    return int(function(parameters, x, weights, phi, q))


def _values_of_blocks(parameters: Any, x: Any, weights: Any, phi: Any, q: Any) -> Any:
    n_clipped = encode(parameters.features, x, phi)
    for action in range(len(q)):
        q[action] = dot(phi, weights, action * parameters.n_features)
    return n_clipped


def _values_of_pairs(parameters: Any, x: Any, weights: Any, phi: Any, q: Any) -> Any:
    n_clipped = 0
    for action in range(len(q)):
        n_clipped = encode_action(parameters, x, action, phi)
        q[action] = dot(phi, weights, 0)
    return n_clipped


@overload(action_values)
def _action_values(parameters: Any, x: Any, weights: Any, phi: Any, q: Any) -> Any:  # noqa: ARG001
    return _values_of_blocks if getattr(parameters, "instance_class", None) is Blocks else _values_of_pairs


@njit(cache=True)
def values_one(parameters: Any, x: Any, weights: Any, phi: Any, q: Any) -> int:
    """`action_values`, to be called from Python."""
    return action_values(parameters, x, weights, phi, q)


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


@register
@dataclass(frozen=True, kw_only=True)
class ActionBlocks(ActionFeatures):
    """Every action has its own copy of the features, which are 0 for the other actions (S&B 2018, section 10.1).

    Feature j of action a is number `a * of.n_features + j`.

    Attributes:
        of: features of observations.
    """

    of: Features

    @classmethod
    def for_env(cls, env: Any, features: Features) -> Self:
        """Build from features of observations and an environment's actions.

        Raises:
            SpaceError: the actions are not `Discrete`, or the features are of other observations.
        """
        if hasattr(env, "observation_space"):
            features.check_space(env.observation_space)
        return cls(of=features, n_actions=count_actions(env))

    @property
    def features(self) -> Features:
        """Those of observations."""
        return self.of

    @cached_property
    def parameters(self) -> Blocks:
        """The parameters of each block."""
        return Blocks(self.of.parameters, self.of.n_features)

    @cached_property
    def n_features(self) -> int:
        """How many features there are."""
        return self.n_actions * self.of.n_features

    @property
    def n_states(self) -> int | None:
        """How many states there are; None where observations are vectors."""
        return self.of.n_states

    @property
    def step_scales(self) -> NDArray[np.float64]:
        """Those of the features, once for each action."""
        return np.tile(self.of.step_scales, self.n_actions)

    def __call__(self, observation: Any, action: int, report: FeatureReport | None = None) -> NDArray[Any]:
        """Encode: int64 `(n_encoded,)` active indices if sparse, else float64 `(n_features,)`."""
        first = self._checked_action(action) * self.of.n_features
        encoded = self.of(observation, report)
        if self.sparse:
            encoded += first
            return encoded
        whole = np.zeros(self.n_features)
        whole[first : first + len(encoded)] = encoded
        return whole

    @property
    def _n_dims(self) -> int:
        return self.of.n_dims

    def _checked(self, observation: Any) -> Any:
        return self.of._checked(observation)

    def _every_pair(self) -> NDArray[np.float64]:
        assert self.of.n_states is not None
        found = self.of.transform(np.arange(self.of.n_states))
        states = found.toarray() if self.sparse else found  # [S, D]
        blocks = np.zeros((len(states), self.n_actions, self.n_actions, states.shape[1]))  # [S, A, A, D]
        for action in range(self.n_actions):
            blocks[:, action, action] = states
        return blocks.reshape(len(states) * self.n_actions, self.n_features)


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


def _with_action(given: Bounds, n_dims: int) -> Bounds:
    each = [given] * n_dims if given is None or isinstance(given, int | float) else list(given)
    return [*each, None] if len(each) == n_dims else each
