"""DQN on CartPole-v1 beside stable-baselines3's: `python -m benchmarks.dqn [--seeds 5]`.

Both have the same hyperparameters and networks, and train for as many steps from scratch; what they earn then is the
mean return of 20 episodes without exploration. They take turns, seed by seed; speeds are medians, in CPU time of this
one thread, logging and bookkeeping included.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import stable_baselines3
import torch
from stable_baselines3.common.evaluation import evaluate_policy

from rlkit import Trainer
from rlkit.agents import DQN

ENVIRONMENT = "CartPole-v1"
EPISODES = 20
SETTINGS: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    "stable-baselines3's defaults": (20_000, {"network": (64, 64)}),
    "rl-zoo3's for CartPole": (
        50_000,
        {
            "network": (256, 256),
            "learning_rate": 2.3e-3,
            "batch_size": 64,
            "buffer_size": 100_000,
            "learning_starts": 1000,
            "target_update_interval": 10,
            "train_freq": 256,
            "gradient_steps": 128,
            "exploration_fraction": 0.16,
            "exploration_final_eps": 0.04,
        },
    ),
    "returns of 3 steps": (
        40_000,
        {
            "network": (64, 64),
            "learning_rate": 5e-4,
            "batch_size": 64,
            "buffer_size": 100_000,
            "learning_starts": 1000,
            "target_update_interval": 250,
            "train_freq": 1,
            "exploration_fraction": 0.3,
            "n_steps": 3,
        },
    ),
}

Turn = Callable[[int, Mapping[str, Any], int], tuple[float, float]]
"""Takes steps, hyperparameters and seed; returns steps per second of CPU, and what the agent earns then."""


def of_rlkit(steps: int, hyperparameters: Mapping[str, Any], seed: int) -> tuple[float, float]:
    env = gymnasium.make(ENVIRONMENT)
    agent = DQN.for_env(env, seed=seed, **hyperparameters)
    trainer = Trainer(agent, env, progress=False)
    return timed(lambda: trainer.run(steps), steps), earned(agent)


def of_sb3(steps: int, hyperparameters: Mapping[str, Any], seed: int) -> tuple[float, float]:
    others = {name: value for name, value in hyperparameters.items() if name != "network"}
    layers = {"net_arch": list(hyperparameters["network"])}
    env = gymnasium.make(ENVIRONMENT)
    agent = stable_baselines3.DQN("MlpPolicy", env, seed=seed, policy_kwargs=layers, device="cpu", **others)
    return timed(lambda: agent.learn(steps), steps), earned(agent)


def timed(train: Callable[[], Any], steps: int) -> float:
    begun = time.process_time()
    train()
    return steps / (time.process_time() - begun)


def earned(agent: Any) -> float:
    env = gymnasium.make(ENVIRONMENT)
    env.reset(seed=10_000)
    mean, _ = evaluate_policy(agent, env, n_eval_episodes=EPISODES, warn=False)
    return float(mean)  # type: ignore[arg-type]


def compare(title: str, steps: int, hyperparameters: Mapping[str, Any], seeds: int) -> None:
    """Print a Markdown table; the first contestant is what the others are compared with."""
    contestants: Mapping[str, Turn] = {"rlkit": of_rlkit, "stable-baselines3": of_sb3}
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for turn in contestants.values():
        turn(1500, hyperparameters, 0)  # compilers, imports
    for seed in range(seeds):
        for name, turn in contestants.items():
            results[name].append(turn(steps, hyperparameters, seed))
    own = statistics.median(speed for speed, _ in results["rlkit"])
    print(f"\n{steps:,} steps, {seeds} seeds")
    print(f"\n| {title} | steps/s | times as fast as this | mean return | of each seed |\n|---|---:|---:|---:|---|")
    for name, turns in results.items():
        speed = statistics.median(speed for speed, _ in turns)
        returns = [mean for _, mean in turns]
        each = ", ".join(f"{mean:.0f}" for mean in returns)
        print(f"| {name} | {speed:,.0f} | {own / speed:.1f} | {statistics.mean(returns):.0f} | {each} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--settings", nargs="*", default=list(SETTINGS), choices=list(SETTINGS), help="which of them")
    parser.add_argument("--steps", type=int, help="other than what a setting needs to learn: for speeds alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for title in arguments.settings:
        steps, hyperparameters = SETTINGS[title]
        compare(title, arguments.steps or steps, hyperparameters, arguments.seeds)


if __name__ == "__main__":
    main()
