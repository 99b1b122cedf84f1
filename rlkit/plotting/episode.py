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
    from matplotlib.figure import Figure


def plot_episode(episode: Sequence[Transition], *, title: str | None = None) -> Figure:
    """Draw what was seen, done and paid in an episode, by step: a line for each entry of observations and actions.

    Args:
        episode: its steps, in order.
        title: what to write above; None for the return and the length.

    Raises:
        ConfigError: when there is no step to draw.
    """
    if not episode:
        raise ConfigError("plot_episode: there is no step to draw")
    rewards = [t.reward for t in episode]
    panels = {
        "observation": _rows([*(t.observation for t in episode), episode[-1].next_observation]),
        "action": _rows([t.action for t in episode]),
        "reward": np.array(rewards)[:, None],
    }
    figure = new_figure(6.4, 5.2)
    axes = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 1.5))
    figure.subplots_adjust(left=0.13, right=0.97, top=0.92, bottom=0.1, hspace=0.12)
    for ax, (name, rows) in zip(axes, panels.items(), strict=True):
        few = rows.shape[1] <= len(COLOURS)
        for i, values in enumerate(rows.T):
            ax.plot(values, color=COLOURS[i % len(COLOURS)], linewidth=1.2 if few else 0.7, alpha=1.0 if few else 0.7)
        ax.set_ylabel(name)
        tidy(ax)
    axes[-1].set_xlabel("step")
    axes[0].set_title(f"return {sum(rewards):.6g} in {len(episode)} steps" if title is None else title, fontsize=11)
    return figure


def _rows(members: Sequence[Any]) -> NDArray[np.float64]:
    """Return observations or actions as numbers, float64 `(T, D)`."""
    return np.array([_flat(member) for member in members])


def _flat(member: Any) -> NDArray[np.float64]:
    if isinstance(member, dict):
        return np.concatenate([_flat(part) for part in member.values()])
    return np.ravel(np.asarray(member, np.float64))
