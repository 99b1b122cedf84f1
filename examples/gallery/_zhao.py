"""TD(0) with linear features on Zhao's 5x5 grid, for figures 8.6 to 8.8."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

import rlkit
from examples.gallery import COLOURS, Comparison, against, books_line, equal, learner, published
from rlkit.agents import LinearTD
from rlkit.plotting.figures import new_figure
from rlkit.truth import best_representable, exact_values, td_fixed_point

ENV: Any = gymnasium.make("rlkit/Zhao5x5-v0").unwrapped
GAMMA, EPISODES, STEPS, EVERY, ALPHA = 0.9, 500, 500, 5, 5e-4
POLICY = np.full((25, 5), 0.2)
EXACT = exact_values(ENV, GAMMA, POLICY)
UNIFORM = np.full(25, 1 / 25)  # the policy's stationary distribution


def study(features: Any, runs: int) -> dict[str, Any]:
    """Learn with some features; find the least error that they allow, and that of TD's fixed point."""
    chain, Phi = ENV.model().to_finite_mdp().induced_by(POLICY), features.matrix(ENV)
    make = learner(
        LinearTD,
        "rlkit/Zhao5x5-v0",
        rules={"max_steps": STEPS},
        start=lambda seed: np.random.default_rng(seed).standard_normal(features.n_features),
        policy=POLICY,
        features=features,
        gamma=GAMMA,
        learning_rate=ALPHA,
    )
    done = rlkit.train_many(make, range(runs), episodes=EPISODES, every=EVERY, record=lambda agent: rmse(Phi @ agent.w))
    return {
        "errors": np.asarray(done.records),  # [runs, EPISODES / EVERY + 1]
        "values": Phi @ done.agents[0].w,  # [25]
        "best": best_representable(Phi, EXACT, UNIFORM).error,
        "fixed point": rmse(Phi @ td_fixed_point(chain.transitions, chain.rewards, Phi, UNIFORM, GAMMA).w),
    }


def rmse(v: NDArray[np.float64]) -> float:
    """Return the root mean squared error of values `(25,)`."""
    return float(np.sqrt(((v - EXACT) ** 2).mean()))


def surface(axes: Any, v: NDArray[np.float64], title: str) -> None:
    """Draw values `(25,)` over the grid, as the book does: the row goes to the right, the column to the back."""
    row, column = np.meshgrid(np.arange(1, 6), np.arange(1, 6), indexing="ij")
    axes.plot_surface(
        column, row, v.reshape(5, 5), cmap="viridis", vmin=-5, vmax=-2, edgecolor="#495057", linewidth=0.4
    )
    axes.set(xlabel="column", ylabel="row", zlim=(-5, -2), xticks=range(1, 6), yticks=range(1, 6))
    axes.set_title(title, fontsize=10)
    axes.view_init(25, -125)


def draw(found: dict[str, Any], book: dict[str, str], title: str) -> Any:
    """Draw the first run's values beside the exact ones, and the errors of all runs with what they come to.

    Args:
        found: what `study` returned, by the features' label.
        book: the name in `td.json` of each.
        title: the figure's.
    """
    figure = new_figure(4.1 * len(found), 8.0)
    figure.set_layout_engine("constrained")
    figure.suptitle(title, fontsize=12)
    curves = published("zhao_5x5", "book_curve_digitised_from_pdf_vectors")
    for i, (label, each) in enumerate(found.items()):
        surface(figure.add_subplot(2, len(found), i + 1, projection="3d"), each["values"], label)
        axes = figure.add_subplot(2, len(found), len(found) + i + 1)
        episodes = np.arange(0, EPISODES + 1, EVERY)
        axes.fill_between(episodes, each["errors"].min(axis=0), each["errors"].max(axis=0), color="#d0ebff")
        axes.plot(episodes, each["errors"].mean(axis=0), color=COLOURS[0], label=f"TD(0), {len(each['errors'])} runs")
        books_line(axes, each["fixed point"], "TD fixed point", COLOURS[1], "--")
        books_line(axes, each["best"], "best of these features", "black")
        curve = curves[book[label]]
        axes.plot([100, 500], [curve["at100"], curve["end"]], "x", color=COLOURS[4], label="the book's run")
        axes.set(xlabel="episode", ylabel="RMSE", ylim=(0, 5))
        _zoom(axes, episodes, each, curve)
        axes.legend(frameon=False, fontsize=8, loc="upper right")
    return figure


def _zoom(axes: Any, episodes: Any, each: dict[str, Any], curve: dict[str, Any]) -> None:
    """Draw the ends of the curves once more, larger."""
    inset = axes.inset_axes((0.32, 0.2, 0.65, 0.35))
    inset.fill_between(episodes, each["errors"].min(axis=0), each["errors"].max(axis=0), color="#d0ebff")
    inset.plot(episodes, each["errors"].mean(axis=0), color=COLOURS[0])
    inset.plot([500], [curve["end"]], "x", color=COLOURS[4], clip_on=False)
    books_line(inset, each["fixed point"], colour=COLOURS[1], style="--")
    books_line(inset, each["best"], colour="black")
    inset.set(xlim=(200, 500), ylim=(0, 0.35))
    inset.tick_params(labelsize=7)


def compare(found: dict[str, Any], book: dict[str, str]) -> list[Comparison]:
    """Compare floors and fixed points with the exact ones, and the error after 500 episodes with 50 seeds' mean."""
    rows = []
    for label, each in found.items():
        exact = published("zhao_5x5", "exact_all_errors_gt_misc", book[label])
        sampled = published("zhao_5x5", "sampled_TD0_alpha5e-4_500ep_x_500steps_w0~N(0,1)_50seeds", book[label])
        rows += [
            equal(f"{label}: best RMSE", each["best"], exact["best"]["rmsve"]),
            equal(f"{label}: TD fixed point", each["fixed point"], exact["td"]["rmsve"]),
            against(f"{label}: after 500", each["errors"][:, -1], sampled["td_after_500ep_x500_mean"], 50),
        ]
    return rows
