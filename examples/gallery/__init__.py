"""Textbook figures: each is one short script that measures with rlkit, and sets its numbers beside the published ones.

    python -m examples.gallery                  # all of them, into runs/gallery
    python -m examples.gallery sb_7_2 --quick   # one of them, from a tenth of its runs

Every file of this folder whose name has no leading underscore is a figure. Its docstring's first line is the title, and

    RUNS = 100          how many independent runs there are, with seeds 0, 1, ...
    measure(runs)       makes them, and returns the numbers
    draw(found)         draws the numbers
    compare(found)      lists them beside published ones: `Comparison`s

The published numbers are those of `tests/reference/td.json`, recomputed with many seeds.
"""

from __future__ import annotations

import copy
import functools
import json
import math
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from rlkit.plotting.curves import COLOURS
from rlkit.plotting.figures import new_figure

REFERENCE = Path(__file__).resolve().parents[2] / "tests/reference/td.json"

__all__ = [
    "COLOURS",
    "Comparison",
    "against",
    "agree",
    "books_line",
    "copies",
    "equal",
    "learner",
    "names",
    "near_median",
    "once",
    "published",
    "sheet",
    "sigmas",
]


class Comparison(NamedTuple):
    """A number of ours beside a published one, and how far apart they may be."""

    what: str
    here: float
    published: float
    spread: float

    @property
    def within(self) -> bool:
        """Whether they are as close as that."""
        return abs(self.here - self.published) <= self.spread

    @property
    def tells(self) -> bool:
        """Whether being that close says anything: not where runs differ by as much as the published number itself."""
        return self.published == 0.0 or self.spread < max(abs(self.published), 1e-6)  # rounding is no scatter


def against(what: str, values: Any, mean: float, runs: int) -> Comparison:
    """Compare the mean of independent runs with that of so many others: within `sigmas` standard errors."""
    values = np.asarray(values, np.float64)
    spread = sigmas(values.size) * values.std(ddof=1) * math.sqrt(1.0 / values.size + 1.0 / runs)
    return Comparison(what, float(values.mean()), mean, float(spread))


def sigmas(runs: int) -> float:
    """Return what is as improbable for so many runs as 4 standard errors for very many: Student's t, 1 in 16,000."""
    from scipy.special import stdtrit

    return float(-stdtrit(runs - 1, 3.167e-5))


def equal(what: str, here: float, exact: float, tolerance: float = 1e-8) -> Comparison:
    """Compare what is no matter of chance."""
    return Comparison(what, float(here), exact, tolerance * max(1.0, abs(exact)))


def once(what: str, values: Any, value: float) -> Comparison:
    """Compare with one run, of which there is no mean."""
    return against(what, values, value, 1)


def near_median(what: str, values: Any, median: float, runs: int) -> Comparison:
    """Compare the median of independent runs with that of so many others, a median's standard error being 1.25 sd."""
    values = np.asarray(values, np.float64)
    low, middle, high = np.quantile(values, [0.16, 0.5, 0.84])  # sd without the outliers, for which one takes medians
    spread = sigmas(values.size) * 1.2533 * (high - low) / 2 * math.sqrt(1.0 / values.size + 1.0 / runs)
    return Comparison(what, float(middle), median, float(spread))


def agree(what: str, some: Any, others: Any) -> Comparison:
    """Compare the means of two sets of independent runs of our own."""
    some, others = np.asarray(some, np.float64), np.asarray(others, np.float64)
    spread = sigmas(min(some.size, others.size)) * math.sqrt(
        some.var(ddof=1) / some.size + others.var(ddof=1) / others.size
    )
    return Comparison(what, float(some.mean()), float(others.mean()), spread)


def published(*path: str) -> Any:
    """Return an entry of `td.json`: `published("random_walk_19", "fig7_2_nstep_minima", "4")`."""
    return functools.reduce(lambda entry, key: entry[key], path, _reference())


@functools.cache
def _reference() -> Any:
    return json.loads(REFERENCE.read_text())


def learner(
    kind: Any,
    env_id: str,
    *,
    rules: dict[str, Any] | None = None,
    start: Callable[[int], Any] | None = None,
    **hyperparameters: Any,
) -> Any:
    """Return what `rlkit.train_many` asks for: from a seed, an agent of a kind, and its environment.

    Args:
        kind: the agent's class.
        env_id: the environment's gymnasium id.
        rules: the environment's arguments.
        start: from a seed, the weights to begin with.
        hyperparameters: as for `kind.for_env`.
    """

    new_env = copies(env_id, rules)

    def make(seed: int) -> tuple[Any, Any]:
        env = new_env()
        agent = kind.for_env(env, seed=seed, **hyperparameters)
        if start is not None:
            agent.w[:] = start(seed)
        return agent, env

    return make


def copies(env_id: str, rules: dict[str, Any] | None = None) -> Callable[[], Any]:
    """Return what makes the same environment again and again, but works out its tables only once.

    A copy shares the tables, which never change; its first reset, which has a seed, gives it random numbers of its own.
    """
    prototype = gymnasium.make(env_id, **(rules or {})).unwrapped
    prototype.compiled()
    return lambda: copy.copy(prototype)


def names() -> list[str]:
    """Return the names of all figures."""
    found = [path.stem for path in Path(__file__).parent.glob("[!_]*.py")]
    return sorted(found, key=lambda name: [int(part) if part.isdigit() else part for part in name.split("_")])


def sheet(title: str, columns: int = 1, rows: int = 1, *, width: float = 5.6, height: float = 4.0) -> Any:
    """Make a figure of `rows` x `columns` panels; return it and its axes, in reading order (one panel: its axes)."""
    figure = new_figure(width * columns, height * rows + 0.4)
    figure.set_layout_engine("constrained")
    figure.suptitle(textwrap.fill(title, int(10.7 * width * columns)), fontsize=12)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for each in axes:
        each.grid(color="#e9ecef", linewidth=0.7)
        each.set_axisbelow(True)
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes[0] if len(axes) == 1 else axes


def books_line(axes: Any, level: float, label: str | None = None, colour: str = "#495057", style: str = ":") -> None:
    """Draw a level that is known: an exact value, or a published one."""
    axes.axhline(level, color=colour, linewidth=1.0, linestyle=style, label=label, zorder=1.5)
