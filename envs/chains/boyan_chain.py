"""Boyan's chain, whose values four features represent exactly (Boyan 2002, "Technical update: LSTD", figure 1)."""

from __future__ import annotations

import numpy as np

from rlkit.envs.chains.chain import Chain, Happenings


class BoyanChain(Chain):
    """A chain that one walks down by one or two states, for -3 a step.

    It begins in state 12. From a state s of 2 or more, s - 1 and s - 2 follow, as likely, for a reward of -3; from 1,
    the terminal state 0 for -2. There is one action. Without discount, `v(s) = -2 s`; with the features, which
    interpolate between states 12, 8, 4 and 0, the weights are -24, -16, -8, 0.

    Args:
        max_steps: steps after which an episode is truncated; None for never.
    """

    def __init__(self, *, max_steps: int | None = None) -> None:
        state = np.concatenate([[1], np.repeat(np.arange(2, 13), 2)])
        down = np.concatenate([[1], np.tile([1, 2], 11)])
        probability = np.where(state == 1, 1.0, 0.5)
        reward = np.where(state == 1, -2.0, -3.0)
        happenings = Happenings(state, np.zeros_like(state), state - down, probability, reward)
        terminal, start = np.arange(13) == 0, (np.arange(13) == 12).astype(np.float64)
        super().__init__(happenings, terminal, start, n_actions=1, max_steps=max_steps)
        anchors = np.array([12, 8, 4, 0])
        self.features = np.maximum(0.0, 1.0 - np.abs(np.arange(13)[:, None] - anchors) / 4)  # [13, 4]
        self.features[0] = 0.0
