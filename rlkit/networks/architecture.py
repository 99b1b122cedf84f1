"""What a multi-layer perceptron is built of, as hyperparameters."""

from __future__ import annotations

import itertools
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
from rlkit.networks.residual import ResidualBlock

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}

GAINS = {
    "relu": math.sqrt(2.0),
    "tanh": 5.0 / 3.0,
    "elu": 1.2779600754047,
    "gelu": 1.4680112605468,
    "silu": 1.5587599300695,
}
"""The g for which E[activation(g z)^2] = 1 for standard normal z: a second moment of 1 then stays 1 from layer to layer
(He et al. 2015, section 2.2, for ReLUs, which keep any other, too). ELU leads others back to 1; GELU and SiLU lead them
away, over 20 layers 5 and 15 times as far. tanh, always below 1, has torch's customary gain, which leads to 0.42."""


@dataclass(frozen=True, kw_only=True)
class Architecture(Config):
    """What a multi-layer perceptron is built of, but for its size; or SimBa's residual network (Lee et al. 2024).

    The plain one is linear layers, each but the last followed by LayerNorm, if that is asked for, and the activation.
    SimBa has a linear layer, initialised orthogonally, a `ResidualBlock` for each of the hidden layers, LayerNorm, and
    the output layer, orthogonal again; where its authors normalise observations first, agents have an option of their
    own. They give the actor (128,), the critic (512, 512), and both AdamW at 1e-4 with a decay of 1e-2.

    Raises:
        ConfigError: `residual` with an `initialisation` or `layer_norm`, both of which SimBa settles.
    """

    activation: Literal["relu", "tanh", "elu", "gelu", "silu"] = described("relu", "what follows every hidden layer")
    initialisation: Initialisation = described("torch", "of the weights; see rlkit.networks.initialisation")
    layer_norm: bool = described(False, "normalise what goes into the activations (Ba, Kiros & Hinton 2016)")
    residual: bool = described(False, "SimBa: a residual block instead of each hidden layer")
    last_layer: float | None = bounded(None, above=0, help="the output layer is uniform in +-this at first")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, default in (("initialisation", "torch"), ("layer_norm", False)):
            if self.residual and getattr(self, name) != default:
                raise ConfigError(f"Architecture: {name}={getattr(self, name)!r} with residual, which brings its own")

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
            ConfigError: a layer without units; or with `residual` no hidden layers, or layers of several widths.
        """
        sizes = (n_inputs, *hidden, n_outputs)
        if min(sizes) < 1:
            raise ConfigError(f"Architecture: layers of {sizes} units, expected at least 1 in each")
        inner = self._blocks(n_inputs, hidden, generator) if self.residual else self._plain(sizes[:-1], generator)
        output = self._output(sizes[-2], n_outputs, generator)
        return nn.Sequential(*inner, output, *([output_activation()] if output_activation else []))

    def _plain(self, sizes: Sequence[int], generator: torch.Generator) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for size, width in itertools.pairwise(sizes):
            gain = GAINS[self.activation]
            layers.append(linear(size, width, generator, initialisation=self.initialisation, gain=gain))
            layers += [nn.LayerNorm(width)] if self.layer_norm else []
            layers.append(ACTIVATIONS[self.activation]())
        return layers

    def _blocks(self, n_inputs: int, hidden: Sequence[int], generator: torch.Generator) -> list[nn.Module]:
        if len(set(hidden)) != 1:
            raise ConfigError(f"Architecture: hidden layers of {tuple(hidden)} units, expected one width with residual")
        width, kind, gain = hidden[0], ACTIVATIONS[self.activation], GAINS[self.activation]
        first = linear(n_inputs, width, generator, initialisation="orthogonal")
        blocks = [ResidualBlock(width, kind(), gain, generator) for _ in hidden]
        return [first, *blocks, nn.LayerNorm(width)]

    def _output(self, n_inputs: int, n_outputs: int, generator: torch.Generator) -> nn.Module:
        """Return the output layer, behind which there is nothing to make up for: its gain is 1."""
        kind: Initialisation = "orthogonal" if self.residual else self.initialisation
        layer = linear(n_inputs, n_outputs, generator, initialisation=kind)
        if self.last_layer is not None:
            uniform(layer, self.last_layer, generator)
            if isinstance(layer, NTKLinear):  # there the weights that count are `scale` times those that are learnt
                with torch.no_grad():
                    layer.weight.div_(layer.scale)
        return layer


def mlp(n_inputs: int, hidden: Sequence[int], n_outputs: int, generator: torch.Generator) -> nn.Sequential:
    """Return the plain multi-layer perceptron: linear layers with ReLUs in between, initialised as torch does."""
    return Architecture().build(n_inputs, hidden, n_outputs, generator)
