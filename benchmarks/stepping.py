"""Steps per second of the grid worlds beside gymnasium's FrozenLake: `python -m benchmarks.stepping`.

Both step the same map (4x4, slippery, 100 steps at most) with the same actions, drawn beforehand, and reset when an
episode ends. The contestants take turns; each figure is the median of 7 turns, in CPU time of this one thread.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

import rlkit  # noqa: F401  registers the environments

TURNS = 7
FROZEN_LAKE, GRID_WORLD = "FrozenLake-v1", "rlkit/FrozenLake4x4-v0"


def single(env: gymnasium.Env, steps: int) -> Callable[[], float]:
    """Return a turn of `steps` steps, resets included, that returns its steps per second."""
    actions = np.random.default_rng(0).integers(4, size=steps).tolist()

    def turn() -> float:
        env.reset(seed=0)
        begun = time.process_time()
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return steps / (time.process_time() - begun)

    return turn


def vector(envs: gymnasium.vector.VectorEnv, steps: int) -> Callable[[], float]:
    """Return a turn of `steps` steps of all copies that returns its steps of single copies per second."""
    actions = np.random.default_rng(0).integers(4, size=(steps, envs.num_envs))

    def turn() -> float:
        envs.reset(seed=0)
        begun = time.process_time()
        for action in actions:
            envs.step(action)
        return steps * envs.num_envs / (time.process_time() - begun)

    return turn


def with_gymnasiums_wrappers() -> gymnasium.Env:
    env = gymnasium.make(GRID_WORLD, max_steps=10**9)
    return TimeLimit(OrderEnforcing(PassiveEnvChecker(env)), 100)


def compare(title: str, contestants: Mapping[str, Callable[[], float]]) -> None:
    """Print a Markdown table; the first contestant is what the others are compared with."""
    for turn in contestants.values():
        turn()
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(TURNS):
        for name, turn in contestants.items():
            rates[name].append(turn())
    base = statistics.median(next(iter(rates.values())))
    print(f"\n| {title} | steps per second | times as fast |\n|---|---:|---:|")
    for name, measured in rates.items():
        rate = statistics.median(measured)
        print(f"| {name} | {rate:,.0f} | {rate / base:.1f} |")


def main() -> None:
    compare(
        "one environment, `gymnasium.make`",
        {
            "`FrozenLake-v1`": single(gymnasium.make(FROZEN_LAKE), 20_000),
            "`rlkit/FrozenLake4x4-v0`": single(gymnasium.make(GRID_WORLD), 200_000),
            "the same inside gymnasium's three default wrappers": single(with_gymnasiums_wrappers(), 100_000),
        },
    )
    compare(
        "one environment, unwrapped",
        {
            "`FrozenLake-v1`": single(gymnasium.make(FROZEN_LAKE).unwrapped, 20_000),
            "`rlkit/FrozenLake4x4-v0`": single(gymnasium.make(GRID_WORLD).unwrapped, 200_000),
            "the same map, not slippery": single(gymnasium.make(GRID_WORLD, slip=0.0).unwrapped, 200_000),
        },
    )
    for copies in (256, 4096):
        compare(
            f"{copies} copies, `gymnasium.make_vec`",
            {
                "`SyncVectorEnv(FrozenLake-v1)`": vector(
                    gymnasium.make_vec(FROZEN_LAKE, num_envs=copies, vectorization_mode="sync"), 20_000 // copies
                ),
                **{
                    f"`GridWorldVectorEnv`, {mode.name}": vector(
                        gymnasium.make_vec(GRID_WORLD, num_envs=copies, autoreset_mode=mode), 1_000_000 // copies
                    )
                    for mode in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP)
                },
            },
        )


if __name__ == "__main__":
    main()
