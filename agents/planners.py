"""Planners: the exact solutions of `rlkit.bellman`, as policies."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from gymnasium import spaces
from numpy.typing import NDArray

from rlkit import bellman
from rlkit.config import bounded
from rlkit.errors import InvalidModel, RlkitError
from rlkit.policy import Planner

if TYPE_CHECKING:
    from rlkit.bellman import Solution


class BellmanPlanner(Planner):
    """Solves the Bellman optimality equation of a finite MDP and acts on the solution.

    Attributes:
        policy: the best action of every state, integers `[S]`; None before `plan`. This is what `save` saves, not the
            solution with its model.
    """

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(Planner.Config):
        """What to solve, and how well."""

        gamma: float = bounded(0.99, at_least=0, up_to=1, help="discount of later rewards")
        tol: float = bounded(1e-8, above=0, help="largest proven error of the values")
        max_iterations: int | None = bounded(None, at_least=1, help="give up after so many; none is no limit")

    observation_types = (spaces.Discrete,)
    action_types = (spaces.Discrete,)

    policy: NDArray[Any] | None

    def setup(self) -> None:
        """Know nothing yet."""
        self.policy = None

    def plan(self, model: Any) -> dict[str, float]:
        """Solve a model whose states and actions are this planner's.

        Returns:
            the number of iterations, and the proven error bound.

        Raises:
            InvalidModel: the model's states or actions are not those of the spaces.
            NotConverged: `tol` was not reached; carries the solution so far.
        """
        expected = (int(self.observation_space.n), int(self.action_space.n))
        found = (int(model.n_states), int(model.n_actions))
        if expected != found:
            raise InvalidModel(f"the model has (states, actions) = {found}, the spaces have {expected}")
        self.solution = self.solve(model)
        self.policy = self.solution.policy
        return {"iterations": float(self.solution.iterations), "error_bound": self.solution.error_bound}

    def solve(self, model: Any) -> Solution:
        """Return the solution that this planner's method finds."""
        raise NotImplementedError

    def act(self, observation: int, *, explore: bool = False) -> int:  # noqa: ARG002 (a planner has nothing to try)
        """Return the best action, the lowest where several are.

        Raises:
            RlkitError: nothing was planned yet.
        """
        if self.policy is None:
            raise RlkitError(f"{type(self).__name__} has no policy yet: call plan(model) first")
        return int(self.policy[observation - self.observation_space.start] + self.action_space.start)


class ValueIteration(BellmanPlanner):
    """Applies the Bellman optimality operator until its error bound is small (Bellman 1957)."""

    def solve(self, model: Any) -> Solution:
        """Return `rlkit.bellman.value_iteration`'s solution."""
        config = self.config
        return bellman.value_iteration(model, config.gamma, tol=config.tol, max_iterations=config.max_iterations)


class PolicyIteration(BellmanPlanner):
    """Evaluates a policy exactly, makes it greedy, and repeats until nothing improves (Howard 1960)."""

    def solve(self, model: Any) -> Solution:
        """Return `rlkit.bellman.policy_iteration`'s solution."""
        config = self.config
        return bellman.policy_iteration(model, config.gamma, tol=config.tol, max_iterations=config.max_iterations)


class TruncatedPolicyIteration(BellmanPlanner):
    """Policy iteration that evaluates by a few sweeps only, also called modified (Puterman & Shin 1978)."""

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(BellmanPlanner.Config):
        """What to solve, how well, and how far to evaluate each policy."""

        evaluation_sweeps: int = bounded(10, at_least=1, help="sweeps with each policy before it is improved")

    def solve(self, model: Any) -> Solution:
        """Return `rlkit.bellman.truncated_policy_iteration`'s solution."""
        config = self.config
        return bellman.truncated_policy_iteration(
            model,
            config.gamma,
            evaluation_sweeps=config.evaluation_sweeps,
            tol=config.tol,
            max_iterations=config.max_iterations,
        )
