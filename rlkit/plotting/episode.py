"""What happened in one episode, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import ConfigError
from rlkit.plotting.curves import COLOURS, tidy
from rlkit.plotting.figures import new_figure
from rlkit.transition import Transition

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_episode(episode: Sequence[Transition], *, title: str | None = None) -> Figure:
    """Draw what was seen, done and paid in an episode, by step: a line for each entry of observations and actions.

    A legend numbers the entries, and names the part of a dict that each is of; of many, it has some, evenly spread.

    Args:
        episode: its steps, in order.
        title: what to write above the return and the length.

    Raises:
        ConfigError: when there is no step to draw.
    """
    if not episode:
        raise ConfigError("plot_episode: there is no step to draw")
    rewards = [t.reward for t in episode]
    seen = [*(t.observation for t in episode), episode[-1].next_observation]
    figure = new_figure(6.4, 5.2)
    figure.set_layout_engine("constrained")
    above, middle, below = axes = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 1.5))
    _curves(above, _rows(seen), _labels(seen[0]))
    _curves(middle, _rows([t.action for t in episode]), _labels(episode[0].action))
    _curves(below, np.array(rewards)[:, None], [""])
    for ax, name in zip(axes, ("observation", "action", "reward"), strict=True):
        ax.set_ylabel(name)
        tidy(ax)
    below.set_xlabel("step")
    result = f"return {sum(rewards):.6g} in {len(episode)} steps"
    above.set_title(result if title is None else f"{title}\n{result}", fontsize=11)
    return figure


def _curves(ax: Axes, rows: NDArray[np.float64], labels: list[str]) -> None:
    """Draw a line for each column; colours of few differ, those of many run from dark to light."""
    from matplotlib import colormaps

    many = len(labels) > len(COLOURS)
    colours = colormaps["viridis"](np.linspace(0.0, 0.95, len(labels))) if many else COLOURS
    shown = set(np.linspace(0, len(labels) - 1, min(len(labels), len(COLOURS))).round().astype(int).tolist())
    for i, values in enumerate(rows.T):
        ax.plot(values, color=colours[i], linewidth=0.8 if many else 1.2, label=labels[i] if i in shown else None)
    if len(labels) > 1:
        ax.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), handlelength=1.0)


def _rows(members: Sequence[Any]) -> NDArray[np.float64]:
    """Return observations or actions as numbers, float64 `(T, D)`."""
    return np.array([_flat(member) for member in members])


def _labels(member: Any) -> list[str]:
    """Return what to call each number of an observation or an action: its place, after the key in a dict."""
    if isinstance(member, dict):
        return [f"{key} {label}" for key, part in member.items() for label in _labels(part)]
    return [str(i) for i in range(np.size(member))]


def _flat(member: Any) -> NDArray[np.float64]:
    if isinstance(member, dict):
        return np.concatenate([_flat(part) for part in member.values()])
    return np.ravel(np.asarray(member, np.float64))
