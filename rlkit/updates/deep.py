"""Targets and losses of deep Q-learning, on torch tensors: B transitions of a batch, A actions.

`reward` and `discount` `[B]` are those of n steps: r_1 + gamma r_2 + ... and gamma^m, or 0 after a terminal state
(`rlkit.replay.NStepBatch`); n = 1 is the ordinary case. q is the online network's, q' the target network's.
"""

from __future__ import annotations

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


def huber_loss(error: Tensor, weight: Tensor) -> Tensor:
    """The mean of w_i h(error_i), with h(x) = x^2 / 2 up to |x| = 1 and |x| - 1/2 beyond.

    Its slope is the TD error, clipped to [-1, 1], as Mnih et al. (2015) clip it; w_i are the importance weights of
    prioritised replay (Schaul et al. 2016, algorithm 1), or 1.

    Args:
        error, weight: `[B]`.
    """
    return (weight * smooth_l1_loss(error, error.new_zeros(()).expand_as(error), reduction="none")).mean()
