"""How a learner tries things out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def epsilon_greedy(values: NDArray[np.float64], epsilon: float, rng: np.random.Generator) -> int:
    """Return a uniformly random action with probability epsilon, else a greedy one, ties broken at random.

    Args:
        values: action values `[A]`.
        epsilon: in [0, 1].
        rng: the source of randomness.
    """
    if rng.random() < epsilon:
        return int(rng.random() * len(values))
    candidates = values.tolist()
    best = max(candidates)
    ties = [action for action, value in enumerate(candidates) if value == best]
    return ties[0] if len(ties) == 1 else ties[int(rng.random() * len(ties))]


def linear_decay(initial: float, final: float, steps: int, step: int) -> float:
    """Return the value at `step` of a line from `initial` at step 0 to `final` at `steps`, constant from there on."""
    return final if step >= steps else initial + (final - initial) * step / steps
