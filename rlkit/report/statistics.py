"""What few runs on several tasks say, as Agarwal et al. (2021) advise: aggregates and stratified bootstrap intervals.

"Deep Reinforcement Learning at the Edge of the Statistical Precipice" is the source of all of it. Scores are float64
`(..., N, M)`: N runs of each of M tasks, for as many points in time as the axes before them say. Every statistic
reduces the last two axes, so that one call answers for all points and all bootstrap samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlkit.config import check_count
from rlkit.errors import ConfigError

Floats = NDArray[np.float64]
Statistic = Callable[..., Floats]

TRIMMED = 0.25  # of the scores, at either end of the interquartile mean
AT_ONCE = 1 << 18  # resampled scores held at a time


class Estimate(NamedTuple):
    """A statistic and its confidence interval: numbers, or arrays of one shape.

    Attributes:
        value: of the scores themselves.
        low: the interval's lower end, NaN where there is a single run and so no interval.
        high: its upper end.
    """

    value: Any
    low: Any
    high: Any


def interquartile_mean(scores: Floats) -> Floats:
    """Return the mean of the middle half of all runs on all tasks, `(...)`.

    Agarwal et al. (2021), section 4.3: a quarter of the N M scores, rounded down, is left out at either end.
    """
    pooled = np.sort(scores.reshape(*scores.shape[:-2], -1), axis=-1)  # [..., N M]
    left_out = int(TRIMMED * pooled.shape[-1])
    return np.asarray(pooled[..., left_out : pooled.shape[-1] - left_out].mean(axis=-1))


def mean_score(scores: Floats) -> Floats:
    """Return the mean over all runs and tasks, `(...)`."""
    return np.asarray(scores.mean(axis=(-2, -1)))


def median_score(scores: Floats) -> Floats:
    """Return the median over tasks of the mean over runs, `(...)`."""
    return np.asarray(np.median(scores.mean(axis=-2), axis=-1))


def optimality_gap(scores: Floats, target: float = 1.0) -> Floats:
    """Return by how much scores fall short of a target, those above it counting as the target, `(...)`.

    Agarwal et al. (2021), section 4.3; 0 is best.
    """
    return np.asarray(target - np.minimum(scores, target).mean(axis=(-2, -1)))


def performance_profile(scores: Floats, thresholds: Floats) -> Floats:
    """Return the share of all runs on all tasks whose score exceeds each threshold, `(..., K)`.

    Agarwal et al. (2021), section 4.2: the score distribution, after Dolan and Moré (2002).

    Args:
        scores: `(..., N, M)`.
        thresholds: `(K,)`.
    """
    pooled = scores.reshape(*scores.shape[:-2], -1, 1)  # [..., N M, 1]
    return np.asarray((pooled > thresholds).mean(axis=-2))


def probability_of_improvement(x: Floats, y: Floats) -> Floats:
    """Return how probably a run of X beats one of Y on the same task, averaged over tasks, `(...)`.

    Agarwal et al. (2021), section 4.3: the Mann-Whitney U statistic over its maximum; equal scores count as one half.

    Args:
        x: X's scores, `(..., N, M)`.
        y: Y's scores, `(..., L, M)`.
    """
    left, right = x[..., :, None, :], y[..., None, :, :]
    better = (left > right).mean(axis=(-3, -2)) + 0.5 * (left == right).mean(axis=(-3, -2))  # [..., M]
    return np.asarray(better.mean(axis=-1))


def bootstrap(
    statistic: Statistic, *scores: ArrayLike, reps: int = 2000, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Return a statistic of scores, and its percentile interval from a stratified bootstrap.

    Agarwal et al. (2021), section 4.1: of every task on its own, N runs are drawn with replacement. A run is drawn as a
    whole, with all its points in time.

    Args:
        statistic: one of this module's, or any function that reduces the last two axes, whatever stands before them.
        scores: `(..., N, M)`, once or, each drawn on its own, as often as the statistic takes.
        reps: bootstrap samples.
        confidence: that the interval is to cover the true value with.
        seed: of the draws; the same seed gives the same interval.

    Raises:
        ConfigError: scores that are not finite or not of such a shape, no sample, or a confidence outside (0, 1).
    """
    samples = [_checked(each) for each in scores]
    check_count("reps", reps)
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"confidence={confidence!r}, expected a number between 0 and 1")
    value = np.asarray(statistic(*samples))
    if any(each.shape[-2] < 2 for each in samples):
        nothing = np.full(value.shape, math.nan)
        return Estimate(_plain(value), _plain(nothing), _plain(nothing.copy()))
    drawn = _resampled(statistic, samples, reps, np.random.default_rng(seed))
    low, high = interval(drawn, confidence, axis=samples[0].ndim - 2)
    return Estimate(_plain(value), _plain(low), _plain(high))


def resample(scores: Floats, rows: NDArray[np.integer[Any]]) -> Floats:
    """Return bootstrap samples of scores, `(..., R, N, M)`.

    Args:
        scores: `(..., N, M)`.
        rows: which run each score of a sample is, `(R, N, M)`.
    """
    return np.asarray(scores[..., rows, np.arange(scores.shape[-1])])


def interval(drawn: Floats, confidence: float, *, axis: int = 0) -> tuple[Floats, Floats]:
    """Return the percentile interval of a statistic's bootstrap samples, which lie along an axis."""
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(drawn, [tail, 1.0 - tail], axis=axis)
    return low, high


def _resampled(statistic: Statistic, samples: list[Floats], reps: int, rng: np.random.Generator) -> Floats:
    """Return the statistic of each bootstrap sample, as many at a time as fit into a processor's cache."""
    points = math.prod(samples[0].shape[:-2])
    a_time = max(1, AT_ONCE // max(1, points * sum(each.shape[-2] * each.shape[-1] for each in samples)))
    pieces = []
    for first in range(0, reps, a_time):
        count = min(a_time, reps - first)
        drawn = [
            resample(each, rng.integers(each.shape[-2], size=(count, *each.shape[-2:]))) for each in samples
        ]  # each [..., R, N, M]
        pieces.append(statistic(*drawn))
    return np.concatenate(pieces, axis=samples[0].ndim - 2)


def _checked(scores: ArrayLike) -> Floats:
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim < 2 or 0 in array.shape:
        raise ConfigError(f"scores of shape {array.shape}, expected (..., runs, tasks), one at least of each")
    if not np.isfinite(array).all():
        raise ConfigError("a score is not finite, expected numbers")
    return array


def _plain(array: Floats) -> Any:
    return float(array) if array.ndim == 0 else array
