"""Average rewards: hand-worked, by theorem, and as they are logged."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import rlkit
from rlkit import FiniteMDP, InvalidModel, NotConverged
from rlkit.agents import DifferentialSarsa
from rlkit.bellman import solve
from rlkit.envs import AccessControl, GridWorld
from rlkit.truth import GainYardstick, exact_gain
from rlkit.truth.callback import errors_of, yardstick_of

QUEUE = json.loads((Path(__file__).parent.parent / "reference" / "td.json").read_text())["cliff_windy_access_walk"]


def random_mdp(seed, n_states=8, n_actions=3):
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.full(n_states, 0.3), size=(n_actions, n_states)) * 0.95 + 0.05 / n_states
    return FiniteMDP.from_arrays(P, rng.normal(size=(n_states, n_actions)))


def test_a_cycle_pays_its_mean_and_is_worth_more_before_the_reward_by_hand():
    # 0 -> 1 -> 2 -> 0 pays 0, 0, 3: gain 1. h(s) = r - 1 + h(s'): h0 = h1 - 1, h1 = h2 - 1, h2 = h0 + 2, with sum 0.
    P = np.roll(np.eye(3), 1, axis=1)[None]
    found = exact_gain(FiniteMDP.from_arrays(P, np.array([0.0, 0.0, 3.0])))
    assert found.gain == pytest.approx(1)
    assert found.values == pytest.approx([-1, 0, 1], abs=1e-14)
    assert found.d == pytest.approx([1 / 3] * 3)
    assert 0 <= found.error_bound < 1e-13


def test_a_policy_that_is_given_is_the_one_that_is_evaluated():
    # Staying pays 1, leaving 0, and each is as likely: half of the steps pay.
    P = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])
    mdp = FiniteMDP.from_arrays(P, np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert exact_gain(mdp, np.full((2, 2), 0.5)).gain == pytest.approx(0.5)
    assert exact_gain(mdp, np.array([1, 1])).gain == pytest.approx(0)
    with pytest.raises(InvalidModel, match="states 0 and 1 never meet again"):
        exact_gain(mdp, np.array([0, 0]))


@pytest.mark.parametrize("seed", range(20))
def test_no_policy_does_better_and_the_equations_hold(seed):
    mdp = random_mdp(seed)
    found = exact_gain(mdp)
    q = mdp.q_from_v(found.values, 1.0) - found.gain
    assert q.max(axis=1) == pytest.approx(found.values, abs=1e-12)  # g* + h = max_a r + P h (Puterman, equation 8.4.1)
    assert found.d @ found.values == pytest.approx(0, abs=1e-12)
    rng = np.random.default_rng(seed)
    others = [exact_gain(mdp, rng.integers(3, size=8)).gain for _ in range(20)]
    assert max(others) <= found.gain + found.error_bound
    assert exact_gain(mdp, found.policy).gain == pytest.approx(found.gain, abs=1e-13)
    gamma = 1 - 1e-5  # (1 - gamma) v* tends to the gain (Puterman 2005, corollary 8.2.5)
    assert (1 - gamma) * solve(mdp, gamma, tol=1.0).v == pytest.approx(np.full(8, found.gain), abs=1e-4)


def test_the_proof_is_a_bound_on_the_true_error():
    # In fractions: from 0, action 0 pays 1 and leads to 1 half of the time; 1 pays 0 and leads back. d = (2, 1) / 3.
    P = np.array([[[0.5, 0.5], [1.0, 0.0]]])
    found = exact_gain(FiniteMDP.from_arrays(P, np.array([1.0, 0.0])))
    assert abs(found.gain - 2 / 3) <= found.error_bound < 1e-14


def test_problems_that_end_have_no_average_reward():
    with pytest.raises(InvalidModel, match="episodes can end here"):
        exact_gain(GridWorld("S . G"))


def test_more_than_float64_can_resolve_is_refused():
    with pytest.raises(NotConverged, match=r"known to .* only, tol=1e-30"):
        exact_gain(random_mdp(0), tol=1e-30)


def test_on_zhaos_grid_one_ends_up_on_the_target_and_is_paid_for_every_step():
    env = GridWorld.load("zhao-5x5")
    assert exact_gain(env).gain == pytest.approx(1)
    assert exact_gain(env, np.full((25, 5), 0.2)).gain == pytest.approx(-0.352)  # every cell as often: the mean reward


def test_values_that_are_right_up_to_a_constant_have_no_error():
    truth = GainYardstick(AccessControl())
    assert truth.gain == pytest.approx(QUEUE["access_control_optimal_avg_reward"], abs=1e-12)
    zero = pytest.approx(0, abs=1e-12)
    assert truth.gain_errors(2.0) == {"average_reward_error": pytest.approx(0.747641950572852)}
    assert truth.value_errors(truth.v + 17.0) == {"rmsve": zero, "max_error": zero}
    assert truth.action_value_errors(truth.q - 3.0) == {"max_q_error": zero}
    assert truth.policy_errors(truth.q.argmax(axis=1)) == {"policy_regret": zero, "optimal_actions": 1}
    accept_all = truth.policy_errors(np.ones(44, int))
    assert accept_all["policy_regret"] == pytest.approx(truth.gain - exact_gain(AccessControl(), np.ones(44, int)).gain)
    assert accept_all["policy_regret"] > 0.1
    assert 0.5 < accept_all["optimal_actions"] < 1


def test_a_policy_with_two_fates_has_no_regret_to_tell():
    P = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])
    truth = GainYardstick(FiniteMDP.from_arrays(P, np.array([[0.0, 1.0], [0.0, 1.0]])))
    assert truth.policy_errors(np.array([0, 0])) == {"optimal_actions": 0}
    assert truth.policy_errors(np.array([1, 1])) == {"policy_regret": pytest.approx(0), "optimal_actions": 1}


def test_differential_sarsa_is_measured_by_the_average_reward_that_it_misses(tmp_path):
    env = AccessControl()
    agent = DifferentialSarsa.for_env(env, seed=0, learning_rate=0.01, average_reward_rate=0.002)
    rlkit.train(agent, env, steps=100_000, directory=tmp_path / "run")
    with (tmp_path / "run/progress.csv").open() as stream:
        *_, last = csv.DictReader(stream)
    truth = yardstick_of(agent, env)
    assert isinstance(truth, GainYardstick)
    expected = errors_of(agent, truth)
    assert {name: float(last[f"truth/{name}"]) for name in expected} == pytest.approx(expected)
    assert expected["average_reward_error"] == pytest.approx(abs(agent.average_reward - truth.gain))
    assert set(expected) == {
        "average_reward_error", "rmsve", "max_error", "max_q_error", "policy_regret", "optimal_actions"
    }  # fmt: skip
    # Over seeds 0-19: regret 0.045, sd 0.023; error 0.140, sd 0.066 (it is after the best epsilon-soft policy, which is
    # paid 0.101 less than the best).
    assert expected["policy_regret"] < 0.15
    assert expected["average_reward_error"] < 0.41
