"""Adam and AdamW on tensors, for networks on an accelerator."""

from __future__ import annotations

from torch import Tensor


def adam_anywhere(
    theta: Tensor,
    gradient: Tensor,
    m: Tensor,
    v: Tensor,
    step: int,
    learning_rate: float,
    n_decayed: int = 0,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> None:
    """Take the step of `rlkit.updates.adam`, whose arguments these are, on tensors `(n,)` of whatever device."""
    if weight_decay:
        weights = theta[:n_decayed]
        if decoupled:
            weights.mul_(1.0 - learning_rate * weight_decay)
        else:
            gradient = gradient.clone()
            gradient[:n_decayed].add_(weights, alpha=weight_decay)
    m.lerp_(gradient, 1.0 - 0.9)
    v.lerp_(gradient.square(), 1.0 - 0.999)
    unbiased = (v / (1.0 - 0.999**step)).sqrt_().add_(1e-8)
    theta.addcdiv_(m, unbiased, value=-learning_rate / (1.0 - 0.9**step))
