"""Planners that break one promise each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rlkit import bellman, bounded
from rlkit.agents import ValueIteration
from rlkit.errors import InvalidModel, NotConverged, RlkitError
from rlkit.mdp import FiniteMDP
from rlkit.policy import Planner


class Good(ValueIteration):
    """Value iteration, that saves what it found under its own name."""


class TakesMore(Good):
    def plan(self, model, sweeps):
        return super().plan(model)


class ReturnsNothing(Good):
    def plan(self, model):
        super().plan(model)


class ReportsNaN(Good):
    def plan(self, model):
        return {**super().plan(model), "residual": float("nan")}


class ReportsWords(Good):
    def plan(self, model):
        return {**super().plan(model), "method": "value iteration"}


class IsOff(Good):
    def solve(self, model):
        found = super().solve(model)
        return replace(found, v=found.v + 1e-3)


class ClaimsResiduals(Good):
    """Takes the last change for a bound on the error, as is often done: it is off by up to gamma / (1 - gamma)."""

    def solve(self, model):
        v = np.zeros(model.n_states)
        while True:
            before, v = v, model.backup(v, self.config.gamma)
            change = float(np.abs(v - before).max())
            if change < 1e-6:
                break
        return bellman.Solution(v, change, self.config.gamma, "by hand", 1, model)


class KeepsItsSolution(Good):
    def plan(self, model):
        found = super().plan(model)
        self.solution = None
        return found


class TakesAnotherDiscount(Good):
    def solve(self, model):
        return bellman.value_iteration(model, 0.5, tol=self.config.tol)


class StopsEarly(Good):
    """Hands over whatever it has after as many sweeps as it may make, with an honest bound."""

    def solve(self, model):
        try:
            return super().solve(model)
        except NotConverged as stopped:
            return stopped.solution


class NeedsMoreSweeps(StopsEarly):
    def solve(self, model):
        try:
            return bellman.value_iteration(model, self.config.gamma, tol=self.config.tol, max_iterations=5)
        except NotConverged as stopped:
            return stopped.solution


class ClaimsTheTolerance(Good):
    def solve(self, model):
        try:
            return super().solve(model)
        except NotConverged as stopped:
            return replace(stopped.solution, error_bound=self.config.tol)


class GivesNoSolution(Good):
    def solve(self, model):
        try:
            return super().solve(model)
        except NotConverged as stopped:
            raise NotConverged(str(stopped)) from None


class ActsBadly(Good):
    """Takes the worst action in one state."""

    def act(self, observation, *, explore=False):
        best = super().act(observation, explore=explore)
        return int(self.solution.q[observation].argmin()) if observation == 2 and self.solution is not None else best


class NeverArrives(Good):
    """At discount 1, the action that keeps it where it is, if that is as good as the best: for ever."""

    def plan(self, model):
        found = super().plan(model)
        q, mdp = self.solution.q, model.to_finite_mdp()
        idle = (q >= q.max(axis=1, keepdims=True) - 1e-9) & _staying(mdp)  # [S, A]
        self.policy = np.where(idle.any(axis=1), idle.argmax(axis=1), self.policy)
        return found


def _staying(mdp):
    """Return which actions leave a state as it is, bool `[S, A]`."""
    rows = mdp.transitions.toarray().reshape(mdp.n_states, mdp.n_actions, mdp.n_states)
    return np.einsum("sas->sa", rows) == 1.0


class ActsByName(Good):
    def act(self, observation, *, explore=False):
        return ["up", "right", "down", "left"][super().act(observation)] if explore else super().act(observation)


class ActsByChance(Good):
    def act(self, observation, *, explore=False):
        super().act(observation)
        return int(
            self.rng.choice(np.flatnonzero(self.solution.q[observation] > self.solution.q[observation].max() - 1))
        )


class LearnsFromExploring(Good):
    def act(self, observation, *, explore=False):
        if explore:
            self.policy = (self.policy + 1) % int(self.action_space.n)
        return super().act(observation)


class PlansByChance(Good):
    def solve(self, model):
        found = super().solve(model)
        return replace(found, v=found.v + 1e-12 * np.random.random(), error_bound=found.error_bound + 1e-9)  # noqa: NPY002


class SeedsGlobally(Good):
    def plan(self, model):
        np.random.seed(0)  # noqa: NPY002
        return super().plan(model)


class WritesToTheModel(Good):
    def plan(self, model):
        mdp = model.to_finite_mdp()
        found = super().plan(mdp)
        mdp.rewards.flags.writeable = True
        mdp.rewards[0] += 1.0
        return found


class WritesToItsConfig(Good):
    def plan(self, model):
        found = super().plan(model)
        object.__setattr__(self.config, "tol", 2.0 * self.config.tol)
        return found


class NeedsTransitions(Good):
    def plan(self, model):
        if not isinstance(model, FiniteMDP):
            raise AttributeError(f"{type(model).__name__} has no transitions")
        return super().plan(model)


class RemembersItsFirstPlan(Good):
    def plan(self, model):
        return super().plan(model) if self.policy is None else {}


class RemembersItsFirstPolicy(Good):
    def plan(self, model):
        before = self.policy
        found = super().plan(model)
        self.policy = self.policy if before is None else before
        return found


class TakesAnySize(Good):
    def plan(self, model):
        self.solution = self.solve(model)
        self.policy = self.solution.policy
        return {}


class StumblesOverSizes(TakesAnySize):
    def plan(self, model):
        found = super().plan(model)
        return found if model.n_states == int(self.observation_space.n) else {"v": self.solution.v[10_000]}


class ActsBeforePlanning(Good):
    def act(self, observation, *, explore=False):
        return 0 if self.policy is None else super().act(observation)


class FailsBeforePlanning(Good):
    def act(self, observation, *, explore=False):
        return int(self.policy[observation])


class SavesNothing(Good):
    """Keeps its policy where a checkpoint does not look."""

    def setup(self):
        self.policy = None

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "policy"}


class CannotBeSaved(Good):
    def plan(self, model):
        self.how = lambda: model
        return super().plan(model)


class HasNoTolerance(Planner):
    """Policy iteration with nothing to choose but the discount: a planner made from scratch."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Planner.Config):
        gamma: float = bounded(0.9, at_least=0, below=1)

    def setup(self):
        self.policy = None

    def plan(self, model):
        if (model.n_states, model.n_actions) != (self.observation_space.n, self.action_space.n):
            raise InvalidModel("the model is of other sizes")
        self.solution = bellman.policy_iteration(model, self.config.gamma)
        self.policy = self.solution.policy
        return {"error_bound": self.solution.error_bound}

    def act(self, observation, *, explore=False):
        if self.policy is None:
            raise RlkitError("call plan first")
        return int(self.policy[observation])


BAD = {
    "check_plans_without_an_error": [TakesMore, ReturnsNothing],
    "check_metrics_are_finite_numbers": [ReportsNaN, ReportsWords],
    "check_values_are_within_the_proven_bound": [IsOff, ClaimsResiduals, KeepsItsSolution, TakesAnotherDiscount],
    "check_tolerance_is_reached": [NeedsMoreSweeps],
    "check_act_is_greedy": [ActsBadly],
    "check_policy_earns_what_the_values_say": [ActsBadly, NeverArrives],
    "check_actions_are_in_the_space": [ActsByName],
    "check_act_is_always_the_same": [ActsByChance, LearnsFromExploring],
    "check_same_seed_same_plan": [PlansByChance],
    "check_global_generators_are_left_alone": [SeedsGlobally, PlansByChance],
    "check_model_is_left_alone": [WritesToTheModel],
    "check_config_is_left_alone": [WritesToItsConfig],
    "check_plans_for_every_form_of_model": [NeedsTransitions],
    "check_plan_is_of_the_last_model": [RemembersItsFirstPlan, RemembersItsFirstPolicy],
    "check_other_sizes_are_refused": [TakesAnySize, StumblesOverSizes],
    "check_acting_before_planning_is_refused": [ActsBeforePlanning, FailsBeforePlanning],
    "check_not_converged_is_said": [StopsEarly, ClaimsTheTolerance, GivesNoSolution],
    "check_save_and_load_give_the_same_planner": [SavesNothing, CannotBeSaved],
}
"""What breaks the promise of each check."""
