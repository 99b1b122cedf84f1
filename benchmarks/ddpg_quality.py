"""What DDPG earns, and in how much CPU time: `python -m benchmarks.ddpg --quality [TASK ...]`.

Every seed is shown. Contestants take turns, seed by seed; all are evaluated alike, by stable-baselines3's
`evaluate_policy` without exploration from the same starts, after the last step of training.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import torch

from rlkit import Trainer, agents
from rlkit.truth import optimality_gap

Turn = Callable[["Task", int], tuple[float, float]]
"""Takes the seed; returns what is earned, and CPU seconds of training."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be learnt: `goal` is where it counts as done, and `earned` says how well it is."""

    environment: str
    steps: int
    seeds: int
    contestants: Mapping[str, Turn]
    episodes: int = 20
    goal: float
    measure: str = "mean return"
    smaller_is_better: bool = False

    def met(self, earned: float) -> bool:
        """Tell whether the goal is reached."""
        return earned <= self.goal if self.smaller_is_better else earned >= self.goal


def returns(task: Task, policy: Any) -> float:
    from stable_baselines3.common.evaluation import evaluate_policy

    env = gymnasium.make(task.environment)
    env.reset(seed=10_000)
    mean, _ = evaluate_policy(policy, env, n_eval_episodes=task.episodes, warn=False)
    return float(mean)  # type: ignore[arg-type]


def gap(task: Task, policy: Any) -> float:
    """Return the percentage by which a policy costs more than the Riccati optimum."""
    return 100.0 * float(optimality_gap(policy, gymnasium.make(task.environment), policy.config.gamma).gap)


def of_rlkit(hyperparameters: Mapping[str, Any], earned: Callable[[Task, Any], float] = returns) -> Turn:
    def turn(task: Task, seed: int) -> tuple[float, float]:
        env = gymnasium.make(task.environment)
        agent = agents.DDPG.for_env(env, seed=seed, **hyperparameters)
        trainer = Trainer(agent, env, progress=False)
        seconds = timed(lambda: trainer.run(task.steps))
        return earned(task, agent), seconds

    return turn


def of_preset(earned: Callable[[Task, Any], float] = returns) -> Turn:
    def turn(task: Task, seed: int) -> tuple[float, float]:
        return of_rlkit(agents.preset("DDPG", task.environment), earned)(task, seed)

    return turn


def of_sb3(hyperparameters: Mapping[str, Any]) -> Turn:
    """Return who trains stable-baselines3's DDPG with rlkit's hyperparameters, as far as it has them."""

    def turn(task: Task, seed: int) -> tuple[float, float]:
        from stable_baselines3 import DDPG

        env = gymnasium.make(task.environment)
        others = {name: value for name, value in hyperparameters.items() if name not in ("network", "noise")}
        model = DDPG(
            "MlpPolicy",
            env,
            seed=seed,
            device="cpu",
            action_noise=noise_of_sb3(hyperparameters.get("noise", {"sigma": 0.1}), env.action_space),
            policy_kwargs={"net_arch": list(hyperparameters["network"])},
            **others,
        )
        seconds = timed(lambda: model.learn(task.steps))
        return returns(task, model), seconds

    return turn


def noise_of_sb3(noise: Mapping[str, Any], space: gymnasium.Space[Any]) -> Any:
    from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise

    zeros = np.zeros(space.shape)
    kind = OrnsteinUhlenbeckActionNoise if "theta" in noise else NormalActionNoise
    return kind(zeros, zeros + noise["sigma"])


def timed(train: Callable[[], Any]) -> float:
    began = time.process_time()
    train()
    return time.process_time() - began


def both(hyperparameters: Mapping[str, Any]) -> dict[str, Turn]:
    return {"rlkit": of_rlkit(hyperparameters), "stable-baselines3": of_sb3(hyperparameters)}


CAR = {"network": (64, 64), "batch_size": 64, "noise": {"sigma": 0.5, "theta": 0.15, "dt": 0.01}}
PENDULUM = {"network": (256, 256), "batch_size": 128, "gamma": 0.98, "learning_starts": 1000}
CHEETAH = {"network": (256, 256), "batch_size": 100, "learning_starts": 10_000}
SMALL = {"network": (64, 64), "batch_size": 64, "gamma": 0.98, "learning_starts": 1000}
TASKS: Mapping[str, Task] = {
    "Pendulum": Task(
        environment="Pendulum-v1", steps=10_000, seeds=5, contestants=both(PENDULUM), episodes=50, goal=-150
    ),
    "Pendulum 64x64": Task(
        environment="Pendulum-v1", steps=10_000, seeds=5, contestants=both(SMALL), episodes=50, goal=-150
    ),
    "HalfCheetah": Task(
        environment="HalfCheetah-v5",
        steps=30_000,
        seeds=3,
        contestants={"rlkit, preset": of_preset(), **both(CHEETAH)},
        goal=3000,
    ),
    "MountainCarContinuous": Task(
        environment="MountainCarContinuous-v0",
        steps=30_000,
        seeds=5,
        contestants={"rlkit, preset": of_preset(), "stable-baselines3": of_sb3(CAR)},
        goal=93,
    ),
    "LinearQuadratic": Task(
        environment="rlkit/LinearQuadratic-v0",
        steps=25_000,
        seeds=5,
        contestants={"rlkit, preset": of_preset(gap)},
        goal=2,
        measure="% over the optimum",
        smaller_is_better=True,
    ),
}


def compare(title: str, task: Task) -> None:
    """Print a Markdown table."""
    print(f"\n{title}: {task.environment}, {task.steps:,} steps; the goal is {task.goal:g}", flush=True)
    print(f"\n| {title} | {task.measure} | each seed's | goal reached | CPU seconds, each seed's |")
    print("|---|---:|---|---:|---|")
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in task.contestants}
    for seed in range(task.seeds):
        for name, turn in task.contestants.items():
            results[name].append(turn(task, seed))
            earned, seconds = results[name][-1]
            print(f"{name}, seed {seed}: {earned:,.1f} after {seconds:,.1f} s", file=sys.stderr, flush=True)
    for name, turns in results.items():
        each, seconds = [earned for earned, _ in turns], [spent for _, spent in turns]
        spread = (
            f"{statistics.mean(each):,.1f} +- {statistics.stdev(each):,.1f}" if len(each) > 1 else f"{each[0]:,.1f}"
        )
        reached = f"{sum(map(task.met, each))} of {len(each)}"
        print(f"| {name} | {spread} | {listed(each, 1)} | {reached} | {listed(seconds, 1)} |", flush=True)


def listed(numbers: list[float], digits: int) -> str:
    return ", ".join(f"{number:,.{digits}f}" for number in numbers)


def run(chosen: list[str], seeds: int | None) -> None:
    """Compare on the tasks in whose titles one of the words occurs, all if there are none."""
    torch.set_num_threads(1)
    for title, task in TASKS.items():
        if not chosen or any(word in title for word in chosen):
            compare(title, task if seeds is None else Task(**{**vars(task), "seeds": seeds}))
