"""The mountain car, as in the book: an engine too weak for the slope, and no time limit."""

from __future__ import annotations

import math
import operator
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from numba.extending import register_jitable
from numpy.typing import NDArray

from rlkit.compiled.dynamics import draws_left, observation, reset, step
from rlkit.config import check_count
from rlkit.envs.stepping import rewind
from rlkit.errors import ConfigError

LOWEST, GOAL, FASTEST = -1.2, 0.5, 0.07
STEPS, CURSOR = 0, 1  # entries of `MountainCarWorld.at`


@register_jitable(forceinline=True)
def drive(position: Any, velocity: Any, action: Any) -> Any:
    """Return position and velocity a step later (S&B 2018, section 10.1)."""
    velocity = velocity + 0.001 * (action - 1) - 0.0025 * math.cos(3.0 * position)
    if velocity > FASTEST:
        velocity = FASTEST
    elif velocity < -FASTEST:
        velocity = -FASTEST
    position = position + velocity
    if position > GOAL:
        position = GOAL
    if position < LOWEST:
        return LOWEST, 0.0
    return position, velocity


@register_jitable(forceinline=True)
def drawn_start(draw: Any) -> Any:
    """Return the position where an episode begins, for a uniform number in [0, 1)."""
    return -0.6 + 0.2 * draw


class MountainCar(gymnasium.Env[NDArray[np.float64], Any]):
    """Drive an underpowered car out of a valley, which takes a run-up; every step costs 1 until it is out.

    Moore (1990); Sutton & Barto (2018), section 10.1. Actions: 0 full throttle back, 1 none, 2 full throttle ahead.
    Observations: position in [-1.2, 0.5] and velocity in [-0.07, 0.07], float64 `(2,)`. An episode begins at rest, at a
    position drawn from [-0.6, -0.4), and terminates at position 0.5; at -1.2 the car stops dead. gymnasium's
    `MountainCar-v0` moves alike, but ends an episode after 200 steps, too soon for a learner to find the way out. It
    has no pictures.

    Args:
        max_steps: steps after which an episode is truncated; None, as in the book, for never.

    Raises:
        ConfigError: `max_steps` is not a whole number of at least 1.
    """

    metadata: dict[str, object] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, max_steps: int | None = None) -> None:
        self.observation_space = gymnasium.spaces.Box(
            np.array([LOWEST, -FASTEST]), np.array([GOAL, FASTEST]), dtype=np.float64
        )
        self.action_space = gymnasium.spaces.Discrete(3)
        self._limit = None if max_steps is None else check_count("max_steps", max_steps)
        self._position, self._velocity = math.nan, math.nan
        self._steps = 0
        self._running = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Begin an episode; `options={"state": (position, velocity)}` says where.

        Raises:
            ConfigError: for other options, or for a state that is outside its bounds or at the goal.
        """
        super().reset(seed=seed)
        if options:
            self._position, self._velocity = _chosen_start(options)
        else:
            self._position, self._velocity = drawn_start(self.np_random.random()), 0.0
        self._steps, self._running = 0, True
        return np.array((self._position, self._velocity)), {}

    def step(self, action: int) -> tuple[NDArray[np.float64], float, bool, bool, dict[str, Any]]:
        """Take an action; return next observation, reward -1, terminated, truncated, and an empty info.

        Raises:
            ResetNeeded: no episode is under way.
            ValueError: the action is not 0, 1 or 2.
        """
        if type(action) is not int or not 0 <= action < 3 or not self._running:
            action = self._checked(action)
        self._position, self._velocity = position, velocity = drive(self._position, self._velocity, action)
        self._steps = steps = self._steps + 1
        terminated = position >= GOAL
        truncated = steps == self._limit and not terminated
        if terminated or truncated:
            self._running = False
        seen = np.empty(2)  # and two numbers take half the time of np.array((position, velocity))
        seen[0], seen[1] = position, velocity
        return seen, -1.0, terminated, truncated, {}

    def _checked(self, action: Any) -> int:
        """Return an action as a plain int, or say what is wrong."""
        if not self._running:
            raise ResetNeeded(
                "MountainCar.step: no episode is under way (none begun, or the last step ended it); call reset() first"
            )
        try:
            number = operator.index(action)
        except TypeError:
            number = -1
        if not 0 <= number < 3:
            raise ValueError(f"MountainCar.step: action {action!r} is not an integer in [0, 3)")
        return number

    @property
    def is_running(self) -> bool:
        """Whether an episode is under way."""
        return self._running

    def compiled(self) -> MountainCarDynamics:
        """Return the dynamics for compiled loops."""
        return MountainCarDynamics(-1 if self._limit is None else self._limit)

    def enter(self, n_draws: int) -> tuple[MountainCarDynamics, MountainCarWorld]:
        """Hand over to a compiled loop, with so many random numbers, until `leave`."""
        self._before = self.np_random.bit_generator.state
        world = MountainCarWorld(
            np.array([self._steps, 0]), np.array([self._position, self._velocity]), self.np_random.random(n_draws)
        )
        return self.compiled(), world

    def leave(self, world: MountainCarWorld) -> None:
        """Take over from a compiled loop: everything is as if `step` and `reset` had been called."""
        self._steps, used = world.at.tolist()
        self._position, self._velocity = world.place.tolist()
        self._running = self._position < GOAL and self._steps != self._limit  # False for NaN: nothing has begun
        rewind(self.np_random, self._before, used)

    def get_state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on, as plain numbers and dicts, fit for JSON."""
        return {
            "position": self._position if self._running else None,
            "velocity": self._velocity if self._running else None,
            "steps": self._steps,
            "running": self._running,
            "max_steps": self._limit,
            "generator": self.np_random.bit_generator.state,
            "seed": self.np_random_seed,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was called, to the bit; `max_steps` must be the same.

        Raises:
            ConfigError: `state` is not what `get_state` gives for this environment.
        """
        try:
            running, steps, seed = bool(state["running"]), int(state["steps"]), int(state["seed"])
            position, velocity = math.nan, math.nan
            if running:
                position, velocity = float(state["position"]), float(state["velocity"])
                if not (LOWEST <= position < GOAL and -FASTEST <= velocity <= FASTEST):
                    raise ValueError(f"({position}, {velocity}) is outside the bounds")
            if state["max_steps"] != self._limit:
                raise ValueError(f"max_steps was {state['max_steps']}, expected {self._limit}")
            self.np_random.bit_generator.state = state["generator"]
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"MountainCar.set_state: not a state of this MountainCar: {error!r}") from error
        self._np_random_seed = seed
        self._position, self._velocity, self._steps, self._running = position, velocity, steps, running


def _chosen_start(options: dict[str, Any]) -> tuple[float, float]:
    if set(options) != {"state"}:
        raise ConfigError(f"MountainCar.reset: options={options!r}, where only 'state' is known")
    try:
        position, velocity = map(float, options["state"])
    except (TypeError, ValueError):
        position = velocity = math.nan
    if not (LOWEST <= position < GOAL and -FASTEST <= velocity <= FASTEST):
        raise ConfigError(
            f"MountainCar.reset: state {options['state']!r}, expected (position, velocity) with position in "
            f"[{LOWEST}, {GOAL}) and velocity in [{-FASTEST}, {FASTEST}]"
        )
    return position, velocity


class MountainCarDynamics(NamedTuple):
    """The car as compiled code sees it.

    Attributes:
        limit: steps after which an episode is truncated; -1 for never.
    """

    limit: int


class MountainCarWorld(NamedTuple):
    """What changes.

    Attributes:
        at: steps of the episode, draws used; int64 `(2,)`.
        place: position and velocity, float64 `(2,)`.
        draws: the environment's next uniform numbers, float64.
    """

    at: NDArray[np.int64]
    place: NDArray[np.float64]
    draws: NDArray[np.float64]


@observation.of(MountainCarDynamics)
def observe_car(dynamics: Any, world: Any) -> Any:
    """Return position and velocity."""
    return world.place[0], world.place[1]


@draws_left.of(MountainCarDynamics)
def car_draws_left(dynamics: Any, world: Any) -> Any:
    """Count what is left of `draws`."""
    return len(world.draws) - world.at[CURSOR]


@reset.of(MountainCarDynamics)
def reset_car(dynamics: Any, world: Any) -> Any:
    """Draw a start."""
    position = drawn_start(world.draws[np.uint64(world.at[CURSOR])])
    world.at[CURSOR] += 1
    world.at[STEPS] = 0
    world.place[0], world.place[1] = position, 0.0
    return position, 0.0


@step.of(MountainCarDynamics)
def step_car(dynamics: Any, world: Any, x: Any, action: Any) -> Any:
    """Drive, and pay -1."""
    position, velocity = drive(x[0], x[1], action)
    world.at[STEPS] += 1
    world.place[0], world.place[1] = position, velocity
    terminated = position >= GOAL
    return (position, velocity), -1.0, terminated, world.at[STEPS] == dynamics.limit and not terminated
