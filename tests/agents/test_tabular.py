"""Tabular learners against exact values and published figures."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import rlkit
from rlkit import Callback, Trainer
from rlkit.agents import DoubleQLearning, QLearning
from rlkit.envs import GridWorld
from rlkit.errors import SpaceError
from tests.rlkit.helpers import DoubleQLearning as UsersDoubleQLearning

CLIFF = json.loads((Path(__file__).parents[1] / "reference/td.json").read_text())["cliff_windy_access_walk"]


class Returns(Callback):
    """Notes the return of each episode, and ends the run after so many."""

    def __init__(self, episodes):
        self.episodes, self.returns = episodes, []

    def on_episode(self, trainer, episode):
        self.returns.append(episode.reward)
        if episode.number == self.episodes:
            trainer.stop()


def test_q_learning_finds_the_exact_values_of_a_deterministic_grid():
    env = GridWorld.load("zhao-5x5")
    agent = QLearning.for_env(env, seed=0, gamma=0.9, learning_rate=1, epsilon=1)
    rlkit.train(agent, env, steps=15_000)
    exact = rlkit.bellman.solve(env.model(), 0.9)
    # With step size 1 this is asynchronous value iteration: over seeds 0-9 the largest error was 1e-6 to 2e-4.
    assert np.abs(agent.q.max(axis=1) - exact.v).max() < 1e-3
    best = rlkit.bellman.optimal_actions(env.model(), exact.v, 0.9, tolerance=1e-2)
    assert best[np.arange(25), agent.q.argmax(axis=1)].all()


@pytest.mark.parametrize(("cls", "power", "bound"), [(QLearning, 0.8, 0.06), (DoubleQLearning, 0.7, 0.19)])
def test_falling_step_sizes_find_the_exact_values_of_a_stochastic_grid(cls, power, bound):
    env = GridWorld("S . . #\n. X . .\n. . . G", slip=0.2, step_reward=-0.04)
    exact = rlkit.bellman.solve(env.model(), 0.9).v
    agent = cls.for_env(env, seed=0, gamma=0.9, learning_rate=1, learning_rate_power=power, epsilon=1)
    rlkit.train(agent, env, steps=30_000)
    table = agent.q if cls is QLearning else agent.q.mean(axis=0)
    # Largest error over seeds 0-11: 0.022 +- 0.008 (Q-learning), 0.078 +- 0.026 (double Q-learning); mean + 4 sd.
    assert np.abs(table.max(axis=1) - exact).max() < bound


def test_cliff_walking_returns_are_the_published_ones():
    env, runs = GridWorld.load("sutton-barto-6.6"), []
    for seed in range(16):
        agent = QLearning.for_env(env, seed=seed, gamma=1.0, learning_rate=0.5, epsilon=0.1)
        watch = Returns(500)
        Trainer(agent, env, callbacks=[watch]).run(10**6)
        runs.append((np.mean(watch.returns), np.mean(watch.returns[:100]), np.mean(watch.returns[-100:])))
    published = CLIFF["cliff_q_learning_a.5_eps.1"]
    names = ("episodes_1_500_mean", "mean_return_first100", "mean_return_last100")
    # Standard deviations of one run, over seeds 0-39: 3.3, 7.8, 7.3. Four standard errors of 16 runs.
    for mean, name, deviation in zip(np.mean(runs, axis=0), names, (3.3, 7.8, 7.3), strict=True):
        assert abs(mean - published[name]) < 4 * deviation / 4
    assert int(agent.q.argmax(axis=1)[env.state_of(3, 0)]) == 0  # up, along the cliff's edge
    assert watch.returns[-100:].count(-13.0) > 20  # the optimal path, when nothing random happens


def test_the_cliff_is_gymnasiums():
    returns = []
    for env in (GridWorld.load("sutton-barto-6.6"), gymnasium.make("CliffWalking-v1")):
        agent = QLearning.for_env(env, seed=3, gamma=1.0, learning_rate=0.5)
        returns.append(list(rlkit.train(agent, env, steps=2000).episodes.returns))
    assert returns[0] == returns[1]


class Lottery(gymnasium.Env):
    """Any action leads from state 0 to state 1, where each of ten actions pays N(0, 1) and ends: q*(0, .) = 0."""

    observation_space, action_space = gymnasium.spaces.Discrete(2), gymnasium.spaces.Discrete(10)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return 0, {}

    def step(self, action):
        if self.at == 0:
            self.at = 1
            return 1, 0.0, False, False, {}
        return 1, float(self.np_random.normal()), True, False, {}


def mean_value(cls, seed):
    env = Lottery()
    agent = cls.for_env(env, seed=seed, gamma=1.0, learning_rate=0.1, epsilon=1)
    Trainer(agent, env).run(4000)
    return agent.q[..., 0, :].mean()


def test_q_learning_values_high_what_double_q_learning_does_not():
    # S&B 2018, section 6.7. Over seeds 0-19: Q-learning 0.347 +- 0.068 a run, double Q-learning -0.031 +- 0.097.
    single, double = (np.mean([mean_value(cls, seed) for seed in range(10)]) for cls in (QLearning, DoubleQLearning))
    assert 0.26 < single < 0.44
    assert abs(double) < 0.031 + 4 * 0.097 / np.sqrt(10)


def test_a_truncated_episode_bootstraps_and_a_terminated_one_does_not():
    from rlkit.transition import Transition

    spaces = gymnasium.spaces.Discrete(2)
    for terminated, expected in ((True, 1.0), (False, 1.0 + 0.5 * 8.0)):
        agent = QLearning(spaces, spaces, QLearning.Config(gamma=0.5, learning_rate=1))
        agent.q[1] = 8.0
        agent.update(Transition(0, 1, 1.0, 1, terminated, not terminated))
        assert agent.q[0, 1] == expected


def test_exploration_falls_along_its_schedule():
    env = gymnasium.make("FrozenLake-v1")
    agent = QLearning.for_env(env, seed=0, initial_epsilon=1.0, epsilon=0.0, epsilon_steps=100)
    rates = []
    for _ in range(3):
        rates.append(agent.exploration_rate)
        rlkit.train(agent, env, steps=50)
    assert rates == [1.0, 0.5, 0.0]


def test_optimistic_values_make_the_greedy_learner_explore():
    env = GridWorld.load("zhao-5x5")
    agent = QLearning.for_env(env, seed=0, gamma=0.9, learning_rate=1, epsilon=0, initial_value=20)
    rlkit.train(agent, env, steps=3000)
    assert (agent.visits > 0).all()


def test_states_that_are_not_numbered_from_zero_are_refused():
    env = gymnasium.make("FrozenLake-v1")
    with pytest.raises(SpaceError, match="expected one that starts at 0"):
        QLearning(gymnasium.spaces.Discrete(4, start=1), env.action_space)


def test_the_users_double_q_learning_learns():
    env = GridWorld("S . . #\n. X . .\n. . . G", step_reward=-0.04, max_steps=100)
    agent = UsersDoubleQLearning.for_env(env, gamma=0.9, epsilon=0.3, seed=0)
    rlkit.train(agent, env, steps=20_000)
    exact = rlkit.bellman.solve(env.model(), 0.9)
    assert agent.q.mean(axis=0)[0].max() == pytest.approx(exact.v[0], abs=0.02)
