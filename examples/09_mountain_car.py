"""Sarsa(lambda) with tile coding learns to drive an underpowered car out of a valley (Sutton & Barto, chapter 10).

Car, tile coding and update rule run together in one compiled loop, so that a thousand episodes take a moment.
"""

import time
from pathlib import Path

import numpy as np
import tyro

from rlkit import Trainer, plotting
from rlkit.agents import SarsaLambda
from rlkit.envs import MountainCar
from rlkit.features import TileCoding


def main(out: Path = Path("runs/09_mountain_car"), steps: int = 500_000, seed: int = 0) -> float:
    """Train, then let the greedy policy drive from all over the valley."""
    env = MountainCar()
    agent = SarsaLambda.for_env(
        env,
        features=TileCoding.for_env(env, tilings=8, tiles=8),
        gamma=1.0,
        lam=0.9,
        learning_rate=0.5 / 8,  # shared by 8 tilings
        exploration_final_eps=0.0,  # values begin at 0, more than any can be: so everything is tried
        seed=seed,
    )
    trainer = Trainer(agent, env, directory=out, log_every=5000)
    trainer.run(steps // 4)  # if it is the first time, the compiler works meanwhile
    began, learnt = time.perf_counter(), trainer.step
    trainer.run(steps - learnt)
    speed = (steps - learnt) / (time.perf_counter() - began)

    folder = trainer.folder.path
    tags = ["rollout/ep_len_mean", "train/td_error"]
    plotting.save(plotting.plot_learning(folder / "progress.csv", tags=tags), folder / "learning.png")
    taken = [drive(agent, position) for position in np.linspace(-0.6, -0.4, 21)]
    print(f"{np.mean(taken):.0f} steps out of the valley, {max(taken)} at most; learnt at {speed:,.0f} steps a second")
    print(f"{folder}/learning.png; tensorboard --logdir {folder}")
    return float(np.mean(taken))


def drive(agent: SarsaLambda, position: float) -> int:
    """Return how many steps the greedy policy takes from rest; 1000 if it does not get out."""
    env = MountainCar(max_steps=1000)
    observation, _ = env.reset(options={"state": (position, 0.0)})
    for step in range(1, 1001):
        observation, _, terminated, _, _ = env.step(agent.act(observation))
        if terminated:
            return step
    return 1000


if __name__ == "__main__":
    tyro.cli(main)
