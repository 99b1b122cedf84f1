"""The environment that is learnt in, as SB3's callbacks look at one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from rlkit.divergence import name_of
from rlkit.errors import ConfigError


class TrainingEnv(DummyVecEnv):
    """An environment, or a vector of them, as SB3's `VecEnv`: to look at, and to call methods of, but not to step.

    It is a `DummyVecEnv` because `EvalCallback` warns where its own environment is of another type.

    Args:
        env: what a trainer steps.

    Attributes:
        envs: the single environments; empty where they cannot be reached, because they are in other processes, or none
            exist. Then `get_attr` reads the vector's own attributes, and nothing can be set or called.
    """

    def __init__(self, env: gymnasium.Env[Any, Any] | VectorEnv[Any, Any, Any]) -> None:
        self.env = env
        if isinstance(env, VectorEnv):
            self.envs = list(getattr(env.unwrapped, "envs", ()))
            VecEnv.__init__(self, env.num_envs, env.single_observation_space, env.single_action_space)
        else:
            self.envs = [env]
            VecEnv.__init__(self, 1, env.observation_space, env.action_space)
        self.metadata = env.metadata

    def step_async(self, actions: Any) -> NoReturn:  # noqa: ARG002 (SB3's signature)
        """Refuse: a step that the trainer does not know of would corrupt what is learnt from."""
        raise ConfigError(f"a callback steps {name_of(self.env)}, which is trained in; give it one of its own")

    def reset(self) -> NoReturn:
        """Refuse, for the same reason."""
        raise ConfigError(f"a callback resets {name_of(self.env)}, which is trained in; give it one of its own")

    def close(self) -> None:
        """Leave it open: it is not ours."""

    def get_attr(self, attr_name: str, indices: int | Iterable[int] | None = None) -> list[Any]:
        """Return an attribute of every environment."""
        if self.envs:
            return super().get_attr(attr_name, indices)
        value = getattr(self.env, attr_name)
        return [value for _ in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type[Any], indices: int | Iterable[int] | None = None) -> list[bool]:
        """Tell of every environment whether it is wrapped in such a wrapper; not, where it cannot be reached."""
        if self.envs:
            return super().env_is_wrapped(wrapper_class, indices)
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Any:
        """Return a picture of every environment."""
        return super().get_images() if self.envs else list(np.asarray(self.env.render()))

    def _get_target_envs(self, indices: int | Iterable[int] | None) -> list[Any]:
        if not self.envs:
            raise ConfigError(f"{name_of(self.env)}: its single environments cannot be reached from a callback")
        return super()._get_target_envs(indices)
