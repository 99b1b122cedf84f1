"""A subclass that changes one thing: DDPG with the smoothed targets of TD3 (Fujimoto et al. 2018, section 5.3).

Action values of similar actions are averaged, so that the policy cannot climb a narrow peak that is only an error.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import gymnasium
import matplotlib.pyplot as plt
import torch
import tyro

import rlkit
from rlkit import plotting
from rlkit.agents import DDPG, preset
from rlkit.config import bounded
from rlkit.evaluation import Evaluation
from rlkit.updates.actor_critic import smoothed


class SmoothedDDPG(DDPG):
    """DDPG whose targets are valued at noisy actions."""

    @dataclass(frozen=True, kw_only=True)
    class Config(DDPG.Config):
        """Hyperparameters of DDPG with smoothed targets."""

        target_policy_noise: float = bounded(0.2, at_least=0)
        target_noise_clip: float = bounded(0.5, at_least=0)

    def next_action(self, next_observation):
        action = super().next_action(next_observation)
        noise = self.config.target_policy_noise * torch.randn(action.shape, generator=self.torch_generator)
        return smoothed(action, noise, self.config.target_noise_clip)


def main(out: Path = Path("runs/11_change_one_thing"), steps: int = 10_000, seed: int = 0) -> dict[str, float]:
    """Train both on Pendulum; compare what they get, and by how much their critics are too hopeful."""
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    bias = {}
    for kind in DDPG, SmoothedDDPG:
        env, test = (gymnasium.make("Pendulum-v1") for _ in range(2))
        agent = kind.for_env(env, **preset("DDPG", "Pendulum-v1"), seed=seed)
        watch = Evaluation(test, every=max(1, steps // 10), episodes=10)
        run = rlkit.train(agent, env, steps=steps, directory=out / kind.__name__, callbacks=[watch])
        rows = list(csv.DictReader((run.folder.path / "progress.csv").open()))
        for axes, tag in zip(panels, ("eval/mean_reward", "eval/q_bias"), strict=True):
            curve = [(int(row["step"]), float(row[tag])) for row in rows if row[tag]]
            axes.plot(*zip(*curve, strict=True), label=kind.__name__)
            axes.set(title=tag, xlabel="step")
        bias[kind.__name__] = curve[-1][1]
    panels[0].legend()
    plotting.save(figure, out / "comparison.png")
    print("too hopeful by", ", ".join(f"{number:.2f} ({name})" for name, number in bias.items()))
    print(f"{out}/comparison.png; tensorboard --logdir {out}")
    return bias


if __name__ == "__main__":
    tyro.cli(main)
