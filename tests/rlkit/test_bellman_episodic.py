"""Discount 1: published values where they exist, a sentence that says why where they do not."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import scipy.sparse as sp

from rlkit import bellman
from rlkit.errors import InvalidModel
from rlkit.mdp import FiniteMDP
from tests.rlkit.textbook_grids import sutton_barto_4_1, zhao

GRIDS = json.loads((Path(__file__).parent.parent / "reference" / "grids.json").read_text())
METHODS = ("auto", "value_iteration", "policy_iteration", "truncated_policy_iteration")


def chain(*transitions, n_states, terminal=()):
    """A deterministic MDP from (state, action, next state, reward)."""
    n_actions = 1 + max(action for _, action, _, _ in transitions)
    P, R = np.zeros((n_actions, n_states, n_states)), np.zeros((n_states, n_actions))
    P[:, range(n_states), range(n_states)] = 1.0
    for state, action, following, reward in transitions:
        P[action, state] = np.eye(n_states)[following]
        R[state, action] = reward
    return FiniteMDP.from_arrays(P, R, np.isin(np.arange(n_states), terminal))


def gambler(probability):
    """Sutton and Barto's Example 4.3, staking more than allowed being cut down; staking nothing goes on for ever."""
    rows, columns, data, rewards = [], [], [], np.zeros((101, 51))
    for capital in range(1, 100):
        for action in range(51):
            stake = min(action, capital, 100 - capital)
            for following, p in ((capital + stake, probability), (capital - stake, 1 - probability)):
                rows.append(capital * 51 + action)
                columns.append(following)
                data.append(p)
                rewards[capital, action] += p * (following == 100)
    matrix = sp.csr_array(sp.coo_array((data, (rows, columns)), shape=(101 * 51, 101)))
    return FiniteMDP(matrix, rewards, np.isin(np.arange(101), [0, 100]))


@pytest.mark.parametrize("method", METHODS)
def test_frozen_lake_is_won_fourteen_times_in_seventeen(method):
    mdp = FiniteMDP.from_gymnasium(gymnasium.make("FrozenLake-v1"))
    solution = bellman.solve(mdp, 1.0, method=method)
    assert abs(solution.v[0] - 14 / 17) <= solution.error_bound <= 1e-8


@pytest.mark.parametrize("method", METHODS)
def test_bold_play_is_optimal_for_the_gambler(method):
    """Dubins and Savage 1965: v(1/2) = p, v(1/4) = p^2, v(3/4) = p + (1 - p) p."""
    p = 0.4
    solution = bellman.solve(gambler(p), 1.0, method=method)
    assert solution.v[[25, 50, 75]] == pytest.approx([p**2, p, p + (1 - p) * p], abs=solution.error_bound)
    assert bellman.policy_evaluation(gambler(p), solution.policy, 1.0).v == pytest.approx(solution.v, abs=1e-7)


def test_the_random_policys_values_are_those_of_sutton_and_barto_4_1():
    solution = bellman.policy_evaluation(sutton_barto_4_1(), np.full((16, 4), 0.25), 1.0)
    assert np.abs(solution.v - GRIDS["sb_4.1"]).max() <= solution.error_bound + 1e-12
    assert solution.v[:4] == pytest.approx([0, -14, -20, -22])


@pytest.mark.parametrize("method", METHODS)
def test_the_optimal_values_of_sutton_and_barto_4_1_count_steps(method):
    distance = [min(r + c, 6 - r - c) for r in range(4) for c in range(4)]
    solution = bellman.solve(sutton_barto_4_1(), 1.0, method=method)
    assert solution.v == pytest.approx(-np.array(distance, dtype=float), abs=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_the_cliff_costs_thirteen_steps(method):
    solution = bellman.solve(FiniteMDP.from_gymnasium(gymnasium.make("CliffWalking-v1")), 1.0, method=method)
    assert solution.v[36] == pytest.approx(-13.0, abs=solution.error_bound)


def test_the_taxi_collects_twenty_less_its_steps():
    env = gymnasium.make("Taxi-v4").unwrapped
    solution = bellman.solve(FiniteMDP.from_gymnasium(env), 1.0)
    waiting_at_home = env.encode(0, 0, 0, 0)  # pick up, drop off at once
    across = env.encode(0, 0, 0, 1)  # from R (0, 0) to G (0, 4): 8 moves around the wall, pick up, drop off
    assert solution.v[[waiting_at_home, across]] == pytest.approx([19.0, 20.0 - 9], abs=1e-8)
    state, total = env.encode(3, 1, 2, 0), 0.0
    env.reset(seed=0)
    env.s = state
    ended = False
    current = state
    while not ended:
        current, reward, ended, *_ = env.step(int(solution.policy[current]))
        total += reward
    assert total == pytest.approx(solution.v[state])


def test_a_maze_that_pays_at_its_goal_only_is_worth_one_everywhere_and_the_policy_gets_there():
    """Wandering is free, so that most greedy policies never arrive; the one returned does."""
    n = 30
    steps = [(s, 0, max(s - 1, 0), 0.0) for s in range(n - 1)] + [
        (s, 1, s + 1, float(s == n - 2)) for s in range(n - 1)
    ]
    mdp = chain(*steps, n_states=n, terminal=[n - 1])
    solution = bellman.solve(mdp, 1.0)
    assert solution.v[:-1].tolist() == [1.0] * (n - 1)
    assert solution.policy[:-1].tolist() == [1] * (n - 1)
    assert bellman.policy_evaluation(mdp, solution.policy, 1.0).v == pytest.approx(solution.v)


def test_staying_for_nothing_beats_paying_to_leave():
    mdp = chain((0, 0, 0, 0.0), (0, 1, 1, -1.0), n_states=2, terminal=[1])
    solution = bellman.solve(mdp, 1.0)
    assert solution.v.tolist() == [0.0, 0.0]
    assert solution.policy[0] == 0


def test_a_loop_of_both_signs_that_loses_on_average_is_left():
    mdp = chain((0, 0, 1, 1.0), (1, 0, 0, -2.0), (0, 1, 2, -5.0), (1, 1, 2, -5.0), n_states=3, terminal=[2])
    assert bellman.solve(mdp, 1.0).v == pytest.approx([-4.0, -5.0, 0.0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("mdp", "complaint"),
    [
        (zhao(), r"gamma=1: the values are infinite: state \d+"),
        (chain((0, 0, 0, 1.0), (0, 1, 1, 0.0), n_states=2, terminal=[1]), "gamma=1: the values are infinite: state 0"),
        (chain((0, 0, 1, -1.0), (1, 0, 0, 2.0), n_states=2), "gamma=1: the values are infinite: state 0"),
        (chain((0, 0, 1, -1.0), (1, 0, 1, -1.0), n_states=2), "gamma=1: state 0 can never reach a terminal state"),
        (
            chain((0, 0, 1, -1.0), (1, 0, 0, 1.0), (0, 1, 2, 0.0), (1, 1, 2, 0.0), n_states=3, terminal=[2]),
            "gamma=1: state 0 is one of several .* no definite value",
        ),
    ],
)
def test_what_has_no_finite_values_is_refused_with_a_state_and_the_reason(method, mdp, complaint):
    with pytest.raises(InvalidModel, match=complaint):
        bellman.solve(mdp, 1.0, method=method)


def test_a_policy_that_never_ends_has_no_values():
    walls = np.zeros(16, dtype=int)  # up, up, up
    with pytest.raises(InvalidModel, match=r"gamma=1: state \d+ can never reach a terminal state"):
        bellman.policy_evaluation(sutton_barto_4_1(), walls, 1.0)


def test_ties_go_to_the_lowest_action():
    solution = bellman.solve(sutton_barto_4_1(), 1.0)
    assert solution.policy[[5, 6, 9, 10]].tolist() == [0, 0, 0, 1]  # up of all four; of right and down, right


def test_a_long_corridor_is_solved_within_its_bound():
    n = 2_000
    state = np.arange(n)
    landing = np.stack([np.maximum(state - 1, 0), np.minimum(state + 1, n - 1)], axis=1).ravel()  # left, right
    transitions = sp.csr_array((np.ones(2 * n), landing, np.arange(2 * n + 1)), shape=(2 * n, n))
    mdp = FiniteMDP(transitions, np.full((n, 2), -1.0), state == n - 1)
    for method in ("auto", "value_iteration"):
        solution = bellman.solve(mdp, 1.0, method=method, tol=1e-4)
        assert np.abs(solution.v + state[::-1]).max() <= solution.error_bound
