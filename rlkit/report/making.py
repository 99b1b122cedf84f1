"""A report in one call."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

from rlkit.report.analysis import FORMATS, Format, Report, analyse
from rlkit.report.reading import Run, Source, gather

Pair: TypeAlias = tuple[float, float]
Normalise: TypeAlias = Pair | Mapping[str, Pair] | Literal["optimum"]


def report(
    runs: Source | Iterable[Source] | Mapping[str, Source | Iterable[Source]] | Iterable[Run],
    *,
    out: Source | None = None,
    metric: str | None = None,
    normalise: Normalise | None = None,
    group: str | Sequence[str] = (),
    reps: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    formats: Iterable[Format] = FORMATS,
) -> Report:
    """Compare runs by interquartile means with stratified bootstrap intervals, and write what comes out.

    Agarwal et al. (2021), Deep Reinforcement Learning at the Edge of the Statistical Precipice. Whatever had to be
    left out, cut or interpolated is told in the report's `notes`.

    Args:
        runs: run folders, folders of runs, those by the name to give them, or what `read_runs` returned.
        out: the folder to write into; None writes nothing.
        metric: the tag to compare; None: `eval/mean_reward`, `rollout/ep_rew_mean` or an exact error, whichever most
            runs have logged.
        normalise: the scores that count as 0 and 1, for all environments or by environment; "optimum" takes a
            random policy's mean return and the optimal one's, exactly where the environment knows its model, else from
            episodes. Without it, several environments are compared by who beats whom alone.
        group: what makes a method: "agent", "folder" (the one that the run's folder is in), hyperparameters by name.
            Without it, the agent and whatever hyperparameters its runs on one environment differ in.
        reps: bootstrap samples.
        confidence: of the intervals.
        seed: of the bootstrap.
        formats: what to write: "html", "png", "svg", "csv".

    Raises:
        UnreadableRun: nothing is there, or no run among it can be read.
        ConfigError: an argument makes no sense, or nothing that was asked for was logged.
    """
    listed, notes = _read(runs)
    found = analyse(
        listed,
        metric=metric,
        normalise=normalise,
        group=group,
        reps=reps,
        confidence=confidence,
        seed=seed,
        notes=notes,
    )
    if out is not None:
        found.save(out, formats)
    return found


def _read(runs: object) -> tuple[list[Run], list[str]]:
    if isinstance(runs, Iterable) and not isinstance(runs, str | os.PathLike | Mapping):
        listed = list(runs)
        read = [run for run in listed if isinstance(run, Run)]
        if len(read) == len(listed):
            return read, []
        runs = listed
    return gather(runs)  # type: ignore[arg-type]
