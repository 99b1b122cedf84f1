"""Multi-layer perceptrons, their weights from a seed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from rlkit.errors import ConfigError


def mlp(
    n_inputs: int,
    hidden: Sequence[int],
    n_outputs: int,
    generator: torch.Generator,
    *,
    activation: type[nn.Module] = nn.ReLU,
    layer_norm: bool = False,
) -> nn.Sequential:
    """Return a multi-layer perceptron with weights from `generator`; no global generator is read or moved.

    Weights and biases are uniform in +-1/sqrt(fan_in), torch's own choice for `nn.Linear` (LeCun et al. 1998, section
    4.6, up to a factor). Without hidden layers it is one linear layer.

    Args:
        n_inputs, hidden, n_outputs: sizes of the layers.
        activation: what follows every hidden layer.
        layer_norm: normalise what goes into the activations (Ba, Kiros & Hinton 2016).

    Raises:
        ConfigError: a layer without units.
    """
    if min((n_inputs, *hidden, n_outputs)) < 1:
        raise ConfigError(f"mlp: layers of {(n_inputs, *hidden, n_outputs)} units, expected at least 1 in each")
    layers: list[nn.Module] = []
    size = n_inputs
    for width in hidden:
        layers += [linear(size, width, generator), *([nn.LayerNorm(width)] if layer_norm else []), activation()]
        size = width
    return nn.Sequential(*layers, linear(size, n_outputs, generator))


def linear(n_inputs: int, n_outputs: int, generator: torch.Generator) -> nn.Linear:
    """Return a linear layer, weights and biases uniform in +-1/sqrt(n_inputs)."""
    layer = nn.Linear(n_inputs, n_outputs, device="meta").to_empty(device="cpu")  # draws nothing
    bound = 1.0 / math.sqrt(n_inputs)
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return layer
