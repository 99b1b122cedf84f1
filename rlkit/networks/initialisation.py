"""Initial weights of linear layers, and what each is for.

A layer's weights W have `fan_in` columns and `fan_out` rows; `gain` makes up for what the activation behind the layer
takes away, so that the second moment of what goes through the network stays what it was.

- `torch`: W and b uniform in +-1/sqrt(fan_in), what `torch.nn.Linear` does, and what Lillicrap et al. (2016, section 7)
  write down for DDPG's hidden layers. Shrinks what goes through to a third of its second moment with every layer, with
  ReLUs to a sixth: for two or three layers.
- `lecun`: W normal, variance 1/fan_in (LeCun et al. 1998, section 4.6). Keeps the second moment through linear layers;
  ReLUs halve it each time.
- `xavier`: W uniform in +-sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010, equation 16). The same for gradients
  going back as for values going forward, in layers without an activation, or near the origin of tanh.
- `he`: W normal, variance gain^2/fan_in, which is 2/fan_in for ReLUs (He et al. 2015, equation 10). Keeps the second
  moment through ReLUs: for deep networks.
- `orthogonal`: W has orthogonal rows or columns of length `gain` (Saxe et al. 2014; Hu et al. 2020). Keeps it, too, and
  in linear layers every direction of the gradients alike; what Huang et al. (2022) list among the details of PPO.
- `ntk`: W normal, variance 1, and the layer computes gain/sqrt(fan_in) W x + b (Jacot et al. 2018, section 3.1; Lee et
  al. 2019, section 2.1). At first the same function as with `he`, but a step of gradient descent changes the outputs by
  as much whatever the width, so that one learning rate does for all. With Adam, whose steps do not depend on the scale
  of W, learning rates are to be larger by sqrt(fan_in) than elsewhere.

Biases are 0 at first, except with `torch`.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn

Initialisation = Literal["torch", "orthogonal", "he", "lecun", "xavier", "ntk"]


def initialise(layer: nn.Module, kind: Initialisation, gain: float, generator: torch.Generator) -> None:
    """Draw a layer's `weight` `(fan_out, fan_in)` and `bias` `(fan_out,)` from `generator`, in place.

    Args:
        layer: an `nn.Linear` or `NTKLinear`.
        kind: one of those listed above.
        gain: what `he` and `orthogonal` multiply the weights by; the others have no use for it.
        generator: no other generator is read or moved.
    """
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, torch.Tensor)
    assert isinstance(bias, torch.Tensor)
    fan_out, fan_in = weight.shape
    if kind == "torch":
        uniform(layer, 1.0 / math.sqrt(fan_in), generator)
        return
    nn.init.zeros_(bias)
    if kind == "orthogonal":
        nn.init.orthogonal_(weight, gain, generator)
    elif kind == "xavier":
        bound = math.sqrt(6.0 / (fan_in + fan_out))
        nn.init.uniform_(weight, -bound, bound, generator)
    else:
        deviation = {"he": gain / math.sqrt(fan_in), "lecun": 1.0 / math.sqrt(fan_in), "ntk": 1.0}[kind]
        nn.init.normal_(weight, 0.0, deviation, generator)


def uniform(layer: nn.Module, bound: float, generator: torch.Generator) -> None:
    """Draw a layer's weights and biases uniformly from +-bound, in place."""
    for parameter in (layer.weight, layer.bias):
        assert isinstance(parameter, torch.Tensor)
        nn.init.uniform_(parameter, -bound, bound, generator)
