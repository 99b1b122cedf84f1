"""What runs say together: learning curves, aggregates with confidence intervals, and a page that shows them.

`report(runs)` reads run folders and compares them as Agarwal et al. (2021) advise; `report(runs, out=...)` writes
pictures, tables and one HTML page. The statistics are functions on arrays, for scores from anywhere.
"""

from __future__ import annotations

from rlkit.report.analysis import Report
from rlkit.report.making import report
from rlkit.report.reading import Run, UnreadableRun, read_runs
from rlkit.report.statistics import (
    Estimate,
    bootstrap,
    interquartile_mean,
    mean_score,
    median_score,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)

__all__ = [
    "Estimate",
    "Report",
    "Run",
    "UnreadableRun",
    "bootstrap",
    "interquartile_mean",
    "mean_score",
    "median_score",
    "optimality_gap",
    "performance_profile",
    "probability_of_improvement",
    "read_runs",
    "report",
]
