"""Neural networks for values: how observations become tensors, layers from a seed, and target networks."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from gymnasium import Space, spaces
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from rlkit.errors import ConfigError, SpaceError
from rlkit.features import Features
from rlkit.features.coordinates import box_range

AnyModule = TypeVar("AnyModule", bound=nn.Module)

_MOST_ENTRIES = 1 << 28  # of the table of all states' inputs: 1 GiB


class Inputs(nn.Module):
    """Turns observations into what a network reads, float32 `(N, n_inputs)`.

    A state is looked up in a table that is worked out once: its features, or else its one-hot vector. A vector is
    flattened and, where the space bounds all its dimensions, scaled to [-1, 1] by these bounds (to scale some would
    change how they compare with the others); or its features are worked out by NumPy. No part of it is learnt, and so
    none is saved.

    Args:
        space: of the observations, `Discrete` or a `Box`.
        features: what the network sees of them (`Polynomial.for_env(env, degree=1)` is a grid's columns and rows,
            scaled to [-1, 1], and a 1); None as said above.

    Attributes:
        n_inputs: how many numbers an observation becomes.
        table: float32 `(S, n_inputs)` for `Discrete` observations, else None.

    Raises:
        SpaceError: a space of another kind, features of other observations, or a table that would be larger than 1 GiB.
    """

    table: Tensor | None
    centre: Tensor
    scale: Tensor

    def __init__(self, space: Space[Any], features: Features | None = None) -> None:
        super().__init__()
        if not isinstance(space, spaces.Discrete | spaces.Box):
            raise SpaceError(f"Inputs: the observation space is {space}, expected Discrete or Box")
        if features is not None:
            features.check_space(space)
        self.features = features
        self.first = int(space.start) if isinstance(space, spaces.Discrete) else 0
        table, centre, scale = None, None, None
        if isinstance(space, spaces.Discrete):
            table = torch.from_numpy(_rows(int(space.n), features))
            self.n_inputs = table.shape[1]
        elif features is not None:
            self.n_inputs = features.n_features
        else:
            centre, scale = map(torch.from_numpy, _scaling(space))
            self.n_inputs = len(centre)
        self.register_buffer("table", table, persistent=False)
        self.register_buffer("centre", centre, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, observations: Any) -> Tensor:
        """Return the inputs of N observations, stacked: states' numbers `(N,)` or vectors `(N, ...)`."""
        if self.table is not None:
            states = torch.as_tensor(observations, device=self.table.device)
            return self.table[states - self.first if self.first else states]
        if self.features is not None:
            return torch.from_numpy(dense(self.features, observations))
        vectors = torch.as_tensor(observations, device=self.centre.device).to(torch.float32)
        scaled: Tensor = (vectors.flatten(1) - self.centre) * self.scale
        return scaled

    def read(self, observations: Any) -> NDArray[np.float32]:
        """Return the same as a NumPy array, `(N, n_inputs)`, which for few observations takes less time."""
        if self.table is not None:
            rows: NDArray[np.float32] = self.table.numpy()[np.asarray(observations) - self.first]
            return rows
        if self.features is not None:
            return dense(self.features, observations)
        vectors = np.asarray(observations, np.float32)
        scaled: NDArray[np.float32] = (vectors.reshape(len(vectors), -1) - self.centre.numpy()) * self.scale.numpy()
        return scaled

    def reader(self) -> Callable[[Any], NDArray[np.float32]]:
        """Return a function that reads one observation quickly, as `(n_inputs,)`."""
        if self.table is not None:
            table, first = self.table.numpy(), self.first
            return lambda state: table[int(state) - first]
        if self.features is not None:
            return lambda vector: self.read(np.asarray(vector)[None])[0]
        centre, scale = self.centre.numpy(), self.scale.numpy()
        return lambda vector: (np.asarray(vector, np.float32).ravel() - centre) * scale


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


@torch.no_grad()
def update_target(target: nn.Module, online: nn.Module, tau: float = 1.0) -> None:
    """Move a target network towards the online one: theta' <- tau theta + (1 - tau) theta'.

    Polyak averaging as in Lillicrap et al. (2016); with `tau=1` a copy (Mnih et al. 2015).
    """
    pairs = zip(target.parameters(), online.parameters(), strict=True)
    if tau == 1.0:
        for slow, fast in pairs:
            slow.copy_(fast)
        return
    slow_ones, fast_ones = zip(*pairs, strict=True)
    torch._foreach_lerp_(slow_ones, fast_ones, tau)


def target_of(online: AnyModule) -> AnyModule:
    """Return a copy that takes no gradients."""
    return copy.deepcopy(online).requires_grad_(False)


def dense(features: Features, observations: ArrayLike) -> NDArray[np.float32]:
    """Return the features of N observations, dense, float32 `(N, n_features)`."""
    found = features.transform(observations)
    return np.asarray(found.toarray() if features.sparse else found, np.float32)


def _rows(n_states: int, features: Features | None) -> NDArray[np.float32]:
    """Return every state's inputs, float32 `(S, n_inputs)`."""
    n_inputs = n_states if features is None else features.n_features
    if n_states * n_inputs > _MOST_ENTRIES:
        what = "one-hot inputs" if features is None else f"{n_inputs} features"
        raise SpaceError(f"Inputs: {what} of {n_states} states are more than 1 GiB; give fewer features")
    return np.eye(n_states, dtype=np.float32) if features is None else dense(features, np.arange(n_states))


def _scaling(space: spaces.Box) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return centre and scale of every dimension, float32 `(D,)`: 0 and 1 if there is one that is not bounded."""
    low, high = box_range(spaces.Box(space.low.ravel(), space.high.ravel(), dtype=space.dtype.type))
    if not (np.isfinite(low) & np.isfinite(high)).all():
        return np.zeros(low.size, np.float32), np.ones(low.size, np.float32)
    width = np.where(low < high, high - low, 2.0)
    return ((low + high) / 2).astype(np.float32), (2 / width).astype(np.float32)
