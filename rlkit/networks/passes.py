"""Forward and backward passes of networks: written out for multi-layer perceptrons, by autograd for all others."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rlkit.errors import ConfigError

Row = NDArray[np.float32]
_threshold_backward = torch.ops.aten.threshold_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.default
_layer_norm_backward = torch.ops.aten.native_layer_norm_backward.default


class Differentiable(Protocol):
    """A network, and the slopes of what it gives: `Passes`, or `AutogradPasses`.

    Its parameters are laid out in one vector, the matrices first, and go on as views of it; whoever makes a second one
    of a network takes it away from the first.

    Attributes:
        theta: all parameters, float32 `(n,)`.
        slope: what `backward` found, float32 `(n,)`.
        n_weights: how many of them, at the front, are entries of matrices, and not biases or gains.
    """

    theta: Tensor
    slope: Tensor
    n_weights: int

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs `(N, n_outputs)` for inputs `(N, n_inputs)`: good until the next call."""

    def backward(self, slope: Tensor) -> None:
        """Write to `slope` that of a loss with this slope in the outputs `(N, n_outputs)` of the last `forward`."""

    def slope_of_input(self, slope: Tensor, n: int) -> Tensor:
        """Return that in the last n inputs, `(N, n)`, good until the next call; the parameters' is not worked out."""

    def of_one(self, x: Row) -> Row:
        """Return the outputs `(n_outputs,)` for one input `(n_inputs,)`."""


def passes_of(network: nn.Module, batch_size: int) -> Differentiable:
    """Return the quickest passes for batches of this size: compiled ones, written-out ones, or else autograd's.

    All are equal but for rounding.
    """
    on_cpu = all(parameter.device.type == "cpu" for parameter in network.parameters())
    if not on_cpu or not isinstance(network, nn.Sequential) or any(type(part) not in _WRITTEN_OUT for part in network):
        return AutogradPasses(network)
    from rlkit.networks.small import SmallPasses

    return SmallPasses(network) if SmallPasses.fits(network, batch_size) else Passes(network)


class Passes:
    """The passes of a sequence of `Linear`, `LayerNorm`, `ReLU` and `Tanh`, on the CPU, written out.

    On small networks they take a third of the time that autograd takes. Otherwise as `Differentiable` says.

    Args:
        network: what `mlp` returned.

    Attributes:
        weights, gradient: `theta` and `slope` as NumPy sees them.

    Raises:
        ConfigError: the network has other layers.
    """

    def __init__(self, network: nn.Sequential) -> None:
        if not len(network) or any(type(layer) not in _WRITTEN_OUT for layer in network):
            known = ", ".join(kind.__name__ for kind in _WRITTEN_OUT)
            raise ConfigError(f"Passes: the network is {network}, expected a sequence of {known}")
        self.theta, self.slope, self.n_weights = as_one_vector(network)
        self.weights: Row = self.theta.numpy()
        self.gradient: Row = self.slope.numpy()
        self._layers = [_written_out(layer) for layer in network]

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs `(N, n_outputs)` for inputs `(N, n_inputs)`."""
        for layer in self._layers:
            x = layer.forward(x)
        return x

    def backward(self, slope: Tensor) -> None:
        """Write to `slope` and `gradient` the parameters' slope, from that in the last `forward`'s outputs."""
        for layer in self._layers[:0:-1]:
            layer.learn(slope)
            slope = layer.back(slope)
        self._layers[0].learn(slope)

    def slope_of_input(self, slope: Tensor, n: int) -> Tensor:
        """Return the last n inputs' slope, from that in the last `forward`'s outputs."""
        for layer in self._layers[:0:-1]:
            slope = layer.back(slope)
        return slope.mm(self._layers[0].weight[:, -n:])

    def of_one(self, x: Row) -> Row:
        """Return the outputs `(n_outputs,)` for one input `(n_inputs,)`, by NumPy: equal but for rounding."""
        for layer in self._layers:
            x = layer.of_one(x)
        return x


class AutogradPasses:
    """The passes of any network, by autograd, which is asked for nothing but the slopes that are wanted."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self.theta, self.slope, self.n_weights = as_one_vector(network)
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._x = self._out = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs `(N, n_outputs)` for inputs `(N, n_inputs)`."""
        if not self._parameters:  # a target network's
            return self._apply(x)
        with torch.enable_grad():
            self._x = x.detach().requires_grad_()
            self._out = self._apply(self._x)
        return self._out.detach()

    def backward(self, slope: Tensor) -> None:
        """Write to `slope` the parameters' slope, from that in the last `forward`'s outputs."""
        found = torch.autograd.grad(self._out, self._parameters, slope)
        for parameter, its in zip(self._parameters, found, strict=True):
            assert parameter.grad is not None
            parameter.grad.copy_(its)

    def slope_of_input(self, slope: Tensor, n: int) -> Tensor:
        """Return the last n inputs' slope, from that in the last `forward`'s outputs."""
        return torch.autograd.grad(self._out, self._x, slope)[0][:, -n:]

    @torch.no_grad()
    def of_one(self, x: Row) -> Row:
        """Return the outputs `(n_outputs,)` for one input `(n_inputs,)`."""
        row: Row = self._apply(torch.from_numpy(x)[None].to(self.theta.device))[0].cpu().numpy()
        return row

    def _apply(self, x: Tensor) -> Tensor:
        out: Tensor = self._network(x)
        return out


def as_one_vector(module: nn.Module) -> tuple[Tensor, Tensor, int]:
    """Lay a module's parameters out in one vector, matrices first, and their gradients in another, all 0.

    The parameters go on as views of them. An optimiser of one vector does in one call what takes one for each
    parameter.

    Returns:
        both, `(n,)`, and how many entries the matrices have.
    """
    parameters = sorted(module.parameters(), key=lambda parameter: parameter.ndim < 2)
    theta = torch.cat([parameter.detach().flatten() for parameter in parameters])
    slope = torch.zeros_like(theta)
    first = 0
    for parameter in parameters:
        part = slice(first, first + parameter.numel())
        parameter.data = theta[part].view(parameter.shape)
        parameter.grad = slope[part].view(parameter.shape)
        first = part.stop
    return theta, slope, sum(parameter.numel() for parameter in parameters if parameter.ndim > 1)


class _Layer:
    """A layer's passes, into memory of its own, which is good until the next one of the same kind."""

    out = torch.empty(0, 0)
    back_slope = torch.empty(0, 0)

    def _room_for_out(self, n: int, width: int) -> Tensor:
        if self.out.shape[0] != n:
            self.out = torch.empty(n, width)
        return self.out

    def _room_for_back(self, like: Tensor) -> Tensor:
        if self.back_slope.shape != like.shape:
            self.back_slope = torch.empty_like(like, memory_format=torch.contiguous_format)
        return self.back_slope

    def learn(self, slope: Tensor) -> None:
        """Write the parameters' slope; here there are none."""


class _Linear(_Layer):
    NARROW = 32  # inputs up to which torch is faster by the transposed product

    def __init__(self, layer: nn.Linear) -> None:
        self.weight, self.bias = layer.weight.detach(), layer.bias.detach()
        self.weight_slope, self.bias_slope = layer.weight.grad, layer.bias.grad
        self.transposed = self.weight.t()
        self.array, self.offset = self.weight.numpy(), self.bias.numpy()

    def forward(self, x: Tensor) -> Tensor:
        self.x = x
        return torch.addmm(self.bias, x, self.transposed, out=self._room_for_out(x.shape[0], self.bias.shape[0]))

    def learn(self, slope: Tensor) -> None:
        if self.x.shape[1] <= self.NARROW:
            self.weight_slope.t().copy_(torch.mm(self.x.t(), slope))  # type: ignore[union-attr]  # `as_one_vector` made it
        else:
            torch.mm(slope.t(), self.x, out=self.weight_slope)
        torch.sum(slope, 0, out=self.bias_slope)

    def back(self, slope: Tensor) -> Tensor:
        return torch.mm(slope, self.weight, out=self._room_for_back(self.x))

    def of_one(self, x: Row) -> Row:
        out: Row = self.array @ x
        out += self.offset
        return out


class _ThinLinear(_Linear):
    """A linear layer of few inputs or outputs, by NumPy, whose products with thin matrices take half of torch's time.

    Larger batches are left to torch: NumPy would share them among threads, which on a busy machine wait for each other.
    """

    FEW, ONE_THREADS_WORK = 8, 4 * 2**16  # OpenBLAS's own limit, in multiplications

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer)
        assert self.weight_slope is not None
        self.slope_array = self.weight_slope.numpy()
        self.most = self.ONE_THREADS_WORK // self.weight.numel()  # transitions

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] > self.most:
            return super().forward(x)
        self.x = x
        out = self._room_for_out(x.shape[0], self.bias.shape[0])
        np.dot(x.numpy(), self.array.T, out=out.numpy())
        return out.add_(self.bias)

    def learn(self, slope: Tensor) -> None:
        if slope.shape[0] > self.most:
            return super().learn(slope)
        np.dot(slope.numpy().T, self.x.numpy(), out=self.slope_array)
        torch.sum(slope, 0, out=self.bias_slope)
        return None

    def back(self, slope: Tensor) -> Tensor:
        if slope.shape[0] > self.most:
            return super().back(slope)
        back = self._room_for_back(self.x)
        np.dot(slope.numpy(), self.array, out=back.numpy())
        return back


class _LinearToOne(_ThinLinear):
    """A linear layer with a single output."""

    def forward(self, x: Tensor) -> Tensor:
        self.x = x
        out = self._room_for_out(x.shape[0], 1)
        np.dot(x.numpy(), self.array[0], out=out.numpy()[:, 0])
        return out.add_(self.bias)

    def learn(self, slope: Tensor) -> None:
        np.dot(slope.numpy()[:, 0], self.x.numpy(), out=self.slope_array[0])
        torch.sum(slope, 0, out=self.bias_slope)

    def back(self, slope: Tensor) -> Tensor:
        return torch.mul(slope, self.weight, out=self._room_for_back(self.x))


class _LayerNorm(_Layer):
    def __init__(self, layer: nn.LayerNorm) -> None:
        self.gain, self.bias = layer.weight.detach(), layer.bias.detach()
        self.slopes = (layer.weight.grad, layer.bias.grad)
        self.eps, self.shape = layer.eps, list(layer.normalized_shape)

    def forward(self, x: Tensor) -> Tensor:
        self.x = x
        out, self.mean, self.scale = torch.native_layer_norm(x, self.shape, self.gain, self.bias, self.eps)
        return out

    def learn(self, slope: Tensor) -> None:
        for its, found in zip(self.slopes, self._backward(slope, [False, True, True])[1:], strict=True):
            its.copy_(found)  # type: ignore[union-attr]  # `as_one_vector` made it

    def back(self, slope: Tensor) -> Tensor:
        back: Tensor = self._backward(slope, [True, False, False])[0]
        return back

    def _backward(self, slope: Tensor, wanted: list[bool]) -> Any:
        return _layer_norm_backward(slope, self.x, self.shape, self.mean, self.scale, self.gain, self.bias, wanted)

    def of_one(self, x: Row) -> Row:
        x = x - x.mean()
        x /= np.sqrt(x @ x / np.float32(len(x)) + np.float32(self.eps))
        out: Row = x * self.gain.numpy() + self.bias.numpy()
        return out


class _ReLU(_Layer):
    def __init__(self, _: nn.Module) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        self.out = x.relu_()
        return self.out

    def back(self, slope: Tensor) -> Tensor:
        back: Tensor = _threshold_backward(slope, self.out, 0.0, grad_input=slope)
        return back

    def of_one(self, x: Row) -> Row:
        return np.maximum(x, 0.0, out=x)


class _Tanh(_Layer):
    def __init__(self, _: nn.Module) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        self.out = x.tanh_()
        return self.out

    def back(self, slope: Tensor) -> Tensor:
        back: Tensor = _tanh_backward(slope, self.out)
        return back

    def of_one(self, x: Row) -> Row:
        return np.tanh(x, out=x)


_WRITTEN_OUT: dict[type[nn.Module], Any] = {
    nn.Linear: _Linear,
    nn.LayerNorm: _LayerNorm,
    nn.ReLU: _ReLU,
    nn.Tanh: _Tanh,
}


def _written_out(layer: nn.Module) -> Any:
    if isinstance(layer, nn.Linear) and layer.out_features == 1:
        return _LinearToOne(layer)
    if isinstance(layer, nn.Linear) and min(layer.in_features, layer.out_features) <= _ThinLinear.FEW:
        return _ThinLinear(layer)
    return _WRITTEN_OUT[type(layer)](layer)
