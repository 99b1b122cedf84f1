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
from rlkit.report.comparing import (
    EVALUATION,
    POINTS,
    Comparison,
    Curve,
    aligned,
    arrange,
    choose_metric,
    common_step,
    is_better_low,
)
from rlkit.report.reading import RETURN, Run
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
Cell: TypeAlias = tuple[str, str]  # a method and a task
Format: TypeAlias = Literal["html", "png", "svg", "csv"]

FORMATS: tuple[Format, ...] = ("html", "png", "svg", "csv")

LEAST = ("truth/best_rmsve", "truth/td_rmsve")
"""The least error that features allow, and that of the TD fixed point: lines beside `truth/rmsve`."""

ROUNDING = 1e-9  # of the largest exact error of a task: what is less counts as 0 in tables and pictures

ENOUGH = 10  # runs, of which a nominal 95 % interval covers 94 %
COVERED = {2: 50, 3: 75, 4: 88, 5: 90, 6: 91, 7: 92, 8: 93, 9: 93}
"""How often, in per cent, the nominal 95 % interval of N normal scores' interquartile mean covers the true one."""

LISTED = 4  # names in a note; of more, it says how many
MOST_THRESHOLDS = 300  # of a performance profile that is drawn exactly
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
        thresholds: float64 `(K,)`: every score that there is, and one beyond either end; or a hundred between these.
        below: whether runs below a threshold are counted, as less is better, or those above.
        estimates: by method, the share of its runs beyond each threshold, float64 `(K,)`.
    """

    thresholds: Floats
    below: bool
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
    scores: Mapping[Cell, Floats]
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

    @property
    def environments(self) -> tuple[str, ...]:
        """The environments on which there are scores."""
        return tuple(task for task in self.comparison.tasks if task in self.compared_at)

    def curve(self, tag: str, method: str, task: str) -> LearningCurve | None:
        """Return a learning curve, None if there is none."""
        which = (tag, method, task)
        return next((each for each in self.curves if (each.tag, each.method, each.task) == which), None)

    def rounded(self, tag: str, task: str, estimate: Estimate) -> Estimate:
        """Return an exact error without what is rounding beside the task's largest one; all else as it is."""
        if not (tag.startswith("truth/") and is_better_low(tag)):
            return estimate
        its = [each.estimate.value for each in self.curves if (each.tag, each.task) == (tag, task)]
        most = ROUNDING * max((float(np.abs(values).max()) for values in its), default=0.0)
        return Estimate(*(0.0 if abs(number) <= most else number for number in estimate))

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
        return tuple(tag for tag in tags if tag != self.metric and tag not in LEAST)


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
    scales = _scales(normalise, work, scores)
    return _concluded(work, curves, own, compared_at, scores, scales)


def _concluded(
    work: _Work,
    curves: Sequence[LearningCurve],
    own: Mapping[Cell, Curve],
    compared_at: Mapping[str, float],
    scores: Mapping[Cell, Floats],
    scales: Mapping[str, Scale],
) -> Report:
    """Say what scores on their scales amount to."""
    tasks, better_low = _common_tasks(work, scores, bool(scales)), is_better_low(work.metric)
    pooled = _pooled(work, scores, tasks, scales) if len(tasks) == 1 or (scales and tasks) else {}
    efficiency = _efficiency(work, own, compared_at, tasks, scales) if scales and len(tasks) > 1 else None
    improvement = _improvement(work, scores, better_low)
    _say_how_few(work, own)
    _say_what_is_alike(work, scores)
    return Report(
        metric=work.metric,
        better_low=better_low,
        comparison=work.comparison,
        curves=tuple(curves),
        compared_at=compared_at,
        scores=scores,
        finals={cell: work.estimate(interquartile_mean, its[:, None]) for cell, its in scores.items()},
        scales=scales,
        tasks=tasks,
        aggregates=_aggregates(work, pooled, bool(scales)),
        profile=_profile(work, pooled, low=better_low and not scales) if pooled else None,
        efficiency=efficiency,
        improvement=improvement,
        notes=tuple(work.notes),
        reps=work.estimate.reps,
        confidence=work.estimate.confidence,
    )


def _known(metric: str, runs: Sequence[Run]) -> str:
    logged = sorted({tag for run in runs for tag in run.columns if run.curve(tag)[0].size and tag != "step"})
    if metric not in logged:
        raise ConfigError(f"metric={metric!r} was logged by no run; known: {', '.join(logged)}")
    return metric


def _curves(work: _Work) -> list[LearningCurve]:
    """Make the metric's curves first, then the exact errors'."""
    cells = work.comparison.cells
    truths = {tag for runs in cells.values() for run in runs for tag in run.columns if tag.startswith("truth/")}
    made = [_curve(work, work.metric, cell, runs) for cell, runs in _comparable(work).items()]
    unlike = [_place(each.method, each.task) for each in made if each.curve.interpolated]
    if unlike:
        who = ", ".join(unlike) if len(unlike) <= LISTED else f"{len(unlike)} methods on an environment"
        work.notes.append(f"{who}: the runs were logged at different steps; between these, values are linear")
    for tag in sorted(truths - {work.metric}):
        logged = {cell: [run for run in runs if run.curve(tag)[0].size] for cell, runs in cells.items()}
        made += [_curve(work, tag, cell, runs) for cell, runs in logged.items() if runs]
    return made


def _curve(work: _Work, tag: str, cell: Cell, runs: Sequence[Run]) -> LearningCurve:
    curve = aligned(runs, tag)
    return LearningCurve(tag, *cell, curve, work.estimate(interquartile_mean, curve.values.T[:, :, None]))


def _comparable(work: _Work) -> dict[Cell, list[Run]]:
    """Return the runs that have logged the metric, without those that end before others on their task begin."""
    kept: dict[Cell, list[Run]] = {}
    for task in work.comparison.tasks:
        cells = [(cell, run) for cell, runs in work.comparison.cells.items() if cell[1] == task for run in runs]
        logged = {run: run.curve(work.metric)[0] for _, run in cells}
        spans = [(steps[0], steps[-1]) for steps in logged.values() if steps.size]
        begun = common_step(spans) if spans else 0.0
        for cell, run in cells:
            if not logged[run].size:
                work.notes.append(f"{run.folder}: has not logged {work.metric}; it is left out")
            elif not logged[run][0] <= begun <= logged[run][-1]:
                work.notes.append(f"{run.folder}: shares no step with others on its environment; it is left out")
            else:
                kept.setdefault(cell, []).append(run)
    return kept


def _compared_at(work: _Work, own: Mapping[Cell, Curve]) -> dict[str, float]:
    """Return the last step that all runs on a task have in common."""
    at = {}
    for task in dict.fromkeys(task for _, task in own):
        ends = [
            (run.curve(work.metric)[0][-1], run) for (_, its), curve in own.items() if its == task for run in curve.runs
        ]
        first, run = min(ends, key=lambda pair: pair[0])
        last = max(end for end, _ in ends)
        at[task] = float(first)
        if last - first > STRAY * last:
            others = f"though others go on to {last:,.0f}"
            work.notes.append(f"{task}: compared at step {first:,.0f}, where {run.folder} ends, {others}")
    return at


def _scales(normalise: Any, work: _Work, scores: Mapping[Cell, Floats]) -> dict[str, Scale]:
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


def _common_tasks(work: _Work, scores: Mapping[Cell, Floats], normalised: bool) -> tuple[str, ...]:
    """Return the tasks that every method with any score has one on."""
    methods = {method for method, _ in scores}
    tried = {task: {method for method, its in scores if its == task} for task in work.comparison.tasks}
    common = tuple(task for task, its in tried.items() if its == methods)
    left_out = [task for task, its in tried.items() if its and its != methods]
    if left_out and (normalised or len(common) == 1):
        work.notes.append(f"not every method was tried on {', '.join(left_out)}: aggregates leave that out")
    return common


def _pooled(
    work: _Work, scores: Mapping[Cell, Floats], tasks: Sequence[str], scales: Mapping[str, Scale]
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
    """Return the aggregates, without an optimality gap where no score is the optimal one, or a median of one task."""
    if not pooled:
        return {}
    one = next(iter(pooled.values())).shape[1] == 1
    unfit = {name for name, says_nothing in (("optimality gap", not normalised), ("median", one)) if says_nothing}
    chosen = {name: statistic for name, statistic in AGGREGATES.items() if name not in unfit}
    return {
        name: {method: work.estimate(statistic, scores) for method, scores in pooled.items()}
        for name, statistic in chosen.items()
    }


def _profile(work: _Work, pooled: Mapping[str, Floats], *, low: bool) -> Profile:
    """Return the share of runs above each threshold, below it where less is better."""
    every = np.concatenate([scores.ravel() for scores in pooled.values()])
    edge = 0.02 * (every.max() - every.min() or 1.0)
    thresholds = np.unique([every.min() - edge, *every, every.max() + edge])
    if thresholds.size > MOST_THRESHOLDS:
        thresholds = np.linspace(thresholds[0], thresholds[-1], POINTS + 1)
    sign = -1.0 if low else 1.0
    estimates = {
        method: work.estimate(lambda drawn: performance_profile(sign * drawn, sign * thresholds), scores)
        for method, scores in pooled.items()
    }
    return Profile(thresholds, low, estimates)


def _efficiency(
    work: _Work,
    own: Mapping[Cell, Curve],
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


def _improvement(work: _Work, scores: Mapping[Cell, Floats], better_low: bool) -> dict[tuple[str, str], Estimate]:
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


def _say_how_few(work: _Work, own: Mapping[Cell, Curve]) -> None:
    counts = {cell: len(curve.runs) for cell, curve in own.items()}
    alone = [_place(*cell) for cell, count in counts.items() if count == 1]
    if alone:
        who = ", ".join(alone) if len(alone) <= LISTED else f"{len(alone)} methods on an environment"
        work.notes.append(f"{who}: a single run each, and so no interval")
    few = min((count for count in counts.values() if 1 < count < ENOUGH), default=None)
    if few is not None:
        work.notes.append(
            f"intervals of few runs are too narrow: with {few}, a nominal 95 % of them cover the truth in about "
            f"{COVERED[few]} % of experiments (normal scores); {ENOUGH} runs are advised"
        )


def _say_what_is_alike(work: _Work, scores: Mapping[Cell, Floats]) -> None:
    """Note scores that are all the same, whose interval has no width however little they are known."""
    alike = [_place(*cell) for cell, its in scores.items() if len(its) > 1 and (its == its[0]).all()]
    if not alike:
        return
    who = ", ".join(alike) if len(alike) <= LISTED else f"{len(alike)} methods on an environment"
    source = {
        EVALUATION: "; each score is the mean of one evaluation's episodes, ten unless the run was told otherwise",
        RETURN: "; each score is the mean of the last hundred episodes, or of all where there were fewer",
    }.get(work.metric, "")
    work.notes.append(f"{who}: all runs score the same, so that the interval has no width{source}")


def _place(method: str, task: str) -> str:
    return f"{method} on {task}"
