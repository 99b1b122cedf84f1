"""Linear agents solve gymnasium's own classic control, stepping its Python environments, wrappers and all."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from rlkit import ConfigError, Trainer
from rlkit.agents import Sarsa, SarsaLambda
from rlkit.callbacks import Callback
from rlkit.features import Fourier, TileCoding


class Lengths(Callback):
    """Notes how long episodes are."""

    def __init__(self):
        self.lengths = []

    def on_episode(self, trainer, episode):
        self.lengths.append(episode.length)


def trained(agent, env, steps):
    watch = Lengths()
    Trainer(agent, env, callbacks=[watch], progress=False).run(steps)
    return watch.lengths


def test_sarsa_lambda_gets_out_of_the_valley_within_the_200_steps_of_gymnasium():
    env = gymnasium.make("MountainCar-v0")
    agent = SarsaLambda.for_env(
        env,
        features=TileCoding.for_env(env, tilings=8, tiles=8),
        gamma=1.0,
        lam=0.9,
        learning_rate=0.5 / 8,
        exploration_final_eps=0.0,
        seed=0,
    )
    lengths = trained(agent, env, 40_000)
    assert np.mean(lengths[-50:]) < 135  # over seeds 0 to 11: mean 107.4, sd 6.8, so 4 sd


def test_sarsa_balances_cartpole_with_bounds_given_for_its_unbounded_velocities():
    env = gymnasium.make("CartPole-v1")
    features = Fourier.for_env(env, order=3, low=(-2.4, -3.0, -0.21, -3.0), high=(2.4, 3.0, 0.21, 3.0))
    agent = Sarsa.for_env(env, features=features, gamma=0.99, learning_rate=0.001, exploration_final_eps=0.01, seed=0)
    lengths = trained(agent, env, 20_000)
    assert np.mean(lengths[-10:]) > 450  # over seeds 0 to 11: 500 each, the most that there is
    assert 0 < agent.n_clipped < 0.05 * 20_000


def test_an_unbounded_dimension_asks_for_its_bounds():
    with pytest.raises(ConfigError, match=r"dimension 1 of the observations has no bound .* give low= and high="):
        Fourier.for_env(gymnasium.make("CartPole-v1"), order=3)
