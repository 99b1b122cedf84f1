"""The exact solution of gymnasium's own FrozenLake, and what its best policy earns in real episodes.

Any environment with a transition table `P` becomes a finite MDP; a planner turns its solution into a policy that acts.
"""

from pathlib import Path

import gymnasium
import numpy as np
import tyro

from rlkit import FiniteMDP, bellman, plotting
from rlkit.agents import ValueIteration
from rlkit.run import RunFolder

GAMMA = 0.99


def main(out: Path = Path("runs/06_gymnasium_env"), episodes: int = 500) -> tuple[float, float]:
    """Plan on the model, act in the environment, and compare the discounted return with v*(start)."""
    folder = RunFolder.fresh(out).path
    env = gymnasium.make("FrozenLake-v1", max_episode_steps=2000)
    model = FiniteMDP.from_gymnasium(env)
    planner = ValueIteration.for_env(env, gamma=GAMMA)
    planner.plan(model)

    returns = []
    for seed in range(episodes):
        observation, _ = env.reset(seed=seed)
        discount, total, over = 1.0, 0.0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(planner.act(observation))
            total, discount, over = total + discount * reward, discount * GAMMA, terminated or truncated
        returns.append(total)

    seen = []
    with bellman.BellmanLogger(folder) as log:
        bellman.value_iteration(model, GAMMA, callback=lambda progress: (log(progress), seen.append(progress)))
    plotting.save(plotting.plot_convergence(seen, gamma=GAMMA, tol=1e-8), folder / "convergence.png")
    exact, mean, deviation = planner.solution.v[0], np.mean(returns), np.std(returns) / np.sqrt(episodes)
    print(f"v*(start) = {exact:.4f}; mean return of {episodes} episodes {mean:.4f} +- {deviation:.4f}")
    print(f"{folder}/convergence.png; tensorboard --logdir {folder}")
    return float(exact), float(mean)


if __name__ == "__main__":
    tyro.cli(main)
