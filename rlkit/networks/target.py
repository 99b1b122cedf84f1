"""Target networks: slow copies of those that learn."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

AnyModule = TypeVar("AnyModule", bound=nn.Module)


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
