"""A model of stable-baselines3 is one of our policies: it acts, is evaluated, measured and drawn."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from rlkit import Agent, CheckpointError, ConfigError, Policy, SpaceError
from rlkit.envs import GridWorld, LinearQuadratic
from rlkit.evaluation import evaluate
from rlkit.sb3 import SB3Policy
from rlkit.truth import Yardstick, errors_of, exact_values, optimality_gap

torch.set_num_threads(1)


def small(**settings):
    return {"policy_kwargs": {"net_arch": [8]}, "seed": 0, "device": "cpu", **settings}  # SB3 writes into it


def grid():
    return GridWorld("S . .\n. X G", step_reward=-0.1, max_steps=30)


def pendulum():
    return Monitor(gymnasium.make("Pendulum-v1", max_episode_steps=20))


@pytest.fixture(scope="module")
def ppo():
    model = PPO("MlpPolicy", grid(), n_steps=128, batch_size=32, learning_rate=0.02, gamma=0.9, **small())
    return model.learn(1280)


def test_a_trained_ppo_is_measured_against_the_exact_answer(ppo):
    policy, env = SB3Policy(ppo), grid()
    errors = errors_of(policy, Yardstick(env, 0.9))
    assert errors["policy_regret"] == pytest.approx(0, abs=1e-12)
    states = np.arange(env.observation_space.n)
    assert errors["max_error"] == pytest.approx(
        np.abs(policy.state_values(states) - Yardstick(env, 0.9).v)[Yardstick(env, 0.9).live].max()
    )
    assert [episode.reward for episode in evaluate(policy, env, episodes=2)] == pytest.approx([0.8, 0.8])  # -0.2 + 1


def test_the_exact_values_of_a_ppo_are_those_of_what_it_draws(ppo):
    policy, env = SB3Policy(ppo), grid()
    states = np.arange(env.observation_space.n)
    with torch.no_grad():
        drawn = ppo.policy.get_distribution(ppo.policy.obs_to_tensor(states)[0]).distribution.probs.double().numpy()
    shares = np.stack([policy.probs(s) for s in states])
    np.testing.assert_allclose(shares, drawn, rtol=1e-5)  # float32, in batches of other sizes
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-15)
    np.testing.assert_array_equal(exact_values(env, 0.9, policy=policy), exact_values(env, 0.9, policy=shares))


@pytest.mark.parametrize("kind", [PPO, A2C])
def test_the_values_of_ppo_and_a2c_are_their_critics(kind):
    env = gymnasium.make("CartPole-v1")
    model = kind("MlpPolicy", env, n_steps=64, **small())
    seen = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    policy = SB3Policy(model)
    with torch.no_grad():
        np.testing.assert_array_equal(
            policy.state_values(seen), model.policy.predict_values(torch.from_numpy(seen)).numpy()[:, 0]
        )
    assert policy.action_values(seen) is None
    assert policy.state_values(seen).dtype == np.float32


def test_a_dqn_has_action_values_and_explores_by_its_rate():
    model = DQN("MlpPolicy", grid(), **small(buffer_size=10))
    policy, states = SB3Policy(model), np.arange(6)
    q = policy.action_values(states)
    assert q.shape == (6, 4)
    np.testing.assert_array_equal(q.argmax(1), [policy.act(s) for s in states])
    np.testing.assert_array_equal(policy.state_values(states), q.max(1))
    model.exploration_rate = 0.2
    expected = np.full(4, 0.05)
    expected[q[2].argmax()] = 0.85
    np.testing.assert_allclose(policy.probs(2), expected, rtol=1e-15)


@pytest.mark.parametrize("kind", [SAC, TD3, DDPG])
def test_continuous_models_act_in_the_environments_units_and_value_that(kind):
    model = kind("MlpPolicy", pendulum(), **small(buffer_size=10))
    policy, seen = SB3Policy(model), np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    actions = policy.act_batch(seen)
    np.testing.assert_array_equal(actions, model.predict(seen, deterministic=True)[0])
    np.testing.assert_allclose(actions, [policy.act(one) for one in seen], rtol=1e-5)  # another size of batch
    with torch.no_grad():
        of_critics = model.critic(torch.from_numpy(seen), torch.from_numpy(actions / 2))  # torques go up to 2
    np.testing.assert_allclose(policy.state_values(seen), torch.cat(of_critics, 1).min(1).values.numpy(), atol=1e-6)
    np.testing.assert_allclose(policy.q_values(seen, actions), policy.state_values(seen), atol=1e-6)
    with pytest.raises(SpaceError, match=r"SB3Policy\.probs: the action space is Box"):
        policy.probs(seen[0])


def test_our_evaluation_and_sb3s_agree():
    model = SAC("MlpPolicy", pendulum(), **small(buffer_size=10))
    env = pendulum()
    env.reset(seed=5)
    theirs, _ = evaluate_policy(model, env, n_eval_episodes=3, return_episode_rewards=True)
    env.reset(seed=5)
    through_us, _ = evaluate_policy(SB3Policy(model), env, n_eval_episodes=3, return_episode_rewards=True)
    assert through_us == theirs
    env.reset(seed=5)
    assert [episode.reward for episode in evaluate(SB3Policy(model), env, episodes=3, seed=None)] == pytest.approx(
        theirs, rel=1e-4
    )


def test_the_optimality_gap_of_a_model_is_found():
    env = LinearQuadratic()
    model = TD3("MlpPolicy", env, **small(buffer_size=10))
    with torch.no_grad():
        model.actor.mu[-2].weight.zero_()
        model.actor.mu[-2].bias.zero_()
    does_nothing = optimality_gap(np.zeros((1, 2)), env, 0.9)
    gap = optimality_gap(SB3Policy(model), env, 0.9)
    assert gap.gap == pytest.approx(does_nothing.gap, abs=4 * gap.standard_error + 1e-9)


def test_observations_are_normalised_as_the_model_was_shown_them():
    env = VecNormalize(DummyVecEnv([lambda: gymnasium.make("CartPole-v1")]), norm_reward=False)
    model = PPO("MlpPolicy", env, n_steps=32, batch_size=32, **small()).learn(64)
    policy, raw = SB3Policy(model), np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    shown = np.clip((raw - env.obs_rms.mean) / np.sqrt(env.obs_rms.var + env.epsilon), -10, 10).astype(np.float32)
    np.testing.assert_array_equal(
        policy.predict(raw, deterministic=True)[0], model.predict(shown, deterministic=True)[0]
    )
    with torch.no_grad():
        values = model.policy.predict_values(torch.from_numpy(shown)).numpy()[:, 0]
    np.testing.assert_allclose(policy.state_values(raw), values, atol=1e-6)
    env.norm_reward = True
    assert policy.state_values(raw) is None  # they are in other units than the environment's rewards


def test_exploring_draws_as_the_model_does(ppo):
    policy = SB3Policy(ppo)
    torch.manual_seed(1)
    ours = [policy.act(0, explore=True) for _ in range(20)]
    torch.manual_seed(1)
    theirs = [int(ppo.predict(0, deterministic=False)[0]) for _ in range(20)]
    assert ours == theirs


def test_it_is_a_policy_that_is_not_saved(ppo, tmp_path):
    policy = SB3Policy(ppo)
    assert isinstance(policy, Policy)
    with pytest.raises(CheckpointError, match=r"an SB3Policy has no saved form, because SB3's are pickles"):
        policy.save(tmp_path / "ppo.npz")

    class Follows(Agent):
        def setup(self):
            self.target_policy = None

    agent = Follows(policy.observation_space, policy.action_space)
    agent.target_policy = policy
    with pytest.raises(
        CheckpointError,
        match=r"agent\.target_policy\.model\.policy_class: the class ActorCriticPolicy has no saved form",
    ):
        agent.save(tmp_path / "follows.npz")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_model_is_refused():
    for wrong in (PPO, grid(), None):
        with pytest.raises(ConfigError, match="is not a model of stable-baselines3"):
            SB3Policy(wrong)
    with pytest.raises(TypeError, match="__init__ is final"):

        class Tries(Policy):
            def __init__(self, model):
                pass
