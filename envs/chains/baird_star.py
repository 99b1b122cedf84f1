"""Baird's counterexample, on which off-policy TD diverges (Baird 1995; Sutton & Barto 2018, section 11.2)."""

from __future__ import annotations

import numpy as np

from rlkit.envs.chains.chain import Chain, Happenings

DASHED, SOLID = 0, 1


class BairdStar(Chain):
    """Seven states without rewards, on which off-policy TD diverges.

    States 0 to 5 are the upper ones, 6 the lower one. Action 0 ("dashed") leads to one of the upper states, as likely,
    action 1 ("solid") to the lower one. The behaviour visits every state alike. Nothing ends, so every value is 0, and
    weights of 0 represent that exactly; semi-gradient TD's leave it without limit, whatever the step size.

    Args:
        max_steps: steps after which an episode is truncated; None for never.

    Attributes:
        features: `2 w_i + w_7` at the upper states, `w_6 + 2 w_7` at the lower, float64 `(7, 8)`, of rank 7.
        behaviour_policy: dashed with probability 6/7, `(7, 2)`.
        target_policy: always solid, `(7, 2)`.
        initial_weights: the book's, `(8,)`: all 1, but 10 for the lower state's own.
        gamma: the book's discount, 0.99.
    """

    gamma = 0.99

    def __init__(self, *, max_steps: int | None = None) -> None:
        states = np.arange(7)
        dashed = [part.ravel() for part in np.meshgrid(states, np.arange(6), indexing="ij")]  # every pair
        state = np.concatenate([dashed[0], states])
        following = np.concatenate([dashed[1], np.full(7, 6)])
        action = np.repeat([DASHED, SOLID], [42, 7])
        probability = np.where(action == DASHED, 1 / 6, 1.0)
        happenings = Happenings(state, action, following, probability, np.zeros(49))
        super().__init__(happenings, np.zeros(7, bool), np.full(7, 1 / 7), n_actions=2, max_steps=max_steps)
        self.features = np.hstack([2 * np.eye(7), np.ones((7, 1))])
        self.features[6, 6:] = 1.0, 2.0
        self.behaviour_policy = np.tile([6 / 7, 1 / 7], (7, 1))
        self.target_policy = np.tile([0.0, 1.0], (7, 1))
        self.initial_weights = np.array([1, 1, 1, 1, 1, 1, 10, 1], np.float64)
