"""Q-learning, linear or tabular."""

from __future__ import annotations

from rlkit.agents.control.base import LinearControl
from rlkit.compiled.control import Greedy
from rlkit.updates import OneStep


class QLearning(LinearControl):
    """Learns the optimal action values from any behaviour that keeps trying everything.

    Watkins (1989); Sutton & Barto (2018), section 6.5; Zhao (2025), sections 7.4 and 8.3. A table's values converge
    with probability 1 if step sizes fall with a power in (1/2, 1] (Watkins & Dayan 1992; Even-Dar & Mansour 2003
    recommend 0.77). Linear ones may diverge.

    Departures: ties are broken at random while exploring.
    """

    def target(self) -> Greedy:
        """Take max_a q(s', a)."""
        return Greedy(0)

    def rule(self) -> OneStep:
        """Move the weights by alpha delta phi(s, a)."""
        return OneStep(self.w)
