"""n-step Sarsa, linear or tabular."""

from __future__ import annotations

import dataclasses

import numpy as np

from rlkit.agents.control.base import LinearControl
from rlkit.compiled.control import Sarsa as NextAction
from rlkit.config import bounded
from rlkit.updates.n_step import NStep


class NStepSarsa(LinearControl):
    """Learns the action values of what it does, from the rewards of n steps and the value of the action after them.

    Sutton & Barto (2018), sections 7.2 and 10.2. One step is `Sarsa`.
    """

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(LinearControl.Config):
        """Hyperparameters of n-step Sarsa."""

        n_steps: int = bounded(
            4, at_least=1, help="rewards until the value of an action is bootstrapped from another's"
        )

    def setup(self) -> None:
        """Make room for n transitions."""
        super().setup()
        self._memory = self.new_memory(self.config.n_steps)
        self._at = np.zeros(2, np.int64)

    def target(self) -> NextAction:
        """Take q(s', a')."""
        return NextAction(0)

    def rule(self) -> NStep:
        """Move the weights by alpha (G - q(s, a)) phi(s, a), n steps later."""
        return NStep(self.w, self.memory_of(self._memory, self._at, spare=1), self._at)
