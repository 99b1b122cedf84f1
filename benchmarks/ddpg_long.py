"""A million steps of HalfCheetah-v5: `python -m benchmarks.ddpg --long DDPG 0 --out runs/long`, as often as it takes.

Every 25,000 steps ten episodes without exploration; each evaluation is a line of `AGENT-SEED.jsonl`, written when it is
made. However it was stopped, the same command goes on from the run's last checkpoint, without the lines written after.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import torch

from rlkit import Callback, Trainer, agents
from rlkit.evaluation import evaluate

ENVIRONMENT, STEPS, EVERY, EPISODES = "HalfCheetah-v5", 1_000_000, 25_000, 10
GOAL = 10_374  # CleanRL's published DDPG
PUBLISHED = {"DDPG": "10374 (CleanRL), 11719 (Tianshou)", "TD3": "9583, 10201"}


class Measure(Callback):
    """Writes what the agent earns and the CPU time until then, a line at a time; evaluating is not counted."""

    every = EVERY

    def __init__(self, file: Path) -> None:
        self.file = file
        self.env = gymnasium.make(ENVIRONMENT)

    def on_start(self, trainer: Trainer) -> None:
        lines = [line for line in read(self.file) if line["step"] <= trainer.step]
        self.file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        self.spent = lines[-1]["cpu_seconds"] if lines else 0.0
        self.began = time.process_time()

    def on_every(self, trainer: Trainer) -> None:
        self.spent += time.process_time() - self.began
        returns = [episode.reward for episode in evaluate(trainer.agent, self.env, episodes=EPISODES, seed=10_000)]
        line = {"step": trainer.step, "cpu_seconds": self.spent, "returns": returns}
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.began = time.process_time()


def run(name: str, seed: int, out: Path, steps: int = STEPS) -> None:
    """Train to that many steps in all, with the environment's preset."""
    os.nice(10)
    torch.set_num_threads(1)
    env = gymnasium.make(ENVIRONMENT)
    agent = getattr(agents, name).for_env(env, seed=seed, **agents.preset(name, ENVIRONMENT))
    directory = out / f"{name}-{seed}"
    trainer = Trainer(
        agent,
        env,
        directory=directory,
        callbacks=[Measure(out / f"{name}-{seed}.jsonl")],
        checkpoint_every=2 * EVERY,
        keep_checkpoints=1,
        progress=False,
    )
    if directory.exists():
        print(f"{name} {seed} goes on from step {trainer.resume():,}", flush=True)
    trainer.run(steps - trainer.step)


def read(file: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a file of such; none if there is no file."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.endswith("}")]


def report(out: Path) -> None:
    """Print a Markdown table of all runs there are."""
    print(
        f"\n| {ENVIRONMENT} | seed | steps | return then, mean of {EPISODES} | best | {GOAL:,} passed at | CPU hours |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for file in sorted(out.glob("*.jsonl")):
        name, seed = file.stem.split("-")
        if lines := read(file):
            print(f"| {name} | {seed} | {row_of(lines)} |")
    for name, figures in PUBLISHED.items():
        print(f"\nPublished, {name}: {figures}")


def row_of(lines: Sequence[dict[str, Any]]) -> str:
    means = [statistics.mean(line["returns"]) for line in lines]
    passed = next((f"{line['step']:,}" for line, mean in zip(lines, means, strict=True) if mean > GOAL), "")
    last = lines[-1]
    return f"{last['step']:,} | {means[-1]:,.0f} | {max(means):,.0f} | {passed} | {last['cpu_seconds'] / 3600:.2f}"
