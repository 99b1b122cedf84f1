"""From runs to numbers: curves, scores, aggregates, who is better, how sure that is, and what has to be known of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import ConfigError
from rlkit.report.comparing import POINTS, Comparison, Curve, aligned, arrange, choose_metric, is_better_low
from rlkit.report.reading import Run
from rlkit.report.scales import Scale, scales_of
from rlkit.report.statistics import (
    Estimate,
    Statistic,
    bootstrap,
    interquartile_mean,
    mean_score,
    median_score,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)

Floats = NDArray[np.float64]
Format: TypeAlias = Literal["html", "png", "svg", "csv"]

FORMATS: tuple[Format, ...] = ("html", "png", "svg", "csv")

ENOUGH = 10  # runs from which on a 95 % interval covers about that
COVERED = {2: 50, 3: 75, 4: 88, 5: 90, 6: 91, 7: 92, 8: 93, 9: 93}
"""How often, in per cent, the nominal 95 % interval of N normal scores' interquartile mean covers the true one."""

STRAY = 0.01  # of a task's steps by which its runs may end earlier without a word

AGGREGATES: dict[str, Statistic] = {
    "interquartile mean": interquartile_mean,
    "median": median_score,
    "mean": mean_score,
    "optimality gap": optimality_gap,
}


@dataclass(frozen=True)
class LearningCurve:
    """The interquartile mean of one tag over a method's runs on a task, step by step.

    Attributes:
        tag, method, task: whose curve it is.
        curve: the runs' own curves on common steps.
        estimate: float64 `(T,)` each.
    """

    tag: str
    method: str
    task: str
    curve: Curve
    estimate: Estimate


@dataclass(frozen=True)
class Profile:
    """How many runs reach how much.

    Attributes:
        thresholds: float64 `(K,)`.
        estimates: by method, the share of its runs beyond each threshold, float64 `(K,)`.
    """

    thresholds: Floats
    estimates: Mapping[str, Estimate]


@dataclass(frozen=True)
class Efficiency:
    """The interquartile mean over all tasks by the share of each task's steps.

    Attributes:
        shares: float64 `(T,)`, 1 where scores are compared.
        estimates: by method, float64 `(T,)`.
    """

    shares: Floats
    estimates: Mapping[str, Estimate]


@dataclass(frozen=True)
class Report:
    """All that a report says, as numbers.

    Attributes:
        metric: the tag that is compared.
        better_low: whether less of it is better.
        comparison: the runs by method and task.
        curves: of the metric, and of every `truth/...`.
        compared_at: by task, the step at which scores are taken: where the first run ends.
        scores: by method and task, float64 `(N,)`, in the order of the cell's runs that have logged the metric.
        finals: their interquartile means.
        scales: by task, what counts as 0 and 1; empty where scores are as they are.
        tasks: those that every method was tried on, which is what aggregates are over.
        aggregates: by statistic and method; empty where the tasks' scores have no common scale.
        profile: None likewise.
        efficiency: None likewise, or where there is one task.
        improvement: how probably the first method beats the second, by pair.
        notes: what has to be known of all this, one sentence each.
        reps, confidence: of the intervals.
    """

    metric: str
    better_low: bool
    comparison: Comparison
    curves: tuple[LearningCurve, ...]
    compared_at: Mapping[str, float]
    scores: Mapping[tuple[str, str], Floats]
    finals: Mapping[tuple[str, str], Estimate]
    scales: Mapping[str, Scale]
    tasks: tuple[str, ...]
    aggregates: Mapping[str, Mapping[str, Estimate]]
    profile: Profile | None
    efficiency: Efficiency | None
    improvement: Mapping[tuple[str, str], Estimate]
    notes: tuple[str, ...]
    reps: int
    confidence: float

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that have scores."""
        return tuple(m for m in self.comparison.methods if any(method == m for method, _ in self.scores))

    def curve(self, tag: str, method: str, task: str) -> LearningCurve | None:
        """Return a learning curve, None if there is none."""
        which = (tag, method, task)
        return next((each for each in self.curves if (each.tag, each.method, each.task) == which), None)

    def save(self, out: str | os.PathLike[str], formats: Iterable[Format] = FORMATS) -> list[Path]:
        """Write the report into a folder, over an earlier one; return the files written.

        Args:
            out: the folder, made if it is not there.
            formats: "html" for `report.html`, "csv" for tables, "png" and "svg" for pictures.

        Raises:
            ConfigError: for any other format.
        """
        from rlkit.report.files import write

        return write(self, Path(out), tuple(formats))

    @property
    def truths(self) -> tuple[str, ...]:
        """The tags of the exact errors that were logged, without the metric."""
        tags = dict.fromkeys(each.tag for each in self.curves)
        return tuple(tag for tag in tags if tag != self.metric)


@dataclass
class _Bootstrap:
    """The intervals' settings."""

    reps: int
    confidence: float
    seed: int

    def __call__(self, statistic: Statistic, *scores: Floats) -> Estimate:
        return bootstrap(statistic, *scores, reps=self.reps, confidence=self.confidence, seed=self.seed)


@dataclass
class _Work:
    """What the steps of an analysis pass on to each other."""

    comparison: Comparison
    metric: str
    estimate: _Bootstrap
    notes: list[str] = field(default_factory=list)


def analyse(
    runs: Iterable[Run],
    *,
    metric: str | None = None,
    normalise: Any = None,
    group: str | Sequence[str] = (),
    reps: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> Report:
    """Compare runs, as `report` does, and write nothing."""
    listed = list(runs)
    if not listed:
        raise ConfigError("there is no run to report on")
    said = list(notes)
    tag = choose_metric(listed) if metric is None else _known(metric, listed)
    comparison = arrange(listed, (group,) if isinstance(group, str) else tuple(group), said)
    work = _Work(comparison, tag, _Bootstrap(reps, confidence, seed), said)
    curves = _curves(work)
    own = {(each.method, each.task): each.curve for each in curves if each.tag == tag}
    compared_at = _compared_at(work, own)
    scores = {cell: curve.at(compared_at[cell[1]]) for cell, curve in own.items()}
    finals = {cell: work.estimate(interquartile_mean, its[:, None]) for cell, its in scores.items()}
    scales = _scales(normalise, work, scores)
    tasks = _common_tasks(work, scores)
    better_low = is_better_low(tag)
    pooled = _pooled(work, scores, tasks, scales) if len(tasks) == 1 or (scales and tasks) else {}
    _say_how_few(work, own)
    return Report(
        tag,
        better_low,
        comparison,
        tuple(curves),
        compared_at,
        scores,
        finals,
        scales,
        tasks,
        _aggregates(work, pooled, bool(scales)),
        _profile(work, pooled, low=better_low and not scales) if pooled else None,
        _efficiency(work, own, compared_at, tasks, scales) if scales and len(tasks) > 1 else None,
        _improvement(work, scores, better_low),
        tuple(work.notes),
        reps,
        confidence,
    )


def _known(metric: str, runs: Sequence[Run]) -> str:
    logged = sorted({tag for run in runs for tag in run.columns if run.curve(tag)[0].size and tag != "step"})
    if metric not in logged:
        raise ConfigError(f"metric={metric!r} was logged by no run; known: {', '.join(logged)}")
    return metric


def _curves(work: _Work) -> list[LearningCurve]:
    """Make the metric's curves first, then the exact errors'."""
    truths = {
        tag
        for runs in work.comparison.cells.values()
        for run in runs
        for tag in run.columns
        if tag.startswith("truth/")
    }
    made = []
    for tag in (work.metric, *sorted(truths - {work.metric})):
        for (method, task), runs in work.comparison.cells.items():
            curve = aligned(runs, tag)
            if tag == work.metric:
                _say_what_happened(work, method, task, runs, curve)
            if curve is not None:
                estimate = work.estimate(interquartile_mean, curve.values.T[:, :, None])
                made.append(LearningCurve(tag, method, task, curve, estimate))
    return made


def _say_what_happened(work: _Work, method: str, task: str, runs: Sequence[Run], curve: Curve | None) -> None:
    where = _place(method, task)
    if curve is None:
        lacking = not any(run.curve(work.metric)[0].size for run in runs)
        why = f"has not logged {work.metric}" if lacking else f"its runs share no step at which {work.metric} is known"
        work.notes.append(f"{where}: {why}; it is left out")
        return
    for run in runs:
        if run not in curve.runs:
            work.notes.append(f"{run.folder}: has not logged {work.metric}; it is left out")
    if curve.interpolated:
        work.notes.append(f"{where}: its runs were logged at different steps; values between are linear")


def _compared_at(work: _Work, own: Mapping[tuple[str, str], Curve]) -> dict[str, float]:
    """Return the last step that all runs on a task have in common."""
    at = {}
    for task in dict.fromkeys(task for _, task in own):
        ends = [
            (run.curve(work.metric)[0][-1], run) for (_, its), curve in own.items() if its == task for run in curve.runs
        ]
        first, run = min(ends, key=lambda pair: pair[0])
        last = max(end for end, _ in ends)
        at[task] = float(first)
        begun = max(curve.steps[0] for (_, its), curve in own.items() if its == task)
        if first < begun:
            raise ConfigError(f"{task}: {run.folder} ends at step {first:,.0f}, before others begin; leave it out")
        if last - first > STRAY * last:
            work.notes.append(
                f"{task}: compared at step {first:,.0f}, where {run.folder} ends, though others go on to {last:,.0f}"
            )
    return at


def _scales(normalise: Any, work: _Work, scores: Mapping[tuple[str, str], Floats]) -> dict[str, Scale]:
    tasks: dict[str, list[Run]] = {}
    for method, task in scores:
        tasks.setdefault(task, []).extend(work.comparison.cells[method, task])
    if normalise is None:
        if len(tasks) > 1:
            work.notes.append(
                "the environments' scores have no common scale, so nothing but who beats whom is said of all of them "
                "together; normalise gives them one"
            )
        return {}
    if normalise == "optimum" and work.metric not in ("eval/mean_reward", "rollout/ep_rew_mean"):
        raise ConfigError(f'normalise="optimum" is for returns, and {work.metric} is none; give two scores instead')
    return scales_of(normalise, tasks, work.notes)


def _common_tasks(work: _Work, scores: Mapping[tuple[str, str], Floats]) -> tuple[str, ...]:
    """Return the tasks that every method with any score has one on."""
    methods = {method for method, _ in scores}
    tried = {task: {method for method, its in scores if its == task} for task in work.comparison.tasks}
    common = tuple(task for task, its in tried.items() if its == methods)
    left_out = [task for task, its in tried.items() if its and its != methods]
    if left_out:
        work.notes.append(f"not every method was tried on {', '.join(left_out)}: aggregates leave that out")
    return common


def _pooled(
    work: _Work, scores: Mapping[tuple[str, str], Floats], tasks: Sequence[str], scales: Mapping[str, Scale]
) -> dict[str, Floats]:
    """Return every method's scores on the tasks, on their scales, as `(N, M)`: as many runs as there are on each."""
    pooled = {}
    for method in dict.fromkeys(method for method, _ in scores):
        rows = _as_many(work, method, [scores[method, task] for task in tasks])
        pooled[method] = np.stack(
            [scales[task].of(row) if scales else row for task, row in zip(tasks, rows, strict=True)], axis=1
        )
    return pooled


def _as_many(work: _Work, method: str, rows: list[Floats]) -> list[Floats]:
    """Take as many runs of each task as the task with the fewest has, so that every task counts alike."""
    fewest = min(len(row) for row in rows)
    if any(len(row) > fewest for row in rows):
        note = f"{method}: aggregates take the first {fewest} runs of each environment, as many as every one has"
        if note not in work.notes:
            work.notes.append(note)
    return [row[:fewest] for row in rows]


def _aggregates(work: _Work, pooled: Mapping[str, Floats], normalised: bool) -> dict[str, dict[str, Estimate]]:
    chosen = {name: statistic for name, statistic in AGGREGATES.items() if normalised or name != "optimality gap"}
    if not pooled:
        return {}
    return {
        name: {method: work.estimate(statistic, scores) for method, scores in pooled.items()}
        for name, statistic in chosen.items()
    }


def _profile(work: _Work, pooled: Mapping[str, Floats], *, low: bool) -> Profile:
    """Return the share of runs above each threshold, below it where less is better."""
    every = np.concatenate([scores.ravel() for scores in pooled.values()])
    edge = 0.02 * (every.max() - every.min() or 1.0)
    thresholds = np.linspace(every.min() - edge, every.max() + edge, POINTS + 1)
    sign = -1.0 if low else 1.0
    estimates = {
        method: work.estimate(lambda drawn: performance_profile(sign * drawn, sign * thresholds), scores)
        for method, scores in pooled.items()
    }
    return Profile(thresholds, estimates)


def _efficiency(
    work: _Work,
    own: Mapping[tuple[str, str], Curve],
    compared_at: Mapping[str, float],
    tasks: Sequence[str],
    scales: Mapping[str, Scale],
) -> Efficiency:
    """Return the interquartile mean over tasks by the share of steps, from where all have begun."""
    begun = max(curve.steps[0] / compared_at[task] for (_, task), curve in own.items() if task in tasks)
    shares = np.linspace(begun, 1.0, POINTS)
    estimates = {}
    for method in dict.fromkeys(method for method, _ in own):
        fewest = min(len(own[method, task].runs) for task in tasks)
        by_task = [
            scales[task].of(_at_each(own[method, task], shares * compared_at[task])[:, :fewest]) for task in tasks
        ]
        estimates[method] = work.estimate(interquartile_mean, np.stack(by_task, axis=-1))  # [T, N, M]
    return Efficiency(shares, estimates)


def _at_each(curve: Curve, steps: Floats) -> Floats:
    return np.array([np.interp(steps, curve.steps, row) for row in curve.values]).T  # [T, N]


def _improvement(
    work: _Work, scores: Mapping[tuple[str, str], Floats], better_low: bool
) -> dict[tuple[str, str], Estimate]:
    """Return how probably one method beats the other, over the tasks that both were tried on."""
    methods = list(dict.fromkeys(method for method, _ in scores))
    sign, found = -1.0 if better_low else 1.0, {}
    for x, y in combinations(methods, 2):
        both = [task for task in work.comparison.tasks if (x, task) in scores and (y, task) in scores]
        if both:
            left, right = (
                np.stack(_as_many(work, method, [sign * scores[method, task] for task in both]), axis=1)
                for method in (x, y)
            )
            found[x, y] = work.estimate(probability_of_improvement, left, right)
    return found


def _say_how_few(work: _Work, own: Mapping[tuple[str, str], Curve]) -> None:
    counts = {cell: len(curve.runs) for cell, curve in own.items()}
    alone = [_place(*cell) for cell, count in counts.items() if count == 1]
    if alone:
        work.notes.append(f"{', '.join(alone)}: a single run, and so no interval")
    few = min((count for count in counts.values() if 1 < count < ENOUGH), default=None)
    if few is not None:
        work.notes.append(
            f"intervals of few runs are too narrow: with {few}, a nominal 95 % of them cover the truth in about "
            f"{COVERED[few]} % of experiments (normal scores); {ENOUGH} runs are advised"
        )


def _place(method: str, task: str) -> str:
    return f"{method} on {task}" if task else method
