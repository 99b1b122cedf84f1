"""DDPG finds the optimal linear feedback: the exact gap to the Riccati optimum is watched while it learns.

A mass on a line is pushed until it rests at 0 (a double integrator). That the best policy is u = -K x, and which K,
Riccati's equation says; DDPG knows nothing of it, and has a network in place of K.
"""

from pathlib import Path

import gymnasium
import tyro

import rlkit
from rlkit import plotting
from rlkit.agents import DDPG, preset
from rlkit.truth import TruthCallback, gain_error, optimality_gap


def main(out: Path = Path("runs/13_ddpg_lqr"), steps: int = 25_000, seed: int = 0) -> float:
    """Train, and say what the policy costs beyond the optimum."""
    env = gymnasium.make("rlkit/LinearQuadratic-v0")
    agent = DDPG.for_env(env, **preset("DDPG", env.spec.id), seed=seed)
    gamma = agent.config.gamma
    watch = TruthCallback(every=max(1, steps // 50))
    folder = rlkit.train(agent, env, steps=steps, directory=out, callbacks=[watch]).folder.path

    found = optimality_gap(agent, env, gamma)
    figure = plotting.plot_errors({"DDPG": watch.history}, tag="optimality_gap")
    axes = figure.axes[0]
    axes.set(xscale="linear", ylabel="", title="optimality gap: what DDPG costs beyond the Riccati optimum")
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    axes.get_legend().remove()
    plotting.save(figure, folder / "gap.png")
    cost, error, off = 100 * found.gap, 100 * found.standard_error, 100 * gain_error(agent, env, gamma)
    print(f"costs {cost:.2f} +- {error:.2f} % more than the optimum; its slope at 0 is {off:.0f} % off the best")
    print(f"{folder}/gap.png; tensorboard --logdir {folder}")
    return found.gap


if __name__ == "__main__":
    tyro.cli(main)
