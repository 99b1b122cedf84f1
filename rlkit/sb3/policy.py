"""A trained SB3 model as one of our policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm

from rlkit.errors import CheckpointError, ConfigError
from rlkit.policy import Policy
from rlkit.spaces import check_shape


class SB3Policy(Policy, rebuilt=False):
    """A model of SB3's (PPO, A2C, DQN, SAC, TD3, DDPG, or one like them) as a policy: evaluated, measured and drawn.

    It is the model as it is, and goes on learning with it. Observations are normalised as its `VecNormalize` does now,
    if it has one: it takes those of the plain environment. What is drawn, with `explore`, comes from SB3's generators,
    the global ones; `rng` is not used.

    It cannot be saved: SB3's files hold pickles. Save the model with `model.save`, and wrap it again. SB3's `load`
    unpickles, which runs whatever code the file holds: load trusted files only. Nothing in rlkit loads one.

    Args:
        model: what to wrap.

    Attributes:
        model: what is wrapped.

    Raises:
        ConfigError: it is not a model of SB3's.
    """

    target_policy: None = None
    average_reward: None = None

    def __init__(self, model: BaseAlgorithm) -> None:
        if not isinstance(model, BaseAlgorithm):
            raise ConfigError(f"SB3Policy: {model!r} is not a model of stable-baselines3")
        super().__init__(model.observation_space, model.action_space)
        self.model = model

    def act(self, observation: Any, *, explore: bool = False) -> Any:
        """Return the best action for one observation; with `explore`, one drawn as the model does."""
        action, _ = self.model.predict(self._normalized(observation), deterministic=not explore)
        return int(action) if isinstance(self.action_space, spaces.Discrete) else action

    def act_batch(self, observations: Any, *, explore: bool = False) -> NDArray[Any]:
        """Return the actions `(N, ...)` for N observations, stacked."""
        return self.model.predict(self._normalized(observations), deterministic=not explore)[0]

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """Act as the model's `predict` does, but on observations of the plain environment."""
        check_shape("SB3Policy.predict", self.observation_space, observation)
        return self.model.predict(self._normalized(observation), state, episode_start, deterministic)

    def probs(self, observation: Any) -> NDArray[np.float64]:
        """Return the probability of each of the A actions while it draws them, float64 `(A,)`.

        PPO and A2C draw from their distribution; DQN takes a random action with its `exploration_rate`. A model of
        another kind is taken to do what `act` does, for sure.

        Raises:
            SpaceError: the actions are not `Discrete`.
        """
        policy: Any = self.model.policy
        if not isinstance(self.action_space, spaces.Discrete):
            return super().probs(observation)
        if hasattr(policy, "get_distribution"):
            with torch.no_grad():
                drawn = policy.get_distribution(self._tensor(observation)).distribution.probs[0]
            shares: NDArray[np.float64] = drawn.double().cpu().numpy()
            shares /= shares.sum()
            return shares
        epsilon = getattr(self.model, "exploration_rate", 0.0)
        return epsilon / int(self.action_space.n) + (1.0 - epsilon) * super().probs(observation)

    def action_values(self, observations: Any) -> NDArray[np.float32] | None:
        """Return the action values `(N, A)` of N observations, stacked; None if the model has none, as PPO and SAC."""
        network = getattr(self.model, "q_net", None)
        if network is None or self._scales_rewards:
            return None
        with torch.no_grad():
            q: NDArray[np.float32] = network(self._tensor(observations)).cpu().numpy()
        return q

    def q_values(self, observations: Any, actions: NDArray[Any]) -> NDArray[np.float32] | None:
        """Return q, float32 `(N,)`, of N observations and actions of a `Box`, as the environment takes them.

        Of several critics (SAC, TD3) the smallest counts; SAC's values contain its bonus for entropy. None if the model
        has no critic, as PPO.
        """
        critic = getattr(self.model, "critic", None)
        if critic is None or self._scales_rewards:
            return None
        scaled = self.model.policy.scale_action(np.asarray(actions, np.float32))
        with torch.no_grad():
            of_critics = critic(self._tensor(observations), torch.as_tensor(scaled, device=self.model.device))
            q: NDArray[np.float32] = torch.cat(of_critics, 1).min(1).values.cpu().numpy()
        return q

    def state_values(self, observations: Any) -> NDArray[np.float32] | None:
        """Return the values, float32 `(N,)`, of N observations, stacked, as the model estimates them.

        Of PPO and A2C they are those of the policy that draws its actions; of DQN the largest action values; of SAC,
        TD3 and DDPG the `q_values` of `act`. None if the model has none, or if its `VecNormalize` scales the rewards:
        then they are in other units.
        """
        if self._scales_rewards:
            return None
        policy: Any = self.model.policy
        if hasattr(policy, "predict_values"):
            with torch.no_grad():
                v: NDArray[np.float32] = policy.predict_values(self._tensor(observations))[:, 0].cpu().numpy()
            return v
        if isinstance(self.action_space, spaces.Box):
            return self.q_values(observations, self.act_batch(observations))
        q = self.action_values(observations)
        return None if q is None else q.max(axis=1)

    def save(self, path: str | Path) -> NoReturn:
        """Refuse: SB3's models have no saved form without pickle.

        Raises:
            CheckpointError: always.
        """
        raise CheckpointError(f"{path}: an SB3Policy has no saved form, because SB3's are pickles; use model.save")

    def _normalized(self, observation: Any) -> Any:
        wrapper = self.model.get_vec_normalize_env()
        return observation if wrapper is None else wrapper.normalize_obs(observation)

    @property
    def _scales_rewards(self) -> bool:
        return getattr(self.model.get_vec_normalize_env(), "norm_reward", False)

    def _tensor(self, observations: Any) -> Any:
        """Return observations as the model's networks take them, which from now on evaluate and do not train."""
        self.model.policy.set_training_mode(False)
        return self.model.policy.obs_to_tensor(self._normalized(observations))[0]
