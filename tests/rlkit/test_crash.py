"""Agents of every family, killed at random moments until they are done, end as if nothing had happened: to the bit."""

from __future__ import annotations

import csv
import os
import random

import gymnasium
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import rlkit
from rlkit.agents import (
    DDPG,
    DQN,
    LSTD,
    TD3,
    TDC,
    DoubleQLearning,
    MonteCarloControl,
    NeuralTD,
    NStepSarsa,
    QLearning,
    Sarsa,
    SarsaLambda,
    TDLambda,
)
from rlkit.checkpoint import archive
from rlkit.envs import GridWorld, GridWorldVectorEnv, RandomWalk
from rlkit.evaluation import Evaluation
from rlkit.exploration import OrnsteinUhlenbeckNoise
from rlkit.features import TileCoding
from rlkit.run import RunFolder
from tests.rlkit.crashing import KILLED, run_to_the_end
from tests.rlkit.helpers import Drift

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks its children")
torch.set_num_threads(1)

MAP = "S . . # .\n. X . . .\n. . . X G"
SMALL = {"network": (8, 8), "batch_size": 4, "buffer_size": 40, "learning_starts": 5}
STEPS, EVERY, LOGGED = 60, 5, 10


def grid():
    return GridWorld(MAP, slip=0.3, step_reward=-0.1, max_steps=17)


def cart_pole():
    return gymnasium.make("CartPole-v1")


def car():
    return gymnasium.make("MountainCar-v0", max_episode_steps=29)


def pendulum():
    return gymnasium.wrappers.NormalizeReward(gymnasium.make("Pendulum-v1", max_episode_steps=23))


def walk():
    return RandomWalk(7)


def pushed():
    env = SyncVectorEnv([lambda: Drift(limit=7)] * 3, autoreset_mode=AutoresetMode.NEXT_STEP)
    return gymnasium.wrappers.vector.NormalizeObservation(env)


def many_grids():
    return GridWorldVectorEnv(MAP, 3, slip=0.3, max_steps=9)


def agent_of(cls, env, **hyperparameters):
    return cls.for_env(env, seed=0, **hyperparameters)


FAMILIES = {
    "a table": (grid, lambda env: agent_of(QLearning, env, exploration_fraction=0.5, learning_rate_power=0.6)),
    "a table in a compiled loop": (grid, lambda env: agent_of(QLearning, env, exploration_fraction=0.5)),
    "two tables": (grid, lambda env: agent_of(DoubleQLearning, env)),
    "linear": (car, lambda env: agent_of(Sarsa, env, features=TileCoding.for_env(env, tilings=8))),
    "traces of control": (grid, lambda env: agent_of(SarsaLambda, env, trace="replacing")),
    "n steps": (grid, lambda env: agent_of(NStepSarsa, env, n_steps=3)),
    "whole episodes": (grid, lambda env: agent_of(MonteCarloControl, env)),
    "traces of prediction": (walk, lambda env: agent_of(TDLambda, env, trace="dutch")),
    "gradient-TD": (walk, lambda env: agent_of(TDC, env)),
    "least squares": (walk, lambda env: agent_of(LSTD, env, lam=0.8)),
    "neural TD": (walk, lambda env: agent_of(NeuralTD, env, network=(8,), n_steps=3, train_freq=2)),
    "DQN": (
        cart_pole,
        lambda env: agent_of(DQN, env, **SMALL, double=True, dueling=True, n_steps=3, prioritized=True, train_freq=1),
    ),
    "DDPG": (
        pendulum,
        lambda env: agent_of(DDPG, env, **SMALL, noise=OrnsteinUhlenbeckNoise(), normalize_observations=True),
    ),
    "TD3": (Drift, lambda env: agent_of(TD3, env, **SMALL, n_steps=3)),
    "TD3 in many environments": (pushed, lambda env: agent_of(TD3, env, **SMALL, n_steps=2)),
    "neural TD in many environments": (many_grids, lambda env: agent_of(NeuralTD, env, network=(8,), n_steps=2)),
}


EVALUATED = ("a table", "TD3")
FASTER = {"a table in a compiled loop": 500}


def trained(family, folder):
    """Train, or go on training."""
    world, make = FAMILIES[family]
    env, scale = world(), FASTER.get(family, 1)
    callbacks = [Evaluation(world(), every=12, episodes=2, picture=False)] if family in EVALUATED else []
    kind = rlkit.VectorTrainer if isinstance(env, gymnasium.vector.VectorEnv) else rlkit.Trainer
    intervals = {"checkpoint_every": scale * EVERY, "log_every": scale * LOGGED}
    trainer = kind(make(env), env, callbacks=callbacks, directory=folder, truth=False, **intervals)
    trainer.resume(or_begin=True)
    trainer.run(max(scale * STEPS - trainer.step, 0))


def content(path):
    """Return all that a checkpoint holds, to the bit."""
    tree, arrays = archive.read(path)
    return tree, [(array.dtype.str, array.shape, array.tobytes()) for array in arrays]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_that_is_killed_at_random_moments_ends_as_if_it_were_not(tmp_path, family):
    trained(family, tmp_path / "straight")
    ends = run_to_the_end(lambda: trained(family, tmp_path / "run"), tmp_path / "run", random.Random(family))
    assert KILLED in ends
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "straight"]

    of_both = [RunFolder(tmp_path / name) for name in ("run", "straight")]
    killed, straight = ([folder.saved()[0], *folder.checkpoints.glob("best.npz")] for folder in of_both)
    assert len(straight) == 1 + (family in EVALUATED)
    assert [content(path) for path in killed] == [content(path) for path in straight]

    killed, straight = (logged_in(folder.path) for folder in of_both)
    assert killed == straight


def logged_in(folder):
    """Return the steps that were logged, in `progress.csv` and by each of the tags."""
    with (folder / "progress.csv").open() as stream:
        rows = [int(row["step"]) for row in csv.DictReader(stream)]
    events = EventAccumulator(str(folder)).Reload()
    return rows, {tag: [event.step for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
