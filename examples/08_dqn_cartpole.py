"""DQN balances gymnasium's CartPole, and stable-baselines3's own evaluation says how well.

Nobody knows the exact values here, so that the learner is judged by its return: at most 500, when the episode is cut.
"""

from pathlib import Path

import gymnasium
import tyro
from stable_baselines3.common.evaluation import evaluate_policy

from rlkit import Trainer, plotting
from rlkit.agents import DQN
from rlkit.evaluation import Evaluation


def main(out: Path = Path("runs/08_dqn_cartpole"), steps: int = 30_000, seed: int = 0) -> float:
    """Train with returns of three steps; most seeds balance the pole after 30,000 steps."""
    agent = DQN.for_env(
        env := gymnasium.make("CartPole-v1"),
        seed=seed,
        learning_rate=5e-4,
        batch_size=64,
        learning_starts=1000,
        train_freq=1,
        target_update_interval=250,
        exploration_fraction=0.3,
        n_steps=3,
    )
    watch = Evaluation(gymnasium.make("CartPole-v1"), every=max(steps // 10, 1))
    trainer = Trainer(agent, env, callbacks=[watch], directory=out)
    trainer.run(steps)

    folder = trainer.folder.path
    tags = ["rollout/ep_rew_mean", "eval/mean_reward"]
    plotting.save(plotting.plot_learning(folder / "progress.csv", tags=tags, title="return"), folder / "return.png")
    agent.save(folder / "agent.npz")
    mean, deviation = evaluate_policy(DQN.load(folder / "agent.npz"), gymnasium.make("CartPole-v1"), warn=False)
    print(f"after {trainer.step:,} steps: {mean:.0f} +- {deviation:.0f} of 500")
    print(f"{folder}/return.png; tensorboard --logdir {folder}")
    return float(mean)


if __name__ == "__main__":
    tyro.cli(main)
