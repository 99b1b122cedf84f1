"""DDPG as its peers have it, and ours: each trains until it is stopped, for `benchmarks.ddpg`.

One update after every step, one environment, TensorBoard on, and the same hyperparameters for all.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

Pause = Callable[[int], None]
"""Told after every step how many there were; it may take its time."""
ENDLESS = 10**9


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is trained, and how."""

    environment: str
    network: tuple[int, ...]
    batch_size: int
    learning_starts: int = 100
    learning_rate: float = 1e-3
    gamma: float = 0.99
    tau: float = 0.005
    sigma: float = 0.1
    buffer_size: int = 100_000

    @property
    def learns(self) -> bool:
        """Whether there are any updates."""
        return self.learning_starts < ENDLESS


def rlkit_ddpg(setting: Setting, directory: str, pause: Pause, every: int) -> None:
    from rlkit import Callback, Trainer
    from rlkit.agents import DDPG
    from rlkit.exploration import GaussianNoise

    class Pausing(Callback):
        def on_every(self, trainer: Trainer) -> None:
            pause(trainer.step)

    env = gymnasium.make(setting.environment)
    noise = GaussianNoise(sigma=setting.sigma)
    agent = DDPG.for_env(env, seed=0, network=setting.network, noise=noise, **shared(setting))
    pausing = Pausing()
    pausing.every = every
    Trainer(agent, env, directory=directory, checkpoint_every=ENDLESS, callbacks=[pausing], progress=False).run(ENDLESS)


def sb3_ddpg(setting: Setting, directory: str, pause: Pause, every: int) -> None:
    import stable_baselines3

    learn_as_sb3(stable_baselines3.DDPG, setting, directory, pause, every, {"device": "cpu"})


def sbx_ddpg(setting: Setting, directory: str, pause: Pause, every: int) -> None:
    import sbx

    learn_as_sb3(sbx.DDPG, setting, directory, pause, every, {"qf_learning_rate": setting.learning_rate})


def learn_as_sb3(
    algorithm: Any, setting: Setting, directory: str, pause: Pause, every: int, others: Mapping[str, Any]
) -> None:
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.noise import NormalActionNoise

    class Pausing(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps % every == 0:
                pause(self.num_timesteps)
            return True

    env = gymnasium.make(setting.environment)
    n_actions = env.action_space.shape[0]
    model = algorithm(
        "MlpPolicy",
        env,
        seed=0,
        action_noise=NormalActionNoise(np.zeros(n_actions), np.full(n_actions, setting.sigma)),
        policy_kwargs={"net_arch": list(setting.network)},
        tensorboard_log=directory,
        **shared(setting),
        **others,
    )
    model.learn(ENDLESS, callback=Pausing())


def shared(setting: Setting) -> dict[str, Any]:
    """Return the hyperparameters that have the same names in rlkit, stable-baselines3 and SBX."""
    names = ("learning_starts", "learning_rate", "batch_size", "gamma", "tau", "buffer_size")
    return {name: getattr(setting, name) for name in names}


def tianshou_ddpg(setting: Setting, directory: str, pause: Pause, every: int) -> None:
    import torch
    from tianshou.algorithm import DDPG
    from tianshou.algorithm.modelfree.ddpg import ContinuousDeterministicPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.data import Collector, ReplayBuffer
    from tianshou.exploration import GaussianNoise
    from tianshou.trainer import OffPolicyTrainerParams
    from tianshou.utils import TensorboardLogger
    from tianshou.utils.net.common import Net
    from tianshou.utils.net.continuous import ContinuousActorDeterministic, ContinuousCritic
    from torch.utils.tensorboard import SummaryWriter

    torch.manual_seed(0)
    env = gymnasium.make(setting.environment)
    sizes = {"state_shape": env.observation_space.shape, "hidden_sizes": setting.network}
    actor = ContinuousActorDeterministic(preprocess_net=Net(**sizes), action_shape=env.action_space.shape)
    critic = ContinuousCritic(preprocess_net=Net(**sizes, action_shape=env.action_space.shape, concat=True))
    policy = ContinuousDeterministicPolicy(
        actor=actor, exploration_noise=GaussianNoise(sigma=setting.sigma), action_space=env.action_space
    )
    adam = AdamOptimizerFactory(lr=setting.learning_rate)
    algorithm = DDPG(
        policy=policy, policy_optim=adam, critic=critic, critic_optim=adam, tau=setting.tau, gamma=setting.gamma
    )
    collector = Collector(algorithm, env, ReplayBuffer(setting.buffer_size), exploration_noise=True)
    collector.reset()
    collector.collect(n_step=setting.learning_starts, random=True)

    def before_step(_: int, step: int) -> None:
        if step and step % every == 0:
            pause(step)

    algorithm.run_training(
        OffPolicyTrainerParams(
            training_collector=collector,
            max_epochs=1,
            epoch_num_steps=ENDLESS,
            collection_step_num_env_steps=1,
            update_step_num_gradient_steps_per_sample=1,
            batch_size=setting.batch_size,
            training_fn=before_step,
            logger=TensorboardLogger(SummaryWriter(directory)),
            verbose=False,
            show_progress=False,
        )
    )


def cleanrl_ddpg(setting: Setting, directory: str, pause: Pause, every: int) -> None:
    """One file from top to bottom, in the manner of CleanRL's `ddpg_continuous_action.py`, but written anew.

    As there: a vector environment of one, stable-baselines3's replay buffer, plain modules with autograd and Adam, a
    copy loop for the targets, losses and speed to TensorBoard every 100 steps. Other than there, the actor
    learns at every step, as everybody else's here does, instead of at every second.
    """
    import time

    import torch
    from stable_baselines3.common.buffers import ReplayBuffer
    from torch import nn
    from torch.nn.functional import mse_loss
    from torch.utils.tensorboard import SummaryWriter

    class Actor(nn.Module):
        def __init__(self, space: Any) -> None:
            super().__init__()
            self.layers = mlp(n_observations, space.shape[0])
            self.register_buffer("scale", torch.tensor((space.high - space.low) / 2))
            self.register_buffer("centre", torch.tensor((space.high + space.low) / 2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tanh(self.layers(x)) * self.scale + self.centre

    class Critic(nn.Module):
        def __init__(self, n_actions: int) -> None:
            super().__init__()
            self.layers = mlp(n_observations + n_actions, 1)

        def forward(self, x: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
            return self.layers(torch.cat([x, action], 1))

    def mlp(n_inputs: int, n_outputs: int) -> nn.Sequential:
        sizes = [n_inputs, *setting.network]
        hidden = [part for m, n in itertools.pairwise(sizes) for part in (nn.Linear(m, n), nn.ReLU())]
        return nn.Sequential(*hidden, nn.Linear(sizes[-1], n_outputs))

    def make() -> gymnasium.Env[Any, Any]:
        return gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.make(setting.environment))

    torch.manual_seed(0)
    writer = SummaryWriter(directory)
    envs = gymnasium.vector.SyncVectorEnv([make], autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP)
    space = envs.single_action_space
    n_observations = math.prod(envs.single_observation_space.shape)
    actor, actor_target = Actor(space), Actor(space)
    critic, critic_target = Critic(space.shape[0]), Critic(space.shape[0])
    actor_target.load_state_dict(actor.state_dict())
    critic_target.load_state_dict(critic.state_dict())
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=setting.learning_rate)
    actor_optimizer = torch.optim.Adam(actor.parameters(), lr=setting.learning_rate)
    envs.single_observation_space.dtype = np.float32
    replay = ReplayBuffer(
        setting.buffer_size, envs.single_observation_space, space, "cpu", handle_timeout_termination=False
    )
    began = time.time()
    observations, _ = envs.reset(seed=0)
    for step in range(1, ENDLESS):
        if step <= setting.learning_starts:
            actions = envs.action_space.sample()
        else:
            with torch.no_grad():
                actions = actor(torch.Tensor(observations))
                actions += torch.normal(0, actor.scale * setting.sigma)
                actions = actions.numpy().clip(space.low, space.high)
        following, rewards, terminated, truncated, infos = envs.step(actions)
        if "final_info" in infos:
            writer.add_scalar("charts/episodic_return", infos["final_info"]["episode"]["r"][0], step)
            writer.add_scalar("charts/episodic_length", infos["final_info"]["episode"]["l"][0], step)
        really_next = following.copy()
        for index, ended in enumerate(truncated):
            if ended:
                really_next[index] = infos["final_obs"][index]
        replay.add(observations, really_next, actions, rewards, terminated, infos)
        observations = following
        if step > setting.learning_starts:
            batch = replay.sample(setting.batch_size)
            with torch.no_grad():
                next_q = critic_target(batch.next_observations, actor_target(batch.next_observations)).view(-1)
                y = batch.rewards.flatten() + (1 - batch.dones.flatten()) * setting.gamma * next_q
            q = critic(batch.observations, batch.actions).view(-1)
            critic_loss = mse_loss(q, y)
            critic_optimizer.zero_grad()
            critic_loss.backward()
            critic_optimizer.step()
            actor_loss = -critic(batch.observations, actor(batch.observations)).mean()
            actor_optimizer.zero_grad()
            actor_loss.backward()
            actor_optimizer.step()
            for learner, target in ((actor, actor_target), (critic, critic_target)):
                for new, old in zip(learner.parameters(), target.parameters(), strict=True):
                    old.data.copy_(setting.tau * new.data + (1 - setting.tau) * old.data)
            if step % 100 == 0:
                writer.add_scalar("losses/qf1_values", q.mean().item(), step)
                writer.add_scalar("losses/qf1_loss", critic_loss.item(), step)
                writer.add_scalar("losses/actor_loss", actor_loss.item(), step)
                writer.add_scalar("charts/SPS", int(step / (time.time() - began)), step)
        if step % every == 0:
            pause(step)


def bare_loop(setting: Setting, directory: str, pause: Pause, every: int) -> None:  # noqa: ARG001 (nothing is logged)
    """Step the environment with random actions drawn beforehand: what every loop costs at least."""
    env = gymnasium.make(setting.environment)
    actions = [env.action_space.sample() for _ in range(1000)]
    env.reset(seed=0)
    for step in range(1, ENDLESS):
        *_, terminated, truncated, _ = env.step(actions[step % 1000])
        if terminated or truncated:
            env.reset()
        if step % every == 0:
            pause(step)


@dataclass(frozen=True)
class Contestant:
    """One that trains, the module that it needs, and whether it can be had with no updates, or only so."""

    name: str
    train: Callable[[Setting, str, Pause, int], None]
    module: str
    loops: bool = True
    learns: bool = True

    def enters(self, setting: Setting) -> bool:
        """Tell whether it is installed and can do that."""
        able = self.learns if setting.learns else self.loops
        return able and importlib.util.find_spec(self.module) is not None


CONTESTANTS = (
    Contestant("stable-baselines3", sb3_ddpg, "stable_baselines3"),
    Contestant("CleanRL's manner", cleanrl_ddpg, "stable_baselines3"),
    Contestant("Tianshou", tianshou_ddpg, "tianshou", loops=False),
    Contestant("SBX (JAX)", sbx_ddpg, "sbx"),
    Contestant("rlkit", rlkit_ddpg, "rlkit"),
    Contestant("env.step alone", bare_loop, "gymnasium", learns=False),
)
