"""DQN: Q-learning with a neural network."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from rlkit.agent import ReplayAgent
from rlkit.config import bounded, described
from rlkit.errors import SpaceError
from rlkit.exploration import linear_decay
from rlkit.features import Features
from rlkit.networks import Inputs, Passes, mlp, target_of, update_target
from rlkit.networks.precision import computing
from rlkit.replay import NStepBatch, NStepReplay, PrioritizedReplay
from rlkit.transition import Transition
from rlkit.updates.adam import adam
from rlkit.updates.deep import (
    double_q_target,
    dueling,
    dueling_slope,
    huber_loss,
    huber_slope,
    q_learning_target,
)


class DQN(ReplayAgent):
    """Learns action values by Q-learning with a neural network, from replay, against a target network.

    Mnih et al. (2015), with stable-baselines3's hyperparameters and defaults. Options, as in Rainbow (Hessel et al.
    2018): double Q-learning (van Hasselt et al. 2016), dueling networks (Wang et al. 2016), n-step returns (S&B 2018,
    section 7.1), prioritised replay (Schaul et al. 2016).

    Departures: Adam instead of RMSProp, fully connected layers instead of convolutions, no clipping of rewards. The
    two streams of a dueling network share all hidden layers: v and the advantages are outputs of the last.

    Observations are `Discrete`, seen one-hot or through `features`, or a `Box` (`rlkit.networks.Inputs`). Before
    `learning_starts` it acts at random. Networks are small, and on the CPU; their gradients are written out
    (`rlkit.networks.Passes`), not left to autograd.

    Attributes:
        inputs: from observations to what the networks read.
        network: q, or where it is dueling v and the advantages: `[N, n_inputs]` to `[N, A]` or `[N, 1 + A]`.
        target: the network whose values are bootstrapped from.
        moments: the running means that Adam keeps, float32 `(2, n_weights)`.
        n_updates: how many batches were learnt from.
    """

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(ReplayAgent.Config):
        """Hyperparameters of DQN, with SB3's names and defaults."""

        learning_rate: float = bounded(1e-4, above=0, help="step size of Adam")
        batch_size: int = bounded(32, at_least=1, help="transitions in a batch, drawn with replacement")
        train_freq: int = bounded(4, at_least=1, help="transitions between two rounds of learning")
        target_update_interval: int = bounded(
            10_000, at_least=1, help="transitions between two updates of the target network"
        )
        tau: float = bounded(1.0, above=0, up_to=1, help="how far an update moves the target network; 1 copies")
        exploration_fraction: float = bounded(
            0.1, at_least=0, up_to=1, help="share of a run in which exploration falls from initial to final"
        )
        exploration_initial_eps: float = bounded(1.0, at_least=0, up_to=1, help="share of random actions at first")
        exploration_final_eps: float = bounded(0.05, at_least=0, up_to=1, help="share of random actions in the end")
        temperature: float | None = bounded(
            None, above=0, help="act by softmax of the values at this temperature instead"
        )
        max_grad_norm: float = bounded(10.0, above=0, help="a longer gradient is scaled down to this norm")
        network: tuple[int, ...] = bounded((64, 64), at_least=1, help="units of the hidden layers")
        features: Features | None = described(None, "of observations; None: one-hot, or the vector itself")
        double: bool = described(False, "the online network chooses the action that the target network values")
        dueling: bool = described(False, "the network gives v and the advantages")
        n_steps: int = bounded(1, at_least=1, help="rewards before it bootstraps")
        prioritized: bool = described(False, "draw transitions by their TD errors")
        priority_alpha: float = bounded(0.6, at_least=0, up_to=1, help="how much priorities count; 0: not at all")
        priority_beta: float = bounded(
            0.4, at_least=0, up_to=1, help="how much of the bias of priorities is taken back at first; in the end: all"
        )

    observation_types = (spaces.Discrete, spaces.Box)
    action_types = (spaces.Discrete,)
    alternatives: ClassVar[Mapping[Any, str]] = {("action", spaces.Box): "DDPG and TD3"}

    buffer: NStepReplay

    def setup(self) -> None:
        """Make the buffer, the networks and the optimiser."""
        if self.action_space.start != 0:
            raise SpaceError(f"DQN: the action space is {self.action_space}, expected one that starts at 0")
        super().setup()
        config, n_actions = self.config, int(self.action_space.n)
        self.inputs = Inputs(self.observation_space, config.features)
        n_outputs = n_actions + 1 if config.dueling else n_actions
        self.network = mlp(self.inputs.n_inputs, config.network, n_outputs, self.torch_generator)
        self.target = target_of(self.network)
        n_weights = sum(parameter.numel() for parameter in self.network.parameters())
        self.moments = np.zeros((2, n_weights), np.float32)
        self.n_updates = 0
        self._total_steps = 0

    def make_buffer(self) -> NStepReplay:
        """Return an empty buffer."""
        config, of_spaces = self.config, (self.observation_space, self.action_space)
        n_steps, gamma = config.n_steps, config.gamma
        if not config.prioritized:
            return NStepReplay(config.buffer_size, *of_spaces, n_steps=n_steps, gamma=gamma)
        alpha, beta = config.priority_alpha, config.priority_beta
        return PrioritizedReplay(config.buffer_size, *of_spaces, n_steps=n_steps, gamma=gamma, alpha=alpha, beta=beta)

    def prepare(self, total_steps: int) -> None:
        """Let exploration fall, and what priorities are corrected by rise, over a share of all steps, or over all."""
        self._total_steps = total_steps

    def computing(self) -> AbstractContextManager[Any]:
        """Return the context to learn in: one thread, and the faster of torch's float32 kernels."""
        return computing(max(self.config.network, default=0))

    @property
    def exploration_rate(self) -> float | None:
        """The current share of random actions; None with softmax."""
        config = self.config
        if self.n_stored < config.learning_starts:
            return 1.0
        if config.temperature is not None:
            return None
        decay = config.exploration_fraction * self._total_steps
        return linear_decay(config.exploration_initial_eps, config.exploration_final_eps, decay, self.n_stored)

    def act(self, observation: Any, *, explore: bool = False) -> int:
        """Return the greedy action, the lowest where several are; with `explore`, one to learn from."""
        if explore:
            epsilon = self.exploration_rate
            if epsilon is None:
                return int(self.rng.choice(int(self.action_space.n), p=self.probs(observation)))
            if self.rng.random() < epsilon:
                return int(self.rng.random() * self.action_space.n)
        return int(self._preferences(observation).argmax())

    def probs(self, observation: Any) -> NDArray[np.float64]:
        """Return how likely each action is while it explores as it does now, float64 `(A,)`."""
        preferences, epsilon = self._preferences(observation).astype(np.float64), self.exploration_rate
        if epsilon is None:
            weights = np.exp((preferences - preferences.max()) / self.config.temperature)
            shares: NDArray[np.float64] = weights / weights.sum()
            return shares
        shares = np.full(preferences.size, epsilon / preferences.size)
        shares[preferences.argmax()] += 1.0 - epsilon
        return shares

    def update(self, transition: Transition) -> Mapping[str, Any]:
        """Store the transition; when it is time, learn from batches, and move the target network."""
        if isinstance(self.buffer, PrioritizedReplay):
            self.buffer.beta = linear_decay(self.config.priority_beta, 1.0, self._total_steps, self.n_stored)
        metrics = super().update(transition)
        if self.n_stored % self.config.target_update_interval == 0:
            self.update_target()
        return metrics

    def update_target(self) -> None:
        """Move the target network by `tau` towards the one that learns."""
        update_target(self.target, self.network, self.config.tau)

    @torch.no_grad()
    def learn_batch(self, batch: NStepBatch) -> Mapping[str, Any]:
        """Move q(s, a) of a batch towards its targets, by one step of Adam."""
        config, online = self.config, self._online
        reward, discount, weight = torch.from_numpy(np.array([batch.reward, batch.discount, batch.weight], np.float32))
        next_x = torch.from_numpy(self.inputs.read(batch.next_observation))
        next_q_target = self._q(self._bootstrapped, next_x)
        if config.double:
            y = double_q_target(reward, discount, next_q_target, self._q(online, next_x))
        else:
            y = q_learning_target(reward, discount, next_q_target)

        q = self._q(online, torch.from_numpy(self.inputs.read(batch.observation)))  # [B, A]
        action = torch.from_numpy(batch.action)[:, None]
        error = y - q.gather(1, action).squeeze(1)  # [B]
        slope = torch.zeros_like(q).scatter_(1, action, huber_slope(error, weight)[:, None])
        online.backward(dueling_slope(slope) if config.dueling else slope)
        self.n_updates += 1
        m, v = self.moments
        adam(online.weights, online.gradient, m, v, self.n_updates, config.learning_rate, config.max_grad_norm)
        loss = float(huber_loss(error, weight))
        if isinstance(self.buffer, PrioritizedReplay) and math.isfinite(loss):
            self.buffer.set_priorities(batch.row, error.numpy())
        return {"loss": loss, "mean_q": float(q.mean())}

    def diagnostics(self) -> Mapping[str, float]:
        """Return the step size."""
        return {"learning_rate": self.config.learning_rate}

    def _q(self, passes: Passes, x: Tensor) -> Tensor:
        """Return a network's action values, `[N, A]`, for inputs `[N, n_inputs]`."""
        out = passes.forward(x)
        return dueling(out[:, :1], out[:, 1:]) if self.config.dueling else out

    @torch.no_grad()
    def action_values(self, observations: Any) -> NDArray[np.float32]:
        """Return q of N observations, float32 `(N, A)`."""
        return self._q(self._online, torch.from_numpy(self.inputs.read(observations))).numpy().copy()

    def _preferences(self, observation: Any) -> NDArray[np.float32]:
        """Return the action values of one observation, `(A,)`, but for what dueling adds to all of them."""
        outputs = self._online.of_one(self._read_one(observation))
        return outputs[1:] if self.config.dueling else outputs

    @cached_property
    def _read_one(self) -> Callable[[Any], NDArray[np.float32]]:
        return self.inputs.reader()

    @cached_property
    def _online(self) -> Passes:
        return Passes(self.network)

    @cached_property
    def _bootstrapped(self) -> Passes:
        return Passes(self.target)

    def __getstate__(self) -> dict[str, Any]:
        derived = ("_online", "_bootstrapped", "_read_one")
        return {name: value for name, value in super().__getstate__().items() if name not in derived}
