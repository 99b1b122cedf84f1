"""What a `FiniteMDP` accepts, refuses and promises."""

from __future__ import annotations

import copy
import pickle
import time

import gymnasium
import numpy as np
import pytest
import scipy.sparse as sp

from rlkit.bellman import policy_evaluation, solve
from rlkit.envs import GridWorld
from rlkit.errors import InvalidModel, RlkitError
from rlkit.mdp import FiniteMDP, MarkovRewardProcess
from tests.rlkit.textbook_grids import zhao

P = np.array([[[0.5, 0.5], [0.0, 1.0]], [[1.0, 0.0], [0.25, 0.75]]])  # [A=2, S=2, S]
R = np.array([[1.0, 2.0], [3.0, 4.0]])  # [S, A]


class Table:
    """An environment that is nothing but its transition table."""

    def __init__(self, table, start=None):
        self.P = table
        if start is not None:
            self.initial_state_distrib = np.array(start)


def test_row_s_times_a_plus_a_holds_the_transitions_of_state_s_and_action_a():
    mdp = FiniteMDP.from_arrays(P, R)
    assert mdp.transitions.toarray().tolist() == [[0.5, 0.5], [1.0, 0.0], [0.0, 1.0], [0.25, 0.75]]
    assert mdp.rewards.tolist() == R.tolist()


def test_dense_and_sparse_arrays_make_the_same_model():
    dense = FiniteMDP.from_arrays(P, R)
    sparse = FiniteMDP.from_arrays([sp.csr_matrix(p) for p in P], R)
    assert (dense.transitions != sparse.transitions).nnz == 0


@pytest.mark.parametrize("as_list", [False, True])
def test_rewards_come_by_state_by_action_or_by_transition(as_list):
    by_state = FiniteMDP.from_arrays(P, [1.0, 2.0]).rewards
    assert by_state.tolist() == [[1.0, 1.0], [2.0, 2.0]]
    by_transition = np.array([[[2.0, 4.0], [9.0, 1.0]], [[5.0, 9.0], [4.0, 8.0]]])
    given = [sp.csr_array(r) for r in by_transition] if as_list else by_transition
    assert FiniteMDP.from_arrays(P, given).rewards.tolist() == [[3.0, 5.0], [1.0, 7.0]]


def test_the_arguments_are_neither_modified_nor_shared():
    matrix = FiniteMDP.from_arrays(P, R).transitions.copy()
    rewards, terminal = R.copy(), np.array([False, True])
    mdp = FiniteMDP(matrix, rewards, terminal)
    assert rewards.tolist() == R.tolist()
    matrix.data[:], rewards[:], terminal[:] = 7.0, 7.0, True
    assert mdp.transitions.data.max() == 1.0
    assert mdp.rewards.tolist() == [[1.0, 2.0], [0.0, 0.0]]
    assert mdp.terminal.tolist() == [False, True]


def test_handed_over_arrays_are_not_copied():
    matrix = FiniteMDP.from_arrays(P, R).transitions.copy()
    mdp = FiniteMDP(matrix, R.copy(), copy=False)
    assert np.shares_memory(mdp.transitions.data, matrix.data)
    assert not mdp.transitions.data.flags.writeable


def test_read_only_arrays_can_be_handed_over_and_stay_as_they_are():
    first = FiniteMDP.from_arrays(P, R)
    second = FiniteMDP(first.transitions, first.rewards, [False, True], copy=False)
    assert second.rewards.tolist() == [[1.0, 2.0], [0.0, 0.0]]
    assert first.rewards.tolist() == R.tolist()
    off = first.transitions * (1 + 1e-10)
    off.data.flags.writeable = False
    third = FiniteMDP(off, R, copy=False)
    assert third.transitions.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-15)
    assert off.sum(axis=1)[0] > 1


def test_a_model_cannot_be_changed():
    mdp = FiniteMDP.from_arrays(P, R)
    with pytest.raises(AttributeError, match="immutable"):
        mdp.rewards = R
    for array in (mdp.rewards, mdp.terminal, mdp.transitions.data, mdp.transitions.indices, mdp.transitions.indptr):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_copies_of_a_model_cannot_be_changed_either():
    mdp = FiniteMDP.from_arrays(P, R)
    for again in (copy.deepcopy(mdp), pickle.loads(pickle.dumps(mdp))):
        assert np.array_equal(again.backup([1, 0], 1), mdp.backup([1, 0], 1))
        for array in (again.rewards, again.terminal, again.transitions.data):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0


def test_a_sum_that_is_not_one_is_named():
    wrong = np.tile(np.eye(4), (2, 1, 1))
    wrong[1, 3, 0] = 0.1
    with pytest.raises(InvalidModel, match=r"P\[s=3, a=1\] sums to 1\.1"):
        FiniteMDP.from_arrays(wrong, np.zeros(4))


def test_negative_probabilities_that_sum_to_one_are_refused():
    wrong = P.copy()
    wrong[0, 1] = [-0.5, 1.5]
    with pytest.raises(InvalidModel, match=r"P\[s=1, a=0, s'=0\] is -0\.5, expected a probability"):
        FiniteMDP.from_arrays(wrong, R)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_named(number):
    rewards, wrong = R.copy(), P.copy()
    rewards[1, 0] = wrong[1, 0, 0] = number
    with pytest.raises(InvalidModel, match=r"R\[s=1, a=0\] is -?(nan|inf), expected a finite number"):
        FiniteMDP.from_arrays(P, rewards)
    with pytest.raises(InvalidModel, match=r"P\[s=0, a=1, s'=0\] is -?(nan|inf), expected a probability"):
        FiniteMDP.from_arrays(wrong, R)


@pytest.mark.parametrize(
    ("p", "r", "terminal"),
    [
        (P[:, :1], R, None),
        (P[0], R, None),
        ([], R, None),
        (np.zeros((1, 0, 0)), np.zeros((0, 1)), None),
        (np.zeros((0, 2, 2)), np.zeros((2, 0)), None),
        (P, R[:1], None),
        (P, np.zeros((2, 2, 3)), None),
        (P, [["a", "b"], ["c", "d"]], None),
        (P, R, [True]),
        (P, R, [0, 1]),
        (P, R, [[True], [True, False]]),
        (P * 1j, R, None),
        (P, R * 1j, None),
        (None, R, None),
        ("P", R, None),
        (3.0, R, None),
        ([np.eye(2), np.eye(3)], R, None),
    ],
)
def test_wrong_shapes_and_types_are_refused_in_one_sentence(p, r, terminal):
    with pytest.raises(InvalidModel) as refusal:
        FiniteMDP.from_arrays(p, r, terminal)
    assert "\n" not in str(refusal.value)


def test_a_broken_sparse_matrix_is_refused():
    matrix = sp.csr_array(np.eye(2))
    matrix.indices = np.array([0, 5], dtype=np.int32)
    with pytest.raises(InvalidModel, match=r"P\[s=1, a=0\] leads to state 5, expected one in 0\.\.1"):
        FiniteMDP(matrix, np.zeros((2, 1)))


def test_float32_rows_are_scaled_to_sum_to_one():
    rows = np.random.default_rng(0).dirichlet(np.ones(50), size=(2, 50)).astype(np.float32)
    mdp = FiniteMDP.from_arrays(rows, np.zeros(50))
    assert mdp.row_defect < 1e-13
    assert np.abs(mdp.transitions.sum(axis=1) - 1).max() < 1e-15


def test_entries_given_twice_add_up():
    twice = sp.csr_array((np.array([0.5, 0.5, 1.0]), np.array([1, 1, 1]), np.array([0, 2, 3])), shape=(2, 2))
    once = sp.csr_array((np.array([1.0, 1.0]), np.array([1, 1]), np.array([0, 1, 2])), shape=(2, 2))
    rewards = np.array([[1.0], [2.0]])
    v = [solve(FiniteMDP(matrix, rewards), 0.9).v for matrix in (twice, once)]
    assert v[0] == pytest.approx(v[1], abs=1e-7)


def test_a_terminal_state_is_worth_nothing_whatever_its_rows_say():
    mdp = FiniteMDP.from_arrays(P, R, [False, True])
    solution = solve(mdp, 0.9, tol=1e-12)
    assert solution.v[1] == 0.0
    assert solution.q[1].tolist() == [0.0, 0.0]
    assert solution.v[0] == pytest.approx(20.0)  # 2 a step for ever


def test_termination_ends_without_entering_a_state_and_must_complete_the_row():
    half = sp.csr_array(np.array([[0.5]]))
    mdp = FiniteMDP(half, [[1.0]], termination=[[0.5]])
    assert mdp.has_terminal
    assert solve(mdp, 1.0).v == pytest.approx([2.0])  # two steps on average
    with pytest.raises(InvalidModel, match=r"P\[s=0, a=0\] sums to 0\.5, expected 1"):
        FiniteMDP(half, [[1.0]])
    with pytest.raises(InvalidModel, match=r"P\[s=0, a=0\] sums to 0\.9"):
        FiniteMDP(half, [[1.0]], termination=[[0.4]])
    with pytest.raises(InvalidModel, match=r"termination\[s=0, a=0\] is -0\.5"):
        FiniteMDP(half, [[1.0]], termination=[[-0.5]])


@pytest.mark.parametrize("model", [FiniteMDP.from_arrays(P, R), GridWorld("S G").model()])
def test_the_operator_refuses_values_of_another_shape(model):
    for operator in (model.q_from_v, model.backup, model.greedy, model.residual):
        with pytest.raises(InvalidModel, match=r"v has shape \(3,\), expected \(2,\)"):
            operator(np.zeros(3), 0.9)


def test_the_operator_takes_any_numbers():
    assert FiniteMDP.from_arrays(P, R).backup([1, 0], 1).tolist() == [3.0, 4.25]


def test_the_reward_of_the_terminating_transition_counts_and_nothing_after_it():
    table = {0: {0: [(0.5, 1, 3.0, True), (0.5, 0, 1.0, False)]}, 1: {0: [(1.0, 1, 100.0, False)]}}
    mdp = FiniteMDP.from_gymnasium(Table(table))
    assert mdp.terminal.tolist() == [False, True]
    assert solve(mdp, 0.5).v == pytest.approx([2 / 0.75, 0.0])


def test_outcomes_given_twice_add_up():
    table = {0: {0: [(0.25, 0, 1.0, False), (0.25, 0, 3.0, False), (0.5, 0, 0.0, False)]}}
    mdp = FiniteMDP.from_gymnasium(Table(table))
    assert mdp.transitions.toarray().tolist() == [[1.0]]
    assert mdp.rewards.tolist() == [[1.0]]


def test_a_state_entered_in_both_ways_keeps_its_rows_and_ends_only_the_marked_transitions():
    table = {
        0: {0: [(1.0, 1, 5.0, True)], 1: [(1.0, 1, 0.0, False)]},
        1: {0: [(1.0, 0, -1.0, False)], 1: [(1.0, 1, 2.0, True)]},
    }
    mdp = FiniteMDP.from_gymnasium(Table(table))
    assert not mdp.terminal.any()
    assert solve(mdp, 1.0).v == pytest.approx([5.0, 4.0])  # from 1: back to 0 for -1, then 5


def test_a_state_in_which_episodes_start_is_not_terminal_even_if_they_end_on_coming_back():
    table = {0: {0: [(1.0, 1, -1.0, False)]}, 1: {0: [(1.0, 0, 10.0, True)]}}
    mdp = FiniteMDP.from_gymnasium(Table(table, start=[1.0, 0.0]))
    assert solve(mdp, 1.0).v == pytest.approx([9.0, 10.0])


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({}, "empty"),
        ({0: {0: [(0.5, 0, 0.0, False)]}}, r"P\[s=0, a=0\] sums to 0\.5"),
        ({0: {0: [(1.0, 7, 0.0, False)]}}, r"P\[s=0, a=0\] leads to state 7"),
        ({0: {0: [(1.0, 0, 0.0)]}}, r"P\[s=0, a=0\] is not a list of"),
        ({0: {0: [(1.5, 0, 0.0, False), (-0.5, 0, 0.0, False)]}}, r"P\[s=0, a=0, s'=0\] is -0\.5"),
        ({0: {0: [(1.0, 0, float("nan"), False)]}}, r"R\[s=0, a=0\] is nan"),
        ({0: {0: [(1.0, 0, 0.0, False)]}, 1: {}}, r"P\[s=1\] has 0 actions"),
        ({0: {1: [(1.0, 0, 0.0, False)]}}, r"P\[s=0, a=0\] is not a list"),
        ({0: {0: [(1.0, 0.7, 0.0, False)]}}, r"P\[s=0, a=0\] leads to state 0\.7"),
        ({1: {0: [(1.0, 1, 0.0, False)]}}, r"P is not a table of states 0, 1, \.\.\."),
        (5, r"P is not a table of states"),
    ],
)
def test_a_broken_table_is_refused(table, complaint):
    with pytest.raises(InvalidModel, match=complaint):
        FiniteMDP.from_gymnasium(Table(table))


def test_a_start_distribution_of_another_size_is_refused():
    with pytest.raises(InvalidModel, match=r"initial_state_distrib has shape \(3,\), expected \(1,\)"):
        FiniteMDP.from_gymnasium(Table({0: {0: [(1.0, 0, 0.0, False)]}}, [1, 0, 0]))


def test_an_environment_without_a_model_is_refused():
    with pytest.raises(InvalidModel, match="neither a transition table P nor a model"):
        FiniteMDP.from_gymnasium(gymnasium.make("CartPole-v1"))


def test_an_environment_that_knows_its_model_gives_it():
    mdp = zhao()

    class Knowing:
        def model(self):
            return mdp

    assert FiniteMDP.from_gymnasium(Knowing()) is mdp


def test_gymnasiums_toy_text_environments_keep_their_state_numbers():
    lake = FiniteMDP.from_gymnasium(gymnasium.make("FrozenLake-v1"))
    assert np.flatnonzero(lake.terminal).tolist() == [5, 7, 11, 12, 15]
    cliff = FiniteMDP.from_gymnasium(gymnasium.make("CliffWalking-v1"))
    assert (cliff.n_states, np.flatnonzero(cliff.terminal).tolist()) == (48, [47])
    taxi = FiniteMDP.from_gymnasium(gymnasium.make("Taxi-v4"))
    assert (taxi.n_states, taxi.terminal.any(), taxi.termination.sum()) == (500, False, 4.0)


def test_a_policy_induces_its_reward_process():
    mdp = FiniteMDP.from_arrays(P, R)
    fixed = mdp.induced_by([1, 0])
    assert fixed.transitions.toarray().tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert fixed.rewards.tolist() == [2.0, 3.0]
    mixed = mdp.induced_by([[0.5, 0.5], [0.5, 0.5]])
    assert mixed.transitions.toarray().tolist() == [[0.75, 0.25], [0.125, 0.875]]
    assert mixed.rewards.tolist() == [1.5, 3.5]


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        ([0, 2], r"policy\[s=1\] is 2, expected an action in 0\.\.1"),
        ([-1, 0], r"policy\[s=0\] is -1"),
        ([[0.5, 0.4], [1.0, 0.0]], r"policy\[s=0\] sums to 0\.9"),
        ([[1.5, -0.5], [1.0, 0.0]], r"policy\[s=0, a=1\] is -0\.5"),
        ([[np.nan, 0.5], [1.0, 0.0]], r"policy\[s=0, a=0\] is nan"),
        ([0.0, 1.0], "a policy is an array"),
        ([0], "a policy is an array"),
        ([[1.0], [0.5, 0.5]], "policy: not an array"),
        (None, "a policy is an array"),
    ],
)
def test_what_is_not_a_policy_is_refused(policy, complaint):
    with pytest.raises(InvalidModel, match=complaint):
        FiniteMDP.from_arrays(P, R).induced_by(policy)
    with pytest.raises(RlkitError):
        policy_evaluation(FiniteMDP.from_arrays(P, R), policy, 0.9)


def test_the_stationary_distribution_of_two_states_is_known():
    chain = MarkovRewardProcess(sp.csr_array(np.array([[0.9, 0.1], [0.3, 0.7]])), np.zeros(2))
    assert chain.stationary_distribution() == pytest.approx([0.75, 0.25])


def test_a_periodic_chain_has_a_stationary_distribution_and_transient_states_have_none_of_it():
    chain = MarkovRewardProcess(sp.csr_array(np.array([[0, 1.0, 0], [1.0, 0, 0], [0.5, 0, 0.5]])), np.zeros(3))
    assert chain.stationary_distribution() == pytest.approx([0.5, 0.5, 0.0])


def test_zhaos_uniform_policy_visits_every_cell_equally():
    chain = zhao().induced_by(np.full((25, 5), 0.2))
    assert chain.stationary_distribution() == pytest.approx(np.full(25, 1 / 25), abs=1e-14)


def test_a_stationary_distribution_that_is_not_unique_is_refused():
    with pytest.raises(InvalidModel, match="not unique: states 0 and 1 never meet"):
        MarkovRewardProcess(sp.csr_array(np.eye(2)), np.zeros(2)).stationary_distribution()


def test_a_process_that_ends_has_no_stationary_distribution():
    with pytest.raises(InvalidModel, match="can end in state 1"):
        FiniteMDP.from_arrays(P, R, [False, True]).induced_by([0, 0]).stationary_distribution()


def test_a_ready_made_matrix_is_taken_over_in_under_a_third_of_a_microsecond_a_row():
    n_states, n_actions, n_outcomes = 50_000, 5, 4
    rng = np.random.default_rng(0)
    entries = n_states * n_actions * n_outcomes
    matrix = sp.csr_array(
        (
            np.full(entries, 1 / n_outcomes),
            rng.integers(0, n_states, entries, dtype=np.int32),
            np.arange(0, entries + 1, n_outcomes, dtype=np.int32),
        ),
        shape=(n_states * n_actions, n_states),
    )
    rewards = np.zeros((n_states, n_actions))
    FiniteMDP(matrix, rewards)
    seconds = []
    for _ in range(5):
        before = time.process_time()
        mdp = FiniteMDP(matrix, rewards)
        seconds.append(time.process_time() - before)
    assert min(seconds) / (n_states * n_actions) < 0.3e-6
    assert mdp.transitions.indices.dtype == np.int32
