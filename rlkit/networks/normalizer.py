"""Observations scaled by their own running mean and variance."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

CLIP, EPSILON = 10.0, 1e-8  # as in SB3's VecNormalize


class Normalizer(nn.Module):
    """Maps x to (x - mean) / sqrt(variance + 1e-8), clipped to +-10, with the moments of all that it was shown.

    Args:
        size: numbers in an observation.

    Attributes:
        count: how many observations were shown.
        mean, squares: float64 `(size,)`, their mean and the sum of squared deviations from it.
    """

    count: Tensor
    mean: Tensor
    squares: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(size, dtype=torch.float64))

    def show(self, x: NDArray[np.float32]) -> None:
        """Count one observation `(size,)`  (Welford 1962)."""
        seen = torch.from_numpy(x).to(self.mean)
        self.count += 1
        away = seen - self.mean
        self.mean += away / self.count
        self.squares += away * (seen - self.mean)

    def forward(self, x: Tensor) -> Tensor:
        """Return N observations `(N, size)`, scaled, float32; unscaled while fewer than two were shown."""
        if self.count < 2:
            return x
        deviation = (self.squares / self.count + EPSILON).sqrt().to(x)
        return ((x - self.mean.to(x)) / deviation).clamp_(-CLIP, CLIP)
