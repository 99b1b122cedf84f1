"""Neural networks for values: how observations become tensors, layers from a seed, and target networks."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import Space, spaces
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from rlkit.errors import ConfigError, SpaceError
from rlkit.features import Features
from rlkit.features.coordinates import box_range

_MOST_ENTRIES = 1 << 28  # of the table of all states' inputs: 1 GiB


class Inputs(nn.Module):
    """Turns observations into what a network reads, float32 `(N, n_inputs)`.

    A state is looked up in a table that is worked out once: its features, or else its one-hot vector. A vector is
    scaled to [-1, 1] by the space's bounds, along each dimension that has two, and flattened; or its features are
    worked out by NumPy. No part of it is learnt, and so none is saved.

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

    def reader(self) -> Callable[[Any], NDArray[np.float32]]:
        """Return a NumPy function from one observation to its inputs, float32 `(n_inputs,)`, the same to the bit."""
        if self.table is not None:
            table, first = self.table.numpy(), self.first
            return lambda state: table[int(state) - first]
        if self.features is not None:
            features = self.features
            return lambda vector: dense(features, np.asarray(vector)[None])[0]
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


def clip_gradient(gradient: Tensor, max_norm: float) -> None:
    """Scale a gradient down to a norm, in place, if it is longer (Pascanu et al. 2013)."""
    gradient.mul_((max_norm / (gradient.norm() + 1e-6)).clamp_(max=1.0))


class OneByOne:
    """Evaluates an `mlp` of linear layers and ReLUs on one observation at a time, by NumPy on the network's own memory.

    In a tenth of the time that torch takes for one; results agree but for rounding, and are always the same.

    Args:
        inputs: from observations to what the network reads.
        network: what `mlp` returned; its parameters must stay where they are.
    """

    def __init__(self, inputs: Inputs, network: nn.Sequential) -> None:
        self._read = inputs.reader()
        self._layers = [
            (layer.weight.detach().numpy(), layer.bias.detach().numpy())
            for layer in network
            if isinstance(layer, nn.Linear)
        ]

    def __call__(self, observation: Any) -> NDArray[np.float32]:
        """Return the outputs, float32 `(n_outputs,)`."""
        x, last = self._read(observation), len(self._layers) - 1
        for number, (weight, bias) in enumerate(self._layers):
            x = weight @ x
            x += bias
            if number < last:
                np.maximum(x, 0.0, out=x)
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


def target_of(online: nn.Module) -> nn.Module:
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
    """Return centre and scale of every dimension, float32 `(D,)`: 0 and 1 for one that is not bounded."""
    flat = spaces.Box(space.low.ravel(), space.high.ravel(), dtype=space.dtype.type)
    low, high = box_range(flat)
    bounded = np.isfinite(low) & np.isfinite(high) & (low < high)
    low, high = np.where(bounded, low, -1.0), np.where(bounded, high, 1.0)
    return ((low + high) / 2).astype(np.float32), (2 / (high - low)).astype(np.float32)
