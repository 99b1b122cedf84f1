"""Watkins's Q(lambda), linear or tabular."""

from __future__ import annotations

from rlkit.agents.control.traces import ControlWithTraces
from rlkit.compiled.control import Watkins


class WatkinsQ(ControlWithTraces):
    """Learns the optimal action values from all that comes after, up to the first action that is not greedy.

    Watkins (1989); Sutton & Barto (2018), section 12.10. With `lam=0`, Q-learning.

    Departures: an action that is as good as the greedy one does not end the traces; those of sparse features that fall
    to `trace_cutoff` count as 0.
    """

    def target(self) -> Watkins:
        """Take max_a q(s', a), and end the traces where the next action is not greedy."""
        return Watkins(0)
