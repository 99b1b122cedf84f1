"""The passes of small networks, compiled: there, calling torch takes longer than computing."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rlkit.compiling import njit
from rlkit.networks.passes import Passes

ONE_THREADS_WORK = 4 * 2**16
"""Multiplications up to which OpenBLAS takes one thread; on a busy machine, several wait for each other."""


class SmallPasses(Passes):
    """The passes of linear layers with ReLUs in between, and maybe a tanh at last, in half of `Passes`' time.

    Batches for which a layer takes more than 2^18 multiplications go through `Passes`.

    Args:
        network: as for `Passes`; `fits` tells whether it is such a one.
    """

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__(network)
        layers = [layer for layer in network if isinstance(layer, nn.Linear)]
        self._with_tanh = isinstance(network[-1], nn.Tanh)
        self._weights = tuple(layer.weight.detach().numpy() for layer in layers)
        self._biases = tuple(layer.bias.detach().numpy() for layer in layers)
        self._weight_slopes = tuple(_slope(layer.weight) for layer in layers)
        self._bias_slopes = tuple(_slope(layer.bias) for layer in layers)
        self._most = ONE_THREADS_WORK // max(weight.size for weight in self._weights)
        self._room(0)

    @staticmethod
    def fits(network: nn.Sequential, batch_size: int) -> bool:
        """Tell whether a network has just such layers, and batches of that size are small enough."""
        kinds = [type(layer) for layer in network]
        kinds = kinds[:-1] if kinds[-1] is nn.Tanh else kinds
        if kinds != [nn.Linear, *[nn.ReLU, nn.Linear] * (len(kinds) // 2)]:
            return False
        return batch_size * max(parameter.numel() for parameter in network.parameters()) <= ONE_THREADS_WORK

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs `(N, n_outputs)` for inputs `(N, n_inputs)`: good until the next call."""
        n = x.shape[0]
        if n > self._most:
            self._large = True
            return super().forward(x)
        if n != self._n:
            self._room(n)
        self._large = False
        forward(x.numpy(), self._weights, self._biases, self._read, self._out, self._with_tanh)
        return self._result

    def backward(self, slope: Tensor) -> None:
        """Write to `slope` and `gradient` the parameters' slope, from that in the last `forward`'s outputs."""
        if self._large:
            super().backward(slope)
        else:
            self._go_back(slope)
            learn(self._slopes, self._read, self._weight_slopes, self._bias_slopes)

    def slope_of_input(self, slope: Tensor, n: int) -> Tensor:
        """Return the last n inputs' slope, from that in the last `forward`'s outputs."""
        if self._large:
            return super().slope_of_input(slope, n)
        self._go_back(slope)
        return torch.from_numpy(np.dot(self._slopes[0], self._weights[0][:, -n:]))

    def _go_back(self, slope: Tensor) -> None:
        back(slope.numpy(), self._weights, self._read, self._out, self._slopes, self._with_tanh)

    def _room(self, n: int) -> None:
        """Make room for a batch of that size: what each layer reads, its outputs' slopes, and what comes out."""
        self._n, self._large = n, False
        self._read = tuple(np.empty((n, weight.shape[1]), np.float32) for weight in self._weights)
        self._slopes = tuple(np.empty((n, len(weight)), np.float32) for weight in self._weights)
        self._out = np.empty((n, len(self._weights[-1])), np.float32)
        self._result = torch.from_numpy(self._out)


@njit(cache=True)
def forward(x: Any, weights: Any, biases: Any, read: Any, out: Any, with_tanh: bool) -> None:
    """Write what each layer reads to `read`: x, and then ReLU(W x + b), again and again; and W x + b at last to `out`.

    Args:
        x: `(N, n_inputs)`, its rows anywhere.
        weights, biases: of each layer, W `(n_outputs, n_inputs)` and b `(n_outputs,)`.
        read: for each layer `(N, n_inputs)`.
        out: `(N, n_outputs)`.
        with_tanh: whether a tanh follows.
    """
    read[0][:] = x
    last = len(weights) - 1
    for k in range(last):
        np.dot(read[k], weights[k].T, read[k + 1])
        y, b = read[k + 1], biases[k]
        for i in range(y.shape[0]):
            for j in range(y.shape[1]):
                y[i, j] = max(y[i, j] + b[j], np.float32(0.0))
    np.dot(read[last], weights[last].T, out)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] += biases[last][j]
            if with_tanh:
                out[i, j] = np.tanh(out[i, j])


@njit(cache=True)
def back(slope: Any, weights: Any, read: Any, out: Any, slopes: Any, with_tanh: bool) -> None:
    """Write a loss's slope in what each layer gives, before what follows it, to `slopes`.

    Args:
        slope: that in the outputs, `(N, n_outputs)`.
        weights, read, out, with_tanh: as `forward` had them.
        slopes: for each layer `(N, n_outputs)`.
    """
    last = len(weights) - 1
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            slopes[last][i, j] = slope[i, j]
            if with_tanh:
                slopes[last][i, j] *= np.float32(1.0) - out[i, j] * out[i, j]
    for k in range(last, 0, -1):
        np.dot(slopes[k], weights[k], slopes[k - 1])
        s, y = slopes[k - 1], read[k]
        for i in range(y.shape[0]):
            for j in range(y.shape[1]):
                s[i, j] = s[i, j] if y[i, j] > np.float32(0.0) else np.float32(0.0)


@njit(cache=True)
def learn(slopes: Any, read: Any, weight_slopes: Any, bias_slopes: Any) -> None:
    """Write every layer's dL/dW = slope' x and dL/db, the sum of its slopes over the batch.

    Args:
        slopes, read: as `back` and `forward` left them.
        weight_slopes, bias_slopes: like the parameters.
    """
    for k in range(len(slopes)):
        np.dot(slopes[k].T, read[k], weight_slopes[k])
        s, b = slopes[k], bias_slopes[k]
        b[:] = np.float32(0.0)
        for i in range(s.shape[0]):
            for j in range(s.shape[1]):
                b[j] += s[i, j]


def _slope(parameter: Tensor) -> Any:
    assert parameter.grad is not None
    return parameter.grad.numpy()
