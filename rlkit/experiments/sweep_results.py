"""What a sweep leaves in its folder beside the runs: `trials.csv`, `best.toml`, and pictures."""

from __future__ import annotations

import csv
import io
import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rlkit.experiments.search import Between, label_of
from rlkit.experiments.sweeps import Sweep, Trial, read_description
from rlkit.files import write_whole

if TYPE_CHECKING:
    import optuna
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = 8  # complete trials below which nothing is said of what matters
_COLOURS = {"complete": "#1f6fb4", "pruned": "#adb5bd"}
_BEST = "#e8590c"


def write_results(found: Sweep, steps: int) -> None:
    """Write `trials.csv` and, once a trial is complete, `best.toml`."""
    _write(found.directory / "trials.csv", _csv(found))
    if found.best is not None:
        _write(found.directory / "best.toml", best_toml(found, found.best, steps))


def write_pictures(found: Sweep) -> None:
    """Write `history.png` and `hyperparameters.png`, once there is something to see."""
    from rlkit.plotting import save

    if any(trial.value is not None for trial in found.trials):
        save(plot_history(found), found.directory / "history.png")
        save(plot_hyperparameters(found), found.directory / "hyperparameters.png")


def best_toml(found: Sweep, best: Trial, steps: int) -> str:
    """Return a trial's hyperparameters, all that differ from the agent's own, as `rlkit train --config` reads them."""
    config, environment = found.config_of(best), read_description(found.directory)["environment"]
    own = found.agent.Config().to_dict()
    given = {name: value for name, value in config.to_dict().items() if value != own[name] or name in found.space}
    seeds = "one seed" if len(best.values) == 1 else f"the mean of {len(best.values)} seeds"
    lines = [f"# Trial {best.number} of {len(found.trials)}: {found.metric} {best.value:.6g}, {seeds}."]
    lines += [f"environment = {_toml(environment['id'])}"]
    lines += [f"env_kwargs = {_toml(environment['arguments'])}"] if environment["arguments"] else []
    lines += [f"steps = {steps}", "", f"[{found.agent.__name__}]"]
    for name, value in given.items():
        unsaid = f"# {name} is {json.dumps(value)}, which TOML cannot say"
        lines.append(unsaid if _lists_none(value) else f"{name} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def importances(study: optuna.Study) -> dict[str, float]:
    """Return how much each hyperparameter matters among the good trials, shares of 1; nothing where trials are few.

    PED-ANOVA (Watanabe, Bansal & Hutter 2023), by Optuna.
    """
    import optuna

    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(complete) < FEW or len({trial.value for trial in complete}) == 1:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # as it was before Optuna 5
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def plot_history(found: Sweep) -> Figure:
    """Draw every trial's value by its number, and the best so far."""
    from matplotlib.ticker import MaxNLocator

    from rlkit.plotting.curves import tidy
    from rlkit.plotting.figures import new_figure

    figure = new_figure(7.2, 4.2)
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    _scale(axes, found)
    for state, colour in _COLOURS.items():
        shown, values = _shown(found, state)
        numbers = [trial.number for trial in shown]
        axes.scatter(numbers, values, s=22, color=colour, label=state, zorder=3 if state == "complete" else 2)
    steps = np.array(list(_best_so_far(found))).reshape(-1, 2)  # [N, (trial, value)]
    axes.step(steps[:, 0], steps[:, 1], where="post", color=_BEST, linewidth=1.4, label="best so far")
    lost = [trial.number for trial in found.trials if trial.error is not None]
    if lost:
        to_edge = axes.get_xaxis_transform()
        axes.scatter(lost, [0.02] * len(lost), marker="x", s=28, color="#c92a2a", transform=to_edge, label="no value")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial")
    axes.set_ylabel(found.metric)
    axes.set_title(f"{found.agent.__name__}: {len(found.trials)} trials", fontsize=11)
    axes.legend(fontsize=8, frameon=False, loc="best")
    tidy(axes)
    return figure


def plot_hyperparameters(found: Sweep) -> Figure:
    """Draw every trial's value by each hyperparameter's, those that matter most first."""
    from rlkit.plotting.curves import tidy
    from rlkit.plotting.figures import new_figure

    shares = found.importances
    names = sorted(found.space, key=lambda name: -shares.get(name, 0.0))
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(0.7 + 2.9 * columns, 0.5 + 2.6 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for place, axes in enumerate(grid.flat):
        if place >= len(names):
            axes.set_axis_off()
            continue
        _scale(axes, found)
        _scatter(axes, found, names[place])
        share = f"  ({shares[names[place]]:.0%})" if names[place] in shares else ""
        axes.set_title(f"{names[place]}{share}", fontsize=9)
        tidy(axes)
    for row in grid:
        row[0].set_ylabel(found.metric, fontsize=8)
    figure.tight_layout()
    return figure


def _scatter(axes: Axes, found: Sweep, name: str) -> None:
    """Draw the values that trials had by one hyperparameter."""
    dimension = found.space[name]
    labels = [] if isinstance(dimension, Between) else [label_of(choice) for choice in dimension.choices]

    def place_of(trial: Trial) -> float:
        value = trial.hyperparameters[name]
        if isinstance(dimension, Between):
            return float(value)
        spread = 0.3 * math.modf(trial.number * 0.6180339887)[0] - 0.15  # so that equals do not hide each other
        return labels.index(label_of(value)) + spread

    for state, colour in _COLOURS.items():
        shown, values = _shown(found, state)
        axes.scatter([place_of(trial) for trial in shown], values, s=16, color=colour)
    if (best := found.best) is not None and best.value is not None:
        axes.scatter([place_of(best)], [best.value], s=60, facecolors="none", edgecolors=_BEST, linewidths=1.6)
    if isinstance(dimension, Between):
        _ticks(axes, dimension)
    else:
        axes.set_xticks(range(len(labels)), [str(label) for label in labels])
        axes.set_xlim(-0.5, len(labels) - 0.5)


def _ticks(axes: Axes, dimension: Between) -> None:
    """Show all of a range; on a log scale that has no two decades, with its ends alone written down."""
    from matplotlib.ticker import NullFormatter

    low, high = float(dimension.low), float(dimension.high)
    if dimension.log:
        axes.set_xscale("log")
        margin = (high / low) ** 0.04
        axes.set_xlim(low / margin, high * margin)
        axes.xaxis.set_minor_formatter(NullFormatter())
        if high < 100.0 * low:
            axes.set_xticks([low, high], [f"{low:g}", f"{high:g}"])
    else:
        margin = 0.04 * (high - low)
        axes.set_xlim(low - margin, high + margin)


def _shown(found: Sweep, state: str) -> tuple[list[Trial], list[float]]:
    """Return the trials of a state that have a value, and the values."""
    shown = [trial for trial in found.trials if trial.state == state and trial.value is not None]
    return shown, [float(trial.value) for trial in shown if trial.value is not None]


def _scale(axes: Axes, found: Sweep) -> None:
    """Show errors on a log scale, and of all else what is not hopelessly bad."""
    values = np.array([trial.value for trial in found.trials if trial.value is not None])
    if found.direction == "minimize" and (values > 0).all():
        axes.set_yscale("log")
        return
    first, median, third = np.quantile(values, (0.25, 0.5, 0.75))
    reach = 3.0 * max(third - first, 1e-12 * abs(median), 1e-300)
    low, high = max(values.min(), first - reach), min(values.max(), third + reach)
    low, high = (low, values.max()) if found.direction == "maximize" else (values.min(), high)
    margin = 0.05 * (high - low) or 0.5
    axes.set_ylim(low - margin, high + margin)


def _best_so_far(found: Sweep) -> Iterator[tuple[int, float]]:
    better = max if found.direction == "maximize" else min
    best: float | None = None
    for trial in found.trials:
        if trial.state == "complete" and trial.value is not None:
            best = trial.value if best is None else better(best, trial.value)
        if best is not None:
            yield trial.number, best


def _csv(found: Sweep) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    most = max((len(trial.values) for trial in found.trials), default=0)
    seeds = [f"value_{place}" for place in range(most)]
    writer.writerow(["trial", "state", "value", *found.space, *seeds, "error"])
    for trial in found.trials:
        values = [*trial.values, *[None] * (most - len(trial.values))]
        chosen = [_spelt(label_of(trial.hyperparameters.get(name))) for name in found.space]
        writer.writerow(
            [trial.number, trial.state, *map(_spelt, [trial.value]), *chosen, *map(_spelt, values), trial.error or ""]
        )
    return stream.getvalue()


def _spelt(value: Any) -> str:
    return "" if value is None else str(value)


def _lists_none(value: Any) -> bool:
    """Whether a value is None, or a list that holds one at any depth; a table can do without it."""
    if isinstance(value, Mapping):
        return any(item is not None and _lists_none(item) for item in value.values())
    within = isinstance(value, Sequence) and not isinstance(value, str)
    return value is None or (within and any(map(_lists_none, value)))


def _toml(value: Any) -> str:
    """Spell plain data as TOML has it, tables in one line; what is None is left out."""
    if isinstance(value, Mapping):
        items = ", ".join(f"{_key(name)} = {_toml(item)}" for name, item in value.items() if item is not None)
        return f"{{ {items} }}" if items else "{}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)  # which spells numbers, texts and truths as TOML does


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("-", "_").isidentifier() else json.dumps(name, ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    write_whole(path, lambda stream: stream.write(text.encode()))
