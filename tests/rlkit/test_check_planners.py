"""`check_planner`: good planners pass, and each promise that is broken is caught by its name."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces

from rlkit import ConfigError, FiniteMDP
from rlkit.agents import PolicyIteration, QLearning, TruncatedPolicyIteration, ValueIteration
from rlkit.checks import CheckFailed, check_planner, planner_checks
from rlkit.checks.planner_subject import PlannerSubject
from rlkit.checks.planners import _worth
from rlkit.checks.running import name_of, run_check
from rlkit.envs import GridWorld, RandomWalk
from rlkit.errors import InvalidModel
from tests.rlkit import bad_planners
from tests.rlkit.bad_planners import BAD, Good, HasNoTolerance, NeverArrives

SHIPPED = [ValueIteration, PolicyIteration, TruncatedPolicyIteration]
CHECKS = {name_of(check): check for check in planner_checks()}
GRID = "S . #\n. X G"


def slippery():
    return GridWorld(GRID, slip=0.3, step_reward=-0.1)


def undiscounted(cls):
    """Return a function that makes a planner of discount 1."""

    def make(model, seed):
        return cls(spaces.Discrete(model.n_states), spaces.Discrete(model.n_actions), cls.Config(gamma=1.0), seed=seed)

    return make


@pytest.mark.parametrize("cls", SHIPPED)
@pytest.mark.parametrize("model", ["FrozenLake-v1", "rlkit/Zhao5x5-v0", slippery, lambda: RandomWalk(7).model()])
def test_shipped_planners_pass(cls, model):
    report = check_planner(cls, model)
    assert {result.status for result in report.results} == {"passed"}


@pytest.mark.parametrize("cls", SHIPPED)
@pytest.mark.parametrize("model", ["FrozenLake-v1", slippery])
def test_shipped_planners_pass_at_discount_1(cls, model):
    assert check_planner(undiscounted(cls), model).passed


def test_what_a_planner_does_not_have_is_not_checked():
    report = check_planner(HasNoTolerance, slippery())
    skipped = {result.name for result in report.results if result.status == "skipped"}
    assert skipped == {"check_tolerance_is_reached", "check_not_converged_is_said"}


@pytest.mark.parametrize("check", CHECKS)
def test_each_check_has_a_bad_planner(check):
    assert BAD[check]


def said(bad, check):
    """What a single check says of a bad planner."""
    corridor = GridWorld("S . . G", step_reward=0.0)  # at discount 1, bumping into the edge is as good as walking
    make, env = (undiscounted(bad), corridor) if bad is NeverArrives else (bad, slippery())
    return run_check(CHECKS[check], PlannerSubject(make, env.model().to_finite_mdp()))[0]


@pytest.mark.parametrize(("check", "bad"), [(check, bad) for check, them in BAD.items() for bad in them])
def test_a_broken_promise_is_caught_by_the_check_of_its_name(check, bad):
    result = said(bad, check)
    assert result.status == "failed"
    assert "\n" not in result.message
    assert not result.message.endswith(".")


@pytest.mark.parametrize(
    ("bad", "check", "words"),
    [
        ("ClaimsResiduals", "check_values_are_within_the_proven_bound", "above its error bound of"),
        ("TakesAnotherDiscount", "check_values_are_within_the_proven_bound", "gamma=0.5, and its hyperparameter"),
        ("ActsBadly", "check_act_is_greedy", "in state 2 it takes action"),
        ("NeverArrives", "check_policy_earns_what_the_values_say", "its policy earns 0, where 1 can be had"),
        ("StopsEarly", "check_not_converged_is_said", "with max_iterations=1 it returns values of error bound"),
        (
            "TakesAnySize",
            "check_other_sizes_are_refused",
            "for a model of 6 states and 4 actions, where the spaces have",
        ),
        ("WritesToItsConfig", "check_config_is_left_alone", "its hyperparameter tol"),
        ("CannotBeSaved", "check_save_and_load_give_the_same_planner", "agent.how"),
    ],
)
def test_the_sentence_says_what_is_amiss(bad, check, words):
    assert words in said(getattr(bad_planners, bad), check).message


def test_what_fails_is_raised_with_a_line_for_each_check():
    with pytest.raises(CheckFailed, match="check_actions_are_in_the_space: act"):
        check_planner(bad_planners.ActsByName, slippery())


def test_what_is_expected_to_fail_may():
    expected = {"check_acting_before_planning_is_refused": "it does nothing then"}
    report = check_planner(bad_planners.ActsBeforePlanning, slippery(), expected_failures=expected)
    assert report.passed


@pytest.mark.parametrize(
    ("make", "model", "error", "words"),
    [
        (QLearning, slippery, ConfigError, "QLearning is not a Planner"),
        (3, slippery, ConfigError, "3 is neither a Planner class nor a function"),
        (Good, "CartPole-v1", InvalidModel, "neither a transition table P nor a model"),
    ],
)
def test_what_is_no_planner_or_has_no_model_is_refused(make, model, error, words):
    with pytest.raises(error, match=words):
        check_planner(make, model)


def test_what_a_function_makes_has_to_be_a_planner():
    with pytest.raises(CheckFailed, match=r"make\(model, seed\) returned a dict, expected a Planner"):
        check_planner(lambda model, seed: {}, slippery())


def test_a_policy_is_followed_to_its_end_at_any_discount():
    # Two states: the first pays 1 and stays with probability 1/2, then ends in the second.
    mdp = FiniteMDP.from_arrays([[[0.5, 0.5], [0.0, 1.0]]], [[1.0], [0.0]], terminal=[False, True])
    process = mdp.induced_by([0, 0])
    assert _worth(process, 1.0)[0].tolist() == pytest.approx([2.0, 0.0])
    assert _worth(process, 0.5)[0].tolist() == pytest.approx([4.0 / 3.0, 0.0])


def test_a_policy_that_stays_for_nothing_earns_nothing():
    mdp = FiniteMDP.from_arrays([np.eye(2)], [[0.0], [-1.0]])
    worth, _ = _worth(mdp.induced_by([0, 0]), 1.0)
    assert worth[0] == 0.0
    assert worth[1] < -1e9
