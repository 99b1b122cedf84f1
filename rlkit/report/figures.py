"""A report's pictures: plates of panels, drawn together into a file or one by one into the page."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rlkit.plotting.curves import COLOURS, tidy
from rlkit.plotting.figures import new_figure
from rlkit.plotting.glyphs import INK
from rlkit.report.analysis import LEAST, ROUNDING, Report
from rlkit.report.comparing import is_better_low
from rlkit.report.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Line: TypeAlias = Literal["-", "--", ":", "-."]

LINES: tuple[Line, ...] = ("-", "--", ":", "-.")  # the second eight methods are dashed, and so on
EXACT = 1e-9  # an error up to which features represent the answer exactly, and need no line
MOST_PAIRS = 20  # of methods whose probability of improvement is drawn
ACROSS = 3  # panels in a row
WIDTH, HEIGHT = 4.4, 3.1  # inches of a panel
LONGEST = 30  # characters of a name in a picture
DECADES = 100.0  # the range from which on errors are drawn on a log scale


class Look(NamedTuple):
    """A method's colour and kind of line."""

    colour: str
    line: Line


class Panel(NamedTuple):
    """One pair of axes: its title, what draws on it, and its height in inches."""

    title: str
    draw: Callable[[Axes], None]
    height: float = HEIGHT


class Plate(NamedTuple):
    """Panels that belong together.

    Attributes:
        name: of the files.
        title, caption: what it shows, and how to read it.
        panels: at least one.
        legend: whether colours have to be explained.
    """

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    legend: bool


def plates(report: Report) -> list[Plate]:
    """Return all pictures of a report, in the order in which to read them."""
    band = f"Bands and bars are {report.confidence:.0%} stratified bootstrap intervals ({report.reps:,} samples)."
    found = [_learning(report, report.metric, "curves", "Learning curves", f"Interquartile mean by step. {band}")]
    if report.efficiency is not None:
        caption = f"Interquartile mean of the normalised scores of all environments. {band}"
        panel = Panel("", functools.partial(_draw_efficiency, report))
        found.append(Plate("efficiency", "Sample efficiency", caption, (panel,), True))
    if report.aggregates:
        found.append(_aggregates(report, band))
    if report.profile is not None:
        side = "less" if report.profile.below else "more"
        caption = f"Share of runs that score {side} than the number on the axis: the higher, the better. {band}"
        panel = Panel("", functools.partial(_draw_profile, report))
        found.append(Plate("profiles", "Performance profiles", caption, (panel,), True))
    if report.improvement:
        pairs = _pairs(report)
        some = "" if len(pairs) == len(report.improvement) else " Of so many pairs, those of the best method are shown."
        caption = f"How probably a run of X beats one of Y in the same environment.{some} {band}"
        panel = Panel("", functools.partial(_draw_improvement, report, pairs), 0.75 + 0.4 * len(pairs))
        found.append(Plate("improvement", "Probability of improvement", caption, (panel,), False))
    for tag in report.truths:
        name = tag.replace("/", "_")
        lines = " Dotted: the least that the features allow; dashed: the TD fixed point." if _has_lines(report) else ""
        limits = lines if tag == "truth/rmsve" else ""
        caption = f"Against the exact answer, interquartile mean by step.{limits} {band}"
        found.append(_learning(report, tag, name, tag.removeprefix("truth/"), caption))
    return found


def draw(plate: Plate, report: Report) -> Figure:
    """Draw all panels of a plate on one figure, with a legend."""
    across = 2 if len(plate.panels) == 4 else min(ACROSS, len(plate.panels))
    down = -(-len(plate.panels) // across)
    extra = 0.3 * -(-len(report.methods) // across) if plate.legend else 0.0
    figure = new_figure(WIDTH * across, plate.panels[0].height * down + extra + 0.3)
    figure.set_layout_engine("constrained")
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, panel in zip(grid, plate.panels, strict=False):
        _draw_panel(axes, panel)
    for axes in grid[len(plate.panels) :]:
        axes.set_axis_off()
    figure.suptitle(plate.title, fontsize=12, color=INK)
    if plate.legend:
        from matplotlib.lines import Line2D

        looks = [look_of(report, method) for method in report.methods]
        handles = [Line2D([], [], color=look.colour, linestyle=look.line, linewidth=2) for look in looks]
        names = [written(method) for method in report.methods]
        figure.legend(
            handles, names, loc="outside lower center", ncols=across, fontsize=8, frameon=False, labelcolor=INK
        )
    return figure


def draw_alone(panel: Panel) -> Figure:
    """Draw one panel on a figure of its own, without a legend."""
    figure = new_figure(WIDTH, panel.height)
    figure.set_layout_engine("constrained")
    _draw_panel(figure.subplots(), panel)
    return figure


def look_of(report: Report, method: str) -> Look:
    """Return a method's colour and kind of line, the same in all pictures."""
    place = report.comparison.methods.index(method)
    return Look(COLOURS[place % len(COLOURS)], LINES[place // len(COLOURS) % len(LINES)])


def written(name: str) -> str:
    """Return a name as matplotlib writes it to the letter: shortened, no formula, and seen by legends."""
    half = LONGEST // 2
    text = name if len(name) <= LONGEST else f"{name[:half]}…{name[1 - half :]}"
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def _draw_panel(axes: Axes, panel: Panel) -> None:
    tidy(axes)
    panel.draw(axes)
    axes.tick_params(labelcolor=INK)
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set(color=INK, fontsize=9)
    if panel.title:
        axes.set_title(written(panel.title), fontsize=10, color=INK)


def _has_lines(report: Report) -> bool:
    found = [each.estimate.value[-1] for each in report.curves if each.tag in LEAST]
    return max(found, default=0.0) > EXACT


def _learning(report: Report, tag: str, name: str, title: str, caption: str) -> Plate:
    tasks = [
        task for task in report.comparison.tasks if any((each.tag, each.task) == (tag, task) for each in report.curves)
    ]
    panels = tuple(Panel(task, functools.partial(_draw_curves, report, tag, task)) for task in tasks)
    return Plate(name, title, caption, panels, True)


def _draw_curves(report: Report, tag: str, task: str, axes: Axes) -> None:
    shown = [each for each in report.curves if (each.tag, each.task) == (tag, task)]
    for each in shown:
        look = look_of(report, each.method)
        _line(axes, each.curve.steps, each.estimate, look)
        for least, kind in zip(LEAST, (":", "--"), strict=True) if tag == "truth/rmsve" else ():
            limit = report.curve(least, each.method, task)
            if limit is not None and limit.estimate.value[-1] > EXACT:
                axes.axhline(limit.estimate.value[-1], color=look.colour, linestyle=kind, linewidth=1)
    if tag.startswith("truth/") and is_better_low(tag):
        _errors_by_magnitude(axes, np.concatenate([each.estimate.value for each in shown]))
    axes.set_xlabel("step")
    axes.set_ylabel(written(tag))
    _thousands(axes)


def _draw_efficiency(report: Report, axes: Axes) -> None:
    assert report.efficiency is not None
    lengths = {report.compared_at[task] for task in report.tasks}
    same = len(lengths) == 1
    full = max(lengths) if same else 100.0
    for method, estimate in report.efficiency.estimates.items():
        _line(axes, full * report.efficiency.shares, estimate, look_of(report, method))
    axes.set_xlabel("step" if same else "steps, % of what is compared")
    if same:
        _thousands(axes)
    axes.set_ylabel(f"normalised {written(report.metric)}")


def _draw_profile(report: Report, axes: Axes) -> None:
    assert report.profile is not None
    steps: Literal["pre", "post"] = "pre" if report.profile.below else "post"
    for method, estimate in report.profile.estimates.items():
        _line(axes, report.profile.thresholds, estimate, look_of(report, method), steps=steps)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(("normalised " if report.scales else "") + written(report.metric))
    axes.set_ylabel("share of runs")


def _aggregates(report: Report, band: str) -> Plate:
    height = 0.8 + 0.3 * len(report.methods)
    panels = tuple(Panel(name, functools.partial(_draw_aggregate, report, name), height) for name in report.aggregates)
    of = "normalised scores of all environments" if report.scales else f"scores on {report.tasks[0]}"
    least = " Of the optimality gap, less is better." if "optimality gap" in report.aggregates else ""
    return Plate("aggregates", "Aggregates", f"Of the {of}, when they are compared.{least} {band}", panels, False)


def _draw_aggregate(report: Report, name: str, axes: Axes) -> None:
    by_method = report.aggregates[name]
    _bars(
        axes,
        [written(method) for method in by_method],
        list(by_method.values()),
        [look_of(report, method).colour for method in by_method],
    )


def _pairs(report: Report) -> list[tuple[str, str]]:
    """Return the pairs of methods to draw: all, or of many, the first ones of the method that beats most others."""
    pairs = list(report.improvement)
    if len(pairs) <= MOST_PAIRS:
        return pairs
    chances: dict[str, list[float]] = {method: [] for method in report.methods}
    for (x, y), estimate in report.improvement.items():
        chances[x].append(estimate.value)
        chances[y].append(1.0 - estimate.value)
    best = max(chances, key=lambda method: float(np.mean(chances[method])))
    return [pair for pair in pairs if best in pair][:MOST_PAIRS]


def _draw_improvement(report: Report, pairs: Sequence[tuple[str, str]], axes: Axes) -> None:
    names = [f"{written(x)}\n> {written(y)}" for x, y in pairs]
    colours = [look_of(report, x).colour for x, _ in pairs]
    _bars(axes, names, [report.improvement[pair] for pair in pairs], colours)
    axes.axvline(0.5, color="#adb5bd", linewidth=1)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("P(X > Y)")


def _bars(axes: Axes, names: Sequence[str], estimates: Sequence[Estimate], colours: Sequence[str]) -> None:
    """Draw intervals one below the other, with a mark at each estimate."""
    from matplotlib.ticker import MaxNLocator

    for place, (estimate, colour) in enumerate(zip(estimates, colours, strict=True)):
        if math.isfinite(estimate.low):
            axes.plot(
                [estimate.low, estimate.high],
                [place, place],
                color=colour,
                linewidth=7,
                alpha=0.35,
                solid_capstyle="butt",
            )
        axes.plot([estimate.value], [place], color=colour, marker="|", markersize=13, markeredgewidth=2.5)
    axes.xaxis.set_major_locator(MaxNLocator(4))  # so few that numbers of many digits do not touch
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.margins(x=0.08)


def _line(
    axes: Axes,
    x: Floats,
    estimate: Estimate,
    look: Look,
    *,
    steps: Literal["pre", "post"] | None = None,
) -> None:
    """Draw an estimate and its band; where it is constant between two points, by `steps` to the next or last one."""
    mark: dict[str, Any] = {"marker": ".", "markersize": 5} if len(x) <= 20 and steps is None else {}
    if steps is not None:
        mark = {"drawstyle": f"steps-{steps}"}
    axes.plot(x, estimate.value, color=look.colour, linestyle=look.line, linewidth=1.6, **mark)
    axes.fill_between(x, estimate.low, estimate.high, color=look.colour, alpha=0.18, linewidth=0, step=steps)


def _errors_by_magnitude(axes: Axes, values: Floats) -> None:
    """Draw errors over decades on a log scale, which ends where rounding begins: what is less lies on its edge."""
    largest = float(values.max())
    counted = values[values > ROUNDING * largest]
    if not counted.size or values.min() < 0 or largest <= DECADES * counted.min():
        return
    axes.set_yscale("log", nonpositive="clip")
    lowest = ROUNDING * largest if counted.size == values.size else max(ROUNDING * largest, counted.min() / 10.0)
    if axes.get_ylim()[0] < lowest:
        axes.set_ylim(bottom=lowest)


def _thousands(axes: Axes) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
