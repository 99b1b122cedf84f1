"""How learners explore: shares of random actions that fall, and noise on continuous actions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlkit.config import Config, bounded


def linear_decay(initial: float, final: float, steps: float, step: int) -> float:
    """Return the value at `step` of a line from `initial` at step 0 to `final` at `steps`, constant from there on."""
    return final if step >= steps else initial + (final - initial) * step / steps


@dataclass(frozen=True, kw_only=True)
class Noise(Config):
    """Noise on continuous actions, whose unit is half the range of each of an action's numbers."""

    sigma: float = bounded(0.1, at_least=0, help="standard deviation at first, in halves of the action's range")
    final_sigma: float | None = bounded(None, at_least=0, help="where sigma falls to, on a line; None: it stays")
    fraction: float = bounded(1.0, above=0, up_to=1, help="share of a run in which it does so")

    def sigma_at(self, step: int, total_steps: int) -> float:
        """Return sigma after so many of all steps."""
        if self.final_sigma is None:
            return self.sigma
        return linear_decay(self.sigma, self.final_sigma, self.fraction * total_steps, step)

    def draw(self, previous: NDArray[np.float64], sigma: float, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return what is added to an action, `(..., A)`, after `previous` was to the one before; 0 in the beginning."""
        raise NotImplementedError(f"{type(self).__name__} does not say what is drawn: define draw()")


@dataclass(frozen=True, kw_only=True)
class GaussianNoise(Noise):
    """Independent of step to step: N(0, sigma^2), as in Fujimoto, van Hoof & Meger (2018)."""

    def draw(self, previous: NDArray[np.float64], sigma: float, rng: np.random.Generator) -> NDArray[np.float64]:
        """e ~ N(0, sigma^2)."""
        return sigma * rng.standard_normal(previous.shape)


@dataclass(frozen=True, kw_only=True)
class OrnsteinUhlenbeckNoise(Noise):
    """Noise that wanders, for tasks with inertia (Uhlenbeck & Ornstein 1930; Lillicrap et al. 2016, section 3).

    Its standard deviation in the long run is sigma / sqrt(2 theta - theta^2 dt), 1.8 sigma as it stands.
    """

    theta: float = bounded(0.15, above=0, help="how strongly it is drawn back to 0")
    dt: float = bounded(0.01, above=0, help="time between two steps, as SB3 has it; the paper has 1")

    def draw(self, previous: NDArray[np.float64], sigma: float, rng: np.random.Generator) -> NDArray[np.float64]:
        """e += -theta e dt + sigma sqrt(dt) N(0, 1)."""
        kick = rng.standard_normal(previous.shape)
        following: NDArray[np.float64] = previous - self.theta * self.dt * previous + sigma * math.sqrt(self.dt) * kick
        return following
