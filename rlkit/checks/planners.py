"""Checks of planners: `check_planner`."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rlkit.bellman.solution import Solution
from rlkit.checks.planner_subject import MakePlanner, PlannerSubject, exact_solution, numbers_of
from rlkit.checks.report import CheckReport
from rlkit.checks.running import Check, CheckFailed, CheckSkipped, OnFail, run_checks, sentence_of
from rlkit.checks.walks import brief, global_generators, identical
from rlkit.errors import InvalidModel, NotConverged, RlkitError
from rlkit.mdp import FiniteMDP, MarkovRewardProcess
from rlkit.policy import Planner

ROUNDING = 1e-12
"""What comparing two proven bounds may cost, as a part of the values."""


FOLLOWED = 300
"""States of the largest model in which the policy is followed to its end."""


def check_planner(
    make: MakePlanner,
    model: Any,
    *,
    expected_failures: Mapping[str, str] | None = None,
    on_fail: OnFail = "raise",
) -> CheckReport:
    """Check that a planner finds what it says it has proven, acts on it, and can be relied on to say when it has not.

    Args:
        make: the planner's class, or a function `make(model, seed)` that returns a planner.
        model: what to plan for: a model; or an environment that has one, its id, or a function that makes either. Make
            it a small one, with probabilities strictly between 0 and 1.
        expected_failures: why a check is expected to fail, by the check's name.
        on_fail: "raise" raises one error with a line for each failed check, "warn" warns of each, None only returns.

    Raises:
        CheckFailed: a promise is not kept, and `on_fail` is "raise".
        ConfigError: `make` is no planner, or an expected failure is of no check.
        InvalidModel: there is no model.
    """
    subject = PlannerSubject(make, model)
    with global_generators(0):  # and puts them back, whatever it does to them
        results = run_checks(planner_checks(), subject, expected_failures, on_fail)
    return CheckReport(str(subject), subject.where, tuple(results))


def planner_checks() -> list[Check[PlannerSubject]]:
    """Return all checks of planners; the first is what the others need."""
    return [
        check_plans_without_an_error,
        check_metrics_are_finite_numbers,
        check_values_are_within_the_proven_bound,
        check_tolerance_is_reached,
        check_act_is_greedy,
        check_policy_earns_what_the_values_say,
        check_actions_are_in_the_space,
        check_act_is_always_the_same,
        check_same_seed_same_plan,
        check_global_generators_are_left_alone,
        check_model_is_left_alone,
        check_config_is_left_alone,
        check_plans_for_every_form_of_model,
        check_plan_is_of_the_last_model,
        check_other_sizes_are_refused,
        check_acting_before_planning_is_refused,
        check_not_converged_is_said,
        check_save_and_load_give_the_same_planner,
    ]


def check_plans_without_an_error(subject: PlannerSubject) -> None:
    """It is made of spaces, hyperparameters and a seed, and plans for the model."""
    planner = subject.new()
    type(planner)(planner.observation_space, planner.action_space, planner.config, seed=0)
    metrics: Any = planner.plan(subject.model)
    if not isinstance(metrics, Mapping):
        raise CheckFailed(f"plan returns {brief(metrics)}, expected a dict of numbers to log")
    assert subject.planner is not None


def check_metrics_are_finite_numbers(subject: PlannerSubject) -> None:
    """What `plan` returns are finite numbers by name."""
    for name, value in subject.new().plan(subject.model).items():
        if not isinstance(name, str) or isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise CheckFailed(f"plan returns {name!r}: {brief(value)}, expected a number by its name")
        if not math.isfinite(value):
            raise CheckFailed(f"plan returns {name}: {value}, expected a finite number")


def check_values_are_within_the_proven_bound(subject: PlannerSubject) -> None:
    """`solution.v` differs from the optimal values by `solution.error_bound` at most."""
    solution = _solution(subject.planner)
    _check_discount(subject.planner, solution)
    _check_within_bound(solution, subject.exact, "")


def check_tolerance_is_reached(subject: PlannerSubject) -> None:
    """`solution.error_bound` is at most the `tol` among its hyperparameters."""
    solution, tol = _solution(subject.planner), getattr(subject.planner.config, "tol", None)
    if tol is None:
        raise CheckSkipped("it has no hyperparameter tol")
    if not solution.error_bound <= tol:
        raise CheckFailed(f"plan returned with error_bound={solution.error_bound:.3g}, above tol={tol:g}")


def check_act_is_greedy(subject: PlannerSubject) -> None:
    """In every state `act` takes an action that is the best, as far as the error bound tells actions apart.

    If |v - v*| <= e, then an action that is greedy for v is worth at least v* - 2 gamma e.
    """
    planner, exact = subject.planner, subject.exact
    given = planner.solution.error_bound if planner.solution is not None else 0.0
    allowed = 2.0 * exact.gamma * (given + exact.error_bound) + ROUNDING * _scale(exact.v)
    states, chosen = subject.states, subject.choices(planner)
    worth = exact.q[states, chosen]
    lost = exact.q[states].max(axis=1) - worth
    worst = int(lost.argmax())
    if not lost[worst] <= allowed:
        raise CheckFailed(
            f"in state {states[worst]} it takes action {chosen[worst]}, worth {worth[worst]:.6g}, where action "
            f"{exact.q[states[worst]].argmax()} is worth {exact.q[states[worst]].max():.6g}"
        )


def check_policy_earns_what_the_values_say(subject: PlannerSubject) -> None:
    """Following `act` for ever is worth the optimal values, less what the error bound allows for.

    A policy that is greedy for v with |v - v*| <= e is worth at least v* - 2 gamma e / (1 - gamma) (Singh and Yee
    1994); at gamma = 1 the policy has to attain v, and so to end.
    """
    planner, exact = subject.planner, subject.exact
    if subject.model.n_states > FOLLOWED:
        raise CheckSkipped(f"the model has more than {FOLLOWED} states")
    policy = np.zeros(subject.model.n_states, int)
    policy[subject.states] = subject.choices(planner)
    worth, rounding = _worth(subject.model.to_finite_mdp().induced_by(policy), exact.gamma)
    given = planner.solution.error_bound if planner.solution is not None else 0.0
    factor = 1.0 if exact.gamma == 1.0 else 2.0 * exact.gamma / (1.0 - exact.gamma)
    allowed = (factor + 1.0) * (given + exact.error_bound) + rounding
    lost = exact.v - worth
    worst = int(lost.argmax())
    if not lost[worst] <= allowed:
        raise CheckFailed(
            f"from state {worst} its policy earns {worth[worst]:.6g}, where {exact.v[worst]:.6g} can be had"
        )


def check_actions_are_in_the_space(subject: PlannerSubject) -> None:
    """Actions are in `action_space`, when it explores, too."""
    planner = subject.planner
    first = int(planner.observation_space.start)
    for explore in (False, True):
        for state in subject.states.tolist():
            action = planner.act(state + first, explore=explore)
            if not planner.action_space.contains(action):
                told = ", explore=True" if explore else ""
                raise CheckFailed(
                    f"act({state + first}{told}) is {brief(action)}, expected one in {planner.action_space}"
                )


def check_act_is_always_the_same(subject: PlannerSubject) -> None:
    """Without exploring, the action of a state is the same each time."""
    planner = subject.planned()
    low, before = int(planner.observation_space.start), subject.actions(planner)
    for state, was in zip(subject.states.tolist(), before, strict=True):
        planner.act(state + low, explore=True)
        if (now := planner.act(state + low)) != was:
            raise CheckFailed(f"in state {state} it took action {was}, and later action {now}")
    for state, was, now in zip(subject.states.tolist(), before, subject.actions(planner), strict=True):
        if now != was:
            raise CheckFailed(f"in state {state} it took action {was}, and later action {now}")


def check_same_seed_same_plan(subject: PlannerSubject) -> None:
    """Two planners of one seed find the same values and policy to the bit, whatever the global generators say."""
    found = []
    for seed in (1, 2):
        with global_generators(seed):
            planner = subject.planned()
            found.append((subject.choices(planner), None if planner.solution is None else planner.solution.v.copy()))
    (chosen, v), (again, w) = found
    if (other := np.flatnonzero(chosen != again)).size:
        i = other[0]
        raise CheckFailed(f"two of one seed take the actions {chosen[i]} and {again[i]} in state {subject.states[i]}")
    if not identical(v, w):
        raise CheckFailed("two of one seed find other values; draw from self.rng alone")


def check_global_generators_are_left_alone(subject: PlannerSubject) -> None:
    """Planning and acting do not move Python's, NumPy's or torch's global generator."""
    with global_generators(1) as moved:
        subject.choices(subject.planned())
        if moved():
            raise CheckFailed(f"the global generator of {moved()} moves; draw from self.rng")


def check_model_is_left_alone(subject: PlannerSubject) -> None:
    """Planning writes nothing to the model."""
    subject.choices(subject.planned())
    for name, now in numbers_of(subject.model).items():
        if not identical(now, subject.before[name]):
            raise CheckFailed(f"the model's {name} is another after planning; plan on a copy")


def check_config_is_left_alone(subject: PlannerSubject) -> None:
    """Planning and acting write nothing to the hyperparameters, which can be saved as JSON."""
    planner = subject.new()
    config, before = planner.config, planner.config.to_dict()
    if type(config).from_dict(json.loads(json.dumps(before))) != config:
        raise CheckFailed("its hyperparameters are others when read back from JSON")
    planner.plan(subject.model)
    subject.choices(planner)
    changed = [name for name, value in planner.config.to_dict().items() if value != before.get(name)]
    if changed or planner.config is not config:
        raise CheckFailed(f"planning changes its hyperparameter {', '.join(changed) or 'object'}; keep it elsewhere")


def check_plans_for_every_form_of_model(subject: PlannerSubject) -> None:
    """A `FiniteMDP` will do, and anything else that implements `rlkit.bellman.Model`: the solutions are the same."""
    mdp = subject.model.to_finite_mdp()
    for form, model in (("a FiniteMDP", mdp), ("a Model that is no FiniteMDP", _Disguised(mdp))):
        try:
            planner = subject.planned(model)
        except Exception as error:
            raise CheckFailed(f"planning for {form} fails: {sentence_of(error)}") from error
        if planner.solution is not None:
            _check_within_bound(planner.solution, subject.exact, f" of {form}")


def check_plan_is_of_the_last_model(subject: PlannerSubject) -> None:
    """A second plan is that of the second model: nothing of the first is left, in values or in actions."""
    mdp = subject.model.to_finite_mdp()
    rewards = 2.0 * mdp.rewards if subject.gamma == 1.0 else -0.5 * mdp.rewards
    second = FiniteMDP(mdp.transitions, rewards, mdp.terminal, termination=mdp.termination)
    planner = subject.planned()
    planner.plan(second)
    exact = exact_solution(second, subject.gamma)
    if planner.solution is not None:
        _check_within_bound(planner.solution, exact, " of the second model that it plans for")
    fresh = subject.choices(subject.planned(second))
    chosen = subject.choices(planner)
    lost = exact.q[subject.states, fresh] - exact.q[subject.states, chosen]
    worst = int(lost.argmax())
    given = planner.solution.error_bound if planner.solution is not None else 0.0
    if lost[worst] > 2.0 * (given + exact.error_bound) + ROUNDING * _scale(exact.v):
        state = subject.states[worst]
        raise CheckFailed(
            f"after a second plan it takes action {chosen[worst]} in state {state}, a new planner {fresh[worst]}"
        )


def check_other_sizes_are_refused(subject: PlannerSubject) -> None:
    """A model whose states or actions are not those of the spaces is an `InvalidModel`."""
    n_states, n_actions = subject.model.n_states, subject.model.n_actions
    for s, a in ((n_states + 1, n_actions), (n_states, n_actions + 1)):
        other = FiniteMDP.from_arrays([sp.eye_array(s, format="csr")] * a, np.zeros((s, a)))
        try:
            subject.new().plan(other)
        except InvalidModel:
            continue
        except Exception as error:
            raise CheckFailed(
                f"{_sizes(s, a, subject)} it raises {sentence_of(error)}, expected InvalidModel"
            ) from error
        raise CheckFailed(f"{_sizes(s, a, subject)} it plans all the same, expected InvalidModel")


def check_acting_before_planning_is_refused(subject: PlannerSubject) -> None:
    """`act` before `plan` is an error of rlkit's, that says so."""
    planner = subject.new()
    try:
        action = planner.act(int(planner.observation_space.start))
    except RlkitError:
        return
    except Exception as error:
        raise CheckFailed(
            f"act before plan raises {sentence_of(error)}, expected an RlkitError that says so"
        ) from error
    raise CheckFailed(f"act before plan returns {brief(action)}, expected an RlkitError")


def check_not_converged_is_said(subject: PlannerSubject) -> None:
    """What `plan` could not prove is `NotConverged`, carrying a solution with an honest bound, and is never returned.

    It is asked for too much: by `max_iterations=1`, and by a `tol` that float64 cannot resolve.
    """
    fields = type(subject.new().config).__dataclass_fields__
    asked = [{name: value} for name, value in (("max_iterations", 1), ("tol", 1e-300)) if name in fields]
    if not asked:
        raise CheckSkipped("it has neither of the hyperparameters tol and max_iterations")
    for changes in asked:
        told = ", ".join(f"{name}={value}" for name, value in changes.items())
        planner = subject.new(changes=changes)
        try:
            planner.plan(subject.model)
        except NotConverged as stopped:
            solution = stopped.solution
            if not isinstance(solution, Solution):
                raise CheckFailed(f"with {told} it raises NotConverged without a solution") from None
        else:
            solution, tol = _solution(planner), getattr(planner.config, "tol", math.inf)
            if not solution.error_bound <= tol:
                bound = f"{solution.error_bound:.3g}"
                raise CheckFailed(f"with {told} it returns values of error bound {bound}, expected NotConverged")
        _check_within_bound(solution, subject.exact, f" with {told}")


def check_save_and_load_give_the_same_planner(subject: PlannerSubject) -> None:
    """What `save` saves, `load` makes a planner of that acts alike, has the same hyperparameters, and can plan."""
    planner = subject.planned()
    with tempfile.TemporaryDirectory() as folder:
        planner.save(Path(folder) / "planner.npz")
        loaded = type(planner).load(Path(folder) / "planner.npz")
    if loaded.config != planner.config:
        raise CheckFailed(f"loaded, its hyperparameters are {loaded.config}, and were {planner.config}")
    chosen, again = subject.choices(planner), subject.choices(loaded)
    if (other := np.flatnonzero(chosen != again)).size:
        i = other[0]
        raise CheckFailed(f"loaded, it takes action {again[i]} in state {subject.states[i]}, and took {chosen[i]}")
    loaded.plan(subject.model)


def _solution(planner: Planner) -> Solution:
    """Return what the last plan found.

    Raises:
        CheckFailed: there is none.
    """
    solution: Any = planner.solution
    if not isinstance(solution, Solution):
        raise CheckFailed(f"after plan, solution is {brief(solution)}, expected an rlkit.bellman.Solution")
    return solution


def _check_discount(planner: Planner, solution: Solution) -> None:
    gamma = getattr(planner.config, "gamma", solution.gamma)
    if gamma != solution.gamma:
        raise CheckFailed(f"its solution is for gamma={solution.gamma!r}, and its hyperparameter is gamma={gamma!r}")


def _check_within_bound(solution: Solution, exact: Solution, of: str) -> None:
    v, bound = np.asarray(solution.v, float), float(solution.error_bound)
    if v.shape != exact.v.shape or not np.isfinite(v).all():
        raise CheckFailed(f"its values{of} have shape {v.shape}, expected {exact.v.shape} finite numbers")
    if not bound >= 0.0:
        raise CheckFailed(f"its error bound{of} is {bound}, expected a number of at least 0")
    off = np.abs(v - exact.v)
    worst = int(off.argmax())
    if not off[worst] <= bound + exact.error_bound + ROUNDING * _scale(exact.v):
        raise CheckFailed(
            f"its value{of} of state {worst} is {v[worst]:.10g}, where {exact.v[worst]:.10g} is right: off by "
            f"{off[worst]:.3g}, above its error bound of {bound:.3g}"
        )


def _worth(process: MarkovRewardProcess, gamma: float) -> tuple[NDArray[np.float64], float]:
    """Return what 2^40 steps are worth, float64 `(S,)`, and by how much rounding may have changed that.

    At discount 1 no linear equation says it: a policy may well stay where nothing is paid. A step's rewards r and its
    discounted probabilities P give those of two by r + P r and P P, and so on.
    """
    P, r = gamma * process.transitions.toarray(), process.rewards.copy()
    for _ in range(40):
        r, P = r + P @ r, P @ P
        P /= np.maximum(P.sum(axis=1, keepdims=True), 1.0)  # rounding must not make more of a probability
        if not np.abs(P @ r).max() > 0.0:
            break
    return r, 1e-9 * _scale(r)


def _scale(v: NDArray[np.float64]) -> float:
    return 1.0 + float(np.abs(v).max(initial=0.0))


def _sizes(s: int, a: int, subject: PlannerSubject) -> str:
    own = f"{subject.model.n_states} and {subject.model.n_actions}"
    return f"for a model of {s} states and {a} actions, where the spaces have {own},"


class _Disguised:
    """A `FiniteMDP` as something that implements `rlkit.bellman.Model` and has nothing else."""

    def __init__(self, mdp: FiniteMDP) -> None:
        self.n_states, self.n_actions, self.n_outcomes = mdp.n_states, mdp.n_actions, mdp.n_outcomes
        self.max_abs_reward, self.terminal, self.has_terminal = mdp.max_abs_reward, mdp.terminal, mdp.has_terminal
        self.row_defect = mdp.row_defect
        self.q_from_v, self.backup, self.greedy, self.residual = mdp.q_from_v, mdp.backup, mdp.greedy, mdp.residual
        self.optimal_values, self.to_finite_mdp = mdp.optimal_values, mdp.to_finite_mdp
