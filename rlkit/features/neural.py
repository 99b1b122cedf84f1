"""The hidden layers of a neural network, frozen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import ConfigError
from rlkit.features.base import check_size
from rlkit.features.coordinates import Bounds, observed_range, settle
from rlkit.features.encoding import encoder, scaled
from rlkit.features.registry import register
from rlkit.features.scaled import ScaledFeatures

Layer = tuple[tuple[float, ...], ...]


class OneLayer(NamedTuple):
    """What `encode_one_layer` needs; `first` is float64 `(units, 1 + n_dims)`, biases first."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    scale: tuple[float, ...]
    first: NDArray[np.float64]


class TwoLayers(NamedTuple):
    """What `encode_two_layers` needs; `second` is float64 `(1 + units of the first layer, units)`, biases first."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    scale: tuple[float, ...]
    first: NDArray[np.float64]
    second: NDArray[np.float64]


@encoder(OneLayer)
def encode_one_layer(parameters: Any, x: Any, out: Any) -> Any:
    """Write max(0, b + W u) and a 1, u being x scaled to [-1, 1]."""
    n_clipped, n_units = 0, len(parameters.first)
    for j in range(n_units):
        out[j] = parameters.first[j, 0]
    for d in range(len(parameters.low)):
        u, outside = scaled(x[d], parameters.low[d], parameters.high[d], parameters.scale[d], 2.0)
        n_clipped += outside
        for j in range(n_units):
            out[j] += parameters.first[j, d + 1] * (u - 1.0)
    for j in range(n_units):
        out[j] = max(out[j], 0.0)
    out[n_units] = 1.0
    return n_clipped


@encoder(TwoLayers)
def encode_two_layers(parameters: Any, x: Any, out: Any) -> Any:
    """Write max(0, b' + W' max(0, b + W u)) and a 1; the first layer's units one by one, for there is no room."""
    n_clipped, n_units = 0, len(out) - 1
    for d in range(len(parameters.low)):
        n_clipped += not (x[d] >= parameters.low[d] and x[d] <= parameters.high[d])
    for j in range(n_units):
        out[j] = parameters.second[0, j]
    for k in range(len(parameters.first)):
        unit = parameters.first[k, 0]
        for d in range(len(parameters.low)):
            u, _ = scaled(x[d], parameters.low[d], parameters.high[d], parameters.scale[d], 2.0)
            unit += parameters.first[k, d + 1] * (u - 1.0)
        if unit > 0.0:
            for j in range(n_units):
                out[j] += parameters.second[k + 1, j] * unit
    for j in range(n_units):
        out[j] = max(out[j], 0.0)
    out[n_units] = 1.0
    return n_clipped


@register
@dataclass(frozen=True, kw_only=True)
class NeuralEncoder(ScaledFeatures):
    """The last hidden layer of a network of ReLUs, its weights frozen, and a 1 for the output's bias.

    What the network does after that layer is linear in these features. They are either learnt by a network
    (`from_network`; S&B 2018, section 9.7) or random (`for_env`; Rahimi & Recht 2008). The network sees the
    observation, or a state's point, scaled to [-1, 1], and clipped.

    Attributes:
        layers: one or two, each a row for each unit: its bias, and its weights of the layer before.
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        n_inputs = self.n_dims
        if len(self.layers) not in (1, 2):
            raise ConfigError(f"NeuralEncoder: {len(self.layers)} hidden layers, expected 1 or 2")
        for number, layer in enumerate(self.layers):
            if not layer or any(len(row) != 1 + n_inputs for row in layer):
                raise ConfigError(f"NeuralEncoder: layers[{number}] has rows of another length than {1 + n_inputs}")
            if not np.isfinite(layer).all():
                raise ConfigError(f"NeuralEncoder: layers[{number}] has weights that are not finite")
            n_inputs = len(layer)
        check_size("NeuralEncoder", self.n_features)

    @classmethod
    def for_env(  # type: ignore[override]  # it has no fields to choose but the weights
        cls, env: Any, *, hidden: tuple[int, ...] = (64,), seed: int = 0, low: Bounds = None, high: Bounds = None
    ) -> Self:
        """Build from random weights, uniform in +-1/sqrt(fan_in): `NeuralEncoder.for_env(env, hidden=(64, 64))`.

        Args:
            env, low, high: as for other features.
            hidden: units of each layer.
            seed: of the weights.

        Raises:
            ConfigError: as for other features; more than two layers, or one without units.
            SpaceError: a space of another type.
        """
        if min(hidden, default=0) < 1:
            raise ConfigError(f"NeuralEncoder: hidden={hidden} has no layer, or one without units")
        rng = np.random.default_rng(seed)
        sizes = (len(observed_range(env, 0.0)[1]), *hidden)
        bounds = [1.0 / math.sqrt(n_inputs) for n_inputs in sizes[:-1]]
        layers = [rng.uniform(-b, b, (n, 1 + m)) for m, n, b in zip(sizes, hidden, bounds, strict=False)]
        return cls._of(env, layers, low, high)

    @classmethod
    def from_network(cls, network: Any, env: Any, *, low: Bounds = None, high: Bounds = None) -> Self:
        """Freeze the hidden layers of a network that reads coordinates scaled to [-1, 1].

        Args:
            network: what `rlkit.networks.mlp` makes: linear layers with a ReLU between one and the next.
            env, low, high: what its observations are, as for other features.

        Raises:
            ConfigError: as for other features; or it is another network, or reads something else.
            SpaceError: a space of another type.
        """
        parts = list(network)
        kinds = [type(part).__name__ for part in parts]
        if len(parts) < 3 or kinds != ["Linear", "ReLU"] * (len(parts) // 2) + ["Linear"]:
            raise ConfigError(f"NeuralEncoder: a network of {kinds}, expected linear layers with a ReLU between them")
        matrices = [
            np.column_stack([part.bias.detach().numpy(), part.weight.detach().numpy()]) for part in parts[:-1:2]
        ]
        return cls._of(env, matrices, low, high)

    @classmethod
    def _of(cls, env: Any, matrices: list[NDArray[Any]], low: Bounds, high: Bounds) -> Self:
        coordinates, least, largest = observed_range(env, cls.margin)
        layers = tuple(tuple(map(tuple, matrix.tolist())) for matrix in matrices)
        bounds = {"low": settle(low, least, "low"), "high": settle(high, largest, "high")}
        return cls.of_bounds(**bounds, coordinates=coordinates, parameters={"layers": layers})

    @cached_property
    def n_features(self) -> int:
        """How many features there are: units of the last layer, and 1."""
        return len(self.layers[-1]) + 1

    @property
    def vector_formula(self) -> OneLayer | TwoLayers:
        """The parameters of `encode_one_layer` or `encode_two_layers`."""
        first, *rest = (np.array(layer, np.float64) for layer in self.layers)
        geometry = self.low, self.high, self._scales([2.0] * self.n_dims), first
        return TwoLayers(*geometry, np.ascontiguousarray(rest[0].T)) if rest else OneLayer(*geometry)
