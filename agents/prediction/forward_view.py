"""Learning from whole episodes: gradient Monte Carlo, and the off-line lambda-return algorithm."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rlkit.agents.prediction.base import LinearPrediction
from rlkit.config import bounded
from rlkit.transition import Transition
from rlkit.updates.forward_view import LambdaReturn

_FIRST_ROOM = 256  # transitions


class GradientMonteCarlo(LinearPrediction):
    """Learns a policy's state values from the returns that followed every visit, when the episode has ended.

    Sutton & Barto (2018), section 9.3; with a table, every-visit Monte Carlo with a step size. The return of an
    episode that was truncated is completed by the value of where it was cut. Off policy it has per-decision ratios and
    control variates (S&B, equation 12.22). An episode takes memory as it grows; so there has to be an end.
    """

    follows_semi_gradient: ClassVar[bool] = False

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(LinearPrediction.Config):
        """Hyperparameters of gradient Monte Carlo."""

    def setup(self) -> None:
        """Remember nothing yet."""
        super().setup()
        self._episode: dict[str, NDArray[Any]] | None = None
        self._n_held = np.zeros(1, np.int64)

    @property
    def lam(self) -> float:
        """Lambda: 1."""
        return 1.0

    def rule(self) -> LambdaReturn:
        """Move the weights by alpha (G - v(s)) phi, when the episode has ended."""
        if self._episode is None:
            self._episode = self.new_memory(_FIRST_ROOM)
        return LambdaReturn(self.w, self.lam, self.memory_of(self._episode, self._n_held), self._n_held)

    def update(self, t: Transition) -> Mapping[str, float]:
        """Remember the transition; if it is the last of its episode, learn from them all."""
        if self._episode is not None and self._n_held[0] == len(self._episode["first"]):
            self.make_room()
        return super().update(t)

    def make_room(self) -> None:
        """Double the room for an episode."""
        old = self._episode or self.new_memory(0)
        size = len(old["first"])
        self._episode = self.new_memory(max(2 * size, _FIRST_ROOM))
        for name, array in old.items():
            self._episode[name][:size] = array
        self._bound = None


class OfflineLambdaReturn(GradientMonteCarlo):
    """Learns a policy's state values from lambda-returns, when the episode has ended: TD(lambda)'s forward view.

    Sutton & Barto (2018), section 12.1. With lambda = 1 it is gradient Monte Carlo, which says more.
    """

    follows_semi_gradient: ClassVar[bool] = True

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(GradientMonteCarlo.Config):
        """Hyperparameters of the off-line lambda-return algorithm."""

        lam: float = bounded(0.9, at_least=0, up_to=1, help="lambda: the weight of later rewards over nearer values")

    @property
    def lam(self) -> float:
        """Lambda."""
        return float(self.config.lam)
