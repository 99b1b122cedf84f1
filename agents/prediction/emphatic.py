"""Emphatic TD, linear."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from rlkit.agents.prediction.base import LinearPrediction
from rlkit.config import bounded
from rlkit.updates.emphatic import Emphatic


class EmphaticTD(LinearPrediction):
    """Learns a policy's state values by TD(lambda) that weighs states as the policy would come by them.

    Sutton, Mahmood & White (2016); Sutton & Barto (2018), section 11.8. Every state is of interest 1. Its expected
    update is stable off policy too, but its variance can be very large.
    """

    follows_semi_gradient: ClassVar[bool] = False
    is_emphatic: ClassVar[bool] = True

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(LinearPrediction.Config):
        """Hyperparameters of emphatic TD."""

        lam: float = bounded(
            0.0, at_least=0, up_to=1, help="lambda: how much of a trace is left after a step, by gamma"
        )

    def setup(self) -> None:
        """Make traces, and the follow-on trace."""
        super().setup()
        self.traces = self.new_traces()
        self._follow_on = np.ones(1)

    def rule(self) -> Emphatic:
        """Move the weights by alpha delta z."""
        return Emphatic(self.w, self.traces_of(self.traces), self.config.lam, self._follow_on)
