"""The pictures of `rlkit demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rlkit.bellman import Progress
    from rlkit.cli._learning import Learnt
    from rlkit.cli._steering import Steered

DDPG = "#1f6fb4"  # the colour of what it does
STARTS = (2.0, 0.0), (-1.5, 1.5), (0.0, -2.0)  # position, velocity


def draw(
    folder: Path,
    map: str,
    gamma: float,
    curves: dict[str, list[Progress]],
    learnt: dict[str, Learnt],
    steered: Steered,
) -> list[Path]:
    """Draw what was found, and save it; return the pictures' paths."""
    from rlkit.bellman import optimal_actions, solve
    from rlkit.envs import GridWorld
    from rlkit.plotting import plot_convergence, plot_errors, plot_q, plot_values, save

    model: Any = GridWorld.load(map).model()
    exact = solve(model, gamma, tol=1e-12)
    best = optimal_actions(model, exact.v, gamma)
    prediction = {name: run for name, run in learnt.items() if run.agent.target_policy is not None}
    control = {name: run for name, run in learnt.items() if name not in prediction}
    q = control["Q-learning"].agent.action_values(np.arange(len(best)))
    assert q is not None
    figures = {
        "values.png": plot_values(model, exact.v, policy=best, title=f"{map}: v* and every optimal action"),
        "learnt.png": plot_q(model, q, title="what Q-learning found"),
        "convergence.png": plot_convergence(curves, gamma=gamma, tol=1e-8, title="three ways to the same v*"),
        "prediction.png": _heat_maps(model, gamma, prediction),
        "prediction_errors.png": plot_errors(
            {name: {**run.history, **run.lines} for name, run in prediction.items()},
            title="exact error of the learnt values of the random policy",
        ),
        "control_errors.png": plot_errors(
            {name: run.history for name, run in control.items()}, title="exact error of the learnt values, against v*"
        ),
        "steering.png": _steering(steered),
    }
    return [save(figure, folder / name, dpi=100) for name, figure in figures.items()]


def _heat_maps(model: Any, gamma: float, learnt: dict[str, Learnt]) -> Figure:
    """Draw exact and learnt values side by side, in the same colours."""
    from rlkit.plotting import plot_values
    from rlkit.plotting.figures import new_figure
    from rlkit.truth import exact_values

    uniform = np.full((model.n_states, model.n_actions), 1 / model.n_actions)
    values = {"exact": exact_values(model, gamma, uniform), **{name: run.values for name, run in learnt.items()}}
    across = 3
    down = -(-len(values) // across)
    figure = new_figure(4.2 * across, 3.7 * down)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    figure.subplots_adjust(left=0.04, right=0.94, bottom=0.05, top=0.94, wspace=0.3, hspace=0.2)
    for panel, (name, v) in zip(panels, values.items(), strict=False):
        plot_values(model, v, ax=panel, title=name)
        panel.images[0].set_clim(min(map(np.min, values.values())), max(map(np.max, values.values())))
    for panel in panels[len(values) :]:
        panel.set_axis_off()
    return figure


def _steering(steered: Steered) -> Figure:
    """Draw how the gap to the optimum closes, and how the mass comes to rest under DDPG and under the optimum."""
    from rlkit.cli._steering import GAMMA, mass, path_of
    from rlkit.plotting.figures import new_figure

    figure = new_figure(9.6, 3.9)
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.08, right=0.98, bottom=0.14, top=0.9, wspace=0.22)
    steps = np.array(steered.history["step"]) / 1000
    left.semilogy(steps, 100 * np.array(steered.history["optimality_gap"]), color=DDPG)
    left.yaxis.set_major_formatter("{x:g} %")
    left.set(xlabel="thousand steps", title="what DDPG costs beyond the Riccati optimum")
    K = mass().optimum(GAMMA).K
    for position, velocity in STARTS:
        learnt, best = (path_of(policy, (position, velocity), 60) for policy in (steered.agent, K))
        right.plot(learnt[:, 0], learnt[:, 1], color=DDPG)
        right.plot(best[:, 0], best[:, 1], "k:")
        right.plot(position, velocity, "o", color="grey")
    right.plot([], [], color=DDPG, label="DDPG")
    right.plot([], [], "k:", label="optimum")
    right.plot([], [], "o", color="grey", label="start")
    right.plot(0, 0, "k*", markersize=9, label="at rest")
    right.set(xlabel="position", ylabel="velocity", title="how the mass comes to rest")
    right.legend(frameon=False)
    return figure
