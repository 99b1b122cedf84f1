"""Every error bound, held against exact rational arithmetic on random MDPs."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit import bellman
from rlkit.bellman.bounds import UNIT_ROUNDOFF, midrange, rounding_slack
from rlkit.errors import InvalidModel, NotConverged
from rlkit.mdp import FiniteMDP
from tests.rlkit.exact_mdp import ExactMDP, error, random_mdp

METHODS = ("auto", "value_iteration", "policy_iteration", "truncated_policy_iteration")
GAMMAS = (0.0, 0.5, 0.9, 0.99, 0.999)
seeds = st.integers(0, 2**32 - 1)


def best_effort(solver, *arguments, **options):
    """The solution, also where float64 cannot prove the default `tol`: its bound must hold all the same."""
    try:
        return solver(*arguments, **options)
    except NotConverged as stopped:
        return stopped.solution


@given(seeds, st.sampled_from(GAMMAS))
@settings(max_examples=120)
def test_every_method_is_within_its_bound_of_the_exact_optimum(seed, gamma):
    mdp = random_mdp(seed)
    exact = ExactMDP(mdp).optimal(Fraction(gamma))
    for method in METHODS:
        solution = best_effort(bellman.solve, mdp, gamma, method=method)
        assert error(solution.v, exact) <= Fraction(solution.error_bound), method


@given(seeds)
@settings(max_examples=20)
def test_a_discount_in_single_precision_is_the_number_that_it_is(seed):
    mdp, gamma = random_mdp(seed), np.float32(0.9)
    exact = ExactMDP(mdp).optimal(Fraction(float(gamma)))
    for method in METHODS:
        solution = best_effort(bellman.solve, mdp, gamma, method=method)
        assert type(solution.gamma) is float
        assert error(solution.v, exact) <= Fraction(solution.error_bound), method


@given(seeds, st.sampled_from(GAMMAS), st.integers(1, 6))
@settings(max_examples=60)
def test_stopped_early_the_bound_still_holds(seed, gamma, limit):
    mdp = random_mdp(seed)
    exact = ExactMDP(mdp).optimal(Fraction(gamma))
    for method in METHODS:
        solution = best_effort(bellman.solve, mdp, gamma, method=method, max_iterations=limit)
        assert error(solution.v, exact) <= Fraction(solution.error_bound), method


@given(seeds, st.sampled_from(GAMMAS))
@settings(max_examples=60)
def test_policy_evaluation_is_within_its_bound_of_the_exact_values(seed, gamma):
    mdp = random_mdp(seed)
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 4, (mdp.n_states, mdp.n_actions))
    policy = weights / weights.sum(axis=1, keepdims=True)
    exact = ExactMDP(mdp).values([[Fraction(x) for x in row] for row in policy.tolist()], Fraction(gamma))
    for method in ("direct", "iterative"):
        solution = best_effort(bellman.policy_evaluation, mdp, policy, gamma, method=method)
        assert error(solution.v, exact) <= Fraction(solution.error_bound), method


@given(seeds)
@settings(max_examples=150)
def test_discount_one_is_solved_exactly_where_values_are_finite_and_refused_elsewhere(seed):
    mdp = random_mdp(seed, dyadic=True)
    exact = ExactMDP(mdp).undiscounted()
    for method in METHODS:
        if exact is None:
            with pytest.raises(InvalidModel, match="gamma=1"):
                bellman.solve(mdp, 1.0, method=method)
            continue
        solution = bellman.solve(mdp, 1.0, method=method)
        assert error(solution.v, exact) <= Fraction(solution.error_bound)
        attained = bellman.policy_evaluation(mdp, solution.policy, 1.0)
        assert error(attained.v, exact) <= 2e-8, "the policy attains the values"


@given(seeds, st.sampled_from(GAMMAS), st.floats(0.01, 10))
@settings(max_examples=60)
def test_soft_values_satisfy_their_equation_within_their_bound(seed, gamma, temperature):
    mdp = random_mdp(seed)
    solution = best_effort(bellman.soft_value_iteration, mdp, gamma, temperature=temperature)
    finer = best_effort(bellman.soft_value_iteration, mdp, gamma, temperature=temperature, tol=1e-15)
    assert np.abs(solution.v - finer.v).max() <= solution.error_bound + finer.error_bound
    optimum = best_effort(bellman.solve, mdp, gamma)
    slack = solution.error_bound + optimum.error_bound
    gain = temperature * np.log(mdp.n_actions) / (1 - gamma)
    assert (solution.v >= optimum.v - slack).all()
    assert (solution.v <= optimum.v + gain + slack).all()


def test_soft_values_of_a_bandit_are_known():
    mdp = FiniteMDP.from_arrays(np.ones((3, 1, 1)), [[1.0, 2.0, 4.0]])
    solution = bellman.soft_value_iteration(mdp, 0.5, temperature=2.0)
    weights = np.exp(np.array([1.0, 2.0, 4.0]) / 2.0)
    assert solution.v == pytest.approx([2.0 * np.log(weights.sum()) / (1 - 0.5)], abs=1e-8)
    assert solution.policy == pytest.approx((weights / weights.sum())[None])


def test_midrange_centres_on_the_only_solution_of_a_single_state():
    shift, bound = midrange(1.0, 1.0, 0.5, terminal=False, slack=0.0)
    assert shift == 2.0  # v* = r / (1 - gamma)
    assert bound <= 32 * UNIT_ROUNDOFF


def test_midrange_never_shifts_where_episodes_can_end():
    shift, bound = midrange(-0.25, -0.125, 0.5, terminal=True, slack=0.0)
    assert shift == 0.0
    assert bound == pytest.approx(0.5)


def test_without_any_contraction_left_the_bound_is_infinite():
    assert midrange(0.0, 0.0, 1 - 2.0**-53, terminal=False, slack=0.0, defect=1e-15)[1] == np.inf


def test_rounding_slack_covers_a_badly_conditioned_sum():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(1000))
    v = rng.normal(size=1000) * 1e6
    exact = sum((Fraction(a) * Fraction(b) for a, b in zip(p.tolist(), v.tolist(), strict=True)), Fraction(0))
    assert abs(Fraction(float(p @ v)) - exact) <= Fraction(rounding_slack(float(np.abs(v).max()), 1000))
