"""Learners of action values: the compiled loop and step by step are one algorithm, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from rlkit.agents import (
    DifferentialSarsa,
    DoubleQLearning,
    ExpectedSarsa,
    MonteCarloControl,
    NStepSarsa,
    QLearning,
    Sarsa,
    SarsaLambda,
    WatkinsQ,
)
from rlkit.compiled.run import CompiledRun
from rlkit.envs import GridWorld, MountainCar
from rlkit.features import Fourier, JointActions, TileCoding
from rlkit.transition import Transition


def step_by_step(agent, env, steps):
    """Learn as the trainer does; return the episodes' lengths."""
    x, lengths, length = env.reset(seed=1)[0], [], 0
    for _ in range(steps):
        action = agent.act(x, explore=True)
        next_x, reward, terminated, truncated, _ = env.step(action)
        next_x = np.array(next_x) if isinstance(next_x, np.ndarray) else next_x
        agent.update(Transition(x, action, reward, next_x, terminated, truncated))
        x, length = next_x, length + 1
        if terminated or truncated:
            lengths.append(length)
            x, length = env.reset()[0], 0
    return lengths


def in_the_loop(agent, env, steps):
    """Do the same in two calls of the compiled loop."""
    run = CompiledRun.of(agent, env)
    run.begin(1)
    return [*run.run(steps // 3).lengths.tolist(), *run.run(steps - steps // 3).lengths.tolist()]


def grid():
    return GridWorld("S . . #\n. X . .\n. . . G", slip=0.2, step_reward=-0.04, max_steps=40)


def car():
    return MountainCar(max_steps=300)


PLACES = {
    "table": (grid, lambda env: None),
    "tiles": (car, lambda env: TileCoding.for_env(env, tiles=(8, 8), tilings=8)),
    "hashed": (car, lambda env: TileCoding.for_env(env, tiles=(8, 8), tilings=8, size=256)),
    "joint": (grid, lambda env: JointActions.for_env(env, Fourier, order=2)),
    "joint vectors": (car, lambda env: JointActions.for_env(env, TileCoding, tiles=(4, 4, 3), tilings=4, size=64)),
    "dense": (grid, lambda env: Fourier.for_env(env, order=2)),
}
AGENTS = {
    "sarsa": (Sarsa, {}),
    "softmax": (Sarsa, {"temperature": 0.5}),
    "expected": (ExpectedSarsa, {"learning_rate_power": 0.6}),
    "q": (QLearning, {"exploration_final_eps": 0.0, "exploration_fraction": 0.5, "learning_rate_power": 0.6}),
    "expected softmax": (ExpectedSarsa, {"temperature": 0.5}),
    "lambda": (SarsaLambda, {"trace": "accumulating", "lam": 0.8}),
    "replacing": (SarsaLambda, {"trace": "replacing"}),
    "dutch": (SarsaLambda, {"trace": "dutch"}),
    "watkins": (WatkinsQ, {"trace": "accumulating", "trace_cutoff": 0.0}),
    "double": (DoubleQLearning, {}),
    "n-step": (NStepSarsa, {}),
    "differential": (DifferentialSarsa, {"gamma": 1.0}),
    "monte carlo": (MonteCarloControl, {"exploring_starts": True}),
}
QUICK = [
    ("sarsa", "tiles"),
    ("q", "table"),
    ("double", "joint"),
    ("dutch", "dense"),
    ("watkins", "table"),
    ("n-step", "tiles"),
    ("monte carlo", "table"),
]
MORE = [
    *((name, place) for name in ("sarsa", "double") for place in PLACES),
    *((name, "tiles") for name in ("softmax", "q", "lambda", "replacing", "watkins", "monte carlo")),
    *((name, "dense") for name in ("expected softmax", "lambda", "differential", "n-step")),
    *((name, "table") for name in ("expected", "expected softmax", "dutch", "replacing", "n-step", "differential")),
    *((name, "joint") for name in ("expected", "watkins", "monte carlo")),
]


@pytest.mark.parametrize(
    ("name", "place"),
    [*QUICK, *(pytest.param(*pair, marks=pytest.mark.slow) for pair in MORE if pair not in QUICK)],
    ids=lambda part: part.replace(" ", "_"),
)
def test_the_compiled_loop_and_step_by_step_give_the_same_bits(name, place):
    (kind, hyperparameters), (make, features) = AGENTS[name], PLACES[place]
    env = make()
    hyperparameters = {"learning_rate": 0.03, "gamma": 0.9, "features": features(env)} | hyperparameters
    agents = [kind.for_env(env, seed=0, **hyperparameters) for _ in range(2)]
    for agent in agents:
        agent.prepare(1000)
    assert step_by_step(agents[0], make(), 1000) == in_the_loop(agents[1], make(), 1000)
    assert np.array_equal(agents[0].w, agents[1].w)
    assert np.any(agents[0].w)
    assert (agents[0].n_clipped, agents[0].n_collisions) == (agents[1].n_clipped, agents[1].n_collisions)
    assert (agents[0].n_collisions > 0) == (place in ("hashed", "joint vectors"))
