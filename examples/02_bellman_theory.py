"""What the Bellman optimality equation says about a 5x5 grid (Zhao, sections 3.4 and 3.5), in one figure.

A small gamma makes values short-sighted; a large penalty makes the policy walk around what is forbidden; and rewards
changed to a r + b change v* to a v* + b / (1 - gamma) but no optimal action.
"""

from pathlib import Path

import numpy as np
import tyro
from matplotlib.figure import Figure

from rlkit import bellman, plotting
from rlkit.envs import GridWorld
from rlkit.run import RunFolder

A, B = 2.0, 1.0
RESCALED = {"step_reward": B, "goal_reward": A + B, "forbidden_reward": B - A, "boundary_reward": B - A}


def main(out: Path = Path("runs/02_bellman_theory")) -> dict[str, bellman.Solution]:
    """Solve the grid under five questions, draw the answers side by side, and measure the invariance."""
    folder = RunFolder.fresh(out).path
    questions = {
        "gamma 0.9": (0.9, {}),
        "gamma 0.5": (0.5, {}),
        "gamma 0": (0.0, {}),
        "gamma 0.9, forbidden -10": (0.9, {"forbidden_reward": -10.0}),
        f"gamma 0.9, {A:g} r + {B:g}": (0.9, RESCALED),
    }
    figure, answers = Figure(figsize=(15, 9.4)), {}
    panels = figure.subplots(2, 3, gridspec_kw={"left": 0.03, "right": 0.96, "bottom": 0.05, "top": 0.95}).ravel()
    for axes, (title, (gamma, rules)) in zip(panels, questions.items(), strict=False):
        model = GridWorld.load("zhao-5x5", **rules).model()
        with bellman.BellmanLogger(folder / title.replace(" ", "_"), model) as log:
            answers[title] = bellman.value_iteration(model, gamma, callback=log)
        best = bellman.optimal_actions(model, answers[title].v, gamma)
        plotting.plot_values(model, answers[title].v, policy=best, ax=axes, title=title)
    for title, colour in (("gamma 0.9", "C0"), ("gamma 0.5", "C1")):
        v, errors = np.zeros(25), []
        for _ in range(40):  # value iteration, by hand: v <- T v
            errors.append(np.abs(v - answers[title].v).max())
            v = answers[title].model.backup(v, answers[title].gamma)
        panels[5].semilogy(errors, ".", color=colour, label=f"max |v_k - v*|, {title}")
        panels[5].semilogy(
            errors[0] * answers[title].gamma ** np.arange(40), ":", color=colour, label="gamma^k max |v*|"
        )
    panels[5].set(title="value iteration contracts by gamma", xlabel="k", box_aspect=1)
    panels[5].legend()
    plotting.save(figure, folder / "theory.png", dpi=100)

    plain, scaled = answers["gamma 0.9"], answers[f"gamma 0.9, {A:g} r + {B:g}"]
    gap = np.abs(scaled.v - (A * plain.v + B / (1 - 0.9))).max()
    print(
        f"max |v' - (a v* + b / (1 - gamma))| = {gap:.0e}; same policy: {np.array_equal(plain.policy, scaled.policy)}"
    )
    print(f"{folder}/theory.png; tensorboard --logdir {folder}")
    return answers


if __name__ == "__main__":
    tyro.cli(main)
