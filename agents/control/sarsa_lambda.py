"""Sarsa(lambda), linear or tabular."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from rlkit.agents.control.traces import ControlWithTraces
from rlkit.compiled.control import Sarsa as NextAction
from rlkit.updates import Dutch


class SarsaLambda(ControlWithTraces):
    """Learns the action values of what it does, from all that comes after, the later the less: lambda to the n.

    Rummery & Niranjan (1994); Sutton & Barto (2018), section 12.7. `trace="dutch"` is true online Sarsa(lambda) (van
    Seijen, Mahmood, Pilarski, Machado & Sutton 2016), which is exactly the online forward view.

    Departures: traces of sparse features that fall to `trace_cutoff` count as 0.
    """

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(ControlWithTraces.Config):
        """Hyperparameters of Sarsa(lambda)."""

        trace: Literal["accumulating", "replacing", "dutch"] = "replacing"  # type: ignore[assignment] # one more

    def setup(self) -> None:
        """Make traces, all 0."""
        super().setup()
        self._old = np.zeros(1)

    def target(self) -> NextAction:
        """Take q(s', a')."""
        return NextAction(0)

    def rule(self) -> Any:
        """Move the weights by alpha delta z."""
        if self.config.trace == "dutch":
            return Dutch(self.w, self.traces_of(self._traces), self.config.lam, self._old)
        return super().rule()
