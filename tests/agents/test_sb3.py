"""stable-baselines3's own tools take rlkit's policies as they are."""

from __future__ import annotations

import gymnasium
import pytest
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

import rlkit
from rlkit import FiniteMDP
from rlkit.agents import DDPG, DQN, TD3, DoubleQLearning, QLearning, ValueIteration
from rlkit.envs import GridWorld
from tests.rlkit.helpers import DoubleQLearning as UsersDoubleQLearning

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore:Evaluation environment is not wrapped")


def test_evaluate_policy_takes_a_planner_and_many_environments():
    env = make_vec_env("CliffWalking-v1", n_envs=3)
    planner = ValueIteration.for_env(env, gamma=0.99)
    planner.plan(FiniteMDP.from_gymnasium(gymnasium.make("CliffWalking-v1")))
    assert evaluate_policy(planner, env, n_eval_episodes=6) == (-13.0, 0.0)


@pytest.mark.parametrize(
    ("cls", "exploration"),
    [
        (QLearning, {"exploration_final_eps": 0.3}),
        (DoubleQLearning, {"exploration_final_eps": 0.3}),
        (UsersDoubleQLearning, {"epsilon": 0.3}),
    ],
)
def test_evaluate_policy_takes_a_learner(cls, exploration):
    env = GridWorld("S . . #\n. X . .\n. . . G", step_reward=-0.04, max_steps=100)
    agent = cls.for_env(env, seed=0, gamma=0.9, **exploration)
    rlkit.train(agent, env, steps=10_000)
    mean, deviation = evaluate_policy(agent, env, n_eval_episodes=3)
    assert mean == pytest.approx(1 - 4 * 0.04)  # five steps from S to G, the last of which pays 1
    assert deviation == 0


@pytest.mark.parametrize(
    ("cls", "name"), [(DDPG, "Pendulum-v1"), (TD3, "Pendulum-v1"), (DQN, "CartPole-v1")], ids=["DDPG", "TD3", "DQN"]
)
def test_evaluate_policy_takes_a_deep_agent_on_many_environments_as_on_one(cls, name):
    agent = cls.for_env(gymnasium.make(name), seed=0, network=(8,), buffer_size=10)
    returns = []
    for n_envs in (1, 3):
        env = make_vec_env(name, n_envs=n_envs, seed=7)  # the seeds of the environments are 7, 8 and 9
        returns.append(evaluate_policy(agent, env, n_eval_episodes=n_envs, return_episode_rewards=True)[0])
    assert returns[0][0] in [pytest.approx(one, rel=1e-4) for one in returns[1]]  # the shortest episode comes first
