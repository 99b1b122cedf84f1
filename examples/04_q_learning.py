"""Q-learning, measured while it learns: how far are its action values from the exact ones?

The Bellman optimality equation gives q* beforehand, so the learner is judged by its error, not by its return alone:
TensorBoard has it as `truth/...`.
"""

from pathlib import Path

import numpy as np
import tyro

from rlkit import Trainer, plotting
from rlkit.agents import QLearning
from rlkit.envs import GridWorld
from rlkit.truth import TruthCallback

GAMMA = 0.9


def main(out: Path = Path("runs/04_q_learning"), steps: int = 150_000) -> float:
    """Learn Zhao's 5x5 grid world by trying actions at random, and compare with the exact solution."""
    env = GridWorld.load("zhao-5x5")
    watch = TruthCallback(every=500)
    agent = QLearning.for_env(env, gamma=GAMMA, learning_rate=0.1, exploration_final_eps=1.0, seed=0)
    trainer = Trainer(agent, env, callbacks=[watch], directory=out)
    trainer.run(steps)

    folder = trainer.folder.path
    plotting.save(plotting.plot_q(env.model(), agent.q, title="q after learning"), folder / "q.png")
    plotting.save(plotting.plot_learning(watch.history, tags=["max_q_error"], logarithmic=True), folder / "error.png")
    error = float(np.abs(agent.q - watch.yardstick.q).max())
    print(f"after {trainer.step:,} steps: max |q - q*| = {error:.1e}")
    print(f"{folder}/q.png, error.png; tensorboard --logdir {folder}")
    return error


if __name__ == "__main__":
    tyro.cli(main)
