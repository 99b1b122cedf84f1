"""What deterministic actor-critic agents do alike: they act, explore, store and keep target networks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from rlkit.agent import ReplayAgent
from rlkit.config import bounded, described
from rlkit.errors import ConfigError, SpaceError
from rlkit.exploration import GaussianNoise, OrnsteinUhlenbeckNoise
from rlkit.networks import Architecture, target_of
from rlkit.networks.normalizer import Normalizer
from rlkit.networks.passes import Differentiable, passes_of
from rlkit.networks.precision import computing
from rlkit.replay import PackedBatch, PackedReplay
from rlkit.spaces import batch_flattener, check_shape, flat_size, flattener, is_batch
from rlkit.transition import Transition, Transitions
from rlkit.updates.adam import adam
from rlkit.updates.adam_anywhere import adam_anywhere

Floats = NDArray[np.float64]


class ActorCritic(ReplayAgent):
    """Acts by a deterministic actor mu(s), valued by critics Q(s, a), which bootstrap from slow copies of both.

    A subclass says in `learn_batch` how they learn. Observations are a `Box`, or a `Dict` of such (goal tasks), and
    seen flat; actions are a bounded `Box`, and inside everything scaled to [-1, 1]. Before `learning_starts` it acts
    uniformly at random. Weights can be changed in place, by `agent.actor.load_state_dict` for instance; a parameter or
    network put in another's place goes unheeded.

    Attributes:
        actor: `[N, O]` to `[N, A]`, in [-1, 1].
        critics: each `[N, O + A]` to `[N, 1]`.
        actor_target, critics_target: their slow copies.
        normalizer: what scales observations; None without `normalize_observations`.
        moments: the running means that Adam keeps, of the actor and then of each critic, float32 `(2, n_weights)`.
        n_updates: how many batches were learnt from.
    """

    n_critics: ClassVar[int] = 1

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(ReplayAgent.Config):
        """Hyperparameters with SB3's names and defaults, but that it explores."""

        learning_rate: float = bounded(1e-3, above=0, help="step size of Adam")
        actor_learning_rate: float | None = bounded(None, above=0, help="the actor's; None: as the critic's")
        tau: float = bounded(0.005, above=0, up_to=1, help="how far an update moves the target networks")
        n_steps: int = bounded(1, at_least=1, help="rewards before it bootstraps")
        noise: GaussianNoise | OrnsteinUhlenbeckNoise | None = described(
            GaussianNoise(sigma=0.1), "added to actions while it learns"
        )
        network: tuple[int, ...] = bounded((400, 300), at_least=1, help="units of the hidden layers")
        actor: Architecture = described(Architecture(), "what the actor is built of")
        critic: Architecture = described(Architecture(), "what the critics are built of")
        optimizer: Literal["adam", "adamw"] = described("adam", "AdamW decays weights apart from their gradients")
        weight_decay: float = bounded(0.0, at_least=0, help="of the critics' matrices: L2, or with AdamW decoupled")
        normalize_observations: bool = described(False, "scale them by their running mean and variance")
        device: str = described("cpu", "where networks compute; for layers as small as these it is the fastest")

    observation_types = (spaces.Box, spaces.Dict)
    alternatives: ClassVar[Mapping[Any, str]] = {
        ("observation", spaces.Discrete): "DQN and the tabular agents, such as QLearning"
    }

    buffer: PackedReplay  # type: ignore[assignment]  # one made of flat rows

    def setup(self) -> None:
        """Make the buffer, the networks, and what the optimiser remembers."""
        self._check_actions()
        super().setup()
        config, n_seen, n_done = self.config, flat_size(self.observation_space), flat_size(self.action_space)
        generator, device = self.torch_generator, self._device
        actor = config.actor.build(n_seen, config.network, n_done, generator, nn.Tanh)
        critics = [config.critic.build(n_seen + n_done, config.network, 1, generator) for _ in range(self.n_critics)]
        self.actor = actor.to(device)
        self.critics = nn.ModuleList(critics).to(device)
        self.actor_target, self.critics_target = target_of(self.actor), target_of(self.critics)
        self.normalizer = Normalizer(n_seen) if config.normalize_observations else None
        self.moments = [torch.zeros(2, _size(network), device=device) for network in (actor, *critics)]
        self.n_updates = 0
        self._noise: Floats | None = None  # what was added to the last action, or to each environment's
        self._total_steps = 0
        self._saved_numbers: dict[str, float] = {}  # what was to be logged when this was saved, until the next update

    def make_buffer(self) -> PackedReplay:  # type: ignore[override]
        """Return an empty buffer."""
        config, sizes = self.config, (flat_size(self.observation_space), flat_size(self.action_space))
        return PackedReplay(config.buffer_size, *sizes, n_steps=config.n_steps, gamma=config.gamma)

    def prepare(self, total_steps: int) -> None:
        """Let the noise fall over a share of all steps."""
        self._total_steps = total_steps

    def computing(self) -> AbstractContextManager[Any]:
        """Return the context to learn in: one thread, and the faster of torch's float32 kernels."""
        return computing(max(self.config.network, default=0))

    def act(self, observation: Any, *, explore: bool = False) -> NDArray[Any]:
        """Return mu(s), as the environment takes actions; with `explore`, one to learn from."""
        if explore and self.n_stored < self.config.learning_starts:
            return self._unscaled(self.rng.uniform(-1.0, 1.0, self._half.size)).reshape(self.action_space.shape)
        action = self._actor.of_one(self._seen_one(self._flat(observation)))
        if explore:
            action = self._noisy(action)
        return self._unscaled(action).reshape(self.action_space.shape)

    def act_batch(self, observations: Any, *, explore: bool = True) -> NDArray[Any]:
        """Return actions `(N, ...)` for N observations, stacked."""
        rows = self._flat_batch(observations)
        if explore and self.n_stored < self.config.learning_starts:
            actions = self.rng.uniform(-1.0, 1.0, (len(rows), self._half.size))
        else:
            actions = self._actor.forward(self._seen(rows)).cpu().numpy()
            if explore:
                actions = self._noisy(actions)
        return self._unscaled(actions).reshape(len(rows), *self.action_space.shape)

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """Act in stable-baselines3's calling convention, on all observations of a batch at once."""
        if not is_batch(self.observation_space, observation):
            return super().predict(observation, state, episode_start, deterministic)
        check_shape(f"{type(self).__name__}.predict", self.observation_space, observation)
        return self.act_batch(observation, explore=not deterministic), state

    def update(self, transition: Transition) -> Mapping[str, Any]:
        """Store the transition; when a round is due, learn from `gradient_steps` batches."""
        self._store(*transition)
        if transition.terminated or transition.truncated:
            self._noise = None
        return self._learn_if_due(1)

    def update_batch(self, transitions: Transitions, valid: NDArray[np.bool_] | None = None) -> Mapping[str, Any]:
        """Store one transition of each environment; learn as often as after as many of a single one."""
        terminated, truncated = transitions.terminated, transitions.truncated
        chosen = range(len(terminated)) if valid is None else np.flatnonzero(valid).tolist()
        seen, following = self._flat_batch(transitions.observation), self._flat_batch(transitions.next_observation)
        actions = self._scaled(np.reshape(transitions.action, (len(terminated), -1)))
        for i in chosen:
            self._keep(seen[i], actions[i], transitions.reward[i], following[i], terminated[i], truncated[i], i)
        if self._noise is not None:
            self._noise[terminated | truncated if valid is None else terminated | truncated | ~valid] = 0.0
        return self._learn_if_due(len(chosen))

    def abandon_episode(self) -> None:
        """Let neither noise nor returns of n steps reach into the next episode."""
        self.buffer.cut()
        self._noise = None

    def _store(
        self, observation: Any, action: Any, reward: float, following: Any, terminated: bool, truncated: bool
    ) -> None:
        scaled = self._scaled(np.asarray(action).reshape(-1))
        self._keep(self._flat(observation), scaled, reward, self._flat(following), terminated, truncated, 0)

    def _keep(self, seen: Any, action: Any, reward: Any, following: Any, over: Any, cut: Any, stream: int) -> None:
        self.buffer.add(seen, action, reward, following, over, cut, stream)
        self.n_stored += 1
        if self.normalizer is not None:
            self.normalizer.show(seen)

    def _learn_if_due(self, n_new: int) -> Mapping[str, Any]:
        """Learn for each time that `train_freq` transitions have come, the newest ones counted."""
        config, n = self.config, self.n_stored
        if n <= config.learning_starts:
            return {}
        before = max(n - n_new, config.learning_starts)
        rounds = n // config.train_freq - before // config.train_freq
        return self.replay(rounds * config.gradient_steps) if rounds else {}

    def replay(self, gradient_steps: int) -> Mapping[str, Any]:
        """Learn from so many batches of what is stored; return the last one's numbers to log."""
        self._check_stored()
        metrics: Mapping[str, Any] = {}
        for _ in range(gradient_steps):
            batch = self._ready(self.buffer.sample(self.config.batch_size, self.rng))
            with torch.no_grad():
                self.n_updates += 1
                metrics = self.learn_batch(batch)
        return metrics

    def improve_critic(self, k: int) -> None:
        """Move critic k against its slope."""
        config = self.config
        self._descend(1 + k, self._critics[k], config.learning_rate, self.n_updates, config.weight_decay)

    def improve_actor(self, n_before: int) -> None:
        """Move the actor against its slope, after it was moved so many times."""
        rate = self.config.actor_learning_rate or self.config.learning_rate
        self._descend(0, self._actor, rate, n_before + 1, 0.0)

    def move_targets(self) -> None:
        """theta' <- tau theta + (1 - tau) theta'  (Lillicrap et al. 2016, algorithm 1), for actor and critics."""
        online, slow = (self._actor, *self._critics), (self._actor_target, *self._critics_target)
        for fast, target in zip(online, slow, strict=True):
            target.theta.lerp_(fast.theta, self.config.tau)

    def q_values(self, observations: Any, actions: Any) -> NDArray[np.float32]:
        """Return Q(s, a), float32 `(N,)`, the smallest of all critics', of N observations and actions, stacked."""
        rows = self._flat_batch(observations)
        scaled = self._scaled(np.reshape(actions, (len(rows), -1))).astype(np.float32)
        return self._smallest_q(self._seen(rows), torch.from_numpy(scaled).to(self._device))

    def state_values(self, observations: Any) -> NDArray[np.float32]:
        """Return Q(s, mu(s)), float32 `(N,)`, of N observations, stacked."""
        seen = self._seen(self._flat_batch(observations))
        return self._smallest_q(seen, self._actor.forward(seen))

    @torch.no_grad()
    def _smallest_q(self, seen: Tensor, actions: Tensor) -> NDArray[np.float32]:
        both = torch.cat((seen, actions), 1)
        values: NDArray[np.float32] = torch.cat([q.forward(both) for q in self._critics], 1).amin(1).cpu().numpy()
        return values

    def diagnostics(self) -> Mapping[str, float]:
        """Return numbers that are read now and then.

        They are step sizes, norms of the last slopes, and what share of the last batch's actions is within 1 % of a
        bound.
        """
        numbers: dict[str, float] = {"learning_rate": self.config.learning_rate}
        if self.config.actor_learning_rate not in (None, self.config.learning_rate):
            numbers["actor_learning_rate"] = self.config.actor_learning_rate
        if self.config.noise is not None and self.config.noise.final_sigma is not None:
            numbers["noise_sigma"] = self._sigma()
        return numbers | self._of_last_update()

    def _of_last_update(self) -> dict[str, float]:
        if self._latest is None:
            return self._saved_numbers
        return {
            "actor_grad_norm": float(self._actor.slope.norm()),
            "critic_grad_norm": float(torch.stack([q.slope.norm() for q in self._critics]).mean()),
            "saturated_actions": float((self._latest.abs() > 0.99).float().mean()),
        }

    _latest: Tensor | None = None  # the actor's actions in the last batch; not saved

    def _descend(self, which: int, passes: Differentiable, rate: float, step: int, decay: float) -> None:
        theta, slope, (m, v) = passes.theta, passes.slope, self.moments[which]
        n, decoupled = passes.n_weights, self.config.optimizer == "adamw"
        if theta.device.type == "cpu":
            adam(theta.numpy(), slope.numpy(), m.numpy(), v.numpy(), step, rate, math.inf, n, decay, decoupled)
        else:
            adam_anywhere(theta, slope, m, v, step, rate, n, decay, decoupled)

    def _ready(self, batch: PackedBatch) -> PackedBatch:
        """Return a batch as the networks read it."""
        if self.normalizer is not None:
            for part in (batch.observation, batch.next_observation):
                part.copy_(self.normalizer(part))
        device = self._device
        return batch if device.type == "cpu" else PackedBatch(*(part.to(device) for part in batch))

    def _seen(self, rows: NDArray[np.float32]) -> Tensor:
        """Return flat observations `(N, O)` as the networks read them."""
        usable = rows.flags.c_contiguous and rows.flags.writeable  # by torch
        tensor = torch.from_numpy(rows if usable else rows.copy())
        return (tensor if self.normalizer is None else self.normalizer(tensor)).to(self._device)

    def _seen_one(self, row: NDArray[np.float32]) -> NDArray[np.float32]:
        return row if self.normalizer is None else self._seen(row[None])[0].cpu().numpy()

    def _sigma(self) -> float:
        sigma: float = self.config.noise.sigma_at(self.n_stored, self._total_steps)
        return sigma

    def _noisy(self, actions: NDArray[Any]) -> NDArray[Any]:
        noise = self.config.noise
        if noise is None:
            return actions
        before = self._noise
        if before is None or before.shape != actions.shape:
            before = np.zeros(actions.shape)
        self._noise = noise.draw(before, self._sigma(), self.rng)
        return np.minimum(np.maximum(actions + self._noise, -1.0), 1.0)

    def _scaled(self, actions: NDArray[Any]) -> NDArray[Any]:
        scaled: NDArray[Any] = (actions - self._centre) / self._half
        return scaled

    def _unscaled(self, actions: NDArray[Any]) -> NDArray[Any]:
        low, high = self._bounds
        unscaled = (self._centre + self._half * actions).astype(self.action_space.dtype)
        bounded: NDArray[Any] = np.minimum(np.maximum(unscaled, low), high)  # rounding may go beyond
        return bounded

    def _check_actions(self) -> None:
        name, space = type(self).__name__, self.action_space
        if isinstance(space, spaces.Discrete):
            raise SpaceError(f"{name}: the action space is {space}, expected a bounded Box; for Discrete there is DQN")
        if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating):
            raise SpaceError(f"{name}: the action space is {space}, expected a bounded Box of floats")
        if not (np.isfinite(space.low) & np.isfinite(space.high)).all():
            raise SpaceError(
                f"{name}: the action space is {space}, expected one with bounds, to which actions are scaled; "
                "gymnasium.wrappers.TransformAction can give it some"
            )

    @cached_property
    def _device(self) -> torch.device:
        name = self.config.device
        try:
            return torch.empty(0, device=name).device
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"{type(self).__name__}: device={name!r} cannot be used: {reason}") from None

    @cached_property
    def _bounds(self) -> tuple[NDArray[Any], NDArray[Any]]:
        return self.action_space.low.reshape(-1), self.action_space.high.reshape(-1)

    @cached_property
    def _centre(self) -> Floats:
        low, high = (np.asarray(bound, np.float64) for bound in self._bounds)
        return (low + high) / 2

    @cached_property
    def _half(self) -> Floats:
        low, high = (np.asarray(bound, np.float64) for bound in self._bounds)
        return np.where(low < high, (high - low) / 2, 1.0)

    @cached_property
    def _flat(self) -> Callable[[Any], NDArray[np.float32]]:
        return flattener(self.observation_space)

    @cached_property
    def _flat_batch(self) -> Callable[[Any], NDArray[np.float32]]:
        return batch_flattener(self.observation_space)

    @cached_property
    def _actor(self) -> Differentiable:
        return passes_of(self.actor, self.config.batch_size)

    @cached_property
    def _critics(self) -> list[Differentiable]:
        return [passes_of(critic, self.config.batch_size) for critic in self.critics]

    @cached_property
    def _actor_target(self) -> Differentiable:
        return passes_of(self.actor_target, self.config.batch_size)

    @cached_property
    def _critics_target(self) -> list[Differentiable]:
        return [passes_of(critic, self.config.batch_size) for critic in self.critics_target]

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in super().__getstate__().items() if name not in _DERIVED}
        return {**state, "_saved_numbers": self._of_last_update()}


_DERIVED = {name for name, part in vars(ActorCritic).items() if isinstance(part, cached_property)} | {"_latest"}


def _size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
