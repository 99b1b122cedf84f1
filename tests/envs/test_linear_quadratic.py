"""Linear-quadratic control against Riccati's equation, by hand, by iteration and by simulation."""

from __future__ import annotations

import json
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

import rlkit
from rlkit.envs import LinearQuadratic
from rlkit.errors import ConfigError


def test_it_is_registered_and_keeps_gymnasiums_rules():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that observations have no bounds
        check_env(gymnasium.make("rlkit/LinearQuadratic-v0").unwrapped)
    assert rlkit.envs.LinearQuadratic is LinearQuadratic


def test_random_systems_of_any_size_can_be_made_by_name():
    env = gymnasium.make("rlkit/RandomLinearQuadratic-v0", n_states=30, n_actions=7, seed=3, noise=0.1)
    same = LinearQuadratic.random(30, 7, seed=3, noise=0.1)
    np.testing.assert_array_equal(env.unwrapped.A, same.A)
    assert np.abs(np.linalg.eigvals(same.A)).max() == pytest.approx(1.05)
    best = same.optimum(0.99)
    assert best.K.shape == (7, 30)
    assert np.abs(np.linalg.eigvals(same.A - same.B @ best.K)).max() < 1
    assert env.reset(seed=0)[0].shape == (30,)


def test_a_scalar_system_has_the_cost_that_the_quadratic_formula_gives():
    # p = q + gamma a^2 p r / (r + gamma b^2 p), so gamma b^2 p^2 + (r - gamma a^2 r - q gamma b^2) p - q r = 0.
    a, b, q, r, gamma = 1.1, 0.5, 2.0, 0.3, 0.9
    first, second, third = gamma * b**2, r - gamma * a**2 * r - q * gamma * b**2, -q * r
    p = (-second + np.sqrt(second**2 - 4 * first * third)) / (2 * first)
    best = LinearQuadratic([[a]], [[b]], [[q]], [[r]], noise=0.2).optimum(gamma)
    assert best.P[0, 0] == pytest.approx(p, rel=1e-12)
    assert best.K[0, 0] == pytest.approx(gamma * a * b * p / (r + gamma * b**2 * p), rel=1e-12)
    assert best.constant == pytest.approx(gamma / (1 - gamma) * 0.04 * p, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_iterating_the_bellman_operator_comes_to_the_same(seed):
    env, gamma = LinearQuadratic.random(4, 2, seed=seed), 0.95
    A, B, P = env.A, env.B, np.zeros((4, 4))
    for _ in range(3000):
        K = gamma * np.linalg.solve(env.R + gamma * B.T @ P @ B, B.T @ P @ A)
        P = env.Q + gamma * A.T @ P @ (A - B @ K)
    best = env.optimum(gamma)
    np.testing.assert_allclose(best.P, P, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(best.K, K, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_gain_costs_less(seed):
    env, rng = LinearQuadratic.random(3, 2, seed=seed, noise=0.1), np.random.default_rng(seed)
    best = env.optimum(0.9)
    least = env.cost_of(best.K, 0.9)
    assert least == pytest.approx(np.trace(best.P) + best.constant, rel=1e-10)
    for size in (1e-3, 1e-2, 1e-1):
        assert env.cost_of(best.K + size * rng.normal(size=best.K.shape), 0.9) > least


def test_what_is_simulated_costs_what_is_promised():
    env, gamma, steps = LinearQuadratic(noise=0.1, max_steps=150), 0.9, 150
    best, returns = env.optimum(gamma), []
    for seed in range(40):
        x, _ = env.reset(seed=seed, options={"state": [1.0, -0.5]})
        total = 0.0
        for t in range(steps):
            x, reward, terminated, truncated, _ = env.step(-best.K @ x)
            total += gamma**t * reward
        assert (terminated, truncated) == (False, True)
        returns.append(total)
    start = np.array([1.0, -0.5])
    promised = -(start @ best.P @ start + best.constant)
    error = np.std(returns, ddof=1) / np.sqrt(len(returns))
    assert 0 < error < 0.1 * abs(promised)
    assert abs(np.mean(returns) - promised) < 4 * error


def test_a_policy_that_lets_the_system_go_costs_without_bound():
    env = LinearQuadratic([[1.2]], [[1.0]], [[1.0]])
    assert env.cost_of([[0.0]], 0.9) == np.inf
    assert env.cost_of([[0.0]], 0.6) == pytest.approx(1.0 / (1.0 - 0.6 * 1.44))


def test_a_state_taken_out_and_put_back_goes_on_to_the_bit():
    env, other = LinearQuadratic(noise=0.3), LinearQuadratic(noise=0.3)
    env.reset(seed=3)
    env.step([0.5])
    other.set_state(json.loads(json.dumps(env.get_state())))
    for _ in range(5):
        assert env.step([0.1])[0].tobytes() == other.step([0.1])[0].tobytes()
    with pytest.raises(ConfigError, match="the system is another"):
        LinearQuadratic(noise=0.2).set_state(env.get_state())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"A": [[1.0, 2.0]]}, r"A is \(1, 2\), expected \(2, 2\)"),
        ({"Q": [[1.0, 0.0], [0.0, -1.0]]}, "Q is not symmetric and positive semidefinite"),
        ({"R": [[0.0]]}, "R is not symmetric and positive definite"),
        ({"B": [[np.nan], [1.0]]}, "B is .* expected a matrix of finite numbers"),
        ({"noise": -1.0}, "noise=-1.0 is not a finite number at least 0"),
        ({"max_action": 0.0}, "max_action=0.0 is not a finite number above 0"),
    ],
)
def test_what_is_no_such_problem_is_refused(arguments, said):
    with pytest.raises(ConfigError, match=said):
        LinearQuadratic(**arguments)


def test_steps_out_of_order_and_actions_out_of_bounds_are_refused():
    env = LinearQuadratic(max_steps=1)
    with pytest.raises(ResetNeeded):
        env.step([0.0])
    env.reset(seed=0)
    for action in ([11.0], [0.0, 0.0], [np.nan]):
        with pytest.raises(ValueError, match="is not in Box"):
            env.step(action)
    env.step([0.0])
    with pytest.raises(ResetNeeded):
        env.step([0.0])
    with pytest.raises(ConfigError, match="outside"):
        env.optimum(1.0)


def test_it_says_what_it_is_and_that_it_draws_nothing():
    env = LinearQuadratic()
    assert repr(env) == "LinearQuadratic(n_states=2, n_actions=1)"
    with pytest.raises(ConfigError, match="a linear system draws nothing"):
        env.render()
