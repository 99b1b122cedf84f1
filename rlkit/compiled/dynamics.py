"""What an environment with a compiled step offers: dynamics, which never change, and a world, which does.

`env.unwrapped.compiled()` returns both as NamedTuples of numbers and arrays: a `Compiled`. The functions here are
registered for the type of the dynamics (`@step.of(MyDynamics)`). They consume the environment's own random numbers, in
the same order as its `step` and `reset` do, so that it makes no difference which of the two is used.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rlkit.compiled.kinds import chosen_by_kind


class Compiled(NamedTuple):
    """An environment as compiled code sees it.

    Attributes:
        dynamics: a NamedTuple, whose type says which functions are meant.
        world: a NamedTuple of arrays, which these functions write to.
    """

    dynamics: Any
    world: Any


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
