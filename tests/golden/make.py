"""Make a run of each family of agents, and note what comes out of its checkpoint: `python tests/golden/make.py FOLDER`.

The files in the folders beside this script were made by it, once for each version of the format, by the rlkit that is
noted in them; they are never made anew. A folder that is called after the format's version holds `NAME.npz`, a run's
checkpoint after 40 steps, and `expected.json`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import rlkit
from rlkit.agents import DDPG, DQN, LSTD, TD3, NeuralTD, QLearning, SarsaLambda
from rlkit.envs import GridWorld, GridWorldVectorEnv, RandomWalk
from rlkit.exploration import OrnsteinUhlenbeckNoise
from rlkit.features import TileCoding

MAP = "S . . # .\n. X . . .\n. . . X G"
SMALL = {"network": (4,), "batch_size": 2, "buffer_size": 12, "learning_starts": 4}
STEPS = 40


class Drift(gymnasium.Env):
    """A random walk in the plane that its action pushes; without get_state, so that episodes are repeated."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position, self.steps = self.np_random.normal(size=2), 0
        return self.position.copy(), {}

    def step(self, action):
        self.position = 0.9 * self.position + 0.1 * np.asarray(action) + 0.1 * self.np_random.normal(size=2)
        self.steps += 1
        return self.position.copy(), float(-(self.position**2).sum()), False, self.steps == 11, {}


def grid():
    return GridWorld(MAP, slip=0.3, step_reward=-0.1, max_steps=17)


def car():
    return gymnasium.make("MountainCar-v0", max_episode_steps=29)


def grids():
    return GridWorldVectorEnv(MAP, 2, slip=0.3, max_steps=9)


def drifts():
    return SyncVectorEnv([Drift, Drift], autoreset_mode=AutoresetMode.SAME_STEP)


FAMILIES = {
    "QLearning": (grid, lambda env: QLearning.for_env(env, seed=0, exploration_fraction=0.5)),
    "SarsaLambda": (
        car,
        lambda env: SarsaLambda.for_env(env, seed=0, features=TileCoding.for_env(env, tilings=2, tiles=4)),
    ),
    "LSTD": (lambda: RandomWalk(5), lambda env: LSTD.for_env(env, seed=0, lam=0.8)),
    "NeuralTD_in_grids": (grids, lambda env: NeuralTD.for_env(env, seed=0, network=(4,), n_steps=2)),
    "DQN": (
        lambda: gymnasium.make("CartPole-v1"),
        lambda env: DQN.for_env(env, seed=0, **SMALL, dueling=True, n_steps=2, prioritized=True),
    ),
    "DDPG": (
        Drift,
        lambda env: DDPG.for_env(
            env, seed=0, **SMALL, noise=OrnsteinUhlenbeckNoise(), normalize_observations=True, n_steps=2
        ),
    ),
    "TD3_in_drifts": (drifts, lambda env: TD3.for_env(env, seed=0, **SMALL)),
}


def trainer_of(name, folder):
    """Return a trainer of a family, and whose agent it trains."""
    world, make = FAMILIES[name]
    env = world()
    kind = rlkit.VectorTrainer if isinstance(env, gymnasium.vector.VectorEnv) else rlkit.Trainer
    return kind(make(env), env, directory=folder, truth=False, checkpoint_every=10**6, log_every=10**6)


def answers(agent):
    """Return what an agent says: its values of some observations, what it does there, and its next random number."""
    space = agent.observation_space
    if isinstance(space, gymnasium.spaces.Discrete):
        seen = np.arange(min(int(space.n), 8))
    else:
        seen = np.zeros((3, *space.shape), space.dtype)
        seen[:, 0] = -0.6, -0.5, 0.5
    values = agent.state_values(seen)
    return {
        "values": [float(value) for value in values],
        "actions": [np.asarray(agent.act(one)).tolist() for one in seen],
        "random": float(agent.rng.random()),
    }


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    expected = {"rlkit": rlkit.__version__, "families": {}}
    for name in FAMILIES:
        with tempfile.TemporaryDirectory() as place:
            trainer = trainer_of(name, Path(place) / "run")
            trainer.run(STEPS)
            (folder / f"{name}.npz").write_bytes(trainer.folder.saved()[0].read_bytes())
            found = {"step": trainer.step, "episodes": trainer.episodes.count, **answers(trainer.agent)}
            expected["families"][name] = found
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
