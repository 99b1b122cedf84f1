"""Targets and losses of deep Q-learning, on torch tensors: B transitions of a batch, A actions.

`reward` and `discount` `[B]` are those of n steps: r_1 + gamma r_2 + ... and gamma^m, or 0 after a terminal state
(`rlkit.replay.NStepBatch`); n = 1 is the ordinary case. q is the online network's, q' the target network's.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss


def q_learning_target(reward: Tensor, discount: Tensor, next_q_target: Tensor) -> Tensor:
    """y = r + gamma max_a q'(s', a)  (Mnih et al. 2015, algorithm 1).

    Args:
        reward, discount: `[B]`.
        next_q_target: q' at s', `[B, A]`.
    """
    return reward + discount * next_q_target.amax(1)


def double_q_target(reward: Tensor, discount: Tensor, next_q_target: Tensor, next_q: Tensor) -> Tensor:
    """y = r + gamma q'(s', argmax_a q(s', a))  (van Hasselt, Guez & Silver 2016).

    Args:
        reward, discount: `[B]`.
        next_q_target, next_q: q' and q at s', `[B, A]`: one values what the other chooses.
    """
    return reward + discount * next_q_target.gather(1, next_q.argmax(1, keepdim=True)).squeeze(1)


def dueling(value: Tensor, advantage: Tensor) -> Tensor:
    """q(s, a) = v(s) + adv(s, a) - mean_a' adv(s, a')  (Wang et al. 2016, equation 9).

    Args:
        value: `[B, 1]`.
        advantage: `[B, A]`.
    """
    return value + advantage - advantage.mean(1, keepdim=True)


def dueling_slope(slope: Tensor) -> Tensor:
    """Return a loss's slope in v and the advantages, `[B, 1 + A]`, from that in q, `[B, A]`: `dueling`, transposed."""
    return torch.cat([slope.sum(1, keepdim=True), slope - slope.mean(1, keepdim=True)], dim=1)


def huber_loss(error: Tensor, weight: Tensor) -> Tensor:
    """L = mean of w h(error), with h(x) = x^2 / 2 up to |x| = 1 and |x| - 1/2 beyond.

    Args:
        error: y - q(s, a), `[B]`.
        weight: the importance weights of prioritised replay (Schaul et al. 2016, algorithm 1), or 1, `[B]`.
    """
    return (weight * smooth_l1_loss(error, torch.zeros_like(error), reduction="none")).mean()


def huber_slope(error: Tensor, weight: Tensor) -> Tensor:
    """dL / dq(s, a) = -w clip(error, -1, 1) / B: the TD error, clipped as Mnih et al. (2015) do; shapes as above."""
    return (weight * error.clamp(-1.0, 1.0)).mul_(-1.0 / len(error))
