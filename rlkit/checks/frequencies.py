"""Whether what was counted can be what was predicted: exact binomial and chi-square tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SURE = 1e-6
"""The probability that a right prediction is called wrong."""

OFTEN = 10
"""How often an outcome has to be expected for chi-square's approximation; rarer ones are merged."""


class Unlikely(NamedTuple):
    """Counts that are not what was predicted: one outcome's, or, where that is None, all of them together.

    Attributes:
        row: whose outcome.
        outcome: which, of the row's.
        times: how often it came.
        tries: how many of the row there were, or in all.
        probability: the one predicted.
        statistic, freedom: chi-square of all.
    """

    row: int
    outcome: int | None
    times: int
    tries: int
    probability: float
    statistic: float
    freedom: int


Row = tuple[int, NDArray[np.int64], NDArray[np.float64]]
"""A name, the outcomes that came, `(N,)`, and the predicted probabilities of all K, `(K,)`."""


def first_unlikely(rows: Iterable[Row]) -> Unlikely | None:
    """Return the least likely outcome count, if it is too unlikely among so many, else all counts, if those are.

    Each count is binomial, which is computed exactly (both tails, Bonferroni's correction for the number of counts);
    all together are chi-square with as many degrees of freedom as there are outcomes, less one a row (Pearson 1900).
    """
    from scipy.special import bdtr, bdtrc, chdtrc

    least, worst, counted = 1.0, None, 0
    statistic, freedom, total = 0.0, 0, 0
    for name, outcomes, probabilities in rows:
        possible = np.flatnonzero(probabilities)
        counts = np.bincount(outcomes, minlength=probabilities.size)[possible]
        p, tries = np.minimum(probabilities[possible], 1.0), outcomes.size
        more = np.where(counts > 0, bdtrc(np.maximum(counts - 1, 0), tries, p), 1.0)
        tails = 2.0 * np.minimum(bdtr(counts, tries, p), more)
        at = int(np.argmin(tails))
        if tails[at] < least:
            worst = Unlikely(name, int(possible[at]), int(counts[at]), tries, float(p[at]), 0.0, 0)
            least = float(tails[at])
        added, more_freedom = _chi_square(counts, tries * p)
        counted, total = counted + possible.size, total + tries
        statistic, freedom = statistic + added, freedom + more_freedom
    if worst is not None and least * counted < SURE / 2:
        return worst
    if freedom and chdtrc(freedom, statistic) < SURE / 2:
        return Unlikely(-1, None, 0, total, 0.0, statistic, freedom)
    return None


def _chi_square(counts: NDArray[np.int64], expected: NDArray[np.float64]) -> tuple[float, int]:
    """Return Pearson's statistic and its degrees of freedom, neighbours merged until each is expected often enough."""
    seen, likely = [0.0], [0.0]
    for count, hope in zip(counts.tolist(), expected.tolist(), strict=True):
        seen[-1], likely[-1] = seen[-1] + count, likely[-1] + hope
        if likely[-1] >= OFTEN:
            seen.append(0.0)
            likely.append(0.0)
    if len(likely) == 1:
        return 0.0, 0
    left_over, hope = seen.pop(), likely.pop()
    seen[-1], likely[-1] = seen[-1] + left_over, likely[-1] + hope
    statistic = sum((count - hope) ** 2 / hope for count, hope in zip(seen, likely, strict=True))
    return statistic, len(likely) - 1
