"""Steps per second of linear TD beside others' code, C and NumPy: `python -m benchmarks.linear_td`.

Everybody learns the same thing with features of the same number: the mountain car (Sutton & Barto 2018, section 10.1)
by Sarsa(0) and Sarsa(lambda) with 8 tilings, and the values of the 1000-state random walk (Example 9.1) by TD(0). The
contestants take turns; each figure is the median of 7 turns, in CPU time of this one thread; only the last table is by
the clock, as it is about two threads.

Peers that are not on a package index are named by folder, and left out where it is not given: `--book-code DIR`, a copy
of github.com/ShangtongZhang/reinforcement-learning-an-introduction. MushroomRL takes part where it is installed, C
where there is a compiler.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import rlkit
from rlkit.agents import LinearTD, Sarsa, SarsaLambda
from rlkit.compiled.run import CompiledRun
from rlkit.envs import MountainCar
from rlkit.features import StateAggregation, TileCoding
from rlkit.transition import Transition

TURNS = 7
TILINGS, LAMBDA = 8, 0.9
Turn = Callable[[int], float]
"""Takes a seed, and returns steps per second of CPU."""


def compare(title: str, contestants: Mapping[str, Turn]) -> None:
    """Print a Markdown table; the first contestant is what the others are compared with."""
    for turn in contestants.values():
        turn(0)
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    for seed in range(1, TURNS + 1):
        for name, turn in contestants.items():
            speeds[name].append(turn(seed))
    own = statistics.median(next(iter(speeds.values())))
    print(f"\n| {title} | steps/s | ns a step | times as fast as this |\n|---|---|---|---|")
    for name, turns in speeds.items():
        speed = statistics.median(turns)
        print(f"| {name} | {speed:,.0f} | {1e9 / speed:,.1f} | {own / speed:,.1f} |", flush=True)


def timed(steps: Callable[[], int]) -> float:
    begun = time.process_time()
    n = steps()
    return n / (time.process_time() - begun)


def car_agent(lam: float, seed: int) -> tuple[Any, MountainCar]:
    """The learner of every contestant: 8 tilings of 8 x 8 tiles, greedy, alpha 0.5 / 8 or with traces 0.2 / 8."""
    env = MountainCar()
    features = TileCoding.for_env(env, tiles=8, tilings=TILINGS)
    shared = {"features": features, "gamma": 1.0, "exploration_final_eps": 0.0, "seed": seed}
    if lam:
        return SarsaLambda.for_env(env, lam=lam, learning_rate=0.2 / TILINGS, **shared), env
    return Sarsa.for_env(env, learning_rate=0.5 / TILINGS, **shared), env


def compiled(make: Callable[[int], tuple[Any, Any]], *, episodes: int) -> Turn:
    def turn(seed: int) -> float:
        agent, env = make(seed)
        env.reset(seed=seed)
        run = CompiledRun.of(agent, env)
        assert run is not None
        run.run(10)
        return timed(lambda: run.run(episodes=episodes).steps)

    return turn


def step_by_step(make: Callable[[int], tuple[Any, Any]], *, steps: int) -> Turn:
    """The user's own loop: a Python environment, the agent's `act` and `update`."""

    def turn(seed: int) -> float:
        agent, env = make(seed)

        def run() -> int:
            observation, _ = env.reset(seed=seed)
            for _ in range(steps):
                action = agent.act(observation, explore=True)
                following, reward, terminated, truncated, _ = env.step(action)
                agent.update(Transition(observation, action, reward, following, terminated, truncated))
                observation = env.reset()[0] if terminated or truncated else following
            return steps

        agent.act(env.reset()[0], explore=True)
        env.compiled()  # works out the tables of what can happen, once
        return timed(run)

    return turn


def in_c(lam: float, *, episodes: int) -> Turn | None:
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    program = Path(tempfile.mkdtemp()) / "mountain_car"
    source = Path(__file__).parent / "c" / "mountain_car.c"
    subprocess.run([compiler, "-O3", "-march=native", "-o", program, source, "-lm"], check=True)

    def turn(seed: int) -> float:
        said = subprocess.run([program, str(lam), str(episodes), str(seed)], capture_output=True, text=True, check=True)
        steps, seconds = said.stdout.split()
        return int(steps) / float(seconds)

    return turn


def by_hand(*, steps: int) -> Turn:
    """Sarsa(0) in pure Python, written for speed: lists, no classes."""

    def encode(position: float, velocity: float) -> list[int]:
        p, v = int((position + 1.2) * (64 / 1.7)), int((velocity + 0.07) * (64 / 0.14))
        return [81 * k + (p + k) // 8 * 9 + (v + 3 * k % 8) // 8 for k in range(TILINGS)]

    def run(seed: int) -> int:
        w, draw, alpha = [[0.0] * 648 for _ in range(3)], random.Random(seed), 0.5 / TILINGS
        n = 0
        while n < steps:
            position, velocity = draw.uniform(-0.6, -0.4), 0.0
            phi = encode(position, velocity)
            q = [sum([block[i] for i in phi]) for block in w]
            action, over = q.index(max(q)), False
            while not over:
                velocity = min(max(velocity + 0.001 * (action - 1) - 0.0025 * math.cos(3 * position), -0.07), 0.07)
                position = min(position + velocity, 0.5)
                if position < -1.2:
                    position, velocity = -1.2, 0.0
                over = position >= 0.5
                block = w[action]
                delta = -1.0 - sum([block[i] for i in phi])
                following = encode(position, velocity)
                if not over:
                    q = [sum([row[i] for i in following]) for row in w]
                    action = q.index(max(q))
                    delta += q[action]
                for i in phi:
                    block[i] += alpha * delta
                phi = following
                n += 1
        return n

    return lambda seed: timed(lambda: run(seed))


def book_code(folder: Path, lam: float, *, steps: int) -> Turn:
    """What most readers of the book run (Zhang's code for chapters 10 and 12)."""
    path = folder / ("chapter12" if lam else "chapter10") / "mountain_car.py"
    spec = importlib.util.spec_from_file_location("book_code", path)
    assert spec is not None
    assert spec.loader is not None
    code: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(code)

    def run() -> int:
        learner = code.Sarsa(0.2, lam) if lam else code.ValueFunction(0.5)
        n = 0
        while n < steps:
            n += code.play(learner) if lam else code.semi_gradient_n_step_sarsa(learner)
        return n

    def turn(seed: int) -> float:
        np.random.seed(seed)  # noqa: NPY002 (that code draws from it)
        return timed(run)

    return turn


def mushroom(lam: float, *, steps: int) -> Turn | None:
    """MushroomRL's SARSALambdaContinuous on the same car."""
    if importlib.util.find_spec("mushroom_rl") is None:
        return None
    from mushroom_rl.algorithms.value import SARSALambdaContinuous
    from mushroom_rl.approximators.parametric import LinearApproximator
    from mushroom_rl.core import Core, Environment, MDPInfo
    from mushroom_rl.features import Features
    from mushroom_rl.features.tiles import Tiles
    from mushroom_rl.policy import EpsGreedy
    from mushroom_rl.utils.parameters import Parameter
    from mushroom_rl.utils.spaces import Box, Discrete

    class Car(Environment):  # type: ignore[misc]
        def __init__(self) -> None:
            self.env = MountainCar()
            space = self.env.observation_space
            super().__init__(MDPInfo(Box(space.low, space.high), Discrete(3), 1.0, 10**6))

        def reset(self, state: Any = None) -> Any:  # noqa: ARG002 (part of its protocol)
            return self.env.reset()[0]

        def step(self, action: Any) -> Any:
            observation, reward, terminated, _, info = self.env.step(int(action[0]))
            return observation, reward, terminated, info

    def turn(seed: int) -> float:
        np.random.seed(seed)  # noqa: NPY002
        car = Car()
        car.env.reset(seed=seed)
        features = Features(tilings=Tiles.generate(TILINGS, [8, 8], [-1.2, -0.07], [0.5, 0.07]))
        sizes = {"input_shape": (features.size,), "output_shape": (3,), "n_actions": 3}
        agent = SARSALambdaContinuous(
            car.info,
            EpsGreedy(epsilon=Parameter(0.0)),
            LinearApproximator,
            learning_rate=Parameter(0.2 / TILINGS),
            lambda_coeff=lam,
            features=features,
            approximator_params=sizes,
        )
        core = Core(agent, car)

        def run() -> int:
            core.learn(n_steps=steps, n_steps_per_fit=1, quiet=True)
            return steps

        return timed(run)

    return turn


def walk(kind: str) -> Callable[[int], tuple[Any, Any]]:
    def make(seed: int) -> tuple[Any, Any]:
        env = rlkit.envs.RandomWalk(1000, reach=100)
        if kind == "8 tilings":
            features: Any = TileCoding.for_env(env, tiles=5, tilings=TILINGS)
        else:
            features = StateAggregation.for_env(env, groups=10)
        return LinearTD.for_env(env, features=features, learning_rate=1e-3, gamma=1.0, seed=seed), env

    return make


def walk_in_numpy(kind: str, *, steps: int) -> Turn:
    """TD(0) with one small NumPy operation after the other; what is active in each state is looked up."""
    n_tilings, tiles = (TILINGS, 6) if kind == "8 tilings" else (1, 10)
    width = 1000 / (tiles - 1) if n_tilings > 1 else 100
    tilings = np.arange(n_tilings)
    active = ((np.arange(1000)[:, None] + tilings * width / n_tilings) // width + tilings * tiles).astype(int)

    def run(seed: int) -> int:
        rng, w, alpha, n = np.random.default_rng(seed), np.zeros(n_tilings * tiles), 1e-3, 0
        while n < steps:
            phi, state, over = active[499], 499, False
            while not over:
                move = int(rng.integers(-100, 100))
                state += move + (move >= 0)
                over = not 0 <= state <= 999
                if over:
                    target = 1.0 if state > 0 else -1.0
                else:
                    following = active[state]
                    target = w[following].sum()
                w[phi] += alpha * (target - w[phi].sum())
                phi = following
                n += 1
        return n

    return lambda seed: timed(lambda: run(seed))


def present(contestants: Mapping[str, Turn | None]) -> dict[str, Turn]:
    return {name: turn for name, turn in contestants.items() if turn is not None}


def many_seeds() -> None:
    """64 runs of 100 episodes, one after the other and on all cores, by the clock."""

    def make(seed: int) -> tuple[Any, Any]:
        return car_agent(0.0, seed)

    cores = len(os.sched_getaffinity(0))
    print("\n| mountain car, Sarsa(0), 64 seeds | steps/s by the clock |\n|---|---|")
    rates: dict[int, list[float]] = {1: [], cores: []}
    for _ in range(TURNS):
        for threads, seen in rates.items():
            begun = time.perf_counter()
            runs = rlkit.train_many(make, range(64), episodes=500, threads=threads)
            seen.append(sum(int(lengths.sum()) for lengths in runs.lengths) / (time.perf_counter() - begun))
    for threads, seen in rates.items():
        print(f"| {threads} thread{'s' * (threads > 1)} | {statistics.median(seen):,.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--book-code", type=Path, default=None, metavar="DIR")
    book = parser.parse_args().book_code
    for lam in (0.0, LAMBDA):

        def make(seed: int, lam: float = lam) -> tuple[Any, MountainCar]:
            return car_agent(lam, seed)

        compare(
            f"mountain car, Sarsa({lam:g})",
            present(
                {
                    "rlkit, compiled loop": compiled(make, episodes=2000),
                    "C, -O3": in_c(lam, episodes=2000),
                    "rlkit, step by step": step_by_step(make, steps=20_000),
                    "pure Python by hand": None if lam else by_hand(steps=20_000),
                    "book's code (Zhang)": None if book is None else book_code(book, lam, steps=4000),
                    "MushroomRL": mushroom(lam, steps=2000) if lam else None,
                }
            ),
        )
    for kind in ("8 tilings", "aggregation"):
        compare(
            f"1000-state walk, TD(0), {kind}",
            {
                "rlkit, compiled loop": compiled(walk(kind), episodes=20_000),
                "rlkit, step by step": step_by_step(walk(kind), steps=20_000),
                "NumPy, step by step": walk_in_numpy(kind, steps=10_000),
            },
        )
    many_seeds()


if __name__ == "__main__":
    main()
