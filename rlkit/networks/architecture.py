"""What a multi-layer perceptron is built of, as hyperparameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from rlkit.config import Config, bounded, described
from rlkit.errors import ConfigError
from rlkit.networks.initialisation import Initialisation, uniform
from rlkit.networks.layers import NTKLinear, linear

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}

GAINS = {
    "relu": math.sqrt(2.0),
    "tanh": 1.5925374197228,
    "elu": 1.2451983007007,
    "gelu": 1.5335304411955,
    "silu": 1.6765324703311,
}
"""1 / sqrt(E[activation(z)^2]) for standard normal z: a second moment of 1 then stays 1 from layer to layer (Poole et
al. 2016, equation 3). ReLUs keep any other, too; tanh and ELU lead it back to 1, GELU and SiLU away."""


@dataclass(frozen=True, kw_only=True)
class Architecture(Config):
    """What a multi-layer perceptron is built of, but for its size.

    Raises:
        ConfigError: `residual` with an initialisation or `layer_norm`, of which it has its own.
    """

    activation: Literal["relu", "tanh", "elu", "gelu", "silu"] = described("relu", "what follows every hidden layer")
    initialisation: Initialisation = described("torch", "of the weights; see rlkit.networks.initialisation")
    layer_norm: bool = described(False, "normalise what goes into the activations (Ba, Kiros & Hinton 2016)")
    last_layer: float | None = bounded(None, above=0, help="the output layer is uniform in +-this at first")

    def build(
        self,
        n_inputs: int,
        hidden: Sequence[int],
        n_outputs: int,
        generator: torch.Generator,
        output_activation: type[nn.Module] | None = None,
    ) -> nn.Sequential:
        """Return a network with weights from `generator`; no global generator is read or moved.

        Args:
            n_inputs, hidden, n_outputs: sizes of the layers; without hidden layers it is one linear layer.
            output_activation: what follows the output layer, `nn.Tanh` for an actor.

        Raises:
            ConfigError: a layer without units.
        """
        sizes = (n_inputs, *hidden, n_outputs)
        if min(sizes) < 1:
            raise ConfigError(f"Architecture: layers of {sizes} units, expected at least 1 in each")
        layers: list[nn.Module] = []
        for size, width in zip(sizes[:-2], hidden, strict=True):
            layers.append(self._linear(size, width, generator, GAINS[self.activation]))
            layers += [nn.LayerNorm(width)] if self.layer_norm else []
            layers.append(ACTIVATIONS[self.activation]())
        layers.append(self._output(sizes[-2], n_outputs, generator))
        return nn.Sequential(*layers, *([output_activation()] if output_activation else []))

    def _linear(self, n_inputs: int, n_outputs: int, generator: torch.Generator, gain: float) -> nn.Linear | NTKLinear:
        return linear(n_inputs, n_outputs, generator, initialisation=self.initialisation, gain=gain)

    def _output(self, n_inputs: int, n_outputs: int, generator: torch.Generator) -> nn.Module:
        """Return the output layer, behind which there is nothing to make up for: its gain is 1."""
        layer = self._linear(n_inputs, n_outputs, generator, 1.0)
        if self.last_layer is not None:
            uniform(layer, self.last_layer, generator)
            if isinstance(layer, NTKLinear):  # there the weights that count are `scale` times those that are learnt
                with torch.no_grad():
                    layer.weight.div_(layer.scale)
        return layer


def mlp(n_inputs: int, hidden: Sequence[int], n_outputs: int, generator: torch.Generator) -> nn.Sequential:
    """Return the plain multi-layer perceptron: linear layers with ReLUs in between, initialised as torch does."""
    return Architecture().build(n_inputs, hidden, n_outputs, generator)
