"""Residual blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rlkit.networks.layers import linear


class ResidualBlock(nn.Module):
    """x + W2 activation(W1 LayerNorm(x) + b1) + b2, the layer in between four times as wide (SimBa: Lee et al. 2024).

    LayerNorm comes before the layers, not after the sum (Xiong et al. 2020), so that x goes on as it is and the network
    is a linear one wherever the blocks add nothing. Weights are initialised as He et al. (2015) say.

    Args:
        width: of x.
        activation, gain: what follows the wide layer, and what makes up for it (`rlkit.networks.architecture.GAINS`).
        generator: where the weights come from.
    """

    def __init__(self, width: int, activation: nn.Module, gain: float, generator: torch.Generator) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.widen = linear(width, 4 * width, generator, initialisation="he", gain=gain)
        self.activation = activation
        self.narrow = linear(4 * width, width, generator, initialisation="he", gain=gain)

    def forward(self, x: Tensor) -> Tensor:
        """Return `(N, width)` for x `(N, width)`."""
        out: Tensor = x + self.narrow(self.activation(self.widen(self.norm(x))))
        return out
