"""Sarsa, linear or tabular."""

from __future__ import annotations

from rlkit.agents.control.base import LinearControl
from rlkit.compiled.control import Sarsa as NextAction
from rlkit.updates import OneStep


class Sarsa(LinearControl):
    """Learns the action values of what it does, exploring included, from the action it takes next.

    Rummery & Niranjan (1994); Sutton & Barto (2018), sections 6.4 and 10.1.
    """

    def target(self) -> NextAction:
        """Take q(s', a')."""
        return NextAction(0)

    def rule(self) -> OneStep:
        """Move the weights by alpha delta phi(s, a)."""
        return OneStep(self.w)
