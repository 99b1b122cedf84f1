"""The mountain car, as in the book: an engine too weak for the slope, and no time limit."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from rlkit.compiled.dynamics import draws_left, observation, reset, step

LOWEST, GOAL, FASTEST = -1.2, 0.5, 0.07
STEPS, CURSOR = 0, 1  # entries of `World.at`


@register_jitable(forceinline=True)
def drive(position: Any, velocity: Any, action: Any) -> Any:
    """Return position and velocity a step later (S&B 2018, section 10.1)."""
    velocity = velocity + 0.001 * (action - 1) - 0.0025 * math.cos(3.0 * position)
    velocity = min(max(velocity, -FASTEST), FASTEST)
    position = min(position + velocity, GOAL)
    if position < LOWEST:
        return LOWEST, 0.0
    return position, velocity


class MountainCarDynamics(NamedTuple):
    limit: int


class MountainCarWorld(NamedTuple):
    at: NDArray[np.int64]
    place: NDArray[np.float64]
    draws: NDArray[np.float64]


@observation.of(MountainCarDynamics)
def observe_car(dynamics: Any, world: Any) -> Any:
    return world.place[0], world.place[1]


@draws_left.of(MountainCarDynamics)
def car_draws_left(dynamics: Any, world: Any) -> Any:
    return len(world.draws) - world.at[CURSOR]


@reset.of(MountainCarDynamics)
def reset_car(dynamics: Any, world: Any) -> Any:
    position = -0.6 + 0.2 * world.draws[np.uint64(world.at[CURSOR])]
    world.at[CURSOR] += 1
    world.at[STEPS] = 0
    world.place[0], world.place[1] = position, 0.0
    return position, 0.0


@step.of(MountainCarDynamics)
def step_car(dynamics: Any, world: Any, x: Any, action: Any) -> Any:
    position, velocity = drive(x[0], x[1], action)
    world.at[STEPS] += 1
    world.place[0], world.place[1] = position, velocity
    terminated = position >= GOAL
    return (position, velocity), -1.0, terminated, world.at[STEPS] == dynamics.limit and not terminated
