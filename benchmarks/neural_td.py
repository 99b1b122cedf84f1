"""Neural TD beside Stream TD(lambda) on one grid: `python -m benchmarks.neural_td`.

Everybody learns the values of the uniformly random policy on Zhao's 5x5 grid (gamma 0.9) with two hidden layers of 64
units that see states one-hot, each for the same CPU time of one thread, in turns; what they have learnt by then is
measured against the exact values. Measuring is not counted. Figures are medians of 5 turns; the root mean square of the
exact values, which not having learnt anything scores, is 3.54.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from benchmarks.stream_td import StreamTD
from rlkit.agents import NeuralTD
from rlkit.envs import GridWorld, GridWorldVectorEnv
from rlkit.transition import Transition, Transitions
from rlkit.truth import Yardstick

TURNS, SECONDS = 5, 4.0
GRID, GAMMA, HIDDEN = "zhao-5x5", 0.9, (64, 64)
STATES = np.arange(25)
FALLING = {"learning_rate": 1e-2, "learning_rate_power": 0.75}


class Learner(NamedTuple):
    """Who learns: `learn` learns from some more steps, and says how many; `values`, `(25,)`, is what it has learnt."""

    learn: Callable[[], int]
    values: Callable[[], NDArray[np.float64]]


class Turn(NamedTuple):
    """What one contestant did in one turn: its speed, its error in the end, and when it first was below a bound."""

    speed: float
    rmsve: float
    reached: float


def parallel(n_envs: int, seed: int, **hyperparameters: float) -> Learner:
    agent = NeuralTD.for_env(GridWorld(GRID), network=HIDDEN, gamma=GAMMA, seed=seed, **hyperparameters)
    envs = GridWorldVectorEnv(GRID, n_envs, autoreset_mode=AutoresetMode.SAME_STEP)
    seen = [envs.reset(seed=seed)[0]]

    def learn() -> int:
        for _ in range(20):
            actions = agent.act_batch(seen[0])
            following, rewards, terminated, truncated, _ = envs.step(actions)
            agent.update_batch(Transitions(seen[0], actions, rewards, following, terminated, truncated))
            seen[0] = following
        return 20 * n_envs

    return Learner(learn, lambda: agent.state_values(STATES))


def stream(seed: int, **hyperparameters: float) -> Learner:
    env = GridWorld(GRID)
    agent = NeuralTD.for_env(env, network=HIDDEN, gamma=GAMMA, seed=seed, **hyperparameters)
    seen = [env.reset(seed=seed)[0]]

    def learn() -> int:
        for _ in range(50):
            action = agent.act(seen[0], explore=True)
            following, *outcome, _ = env.step(action)
            agent.update(Transition(seen[0], action, outcome[0], following, outcome[1], outcome[2]))
            seen[0] = following
        return 50

    return Learner(learn, lambda: agent.state_values(STATES))


def peer(seed: int) -> Learner:
    env, inputs, rng = GridWorld(GRID), np.eye(25), np.random.default_rng(seed)
    agent = StreamTD(25, HIDDEN, GAMMA, seed)
    agent.begin(inputs[env.reset(seed=seed)[0]])

    def learn() -> int:
        for _ in range(50):
            following, reward, terminated, truncated, _ = env.step(int(rng.integers(5)))
            agent.update(float(reward), inputs[following], terminated, truncated)
        return 50

    return Learner(learn, lambda: agent.values(inputs))


def take_turn(learner: Learner, truth: Yardstick, seconds: float, bound: float) -> Turn:
    steps, spent, reached = 0, 0.0, math.inf
    while spent < seconds:
        begun = time.process_time()
        steps += learner.learn()
        spent += time.process_time() - begun
        rmsve = truth.value_errors(learner.values())["rmsve"]
        if rmsve < bound:
            reached = min(reached, spent)
    return Turn(steps / spent, rmsve, reached)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="CPU time of a turn")
    parser.add_argument("--bound", type=float, default=0.3, help="RMSVE, the time to which is taken")
    given = parser.parse_args()
    torch.set_num_threads(1)
    truth = Yardstick(GridWorld(GRID), GAMMA, policy=np.full((25, 5), 0.2))
    contestants: dict[str, Callable[[int], Learner]] = {
        "Stream TD(0.8) as published, re-implemented from the paper": peer,
        "`NeuralTD`, one stream": lambda seed: stream(seed, learning_rate=1e-2, learning_rate_power=0.4),
        "`NeuralTD`, 1024 environments": lambda seed: parallel(1024, seed, **FALLING),
        "the same, lambda-returns (0.8) of 8 steps": lambda seed: parallel(1024, seed, n_steps=8, lam=0.8, **FALLING),
        "`NeuralTD`, 1024 environments, step size constant": lambda seed: parallel(1024, seed, learning_rate=1e-3),
    }
    for make in contestants.values():
        take_turn(make(100), truth, 0.2, 0.0)  # compilers, imports
    turns: dict[str, list[Turn]] = {name: [] for name in contestants}
    for seed in range(TURNS):
        for name, make in contestants.items():
            turns[name].append(take_turn(make(seed), truth, given.seconds, given.bound))
    print(f"\n| | steps/s | times the peer's | RMSVE after {given.seconds:g} s | seconds to {given.bound:g} |")
    print("|---|---:|---:|---:|---:|")
    base = 0.0
    for name, taken in turns.items():
        speed, rmsve, reached = (statistics.median(column) for column in zip(*taken, strict=True))
        base = base or speed
        print(f"| {name} | {speed:,.0f} | {speed / base:,.1f} | {rmsve:.3f} | {reached:.2f} |", flush=True)


if __name__ == "__main__":
    main()
