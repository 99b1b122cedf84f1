"""DDPG: deep deterministic policy gradient."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rlkit.agents.deep.actor_critic import ActorCritic
from rlkit.replay import PackedBatch
from rlkit.updates.actor_critic import return_slope, squared_error_slope, td_target


class DDPG(ActorCritic):
    """Learns a deterministic policy along the slope of its critic in the actions.

    Lillicrap et al. (2016), algorithm 1, on the deterministic policy gradient of Silver et al. (2014). Hyperparameters
    have stable-baselines3's names and defaults; `preset("DDPG", "paper")` has the paper's own.

    Departures, unless that preset is taken: Gaussian noise in place of Ornstein-Uhlenbeck's, one learning rate for both
    networks, tau of 0.005 in place of 0.001, no L2 penalty, larger batches, and last layers that begin as large as the
    others. In any case: actions come into the critic with the observation, not behind its first layer, and without
    batch normalisation. Its updates are stable-baselines3's, to rounding; but by default it explores (Gaussian noise).
    """

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(ActorCritic.Config):
        """Hyperparameters of DDPG."""

    @property
    def critic(self) -> nn.Module:
        """Q: `[N, O + A]` to `[N, 1]`."""
        return self.critics[0]

    def learn_batch(self, batch: PackedBatch) -> Mapping[str, Any]:
        """Move Q(s, a) towards y = r + gamma Q'(s', mu'(s')), then mu along dQ/da, then the target networks."""
        critic, actor = self._critics[0], self._actor
        y = td_target(batch.reward, batch.discount, self.next_q(batch.next_observation))
        error = y - critic.forward(batch.observation_action).squeeze(1)  # [B]
        critic.backward(squared_error_slope(error))
        self.improve_critic(0)

        action = actor.forward(batch.observation)  # mu(s) [B, A]
        q = critic.forward(torch.cat((batch.observation, action), 1))  # [B, 1]
        action_slope = critic.slope_of_input(return_slope(q), action.shape[1])  # [B, A]
        actor.backward(action_slope)
        self.improve_actor(self.n_updates - 1)

        self.move_targets()
        self._latest = action
        return {"critic_loss": error.square().mean(), "actor_loss": -q.mean()}

    def next_q(self, next_observation: Tensor) -> Tensor:
        """Return Q'(s', mu'(s')), `[B, 1]`."""
        action = self.next_action(next_observation)
        return self._critics_target[0].forward(torch.cat((next_observation, action), 1))

    def next_action(self, next_observation: Tensor) -> Tensor:
        """Return mu'(s'), `[B, A]`, in [-1, 1]."""
        return self._actor_target.forward(next_observation)
