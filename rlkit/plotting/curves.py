"""Curves: how a solver converges, how a learner learns."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import ConfigError
from rlkit.plotting.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#1f6fb4", "#e8590c", "#2b8a3e", "#862e9c", "#c92a2a", "#0b7285", "#5f3dc4", "#495057")
_Columns = dict[str, NDArray[np.float64]]
_LINES = ("best_rmsve", ":", "least its features allow"), ("td_rmsve", "--", "TD fixed point")


def plot_convergence(
    progress: Iterable[Any] | Mapping[str, Iterable[Any]] | str | os.PathLike[str],
    *,
    gamma: float | None = None,
    tol: float | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a solver's residual and proven error bound (log scale), and its contraction, by iteration.

    Args:
        progress: what the solver's callback got, `rlkit.bellman.Progress` items in order; several such lists by the
            name to label them with; or the `progress.csv` of a run with the `bellman/...` tags.
        gamma: drawn as the line that the contraction stays below.
        tol: drawn as the line that the error bound has to reach.
        title: what to write above.

    Raises:
        ConfigError: when there is no iteration to draw.
    """
    runs = _runs(progress)
    figure = new_figure(6.4, 5.2)
    above = figure.add_axes((0.13, 0.42, 0.83, 0.49))
    below = figure.add_axes((0.13, 0.11, 0.83, 0.23), sharex=above)
    several = len(runs) > 1
    for index, (name, columns) in enumerate(runs.items()):
        colour = COLOURS[index % len(COLOURS)]
        _curve(
            above, columns, "error_bound", colour if several else COLOURS[1], label=name if several else "error bound"
        )
        _curve(above, columns, "residual", colour, label=None if several else "residual", linestyle="--")
        _curve(below, columns, "contraction", colour)
    above.set_yscale("log")
    above.set_ylabel("error bound (dashed: residual)" if several else "max norm")
    below.set_ylabel("contraction")
    below.set_xlabel("iteration")
    below.set_ylim(0.0, max(1.05, below.get_ylim()[1]))
    above.tick_params(labelbottom=False)
    for axes, level, label in ((above, tol, "tol"), (below, gamma, "gamma")):
        if level is not None:
            axes.axhline(level, color="#343a40", linewidth=1, linestyle=":", label=f"{label} {level:g}", zorder=3)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=8, frameon=False, loc="best")
        tidy(axes)
    if title is not None:
        above.set_title(title, fontsize=11)
    return figure


def plot_learning(
    progress: Mapping[str, Iterable[float]] | str | os.PathLike[str],
    *,
    tags: Sequence[str] = (),
    step: str = "step",
    logarithmic: bool = False,
    title: str | None = None,
) -> Figure:
    """Draw a learner's curves by step, one panel a tag.

    Args:
        progress: columns by name, or the `progress.csv` of a run; empty cells and NaN are left out.
        tags: which columns, in order; none for every column but `step`.
        step: the column that counts.
        logarithmic: draw the tags' values on log scales.
        title: what to write above.

    Raises:
        ConfigError: for a tag that is no column.
    """
    columns = _read(progress) if isinstance(progress, str | os.PathLike) else _arrays(progress)
    chosen = list(tags) or [name for name, values in columns.items() if name != step and np.isfinite(values).any()]
    missing = [name for name in [step, *chosen] if name not in columns]
    if missing or not chosen:
        raise ConfigError(f"no column {', '.join(map(repr, missing))}; known: {', '.join(columns)}")
    figure = new_figure(6.4, 0.75 + 1.7 * len(chosen))
    panels = figure.subplots(len(chosen), 1, sharex=True, squeeze=False)[:, 0]
    for index, (axes, name) in enumerate(zip(panels, chosen, strict=True)):
        there = np.isfinite(columns[name])
        if logarithmic:
            axes.set_yscale("log")
        axes.plot(columns[step][there], columns[name][there], color=COLOURS[index % len(COLOURS)], linewidth=1.3)
        axes.set_title(name, fontsize=9, loc="left", color="#333333")
        tidy(axes)
    panels[-1].set_xlabel(step)
    if title is not None:
        figure.suptitle(title, fontsize=11)
    figure.tight_layout()
    return figure


def plot_errors(
    runs: Mapping[str, Mapping[str, Any] | str | os.PathLike[str]], *, tag: str = "rmsve", title: str | None = None
) -> Figure:
    """Draw learners' exact errors by step, on log scales, beside the least that their features allow.

    Each learner has a colour: its error is a solid line, the least error of its features a dotted one, and that of the
    TD fixed point a dashed one.

    Args:
        runs: by the name to label it with, a run's `progress.csv`, which has `truth/...`; or columns by name: `step`,
            the tag's, and where there are such `best_rmsve` and `td_rmsve`, numbers or columns
            (`{**callback.history, **callback.lines}` of a `rlkit.truth.TruthCallback`).
        tag: which error, without `truth/`; the lines belong to `rmsve` alone.
        title: what to write above.

    Raises:
        ConfigError: for a run without steps or without this error.
    """
    figure = new_figure(7.2, 4.6)
    axes = figure.add_axes((0.1, 0.12, 0.87, 0.78))
    drawn = {}  # what a style of line means, once there is such a line
    for index, (name, run) in enumerate(runs.items()):
        columns = _truth_columns(run, name, tag)
        colour = COLOURS[index % len(COLOURS)]
        there = np.isfinite(columns[tag]) & (columns[tag] > 0) & (columns["step"] > 0)
        axes.plot(columns["step"][there], columns[tag][there], color=colour, linewidth=1.4, label=name)
        for line, style, meaning in _LINES if tag == "rmsve" else ():
            level = _last(columns.get(line))
            if level > 1e-9:  # what features represent exactly has no line
                axes.axhline(level, color=colour, linestyle=style, linewidth=1.0, alpha=0.8)
                drawn[meaning] = style
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel(tag)
    for meaning, style in drawn.items():
        axes.plot([], [], color="#495057", linestyle=style, linewidth=1.0, label=meaning)
    axes.legend(fontsize=8, frameon=False, loc="best")
    tidy(axes)
    if title is not None:
        axes.set_title(title, fontsize=11)
    return figure


def _truth_columns(run: Mapping[str, Any] | str | os.PathLike[str], name: str, tag: str) -> _Columns:
    table = _read(run) if isinstance(run, str | os.PathLike) else run
    columns = {key.removeprefix("truth/"): np.atleast_1d(np.asarray(x, dtype=np.float64)) for key, x in table.items()}
    if missing := [column for column in ("step", tag) if column not in columns]:
        raise ConfigError(f"{name} has no column {', '.join(map(repr, missing))}; known: {', '.join(columns)}")
    return columns


def _last(column: NDArray[np.float64] | None) -> float:
    there = np.zeros(0) if column is None else column[np.isfinite(column)]
    return float(there[-1]) if there.size else math.nan


def _curve(axes: Axes, columns: _Columns, field: str, colour: str, **style: Any) -> None:
    steps, values = columns["iteration"], columns[field]
    drawable = np.where(values > 0, values, np.nan)  # an exact 0 has no place on a log scale
    if len(steps) <= 40:
        style |= {"marker": ".", "markersize": 5}
    axes.plot(steps, drawable, color=colour, linewidth=1.4, **style)


def tidy(axes: Axes) -> None:
    """Give axes a light grid, and no frame but for the two axes."""
    axes.grid(color="#e9ecef", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, color="#adb5bd")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#adb5bd")


_FIELDS = ("iteration", "residual", "contraction", "error_bound")


def _runs(progress: Iterable[Any] | Mapping[str, Iterable[Any]] | str | os.PathLike[str]) -> dict[str, _Columns]:
    if isinstance(progress, str | os.PathLike):
        return {Path(progress).parent.name: _bellman_columns(_read(progress), Path(progress))}
    if isinstance(progress, Mapping):
        return {name: _fields(items, name) for name, items in progress.items()}
    return {"": _fields(progress, "progress")}


def _fields(items: Iterable[Any], name: str) -> _Columns:
    rows = [[getattr(item, field) for field in _FIELDS] for item in items]
    if not rows:
        raise ConfigError(f"{name} holds no iteration to draw")
    table = np.array([[math.nan if value is None else float(value) for value in row] for row in rows])
    return dict(zip(_FIELDS, table.T, strict=True))


def _bellman_columns(columns: _Columns, path: Path) -> _Columns:
    found = {field: columns.get(f"bellman/{field}") for field in _FIELDS[1:]}
    missing = [f"bellman/{field}" for field, values in found.items() if values is None]
    if missing or "step" not in columns:
        raise ConfigError(f"{path} has no column {', '.join(missing or ['step'])}")
    there = np.isfinite(found["residual"])  # type: ignore[arg-type]
    if not there.any():
        raise ConfigError(f"{path} holds no iteration to draw")
    return {"iteration": columns["step"][there]} | {
        field: values[there] for field, values in found.items() if values is not None
    }


def _read(path: str | os.PathLike[str]) -> _Columns:
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ConfigError(f"{path} holds no rows to draw")
    return {name: np.array([_number(row[name]) for row in rows]) for name in rows[0] if name is not None}


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _arrays(progress: Mapping[str, Iterable[float]]) -> _Columns:
    return {name: np.asarray(list(values), dtype=np.float64) for name, values in progress.items()}
