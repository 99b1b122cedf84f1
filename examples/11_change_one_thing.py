"""A subclass that changes one thing: DDPG with the smoothed targets of TD3 (Fujimoto et al. 2018, section 5.3).

Averaging the values of similar actions keeps the policy from climbing narrow peaks that are only errors. On a pendulum
both learn alike, and by the end either critic may be the more hopeful one: a single seed decides nothing, so try some.
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


class SmoothedDDPG(DDPG):
    """DDPG whose targets are valued at noisy actions."""

    @dataclass(frozen=True, kw_only=True)
    class Config(DDPG.Config):
        """Hyperparameters of DDPG with smoothed targets."""

        target_policy_noise: float = bounded(0.2, at_least=0)

    def next_action(self, next_observation):
        action = super().next_action(next_observation)
        noise = self.config.target_policy_noise * torch.randn(action.shape, generator=self.torch_generator)
        return (action + noise.clamp(-0.5, 0.5)).clamp(-1, 1)


def main(out: Path = Path("runs/11_change_one_thing"), steps: int = 10_000, seed: int = 0) -> dict[str, float]:
    """Train both on Pendulum; show what they get, and by how much their critics are too hopeful."""
    shown = {"eval/mean_reward": ("mean return", "linear"), "eval/q_bias": ("how much too hopeful", "symlog")}
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    bias = {}
    for kind in DDPG, SmoothedDDPG:
        env, test = (gymnasium.make("Pendulum-v1") for _ in range(2))
        agent = kind.for_env(env, **preset("DDPG", "Pendulum-v1"), seed=seed)
        watch = Evaluation(test, every=max(1, steps // 10), episodes=10)
        run = rlkit.train(agent, env, steps=steps, directory=out / kind.__name__, callbacks=[watch])
        rows = list(csv.DictReader((run.folder.path / "progress.csv").read_text().splitlines()))
        for axes, (tag, (title, scale)) in zip(panels, shown.items(), strict=True):
            curve = [(int(row["step"]), float(row[tag])) for row in rows if row[tag]]
            axes.plot(*zip(*curve, strict=True), label=kind.__name__)
            axes.set(title=title, xlabel="step", yscale=scale)
        bias[kind.__name__] = curve[-1][1]
    panels[0].legend()
    plotting.save(figure, out / "comparison.png")
    print("too hopeful by", ", ".join(f"{x:.2f} ({name})" for name, x in bias.items()), "(one seed decides nothing)")
    print(f"{out}/comparison.png; tensorboard --logdir {out}")
    return bias


if __name__ == "__main__":
    tyro.cli(main)
