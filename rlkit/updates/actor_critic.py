"""Targets, losses and slopes of deterministic actor-critic methods, on torch tensors: B transitions, A actions.

`reward` and `discount` `[B]` are those of n steps: r_1 + gamma r_2 + ... and gamma^m, or 0 after a terminal state
(`rlkit.replay.PackedBatch`). Q' and mu' are the target networks. Actions are scaled to [-1, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor


def td_target(reward: Tensor, discount: Tensor, next_q: Tensor) -> Tensor:
    """y = r + gamma Q'(s', mu'(s'))  (Lillicrap et al. 2016, algorithm 1).

    Args:
        reward, discount: `[B]`.
        next_q: Q'(s', mu'(s')), `[B, 1]`; of twin critics the smaller one's.
    """
    return reward + discount * next_q.squeeze(1)


def clipped_double_q(q1: Tensor, q2: Tensor) -> Tensor:
    """min(Q1', Q2'), against overestimation  (Fujimoto, van Hoof & Meger 2018, equation 10); all `[B, 1]`."""
    return torch.minimum(q1, q2)


def smoothed(action: Tensor, noise: Tensor, clip: float) -> Tensor:
    """a' = clip(mu'(s') + clip(e, -c, c), -1, 1)  (Fujimoto, van Hoof & Meger 2018, equations 14 and 15).

    Args:
        action: mu'(s'), `[B, A]`.
        noise: e ~ N(0, sigma^2), `[B, A]`; clipped in place.
        clip: c.
    """
    return (action + noise.clamp_(-clip, clip)).clamp_(-1.0, 1.0)


def squared_error_slope(error: Tensor) -> Tensor:
    """dL / dQ(s, a) = -2 (y - Q(s, a)) / B, `[B, 1]`, for L = mean (y - Q(s, a))^2 and the error y - Q `[B]`."""
    return error.mul(-2.0 / len(error)).unsqueeze(1)


def return_slope(q: Tensor) -> Tensor:
    """dL / dQ(s, mu(s)) = -1 / B, `[B, 1]`, for the actor's loss L = -mean Q(s, mu(s)), Q `[B, 1]`.

    The actor's slope is then dL/dQ dQ/da dmu/dtheta: the deterministic policy gradient (Silver et al. 2014, theorem 1).
    """
    return torch.full_like(q, -1.0 / len(q))
