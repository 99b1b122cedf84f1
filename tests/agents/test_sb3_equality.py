"""From the same weights and the same transitions, DDPG and TD3 learn what stable-baselines3's learn, to rounding."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.logger import Logger

import rlkit
from rlkit.agents import DDPG, TD3

torch.set_num_threads(1)

N_ROWS, BATCH, GAMMA = 150, 32, 0.98
# Target smoothing is drawn from other generators, so here it is none.
OURS = {DDPG: {}, TD3: {"target_noise_clip": 0.0}}
THEIRS = {DDPG: {}, TD3: {"target_noise_clip": 0.0, "target_policy_noise": 0.1}}


def pendulum(limit):
    return gymnasium.make("Pendulum-v1", max_episode_steps=limit)


def pair(kind, limit=200, **settings):
    """Return one of ours and one of theirs with our weights, and their networks, ours first."""
    common = {"batch_size": BATCH, "gamma": GAMMA, "buffer_size": 300, "seed": 1, **settings}
    env = pendulum(limit)
    ours = kind.for_env(env, network=(64, 48), noise=None, **OURS[kind], **common)
    model = getattr(stable_baselines3, kind.__name__)
    theirs = model("MlpPolicy", env, policy_kwargs={"net_arch": [64, 48]}, device="cpu", **THEIRS[kind], **common)
    theirs.set_logger(Logger(None, []))
    networks = [(ours.actor, theirs.actor.mu), (ours.actor_target, theirs.actor_target.mu)]
    networks += zip(ours.critics, theirs.critic.q_networks, strict=True)
    networks += zip(ours.critics_target, theirs.critic_target.q_networks, strict=True)
    with torch.no_grad():
        for own, other in parameters(networks):
            other.copy_(own)
    return ours, theirs, networks


def parameters(networks):
    return [both for own, other in networks for both in zip(own.parameters(), other.parameters(), strict=True)]


def fill(ours, theirs):
    """Store the same transitions of random actions in both: every 50th terminates, every 40th is truncated."""
    rng, env = np.random.default_rng(0), pendulum(40)
    observation, _ = env.reset(seed=3)
    for number in range(1, N_ROWS + 1):
        action = rng.uniform(-2, 2, 1).astype(np.float32)
        following, reward, _, truncated, _ = env.step(action)
        terminated = number % 50 == 0
        ours.buffer.add(observation, action / 2, reward, following, terminated, truncated)
        over, info = np.array([terminated or truncated]), [{"TimeLimit.truncated": truncated and not terminated}]
        theirs.replay_buffer.add(observation, following, action / 2, np.array([reward]), over, info)
        observation = env.reset()[0] if terminated or truncated else following


class Draws:
    """A generator that draws what it was given."""

    def __init__(self, rows):
        self.rows = rows

    def integers(self, *arguments, **keywords):
        return self.rows


def learn_alike(ours, theirs, rows):
    """Have both learn from these rows; return our numbers, and the gradients that their optimisers were given."""
    gradients = {}
    for name in ("actor", "critic"):
        network = getattr(theirs, name)

        def note(optimizer, arguments, keywords, name=name, network=network):
            gradients[name] = [parameter.grad.clone() for parameter in network.parameters()]

        network.optimizer.register_step_pre_hook(note)
    theirs.replay_buffer.sample = lambda batch_size, env=None: theirs.replay_buffer._get_samples(rows)
    theirs.train(gradient_steps=1, batch_size=BATCH)
    ours.rng = Draws(rows)
    return ours.replay(1), gradients


@pytest.mark.parametrize("kind", [DDPG, TD3])
def test_losses_gradients_and_parameters_equal_sb3s(kind):
    ours, theirs, networks = pair(kind)
    fill(ours, theirs)
    for number in range(4):  # two of which move TD3's actor
        metrics, gradients = learn_alike(ours, theirs, np.random.default_rng(number).integers(N_ROWS, size=BATCH))
        for name, value in metrics.items():
            expected = theirs.logger.name_to_value[f"train/{name}"]
            assert float(value) == pytest.approx(expected, rel=1e-5, abs=1e-5)
        of_ours = {"actor": ours.actor, "critic": ours.critics}
        assert set(gradients) == ({"actor", "critic"} if "actor_loss" in metrics else {"critic"})
        for name, found in gradients.items():
            for own, other in zip(of_ours[name].parameters(), found, strict=True):
                np.testing.assert_allclose(own.grad, other, rtol=1e-5, atol=1e-5)
        for own, other in parameters(networks):
            np.testing.assert_allclose(own.detach(), other.detach(), rtol=0, atol=1e-5)
    assert not torch.equal(ours.actor[0].weight, ours.actor_target[0].weight)


@pytest.mark.parametrize("kind", [DDPG, TD3])
def test_a_whole_run_equals_sb3s(kind):
    # What to draw from the buffer is given to both; nothing else is random without noise and random first steps. The
    # run crosses two episodes that are truncated.
    ours, theirs, _ = pair(kind, 40, learning_starts=0)
    buffer, rng, returns = theirs.replay_buffer, np.random.default_rng(5), []
    buffer.sample = lambda size, env=None: buffer._get_samples(rng.integers(buffer.size(), size=size))
    theirs.learn(100)
    ours.rng = np.random.default_rng(5)

    class Ends(rlkit.Callback):
        def on_episode(self, trainer, episode):
            returns.append(episode.reward)

    rlkit.train(ours, pendulum(40), steps=100, callbacks=[Ends()])
    assert len(returns) == 2
    assert returns == pytest.approx([episode["r"] for episode in theirs.ep_info_buffer], rel=1e-4)
    # Rounding grows: Adam makes of a slope that is nearly 0 a step of its full length, to one side or the other. Of
    # torques up to 2 the difference was 9e-4 at most.
    seen = (np.random.default_rng(0).uniform(-1, 1, (100, 3)) * [1, 1, 8]).astype(np.float32)
    actions, expected = (model.predict(seen, deterministic=True)[0] for model in (ours, theirs))
    np.testing.assert_allclose(actions, expected, atol=0.01)
