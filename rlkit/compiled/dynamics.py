"""What an environment with a compiled step offers: dynamics, which never change, and a world, which does.

Both are NamedTuples of numbers and arrays. The functions here are registered for the type of the dynamics
(`@step.of(MyDynamics)`). They consume the environment's own random numbers, in the same order as its `step` and `reset`
do, so that it makes no difference which of the two is used. An environment has, as `rlkit.envs.MountainCar` shows,

- `compiled()`, which returns the dynamics, or None where there are none;
- `enter(n_draws)`, which returns dynamics and world, with at least so many random numbers drawn beforehand;
- `leave(world)`, after which everything is as if `step` and `reset` had been called;
- `is_running`, whether an episode is under way.
"""

from __future__ import annotations

from typing import Any

from rlkit.compiled.kinds import chosen_by_kind


@chosen_by_kind
def reset(dynamics: Any, world: Any) -> Any:
    """Begin an episode; return the first observation: a state's number or a tuple of floats."""


@chosen_by_kind
def step(dynamics: Any, world: Any, x: Any, action: int) -> Any:
    """Take an action at observation x; return (next observation, reward, terminated, truncated)."""


@chosen_by_kind
def observation(dynamics: Any, world: Any) -> Any:
    """Return the current observation, of the type that `step` returns; any such value between episodes."""


@chosen_by_kind
def draws_left(dynamics: Any, world: Any) -> Any:
    """Return how many of the numbers drawn beforehand are left; a step and a reset take one each at most."""
