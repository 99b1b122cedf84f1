"""A report's numbers as rows: for the terminal, for CSV files, for the page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rlkit.report.analysis import LearningCurve, Report
from rlkit.report.statistics import Estimate

Row = Sequence[Any]


def spelt(number: float) -> str:
    """Spell a number with four digits, an unknown one as a dash."""
    if not math.isfinite(number):
        return "–"
    return f"{number:,.0f}" if abs(number) >= 1e4 and abs(number) < 1e9 else f"{number:.4g}"


def with_interval(estimate: Estimate) -> str:
    """Spell an estimate with its interval, if it has one."""
    if not math.isfinite(estimate.low):
        return spelt(estimate.value)
    return f"{spelt(estimate.value)} [{spelt(estimate.low)}, {spelt(estimate.high)}]"


def csv_tables(report: Report) -> dict[str, list[Row]]:
    """Return every table by the name of its file; the first row is the heading, numbers have all their digits."""
    tables = {
        "scores": [
            ("metric", "method", "environment", "seed", "folder", "step", "score", "normalised"),
            *_runs(report),
        ],
        "finals": [
            ("metric", "method", "environment", "runs", "step", "interquartile_mean", "low", "high"),
            *_finals(report),
        ],
        "curves": [
            ("metric", "method", "environment", "runs", "step", "interquartile_mean", "low", "high"),
            *_curves(report),
        ],
        "aggregates": [("statistic", "method", "value", "low", "high"), *_aggregates(report)],
        "profiles": [("threshold", "method", "share_of_runs", "low", "high"), *_profiles(report)],
        "efficiency": [("share_of_steps", "method", "interquartile_mean", "low", "high"), *_efficiency(report)],
        "improvement": [("method", "over", "probability", "low", "high"), *_improvement(report)],
    }
    return {name: rows for name, rows in tables.items() if len(rows) > 1}


def _runs(report: Report) -> Iterator[Row]:
    for (method, task), scores in report.scores.items():
        learning = report.curve(report.metric, method, task)
        assert learning is not None
        scale = report.scales.get(task)
        for run, score in zip(learning.curve.runs, scores.tolist(), strict=True):
            normal = "" if scale is None else float(scale.of(score))
            seed = "" if run.seed is None else run.seed
            yield report.metric, method, task, seed, str(run.folder), report.compared_at[task], score, normal


def _finals(report: Report) -> Iterator[Row]:
    for (method, task), estimate in report.finals.items():
        count = len(report.scores[method, task])
        yield report.metric, method, task, count, report.compared_at[task], *_numbers(estimate)
    for each in report.curves:
        if each.tag != report.metric:
            last = Estimate(*(column[-1] for column in each.estimate))
            yield each.tag, each.method, each.task, len(each.curve.runs), each.curve.steps[-1], *_numbers(last)


def _curves(report: Report) -> Iterator[Row]:
    for each in report.curves:
        count = len(each.curve.runs)
        for step, *numbers in zip(each.curve.steps.tolist(), *each.estimate, strict=True):
            yield each.tag, each.method, each.task, count, step, *_numbers(Estimate(*numbers))


def _aggregates(report: Report) -> Iterator[Row]:
    for name, by_method in report.aggregates.items():
        for method, estimate in by_method.items():
            yield name, method, *_numbers(estimate)


def _profiles(report: Report) -> Iterator[Row]:
    if report.profile is not None:
        for method, estimate in report.profile.estimates.items():
            for threshold, *numbers in zip(report.profile.thresholds.tolist(), *estimate, strict=True):
                yield threshold, method, *_numbers(Estimate(*numbers))


def _efficiency(report: Report) -> Iterator[Row]:
    if report.efficiency is not None:
        for method, estimate in report.efficiency.estimates.items():
            for share, *numbers in zip(report.efficiency.shares.tolist(), *estimate, strict=True):
                yield share, method, *_numbers(Estimate(*numbers))


def _improvement(report: Report) -> Iterator[Row]:
    for (x, y), estimate in report.improvement.items():
        yield x, y, *_numbers(estimate)


def _numbers(estimate: Estimate) -> tuple[Any, ...]:
    """Return value, low and high; "" for what there is not."""
    return tuple(float(number) if math.isfinite(number) else "" for number in estimate)


def final_rows(report: Report) -> list[tuple[str, ...]]:
    """Return the scores as text, one row a method and task, the heading first."""
    rows: list[tuple[str, ...]] = [
        ("environment", "method", f"{report.metric} [{report.confidence:.0%} interval]", "runs", "step")
    ]
    for task in report.comparison.tasks:
        for method in report.methods:
            if (method, task) in report.finals:
                count = str(len(report.scores[method, task]))
                step = f"{report.compared_at[task]:,.0f}"
                final = report.rounded(report.metric, task, report.finals[method, task])
                rows.append((task, method, with_interval(final), count, step))
    return rows


def aggregate_rows(report: Report) -> list[tuple[str, ...]]:
    """Return the aggregates as text, one row a method, the heading first."""
    return [
        ("method", *report.aggregates),
        *((m, *(with_interval(by_method[m]) for by_method in report.aggregates.values())) for m in report.methods),
    ]


def improvement_rows(report: Report) -> list[tuple[str, ...]]:
    """Return the probabilities of improvement as text, the heading first."""
    return [
        ("X", "Y", "P(X beats Y)"),
        *((x, y, with_interval(estimate)) for (x, y), estimate in report.improvement.items()),
    ]


def truth_rows(report: Report) -> list[tuple[str, ...]]:
    """Return the exact errors at the end as text, one row a method and task, the heading first."""
    rows = [("environment", "method", *(tag.removeprefix("truth/") for tag in report.truths))]
    for task in report.comparison.tasks:
        for method in report.comparison.methods:
            found = [report.curve(tag, method, task) for tag in report.truths]
            if any(found):
                rows.append((task, method, *("–" if each is None else _last(report, each) for each in found)))
    return rows


def _last(report: Report, curve: LearningCurve) -> str:
    last = Estimate(*(column[-1] for column in curve.estimate))
    return with_interval(report.rounded(curve.tag, curve.task, last))


def run_rows(report: Report) -> list[tuple[str, ...]]:
    """Return every run as text, the heading first."""
    return [
        ("folder", "method", "environment", "seed", "score"),
        *(
            (folder, method, task, str(seed), spelt(score))
            for _, method, task, seed, folder, _, score, _ in _runs(report)
        ),
    ]
