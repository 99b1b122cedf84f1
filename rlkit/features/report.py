"""What went less than well while encoding: clipped inputs and hash collisions, counted for the log."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class FeatureReport:
    """Counts the observations that features were asked for; `Features.report()` makes one.

    It belongs to whoever uses the features (an agent makes it in `setup`, and it is saved with the agent), because the
    features themselves never change.

    Attributes:
        n_encoded: observations encoded.
        n_clipped: how many of them had a coordinate outside the features' bounds.
        n_active: active features looked up, of features that are hashed.
        n_collisions: how many of these had been claimed by another tile before.
        owners: which tile claimed each hashed feature, uint64 `(n_features,)`; empty if nothing is hashed.
    """

    def __init__(self, n_hashed: int) -> None:
        self.n_encoded = 0
        self.n_clipped = 0
        self.n_active = 0
        self.n_collisions = 0
        self.owners: NDArray[np.uint64] = np.zeros(n_hashed, np.uint64)

    def metrics(self) -> dict[str, float]:
        """Return numbers to log: the share of observations clipped and, if hashed, of look-ups that collided."""
        shares = {"features/clipped": self.n_clipped / max(self.n_encoded, 1)}
        if self.owners.size:
            shares["features/collisions"] = self.n_collisions / max(self.n_active, 1)
        return shares
