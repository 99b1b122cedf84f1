"""Bringing an environment back to where it was, in another process."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

from rlkit.errors import CheckpointError
from rlkit.layers import memories, remember, wrappers

TRANSPARENT = (OrderEnforcing, PassiveEnvChecker, TimeLimit)  # wrappers whose state we know: none, or a count of steps


class Rewind:
    """Follows an environment, so that its state can be saved and restored.

    An environment with `get_state` and `set_state` (plain data, its generator included) is asked. Any other is reset
    from the state that its generator had before the episode, and the episode's actions are repeated: so it must be
    deterministic but for `np_random`, and restoring compares the last observation and the return. What wrappers
    remember of earlier episodes is saved, too (`rlkit.layers`).

    Args:
        env: the environment; step and reset it through its own methods, and report here.
        recording: whether `state` will be asked for; otherwise no actions are kept.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], *, recording: bool) -> None:
        self.env = env
        self.actions: list[Any] | None = None  # since the reset; None where they are not needed
        self._has_state = hasattr(env.unwrapped, "get_state") and hasattr(env.unwrapped, "set_state")
        self._recording = recording
        self._start: dict[str, Any] = {}

    def reset(self, seed: int | None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset the environment, noting how, but for options."""
        if self.needs_actions:
            self._start = {"seed": seed, "layers": memories(self.env)} if seed is not None else self._before_reset()
            self.actions = []
        return self.env.reset(seed=seed, options=options)

    @property
    def needs_actions(self) -> bool:
        """Whether every action must be noted in `actions`."""
        return self._recording and not self._is_open()

    def state(self, *, in_episode: bool) -> dict[str, Any]:
        """Return the state of the environment, as plain data."""
        if self._is_open():
            return {"own": self.env.unwrapped.get_state(), "steps": self._elapsed()}  # type: ignore[attr-defined]
        if not in_episode:
            return {"start": self._before_reset(), "actions": None}
        actions = self.actions or []
        stacked = np.stack(actions) if actions and isinstance(actions[0], np.ndarray) else list(actions)
        return {"start": self._start, "actions": stacked}

    def restore(self, state: dict[str, Any], observation: Any, total: float, *, in_episode: bool) -> None:
        """Bring the environment to a state that was saved.

        Args:
            state: what `state` returned.
            observation: the last one of the episode so far.
            total: the episode's return so far.
            in_episode: whether an episode is under way.

        Raises:
            CheckpointError: repeating the episode gave another observation or return.
        """
        if "own" in state:
            self._restore_own(state, in_episode)
        else:
            self._repeat(state["start"], state["actions"], observation, total)

    def _is_open(self) -> bool:
        return self._has_state and all(type(layer) in TRANSPARENT for layer in wrappers(self.env))

    def _elapsed(self) -> list[int | None]:
        return [layer._elapsed_steps for layer in wrappers(self.env) if type(layer) is TimeLimit]

    def _restore_own(self, state: dict[str, Any], in_episode: bool) -> None:
        limits = [layer for layer in wrappers(self.env) if type(layer) is TimeLimit]
        if len(limits) != len(state["steps"]):
            raise CheckpointError(f"{self.env}: the run's environment had {len(state['steps'])} TimeLimit wrappers")
        if in_episode:
            self.env.reset()
            for layer, steps in zip(limits, state["steps"], strict=True):
                layer._elapsed_steps = steps
        self.env.unwrapped.set_state(state["own"])  # type: ignore[attr-defined]

    def _before_reset(self) -> dict[str, Any]:
        if self._has_state:
            return {"own": self.env.unwrapped.get_state(), "layers": memories(self.env)}  # type: ignore[attr-defined]
        return {"generator": self.env.unwrapped.np_random.bit_generator.state, "layers": memories(self.env)}

    def _repeat(self, start: dict[str, Any], actions: Any, observation: Any, total: float) -> None:
        if "own" in start:
            self.env.unwrapped.set_state(start["own"])  # type: ignore[attr-defined]
        elif "generator" in start:
            self.env.unwrapped.np_random.bit_generator.state = start["generator"]
        if "layers" in start:  # runs of rlkit 0.1.0 did not save them
            remember(self.env, start["layers"])
        if actions is None:
            return
        seen, _ = self.env.reset(seed=start.get("seed"))
        repeated = 0.0
        for action in actions:
            seen, reward, *_ = self.env.step(action)
            repeated += float(reward)
        self._start, self.actions = start, list(actions)
        if repeated != total or not _same(seen, observation):
            raise CheckpointError(
                f"{self.env}: repeating the episode's {len(self.actions)} actions from its reset gave another "
                f"observation or return, so the environment is not deterministic; give it get_state() and "
                f"set_state(state)"
            )


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    return np.array_equal(left, right, equal_nan=np.asarray(left).dtype.kind in "fc")
