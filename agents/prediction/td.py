"""TD(0), linear."""

from __future__ import annotations

from rlkit.agents.prediction.base import LinearPrediction
from rlkit.updates import OneStep


class LinearTD(LinearPrediction):
    """Learns a policy's state values from the difference between each value and the next.

    Sutton (1988); Sutton & Barto (2018), section 9.3; Zhao (2025), section 8.2. Off policy, each error counts by the
    importance-sampling ratio (S&B, section 11.1), and expected TD may diverge: the truth's log warns.
    """

    def rule(self) -> OneStep:
        """Move the weights by alpha rho delta phi."""
        return OneStep(self.w)
