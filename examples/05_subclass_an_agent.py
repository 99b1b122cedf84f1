"""An agent of your own is one class: how it acts, and how it learns from one transition.

It saves, resumes to the bit, logs, and is measured against the exact answer with no more code.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

import rlkit
from rlkit import Agent, bellman, bounded, plotting
from rlkit.envs import GridWorld


class DoubleQLearning(Agent):
    """Double Q-learning (van Hasselt 2010), tabular."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Agent.Config):
        """Hyperparameters, with their ranges."""

        learning_rate: float = bounded(0.1, above=0, up_to=1)
        epsilon: float = bounded(0.1, at_least=0, up_to=1)

    def setup(self):
        self.q = np.zeros((2, self.observation_space.n, self.action_space.n))  # [2, S, A]

    def act(self, observation, *, explore=False):
        if explore and self.rng.random() < self.config.epsilon:
            return int(self.rng.integers(self.action_space.n))
        return int(self.q[:, observation].sum(axis=0).argmax())

    def update(self, t):
        i = self.rng.integers(2)  # the table that moves
        best = self.q[i, t.next_observation].argmax()
        bootstrap = 0.0 if t.terminated else self.q[1 - i, t.next_observation, best]
        error = t.reward + self.config.gamma * bootstrap - self.q[i, t.observation, t.action]
        self.q[i, t.observation, t.action] += self.config.learning_rate * error
        return {"td_error": float(error)}


def main(out: Path = Path("runs/05_subclass_an_agent"), steps: int = 150_000) -> float:
    """Train it on a small grid world, load it from its file, and compare with the exact solution."""
    env = GridWorld("S . . #\n. X . G\n. . . .", step_reward=-0.04, max_steps=200)
    agent = DoubleQLearning.for_env(env, gamma=0.95, epsilon=0.5, seed=0)
    folder = rlkit.train(agent, env, steps=steps, directory=out).folder.path
    agent.save(folder / "agent.npz")
    again = DoubleQLearning.load(folder / "agent.npz")

    exact = bellman.solve(env.model(), gamma=0.95)
    learnt = again.q.mean(axis=0)  # [S, A]
    plotting.save(plotting.plot_values(env.model(), learnt.max(axis=1), policy=learnt.argmax(axis=1)), folder / "v.png")
    start = env.state_of(0, 0)
    print(f"v(start): learnt {learnt[start].max():.4f}, exact {exact.v[start]:.4f}")
    print(f"{folder}/v.png; tensorboard --logdir {folder}")
    return float(abs(learnt[start].max() - exact.v[start]))


if __name__ == "__main__":
    tyro.cli(main)
