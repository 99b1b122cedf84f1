"""Which parameters of a network decay."""

from __future__ import annotations

from typing import Any

from torch import nn


def param_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return a module's parameters for any of torch's optimisers in two groups, of which only the first decays.

    It is the weights: whatever has at least two dimensions. Biases and LayerNorm's gains need fewer data to be fitted
    well, and to draw them towards 0 can do more harm than good (Goodfellow, Bengio & Courville 2016, section 7.1).
    """
    parameters = list(module.parameters())
    weights = [parameter for parameter in parameters if parameter.ndim > 1]
    others = [parameter for parameter in parameters if parameter.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
