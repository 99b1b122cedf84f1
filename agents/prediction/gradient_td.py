"""GTD2 and TDC, linear."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from rlkit.agents.prediction.base import LinearPrediction
from rlkit.config import bounded
from rlkit.updates import gradient_td as updates


class GTD2(LinearPrediction):
    """Learns a policy's state values by gradient descent on the projected Bellman error: it converges off policy too.

    Sutton et al. (2009); Sutton & Barto (2018), section 11.7.

    Attributes:
        h: the second weights, float64 `(n_features,)`.
    """

    follows_semi_gradient: ClassVar[bool] = False

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(LinearPrediction.Config):
        """Hyperparameters of gradient-TD."""

        secondary_learning_rate: float = bounded(0.1, above=0, help="step size of the second weights, beta; constant")

    def setup(self) -> None:
        """Make the second weights."""
        super().setup()
        self.h = np.zeros(len(self.w))

    def rule(self) -> updates.GTD2 | updates.TDC:
        """Move the weights by alpha rho (phi - gamma phi') h.phi."""
        return updates.GTD2(self.w, self.h, self.config.secondary_learning_rate)


class TDC(GTD2):
    """Learns a policy's state values by TD whose gradient is corrected: it converges off policy too, faster than GTD2.

    Sutton et al. (2009), where GTD(0) is another name of it; Sutton & Barto (2018), section 11.7.
    """

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(GTD2.Config):
        """Hyperparameters of TDC."""

    def rule(self) -> updates.TDC:
        """Move the weights by alpha rho (delta phi - gamma phi' h.phi)."""
        return updates.TDC(self.w, self.h, self.config.secondary_learning_rate)
