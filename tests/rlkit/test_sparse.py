"""The fast paths for a general sparse MDP: every method against exact policy iteration."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from rlkit import FiniteMDP, NotConverged
from rlkit.bellman import solve, sparse
from rlkit.bellman.sparse import mixing, order, small, transport
from rlkit.bellman.sparse.search import Search

NO_LIMIT = 10**6


def random_mdp(n_states=400, n_actions=3, n_successors=4, *, terminal=0, seed=0):
    """Random successors: forgets where it was."""
    rng = np.random.default_rng(seed)
    rows = n_states * n_actions
    columns = rng.integers(0, n_states, (rows, n_successors))
    weights = rng.dirichlet(np.ones(n_successors), rows)
    matrix = sp.csr_array(
        (weights.ravel(), columns.ravel(), np.arange(0, rows * n_successors + 1, n_successors)), (rows, n_states)
    )
    return FiniteMDP(matrix, rng.normal(size=(n_states, n_actions)), np.arange(n_states) < terminal)


def corridor(n_states=400, *, slip=0.1, seed=0, terminal=True, random_order=False):
    """Left, right, stay in a row of states with random costs: value has to travel to the last state."""
    rng = np.random.default_rng(seed)
    name = rng.permutation(n_states) if random_order else np.arange(n_states)
    state = np.arange(n_states)
    left, right = np.maximum(state - 1, 0), np.minimum(state + 1, n_states - 1)
    wished, other = np.stack([left, right, state], axis=1), np.stack([right, left, state], axis=1)  # [S, A]
    rows = (name[:, None] * 3 + np.arange(3)).ravel()
    columns = np.concatenate([name[wished].ravel(), name[other].ravel()])
    weights = np.repeat([1 - slip, slip], rows.size)
    matrix = sp.coo_array((weights, (np.tile(rows, 2), columns)), (n_states * 3, n_states)).tocsr()
    rewards = np.repeat(-rng.random((n_states, 1)), 3, axis=1)
    rewards[name[-1]] = 1.0
    ends = np.zeros(n_states, bool)
    ends[name[-1]] = terminal
    return FiniteMDP(matrix, rewards, ends)


def apart():
    """Two MDPs that never meet."""
    one, other = random_mdp(350, seed=1), random_mdp(350, seed=2)
    return FiniteMDP(sp.block_diag([one.transitions, other.transitions]), np.vstack([one.rewards, other.rewards + 1]))


def loops():
    """Every action almost always stays."""
    move = random_mdp(500)
    stay = sp.csr_array((np.ones(1500), (np.arange(1500), np.arange(1500) // 3)), (1500, 500))
    return FiniteMDP(0.99 * stay + 0.01 * move.transitions, move.rewards)


def leaking():
    """Any step may be the last."""
    mdp = random_mdp(500)
    return FiniteMDP(0.98 * mdp.transitions, mdp.rewards, termination=np.full((500, 3), 0.02))


def dense_rows():
    """Everything leads everywhere."""
    rng = np.random.default_rng(3)
    return FiniteMDP(sp.csr_array(rng.dirichlet(np.ones(300), 600)), rng.normal(size=(300, 2)))


MODELS = {
    "random": random_mdp,
    "random, one terminal state": lambda: random_mdp(terminal=1),
    "random, many terminal states": lambda: random_mdp(terminal=200),
    "corridor": corridor,
    "corridor, deterministic": lambda: corridor(slip=0.0),
    "corridor, continuing": lambda: corridor(terminal=False),
    "corridor, numbered at random": lambda: corridor(random_order=True),
    "apart": apart,
    "loops": loops,
    "leaking": leaking,
    "dense rows": dense_rows,
}


@pytest.fixture(autouse=True)
def never_dense(monkeypatch):
    """Send the small models of these tests down the roads for large ones."""
    monkeypatch.setattr(small, "MOST_ENTRIES", 0)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9, 0.99, 0.999])
@pytest.mark.parametrize("name", MODELS)
def test_the_values_are_within_their_bound_of_exact_policy_iterations(name, gamma):
    mdp = MODELS[name]()
    exact = small.policy_iteration(mdp, gamma, max_sweeps=NO_LIMIT)
    found = sparse.optimal_values(mdp, gamma, tol=1e-6, max_sweeps=NO_LIMIT)
    assert found.error_bound <= 1e-6
    assert np.abs(found.v - exact.v).max() <= found.error_bound + exact.error_bound
    assert (found.v[mdp.terminal] == 0).all()
    assert found.v_max == np.abs(found.v).max()


@pytest.mark.parametrize("name", MODELS)
def test_both_methods_are_right_where_the_other_one_would_be_chosen(name):
    mdp, gamma = MODELS[name](), 0.95
    exact = small.policy_iteration(mdp, gamma, max_sweeps=NO_LIMIT)

    def travelled(search):
        transport.iterate(search, np.array([0]))

    for method in (travelled, lambda search: mixing.iterate(search, patience=np.inf)):
        search = Search(mdp, gamma, 1e-8, NO_LIMIT, None)
        search.improve()
        method(search)
        found = search.answer()
        assert found.error_bound <= 1e-8
        assert np.abs(found.v - exact.v).max() <= found.error_bound + exact.error_bound


def test_a_model_without_neighbourhoods_is_not_cut_into_blocks():
    mdp = random_mdp(150_000, 2, 3)
    search = Search(mdp, 0.9, 1e-8, NO_LIMIT, None)
    search.improve()
    before = search.v.copy()
    assert not transport.iterate(search, np.array([0]))
    np.testing.assert_array_equal(search.v, before)


@pytest.mark.parametrize("name", ["random", "corridor", "apart"])
def test_the_same_question_has_the_same_answer_to_the_bit(name):
    first, second = (sparse.optimal_values(MODELS[name](), 0.99, tol=1e-8, max_sweeps=NO_LIMIT) for _ in range(2))
    np.testing.assert_array_equal(first.v, second.v)
    assert first[1:] == second[1:]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 10, 30])
@pytest.mark.parametrize("name", ["random", "corridor, numbered at random", "loops"])
def test_a_limit_on_the_sweeps_is_kept_and_the_bound_still_holds(name, limit):
    mdp = MODELS[name]()
    exact = small.policy_iteration(mdp, 0.999, max_sweeps=NO_LIMIT)
    found = sparse.optimal_values(mdp, 0.999, tol=1e-12, max_sweeps=limit)
    assert found.iterations <= limit
    assert found.error_bound > 1e-12
    assert np.abs(found.v - exact.v).max() <= found.error_bound + exact.error_bound


@pytest.mark.parametrize("name", MODELS)
def test_a_tolerance_that_float64_cannot_reach_ends_with_what_it_can(name):
    mdp = MODELS[name]()
    found = sparse.optimal_values(mdp, 0.999, tol=1e-15, max_sweeps=NO_LIMIT)
    assert 1e-15 < found.error_bound < 1e-6


def test_not_reaching_the_tolerance_raises_with_the_solution():
    with pytest.raises(NotConverged) as caught:
        solve(corridor(), 0.99, tol=1e-8, max_iterations=5)
    assert caught.value.solution.error_bound > 1e-8


@pytest.mark.parametrize("name", ["random", "corridor, continuing"])
def test_reports_come_with_growing_sweeps_and_true_residuals(name):
    mdp, seen = MODELS[name](), []

    def on_sweep(iteration, v, low, high):
        actual_low, actual_high = mdp.residual(v.copy(), 0.99)
        seen.append((iteration, low - 1e-9 <= actual_low and actual_high <= high + 1e-9))

    sparse.optimal_values(mdp, 0.99, tol=1e-8, max_sweeps=NO_LIMIT, on_sweep=on_sweep)
    iterations, true = zip(*seen, strict=True)
    assert all(true)
    assert sorted(set(iterations)) == list(iterations)


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("gamma", [0.0, 0.9, 0.9999])
def test_one_state_is_worth_its_reward_for_ever(dense, gamma, monkeypatch):
    if dense:
        monkeypatch.undo()
    mdp = FiniteMDP(sp.csr_array(np.ones((2, 1))), [[1.0, 2.0]])
    found = sparse.optimal_values(mdp, gamma, tol=1e-6, max_sweeps=NO_LIMIT)
    assert found.v == pytest.approx(2.0 / (1.0 - gamma), abs=1e-6)


@pytest.mark.parametrize("dense", [True, False])
def test_terminal_states_alone_are_worth_nothing(dense, monkeypatch):
    if dense:
        monkeypatch.undo()
    mdp = FiniteMDP(sp.eye_array(3), np.ones((3, 1)), np.ones(3, bool))
    found = sparse.optimal_values(mdp, 0.9, tol=1e-8, max_sweeps=NO_LIMIT)
    assert (found.v == 0).all()
    assert found.error_bound <= 1e-8


def test_states_with_rewards_of_their_own_share_nothing_and_are_right():
    n_states, gamma = 20_000, 0.99
    rewards = np.random.default_rng(4).normal(size=(n_states, 2))
    state = np.arange(n_states)
    columns = np.stack([(state + 1).clip(max=n_states - 1), state], axis=1).ravel()  # go on, or stay
    matrix = sp.csr_array((np.ones(2 * n_states), columns, np.arange(2 * n_states + 1)), (2 * n_states, n_states))
    exact = np.empty(n_states)
    exact[-1] = rewards[-1].max() / (1 - gamma)
    for s in range(n_states - 2, -1, -1):
        exact[s] = max(rewards[s, 0] + gamma * exact[s + 1], rewards[s, 1] / (1 - gamma))
    found = sparse.optimal_values(FiniteMDP(matrix, rewards), gamma, tol=1e-8, max_sweeps=NO_LIMIT)
    assert np.abs(found.v - exact).max() <= found.error_bound <= 1e-8


def test_small_models_are_solved_exactly_by_dense_policy_iteration(monkeypatch):
    monkeypatch.undo()
    mdp = corridor(40)
    assert small.fits(mdp)
    found = sparse.optimal_values(mdp, 0.99, tol=1e-8, max_sweeps=NO_LIMIT)
    low, high = mdp.residual(found.v, 0.99)
    assert max(high, -low) < 1e-13
    assert found.iterations < 30


def test_blocks_number_every_state_once_and_start_at_the_sources():
    mdp = corridor(3000, slip=0.1)
    matrix = mdp.transitions
    before = order.predecessors(matrix.indptr, matrix.indices, matrix.data, mdp.terminal, 3)
    by_place, place = order.grow_blocks(*before, np.array([2999]), 3000, 1024)
    np.testing.assert_array_equal(np.sort(by_place), np.arange(3000))
    np.testing.assert_array_equal(place[by_place], np.arange(3000))
    np.testing.assert_array_equal(by_place[:1024], np.arange(2999, 2999 - 1024, -1))
