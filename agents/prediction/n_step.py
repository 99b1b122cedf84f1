"""n-step TD, linear."""

from __future__ import annotations

import dataclasses

import numpy as np

from rlkit.agents.prediction.base import LinearPrediction
from rlkit.config import bounded
from rlkit.updates.n_step import NStep


class NStepTD(LinearPrediction):
    """Learns a policy's state values from the rewards of the next n steps and the value where they lead.

    Sutton & Barto (2018), sections 7.1 and 9.4; off policy (section 7.3) each error counts by the product of the n
    importance-sampling ratios. One step is `LinearTD`.
    """

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(LinearPrediction.Config):
        """Hyperparameters of n-step TD."""

        n_steps: int = bounded(4, at_least=1, help="rewards until the value of a state is bootstrapped from another's")

    def setup(self) -> None:
        """Make room for n transitions."""
        super().setup()
        self.memory = self.new_memory(self.config.n_steps)
        self._at = np.zeros(2, np.int64)

    def rule(self) -> NStep:
        """Move the weights by alpha rho_1 ... rho_n (G - v(s)) phi, n steps later."""
        return NStep(self.w, self.memory_of(self.memory, self._at, spare=1), self._at)
