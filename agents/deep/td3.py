"""TD3: twin delayed deep deterministic policy gradient."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from rlkit.agents.deep.actor_critic import ActorCritic
from rlkit.config import bounded
from rlkit.replay import PackedBatch
from rlkit.updates.actor_critic import clipped_double_q, return_slope, smoothed, squared_error_slope, td_target


class TD3(ActorCritic):
    """DDPG's more robust sibling: twin critics, smoothed targets, an actor that learns less often.

    Fujimoto, van Hoof & Meger (2018), algorithm 1. Hyperparameters have stable-baselines3's names and defaults.

    Departures, unless `preset("TD3", "paper")` is taken: larger batches, and 100 random steps to begin with in place of
    ten thousand. Its updates are stable-baselines3's, to rounding; but by default it explores, by Gaussian noise.
    """

    n_critics: ClassVar[int] = 2

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(ActorCritic.Config):
        """Hyperparameters of TD3."""

        policy_delay: int = bounded(2, at_least=1, help="updates of the critics for each of the actor and the targets")
        target_policy_noise: float = bounded(0.2, at_least=0, help="standard deviation of what smooths the targets")
        target_noise_clip: float = bounded(0.5, at_least=0, help="its largest size")

    def learn_batch(self, batch: PackedBatch) -> Mapping[str, Any]:
        """Move both critics towards y = r + gamma min Q'(s', a'); now and then mu along dQ_1/da, and the targets."""
        y = td_target(batch.reward, batch.discount, self.next_q(batch.next_observation))
        losses = []
        for k, critic in enumerate(self._critics):
            error = y - critic.forward(batch.observation_action).squeeze(1)  # [B]
            critic.backward(squared_error_slope(error))
            self.improve_critic(k)
            losses.append(error.square().mean())
        metrics = {"critic_loss": losses[0] + losses[1]}
        if self.n_updates % self.config.policy_delay == 0:
            metrics["actor_loss"] = self._improve_policy(batch.observation)
            self.move_targets()
        return metrics

    def _improve_policy(self, observation: Tensor) -> Tensor:
        """Move mu along dQ_1/da; return the actor's loss."""
        critic, actor = self._critics[0], self._actor
        action = actor.forward(observation)  # mu(s) [B, A]
        q = critic.forward(torch.cat((observation, action), 1))  # [B, 1]
        actor.backward(critic.slope_of_input(return_slope(q), action.shape[1]))
        self.improve_actor(self.n_updates // self.config.policy_delay - 1)
        self._latest = action
        return -q.mean()

    def next_q(self, next_observation: Tensor) -> Tensor:
        """Return min_k Q'_k(s', a'), `[B, 1]`."""
        config, action = self.config, self._actor_target.forward(next_observation)  # [B, A]
        noise = torch.randn(action.shape, generator=self.torch_generator).to(action) * config.target_policy_noise
        both = torch.cat((next_observation, smoothed(action, noise, config.target_noise_clip)), 1)
        q1, q2 = (critic.forward(both) for critic in self._critics_target)
        return clipped_double_q(q1, q2)
