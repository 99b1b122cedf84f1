"""Bringing many environments at once back to where they were."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import SyncVectorEnv

from rlkit.errors import CheckpointError
from rlkit.layers import memories, remember
from rlkit.rewind import Rewind
from rlkit.spaces import keeper


class VectorRewind:
    """Saves and restores the state of a vector of environments, each as `rlkit.rewind.Rewind` does one.

    One with `get_state` and `set_state` is asked. A `SyncVectorEnv` has its environments followed: each gets one more
    wrapper, which notes what is done. Any other is in processes of its own, and cannot be restored.

    Args:
        env: the vector; step and reset it through its own methods.
        recording: whether `state` will be asked for.
    """

    def __init__(self, env: gymnasium.vector.VectorEnv[Any, Any, Any], *, recording: bool) -> None:
        self.env = env
        bare: Any = env.unwrapped
        self._asks = callable(getattr(bare, "get_state", None)) and callable(getattr(bare, "set_state", None))
        self._followed: list[_Followed] = []
        if recording and not self._asks and type(bare) is SyncVectorEnv:
            self._followed = [_Followed(as_given(one)) for one in bare.envs]
            bare.envs[:] = self._followed

    @property
    def is_possible(self) -> bool:
        """Whether there is a state to save."""
        return self._asks or bool(self._followed)

    def state(self) -> dict[str, Any] | None:
        """Return the state of all environments, as plain data; None where it cannot be had."""
        if not self.is_possible:
            return None
        bare: Any = self.env.unwrapped
        its = {"own": bare.get_state()} if self._asks else {"each": [one.state() for one in self._followed]}
        return {**its, "layers": memories(self.env)}

    def restore(self, state: dict[str, Any], over: np.ndarray[Any, Any]) -> None:
        """Bring all environments to a state that was saved.

        Args:
            state: what `state` returned.
            over: bool `(N,)`, which of them begin an episode in the next step.

        Raises:
            CheckpointError: one of them did not repeat its episode, or they are of another kind or number.
        """
        bare: Any = self.env.unwrapped
        if "each" not in state:
            bare.set_state(state.get("own", state))  # 0.1.0 saved nothing besides
        else:
            if len(state["each"]) != len(self._followed):
                raise CheckpointError(f"{self.env}: the run had {len(state['each'])} environments that were followed")
            for one, its in zip(self._followed, state["each"], strict=True):
                one.restore(its)
            bare._autoreset_envs = over.copy()
        if "layers" in state:
            remember(self.env, state["layers"])


def as_given(env: Any) -> Any:
    """Return an environment of a vector as it was before it was followed."""
    return env.env if isinstance(env, _Followed) else env


class _Followed(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Notes what is done in an environment."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self._rewind = Rewind(env, recording=True)
        self._keep, self._keep_action = keeper(env.observation_space), keeper(env.action_space)
        self._seen: Any = None
        self._total = 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        seen, info = self._rewind.reset(seed, options)
        self._seen, self._total = self._keep(seen), 0.0
        return seen, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        seen, reward, terminated, truncated, info = self.env.step(action)
        if self._rewind.actions is not None:
            self._rewind.actions.append(self._keep_action(action))
        self._seen, self._total = self._keep(seen), self._total + float(reward)
        return seen, reward, terminated, truncated, info

    def state(self) -> dict[str, Any]:
        return {"seen": self._seen, "total": self._total, "rewind": self._rewind.state(in_episode=True)}

    def restore(self, state: dict[str, Any]) -> None:
        self._seen, self._total = state["seen"], state["total"]
        self._rewind.restore(state["rewind"], self._seen, self._total, in_episode=True)
