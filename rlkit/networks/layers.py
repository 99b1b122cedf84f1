"""Linear layers, their weights from a seed."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rlkit.checkpoint.allowance import take
from rlkit.networks.initialisation import Initialisation, initialise


class NTKLinear(nn.Module):
    """A linear layer in the NTK parameterisation: y = gain / sqrt(n_inputs) W x + b (Jacot et al. 2018, section 3.1).

    Attributes:
        weight: W, `(n_outputs, n_inputs)`; its entries are of size 1, whatever the layer's.
        bias: b, `(n_outputs,)`.
        scale: gain / sqrt(n_inputs).
    """

    def __init__(self, n_inputs: int, n_outputs: int, gain: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_outputs, n_inputs))
        self.bias = nn.Parameter(torch.empty(n_outputs))
        self.scale = gain / math.sqrt(n_inputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs `(N, n_outputs)` for inputs `(N, n_inputs)`."""
        return torch.addmm(self.bias, x, self.weight.t(), alpha=self.scale)


def linear(
    n_inputs: int,
    n_outputs: int,
    generator: torch.Generator,
    *,
    initialisation: Initialisation = "torch",
    gain: float = 1.0,
) -> nn.Linear | NTKLinear:
    """Return a linear layer with weights from `generator`; no global generator is read or moved.

    Args:
        n_inputs, n_outputs: its size.
        initialisation, gain: see `rlkit.networks.initialisation`; by default uniform in +-1/sqrt(n_inputs).

    Raises:
        CheckpointError: it is made for a checkpoint that cannot hold its weights.
    """
    take((n_inputs + 1) * n_outputs * 4, f"a layer of {n_inputs} by {n_outputs} units")
    layer: nn.Linear | NTKLinear
    if initialisation == "ntk":
        layer = NTKLinear(n_inputs, n_outputs, gain)
    else:
        layer = nn.Linear(n_inputs, n_outputs, device="meta").to_empty(device="cpu")  # draws nothing
    initialise(layer, initialisation, gain, generator)
    return layer
