"""Update rules against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rlkit import updates
from rlkit.exploration import epsilon_greedy, linear_decay

Q = np.array([[1.0, 2.0], [0.5, 4.0]])
OTHER = np.array([[0.0, 0.0], [3.0, -1.0]])


def test_the_q_learning_error_is_the_target_less_the_entry():
    # 0.5 + 0.9 * max(0.5, 4) - 1 = 3.1
    assert updates.q_learning_error(Q, 0, 0, 0.5, 1, False, 0.9) == pytest.approx(3.1)


def test_the_q_learning_error_of_a_terminal_transition_has_no_later_value():
    assert updates.q_learning_error(Q, 0, 1, 0.5, 1, True, 0.9) == -1.5


def test_the_double_q_learning_error_chooses_by_one_table_and_values_by_the_other():
    # argmax of (0.5, 4) is action 1, which the other table values at -1: 0.5 - 0.9 - 1 = -1.4
    assert updates.double_q_learning_error(Q, OTHER, 0, 0, 0.5, 1, False, 0.9) == pytest.approx(-1.4)


def test_the_double_q_learning_error_of_a_terminal_transition_has_no_later_value():
    assert updates.double_q_learning_error(Q, OTHER, 0, 1, 0.5, 1, True, 0.9) == -1.5


def test_epsilon_greedy_explores_as_often_as_it_should():
    rng, n = np.random.default_rng(0), 20_000
    chosen = np.bincount([epsilon_greedy(np.array([0.0, 1.0, 0.5, 0.0]), 0.2, rng) for _ in range(n)], minlength=4) / n
    # binomial: the standard deviation of a share is below sqrt(0.25 / n) = 0.0035
    assert np.abs(chosen - [0.05, 0.85, 0.05, 0.05]).max() < 0.012


def test_epsilon_greedy_breaks_ties_evenly():
    rng, n = np.random.default_rng(0), 20_000
    chosen = np.bincount([epsilon_greedy(np.array([1.0, 0.0, 1.0]), 0.0, rng) for _ in range(n)], minlength=3) / n
    assert chosen[1] == 0
    assert abs(chosen[0] - 0.5) < 0.015


def test_a_linear_schedule_ends_where_it_should_and_stays():
    assert [linear_decay(1.0, 0.2, 4, step) for step in (0, 1, 2, 4, 100)] == [1.0, 0.8, 0.6, 0.2, 0.2]
    assert linear_decay(1.0, 0.2, 0, 0) == 0.2
