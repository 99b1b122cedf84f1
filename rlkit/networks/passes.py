"""Forward and backward passes of a multi-layer perceptron, written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rlkit.errors import ConfigError


def as_one_vector(module: nn.Module) -> nn.Parameter:
    """Lay a module's parameters out in one vector, float32 `(n,)`, and return it; they go on as views of it.

    An optimiser of that vector, whose gradient is laid out alike, does in one call what takes one for each parameter.
    Gradients are to be set to 0, not to None.
    """
    parameters = list(module.parameters())
    vector = nn.Parameter(torch.cat([parameter.detach().flatten() for parameter in parameters]))
    vector.grad = torch.zeros_like(vector)
    first = 0
    for parameter in parameters:
        part = slice(first, first + parameter.numel())
        parameter.data = vector.data[part].view(parameter.shape)
        parameter.grad = vector.grad[part].view(parameter.shape)
        first = part.stop
    return vector


class Passes:
    """The forward and backward passes of an `mlp` of linear layers and ReLUs, written out.

    On small networks they take a third of the time that autograd takes. The network's parameters are laid out in one
    vector here, and go on as views of it; whoever makes a second `Passes` of a network takes it away from the first.

    Args:
        network: what `mlp` returned.

    Attributes:
        theta: all parameters, float32 `(n,)`, a view of the network's memory.
        gradient: what `backward` found, float32 `(n,)`.

    Raises:
        ConfigError: the network has other layers.
    """

    def __init__(self, network: nn.Sequential) -> None:
        kinds = [type(layer) for layer in network]
        if kinds != [nn.Linear, *[nn.ReLU, nn.Linear] * (len(kinds) // 2)]:
            raise ConfigError(f"Passes: the network is {network}, expected linear layers with ReLUs in between")
        vector = as_one_vector(network)
        assert vector.grad is not None
        self.theta: NDArray[np.float32] = vector.detach().numpy()
        self.gradient: NDArray[np.float32] = vector.grad.numpy()
        self._layers: list[tuple[Any, Any, Any, Any]] = [
            (layer.weight.detach(), layer.bias.detach(), layer.weight.grad, layer.bias.grad)
            for layer in network
            if isinstance(layer, nn.Linear)
        ]
        self._arrays = [(weight.numpy(), bias.numpy()) for weight, bias, _, _ in self._layers]
        self._read: list[Tensor] = []  # what each layer read in the last forward pass

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs `(N, n_outputs)` for inputs `(N, n_inputs)`."""
        self._read = [x]
        for weight, bias, _, _ in self._layers[:-1]:
            x = torch.addmm(bias, x, weight.t()).relu_()
            self._read.append(x)
        weight, bias, _, _ = self._layers[-1]
        return torch.addmm(bias, x, weight.t())

    def backward(self, slope: Tensor) -> None:
        """Write to `gradient` that of a loss with this slope in the outputs `(N, n_outputs)` of the last `forward`."""
        for k in range(len(self._layers) - 1, -1, -1):
            weight, _, weight_slope, bias_slope = self._layers[k]
            torch.mm(slope.t(), self._read[k], out=weight_slope)
            torch.sum(slope, 0, out=bias_slope)
            if k > 0:
                slope = slope.mm(weight).mul_(self._read[k] > 0.0)

    def of_one(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the outputs `(n_outputs,)` for one input `(n_inputs,)`, by NumPy: equal but for rounding."""
        for weight, bias in self._arrays[:-1]:
            x = weight @ x
            x += bias
            np.maximum(x, 0.0, out=x)
        weight, bias = self._arrays[-1]
        x = weight @ x
        x += bias
        return x
