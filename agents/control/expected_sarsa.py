"""Expected Sarsa, linear or tabular."""

from __future__ import annotations

from rlkit.agents.control.base import LinearControl
from rlkit.compiled.control import ExpectedSarsa as ExpectedAction
from rlkit.updates import OneStep


class ExpectedSarsa(LinearControl):
    """Learns the action values of what it does, from the mean over what it might do next.

    van Seijen, van Hasselt, Whiteson & Wiering (2009); Sutton & Barto (2018), section 6.6. As Sarsa, without the chance
    of the next action.
    """

    def target(self) -> ExpectedAction:
        """Take sum_a pi(a | s') q(s', a), pi being the exploring policy."""
        return ExpectedAction(0)

    def rule(self) -> OneStep:
        """Move the weights by alpha delta phi(s, a)."""
        return OneStep(self.w)
