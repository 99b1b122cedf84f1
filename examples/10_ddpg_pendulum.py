"""DDPG learns to swing a pendulum up and hold it, with a continuous torque: gymnasium's Pendulum-v1.

The picture has what it has learnt about every angle and speed: how good it is to be there, and what torque it gives.
"""

from pathlib import Path

import gymnasium
import matplotlib.pyplot as plt
import numpy as np
import tyro

import rlkit
from rlkit import plotting
from rlkit.agents import DDPG, preset
from rlkit.evaluation import Evaluation, evaluate


def main(out: Path = Path("runs/10_ddpg_pendulum"), steps: int = 10_000, seed: int = 0) -> float:
    """Train, evaluate, and draw the value and the policy."""
    env, test = gymnasium.make("Pendulum-v1"), gymnasium.make("Pendulum-v1")
    agent = DDPG.for_env(env, **preset("DDPG", "Pendulum-v1"), seed=seed)
    watch = Evaluation(test, every=2500, episodes=5)  # return, and by how much the critic is too hopeful
    folder = rlkit.train(agent, env, steps=steps, directory=out, callbacks=[watch]).folder.path

    finished = evaluate(agent, test, episodes=20)
    mean = float(np.mean([episode.reward for episode in finished]))
    draw(agent, folder / "policy.png")
    print(f"mean return {mean:.0f} over 20 episodes; one that does nothing gets about -1200")
    print(f"{folder}/policy.png, evaluation.png; tensorboard --logdir {folder}")
    return mean


def draw(agent: DDPG, path: Path) -> None:
    """Draw value and action over angle and speed."""
    angle, speed = np.meshgrid(np.linspace(-np.pi, np.pi, 81), np.linspace(-8, 8, 81))
    seen = np.stack([np.cos(angle), np.sin(angle), speed], axis=-1).reshape(-1, 3).astype(np.float32)
    maps = {"value": agent.state_values(seen), "torque (N m)": agent.predict(seen, deterministic=True)[0]}
    figure, parts = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for axes, (title, numbers) in zip(parts, maps.items(), strict=True):
        style = {"cmap": "viridis", "vmax": 0} if title == "value" else {"cmap": "RdBu", "vmin": -2, "vmax": 2}
        mesh = axes.pcolormesh(angle, speed, numbers.reshape(angle.shape), **style, rasterized=True)
        figure.colorbar(mesh, ax=axes)
        axes.set(title=title, xlabel="angle (rad), 0 is upright", ylabel="speed (rad/s)")
    plotting.save(figure, path)


if __name__ == "__main__":
    tyro.cli(main)
