"""A planner that is to be checked, the model that it plans for, and that model's exact solution."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit import bellman
from rlkit.bellman.solution import Solution
from rlkit.checks.running import CheckFailed, CheckSkipped
from rlkit.errors import ConfigError, NotConverged
from rlkit.mdp import FiniteMDP
from rlkit.policy import Planner
from rlkit.truth.problem import model_of

MakePlanner = type[Planner] | Callable[[Any, int | None], Planner]

MOST = 1000
"""States in which it is asked for its action."""

EXACT = 1e-11
"""The error asked of the exact solution, as a part of max|r| / (1 - gamma)."""


class PlannerSubject:
    """A planner to be checked: fresh ones of any seed, one that has planned, and the exact values to compare with.

    Args:
        make: a class, or a function of a model and a seed.
        model: a model; an environment that has one, its id, or a function that makes either.
    """

    def __init__(self, make: MakePlanner, model: Any) -> None:
        if isinstance(make, type) and not issubclass(make, Planner):
            raise ConfigError(f"check_planner: {make.__name__} is not a Planner")
        if not callable(make):
            raise ConfigError(f"check_planner: {make!r} is neither a Planner class nor a function make(model, seed)")
        self.make = make
        given = gymnasium.make(model) if isinstance(model, str) else model
        given = given() if inspect.isclass(given) or inspect.isroutine(given) else given
        self.model = model_of(given)
        self.where = name_of(given)
        self.before = numbers_of(self.model)

    def __str__(self) -> str:
        return str(getattr(self.make, "__name__", type(self.make).__name__))

    def new(self, seed: int | None = 0, *, changes: Mapping[str, Any] | None = None) -> Planner:
        """Return a planner that has not planned, with some hyperparameters changed.

        Raises:
            CheckFailed: what was made is no planner.
        """
        made = self.make
        states, actions = spaces.Discrete(self.model.n_states), spaces.Discrete(self.model.n_actions)
        planner = made(states, actions, seed=seed) if inspect.isclass(made) else made(self.model, seed)  # type: ignore[call-arg]
        if not isinstance(planner, Planner):
            raise CheckFailed(f"make(model, seed) returned a {type(planner).__name__}, expected a Planner")
        if not changes:
            return planner
        config = type(planner).Config.from_dict({**planner.config.to_dict(), **changes})
        return type(planner)(planner.observation_space, planner.action_space, config, seed=seed)

    def planned(self, model: Any = None, seed: int | None = 0) -> Planner:
        """Return a new planner that has planned, for the model if no other is given."""
        planner = self.new(seed)
        planner.plan(self.model if model is None else model)
        return planner

    @cached_property
    def planner(self) -> Planner:
        """One that has planned."""
        return self.planned()

    @cached_property
    def gamma(self) -> float:
        """The discount that it plans with."""
        solution, config = self.planner.solution, self.planner.config
        gamma = getattr(config, "gamma", None) if solution is None else solution.gamma
        if gamma is None:
            raise CheckSkipped("neither a solution nor the hyperparameters say its discount")
        return float(gamma)

    @cached_property
    def exact(self) -> Solution:
        """The optimal values, as precisely as `rlkit.bellman` finds them."""
        return exact_solution(self.model, self.gamma)

    @cached_property
    def states(self) -> NDArray[np.int64]:
        """The states that it is asked about: none that is terminal, and not more than a thousand."""
        alive = np.flatnonzero(~self.model.terminal)
        return alive[:: max(-(-alive.size // MOST), 1)]

    def actions(self, planner: Planner) -> list[Any]:
        """Return what a planner does in the states, as it says it."""
        first = int(planner.observation_space.start)
        return [planner.act(state + first) for state in self.states.tolist()]

    def choices(self, planner: Planner) -> NDArray[np.int64]:
        """Return the same as numbers from 0."""
        return np.array([int(action) for action in self.actions(planner)]) - int(planner.action_space.start)


def exact_solution(model: Any, gamma: float) -> Solution:
    """Return the optimal values and their proven bound, as small as float64 allows."""
    scale = max(float(model.max_abs_reward), 1e-3) / max(1.0 - gamma, 1e-3)
    try:
        return bellman.solve(model, gamma, tol=EXACT * scale)
    except NotConverged as stopped:
        found: Solution = stopped.solution
        return found


def numbers_of(model: Any) -> dict[str, NDArray[Any]]:
    """Return copies of all numbers of a model by name, and what it makes of some values."""
    mdp: FiniteMDP = model.to_finite_mdp()
    matrix, v = mdp.transitions, np.linspace(-1.0, 1.0, mdp.n_states)
    kept = {"transitions": matrix.data, "rewards": mdp.rewards, "terminal": model.terminal}
    return {**{name: part.copy() for name, part in kept.items()}, "backup": model.backup(v, 0.9)}


def name_of(given: Any) -> str:
    """Return a name for a model, or for the environment that it is of."""
    spec = getattr(given, "spec", None)
    return str(spec.id) if spec is not None else type(getattr(given, "unwrapped", given)).__name__
