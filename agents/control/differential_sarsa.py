"""Differential Sarsa, for the average reward; linear or tabular."""

from __future__ import annotations

import dataclasses

import numpy as np

from rlkit.agents.control.base import LinearControl
from rlkit.compiled.control import Sarsa as NextAction
from rlkit.config import bounded
from rlkit.updates.differential import Differential


class DifferentialSarsa(LinearControl):
    """Learns how much more than the average reward an action brings, and what the average is, where nothing ends.

    Sutton & Barto (2018), section 10.3. Action values are relative: adding a number to all of them changes nothing.
    Where an episode does terminate, nothing more is paid, the average not even subtracted.
    """

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(LinearControl.Config):
        """Hyperparameters of differential Sarsa."""

        gamma: float = bounded(1.0, at_least=1, up_to=1, help="there is no discount: 1")
        average_reward_rate: float = bounded(0.01, above=0, up_to=1, help="step size of the average reward")

    def setup(self) -> None:
        """Begin with an average of 0."""
        super().setup()
        self._average = np.zeros(1)

    @property
    def average_reward(self) -> float:  # type: ignore[override] # read only
        """The estimate of the average reward, per step."""
        return float(self._average[0])

    def target(self) -> NextAction:
        """Take q(s', a')."""
        return NextAction(0)

    def rule(self) -> Differential:
        """Move the weights by alpha delta phi(s, a), and the average by beta delta."""
        return Differential(self.w, self._average, self.config.average_reward_rate)
