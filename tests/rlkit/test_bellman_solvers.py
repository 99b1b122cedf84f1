"""The solvers against the textbooks' grids, the theory's promises, and questions that have no answer."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit import bellman
from rlkit.bellman.model import Sweeps
from rlkit.envs import GridWorld
from rlkit.errors import ConfigError, InvalidModel, NotConverged
from rlkit.mdp import FiniteMDP
from tests.rlkit.exact_mdp import random_mdp
from tests.rlkit.textbook_grids import zhao

GRIDS = json.loads((Path(__file__).parent.parent / "reference" / "grids.json").read_text())
METHODS = ("auto", "value_iteration", "policy_iteration", "truncated_policy_iteration")
EPS = np.finfo(float).eps
seeds = st.integers(0, 2**32 - 1)
gammas = st.sampled_from([0.0, 0.3, 0.9, 0.99])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("gamma", "forbidden", "name"),
    [
        (0.9, -1, "zhao_g0.9_rf-1"),
        (0.5, -1, "zhao_g0.5_rf-1"),
        (0.0, -1, "zhao_g0_rf-1"),
        (0.9, -10, "zhao_g0.9_rf-10"),
    ],
)
def test_zhaos_grid_has_its_published_values(method, gamma, forbidden, name):
    solution = bellman.solve(zhao(float(forbidden)), gamma, method=method)
    assert np.abs(solution.v.reshape(5, 5) - GRIDS[name]).max() <= solution.error_bound + 1e-14
    assert solution.error_bound <= 1e-8


@pytest.mark.parametrize("method", ["direct", "iterative"])
def test_zhaos_uniform_policy_has_its_published_values(method):
    solution = bellman.policy_evaluation(zhao(), np.full((25, 5), 0.2), 0.9, method=method)
    assert solution.v.reshape(5, 5)[0] == pytest.approx([-3.8, -3.8, -3.6, -3.1, -3.2], abs=0.05)
    assert solution.v.reshape(5, 5)[4] == pytest.approx([-4.5, -4.2, -3.4, -3.4, -3.5], abs=0.05)
    assert solution.policy.shape == (25, 5)


@pytest.mark.parametrize("gamma", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("map_name", ["4x4", "8x8"])
def test_all_methods_agree_on_frozen_lake(gamma, map_name):
    mdp = FiniteMDP.from_gymnasium(gymnasium.make("FrozenLake-v1", map_name=map_name))
    solutions = [bellman.solve(mdp, gamma, method=method) for method in METHODS]
    for solution in solutions[1:]:
        assert np.abs(solution.v - solutions[0].v).max() <= solution.error_bound + solutions[0].error_bound


@given(seeds, gammas)
@settings(max_examples=40)
def test_the_bellman_operator_contracts_keeps_order_and_passes_constants_on(seed, gamma):
    mdp = random_mdp(seed)
    rng = np.random.default_rng(seed)
    u, v = rng.normal(size=(2, mdp.n_states)) * 10
    u[mdp.terminal] = v[mdp.terminal] = 0.0
    scale = mdp.max_abs_reward + max(np.abs(u).max(), np.abs(v).max())
    distance = np.abs(mdp.backup(u, gamma) - mdp.backup(v, gamma)).max()
    assert distance <= gamma * np.abs(u - v).max() + 8 * EPS * scale
    assert (mdp.backup(np.minimum(u, v), gamma) <= mdp.backup(v, gamma)).all()
    if not mdp.has_terminal:
        shifted = mdp.backup(u + 3.0, gamma) - mdp.backup(u, gamma)
        assert np.abs(shifted - gamma * 3.0).max() <= 8 * EPS * (scale + 3.0)


@given(seeds, gammas, st.floats(0.1, 10), st.floats(-10, 10))
@settings(max_examples=40)
def test_an_affine_change_of_rewards_changes_values_alike_and_no_policy(seed, gamma, a, b):
    mdp = random_mdp(seed)
    if mdp.has_terminal:
        return
    changed = FiniteMDP(mdp.transitions, a * mdp.rewards + b)
    one = bellman.solve(mdp, gamma, method="policy_iteration", tol=1.0)
    other = bellman.solve(changed, gamma, method="policy_iteration", tol=1.0)
    allowance = (64 * EPS * (a * mdp.max_abs_reward + abs(b)) / (1 - gamma)) / (1 - gamma)
    allowance += a * one.error_bound + other.error_bound
    assert np.abs(other.v - (a * one.v + b / (1 - gamma))).max() <= allowance
    best = bellman.optimal_actions(mdp, one.v, gamma, tolerance=3 * allowance / a)
    assert best[np.arange(mdp.n_states), other.policy].all()


def test_value_iteration_reports_a_contraction_of_at_most_gamma_and_bounds_that_hold():
    mdp, seen = zhao(), []
    best = bellman.solve(mdp, 0.9, method="policy_iteration").v
    bellman.value_iteration(mdp, 0.9, callback=lambda progress: seen.append((progress, progress.v.copy())))
    assert [progress.iteration for progress, _ in seen] == list(range(1, len(seen) + 1))
    assert np.isnan(seen[0][0].contraction)
    for progress, v in seen[1:]:
        assert progress.contraction <= 0.9 + 8 * EPS * 10 / progress.residual
        assert np.abs(v - best).max() <= progress.residual * 0.9 / 0.1 + 1e-12


@pytest.mark.parametrize("method", METHODS)
def test_every_method_reports_progress(method):
    seen = []
    solution = bellman.solve(zhao(), 0.9, method=method, callback=seen.append)
    assert seen
    assert seen[-1].error_bound >= 0
    assert seen[-1].iteration <= solution.iterations


def test_greedy_breaks_ties_by_the_lowest_action_and_optimal_actions_lists_them_all():
    mdp = FiniteMDP.from_arrays(np.ones((3, 1, 1)), [[1.0, 2.0, 2.0]])
    solution = bellman.solve(mdp, 0.5)
    assert solution.policy.tolist() == [1]
    assert bellman.greedy(mdp, [4.0], 0.5).tolist() == [1]
    assert bellman.optimal_actions(mdp, [4.0], 0.5).tolist() == [[False, True, True]]
    assert bellman.optimal_actions(mdp, [4.0], 0.5, tolerance=1.0).tolist() == [[True, True, True]]
    assert bellman.q_from_v(mdp, [4.0], 0.5).tolist() == [[3.0, 4.0, 4.0]]


def test_no_action_of_a_terminal_state_is_optimal():
    mdp = FiniteMDP.from_arrays(np.ones((2, 1, 1)), [[1.0, 2.0]], [True])
    assert not bellman.optimal_actions(mdp, [0.0], 0.5).any()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
def test_a_model_of_terminal_states_only_is_worth_nothing(method, gamma):
    mdp = FiniteMDP.from_arrays(np.tile(np.eye(2), (2, 1, 1)), [5.0, 6.0], [True, True])
    solution = bellman.solve(mdp, gamma, method=method)
    assert solution.v.tolist() == [0.0, 0.0]
    assert solution.error_bound <= 1e-8
    assert solution.policy.tolist() == [0, 0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("gamma", [-0.1, 1.1, np.nan, np.inf, "0.9", None, [0.9]])
def test_a_discount_out_of_range_is_refused(method, gamma):
    with pytest.raises(ConfigError, match=r"gamma=.* is outside its range \[0, 1\]"):
        bellman.solve(zhao(), gamma, method=method)


@pytest.mark.parametrize("tol", [0.0, -1.0, np.nan, np.inf, "1e-8", None, 10**400])
def test_a_tolerance_out_of_range_is_refused(tol):
    with pytest.raises(ConfigError, match="tol="):
        bellman.solve(zhao(), 0.9, tol=tol)


@pytest.mark.parametrize("limit", [0, -1, 1.5, True])
def test_a_limit_out_of_range_is_refused(limit):
    for method in METHODS:
        with pytest.raises(ConfigError, match="max_iterations"):
            bellman.solve(zhao(), 0.9, method=method, max_iterations=limit)


def test_unknown_methods_are_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="value_iteration"):
        bellman.solve(zhao(), 0.9, method="newton")
    with pytest.raises(ConfigError, match="iterative"):
        bellman.policy_evaluation(zhao(), np.zeros(25, int), 0.9, method="newton")


@pytest.mark.parametrize("solver", [bellman.q_from_v, bellman.greedy, bellman.optimal_actions])
def test_values_of_the_wrong_shape_are_refused(solver):
    with pytest.raises(InvalidModel, match=r"v has shape \(3,\), expected \(25,\)"):
        solver(zhao(), np.zeros(3), 0.9)


@pytest.mark.parametrize("solver", [bellman.q_from_v, bellman.greedy, bellman.optimal_actions])
def test_values_that_are_not_finite_are_refused(solver):
    with pytest.raises(InvalidModel, match=r"v\[s=3\] is nan, expected a finite number"):
        solver(zhao(), np.where(np.arange(25) == 3, np.nan, 0.0), 0.9)


@pytest.mark.parametrize("method", METHODS)
def test_an_environment_is_refused_with_the_way_to_its_model(method):
    with pytest.raises(InvalidModel, match=r"a GridWorld is no model; take env\.model\(\), or FiniteMDP"):
        bellman.solve(GridWorld("S G"), 0.9, method=method)


@pytest.mark.parametrize("method", METHODS)
def test_not_converged_carries_the_best_solution_and_its_bound(method):
    best = bellman.solve(zhao(), 0.9, method="policy_iteration").v
    with pytest.raises(NotConverged, match="above tol=1e-08") as stopped:
        bellman.solve(zhao(), 0.9, method=method, max_iterations=1)
    solution = stopped.value.solution
    assert np.abs(solution.v - best).max() <= solution.error_bound < np.inf


@pytest.mark.parametrize("method", METHODS)
def test_a_tolerance_below_the_float_floor_is_refused_with_the_number(method):
    mdp = zhao()
    with pytest.raises(NotConverged, match=r"tol=1e-20 is below .*e-14, the least error that float64 can resolve"):
        bellman.solve(mdp, 0.9, method=method, tol=1e-20)


def test_the_float_floor_is_not_named_where_the_proof_got_below_it():
    mdp = FiniteMDP.from_arrays(np.ones((1, 1, 1)), [2.0])  # one residual, one value: centred exactly
    with pytest.raises(NotConverged, match=r"^value_iteration stopped") as stopped:
        bellman.value_iteration(mdp, 1 - 1e-10)
    assert stopped.value.solution.error_bound < 1e-3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rewards", [[1.0, 2.0], [1.0, -1.0]])
@pytest.mark.parametrize("chain", [np.full((2, 2), 0.5), np.eye(2)[::-1], np.eye(2)])
@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_runs_for_ever_however_near_to_one_the_discount(method, rewards, chain, terminal):
    """Two states that take turns do not forget where they started: sweeps would need 1 / (1 - gamma) of them."""
    mdp = FiniteMDP.from_arrays(chain[None], rewards, [False, terminal])
    with contextlib.suppress(NotConverged):
        assert bellman.solve(mdp, 1 - 1e-15, method=method, tol=1e-12).error_bound <= 1e-12


def test_sweeps_that_would_take_longer_than_anyone_waits_are_not_made():
    mdp = FiniteMDP.from_arrays(np.eye(2)[None], [1e-20, 0.0], [False, True])  # v* = 1e-5, after 1e16 sweeps
    with pytest.raises(NotConverged, match="after 100000 iterations"):
        bellman.value_iteration(mdp, 1 - 1e-15, tol=1e-12)


def test_values_that_overflow_are_refused():
    mdp = FiniteMDP.from_arrays(np.ones((1, 1, 1)), [[1e305]])
    with pytest.raises(InvalidModel, match="overflow"):
        bellman.solve(mdp, 0.99999999)


def test_value_iteration_starts_where_it_is_told():
    mdp = zhao()
    best = bellman.solve(mdp, 0.9, method="policy_iteration").v
    assert bellman.value_iteration(mdp, 0.9, start=best).iterations == 1
    for start in ([1.0], "abc", [np.nan] * 25, np.zeros(25) + 1j):
        with pytest.raises(InvalidModel, match=r"^v(:|\[s=0\]| has shape)"):
            bellman.value_iteration(mdp, 0.9, start=start)


def test_one_evaluation_sweep_is_value_iteration_and_many_are_policy_iteration():
    mdp = zhao()
    one = bellman.truncated_policy_iteration(mdp, 0.9, evaluation_sweeps=1)
    many = bellman.truncated_policy_iteration(mdp, 0.9, evaluation_sweeps=500)
    assert one.iterations == bellman.value_iteration(mdp, 0.9).iterations
    assert many.iterations <= bellman.policy_iteration(mdp, 0.9).iterations + 2
    for sweeps in (0, 2.5, "2"):
        with pytest.raises(ConfigError, match="evaluation_sweeps"):
            bellman.truncated_policy_iteration(mdp, 0.9, evaluation_sweeps=sweeps)


def test_soft_value_iteration_refuses_what_it_cannot_do():
    for temperature in (0.0, np.nan, np.inf, "1", 1e308):
        with pytest.raises(ConfigError, match="temperature"):
            bellman.soft_value_iteration(zhao(), 0.9, temperature=temperature)
    with pytest.raises(ConfigError, match="gamma=1"):
        bellman.soft_value_iteration(zhao(), 1.0)


def test_solving_a_tiny_model_costs_little_beyond_the_models_own_method():
    class Ready:
        """A model whose own method takes no time."""

        n_states, n_actions, n_outcomes, max_abs_reward, has_terminal = 25, 5, 1, 1.0, False
        answer = Sweeps(np.zeros(25), 0.0, 1, 0.0)

        def optimal_values(self, gamma, *, tol, max_sweeps, on_sweep=None):
            return self.answer

    model, seconds = Ready(), []
    for _ in range(200):
        before = time.perf_counter()
        bellman.solve(model, 0.9)
        seconds.append(time.perf_counter() - before)
    assert np.median(seconds) < 20e-6


def test_a_sparse_model_of_many_states_is_solved_by_every_method():
    n = 300
    ring = sp.csr_array((np.ones(n), (np.arange(n), (np.arange(n) + 1) % n)), shape=(n, n))
    reward = np.zeros(n)
    reward[-1] = 1.0
    mdp = FiniteMDP.from_arrays([ring, sp.eye_array(n, format="csr")], reward)
    want = 0.99 ** np.arange(n)[::-1] / (1 - 0.99)  # wait at the last state for ever
    for method in METHODS:
        assert bellman.solve(mdp, 0.99, method=method).v == pytest.approx(want, abs=1e-8)
