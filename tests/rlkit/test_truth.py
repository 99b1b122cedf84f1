"""The exact answers and the measures, against hand-worked numbers, theorems and the reference figures."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import brentq

from rlkit import ConfigError, FiniteMDP, InvalidModel
from rlkit.bellman import optimal_actions, policy_evaluation, solve
from rlkit.envs import GridWorld
from rlkit.features import Fourier, Polynomial
from rlkit.truth import (
    LinearErrors,
    Yardstick,
    best_representable,
    emphasis,
    epsilon_soft,
    error_bound,
    exact_values,
    max_error,
    msbe,
    mspbe,
    on_policy_distribution,
    optimal_share,
    policy_regret,
    rmsve,
    start_distribution,
    td_fixed_point,
)

TD = json.loads((Path(__file__).parent.parent / "reference" / "td.json").read_text())
ZHAO = TD["zhao_5x5"]
UNIFORM = np.full((25, 5), 0.2)
UP, RIGHT, DOWN, LEFT = range(4)


def features_of(env):
    kinds = {f"poly{size}": Polynomial.for_env(env, degree=degree) for degree, size in ((1, 3), (2, 6), (3, 10))}
    kinds |= {f"fourier_q{order}": Fourier.for_env(env, order=order) for order in range(1, 6)}
    return {name: kind.matrix(env) for name, kind in kinds.items()} | {"tabular": np.eye(25)}


FEATURES = features_of(GridWorld.load("zhao-5x5"))
MISC, FLOORS = ZHAO["exact_all_errors_gt_misc"], ZHAO["exact_floors_and_fixed_points"]


@pytest.fixture(scope="module")
def zhao():
    env = GridWorld.load("zhao-5x5")
    process = env.model().to_finite_mdp().induced_by(UNIFORM)
    return process, exact_values(env, 0.9, UNIFORM), on_policy_distribution(env, UNIFORM)


def random_chain(seed, n_states=12, n_features=4, *, ending=0.0):
    """A chain with its rewards, features, and the on-policy distribution."""
    rng = np.random.default_rng(seed)
    P = rng.random((n_states, n_states)) * (rng.random((n_states, n_states)) < 0.3) + 1e-3
    P *= (1 - ending) / P.sum(axis=1, keepdims=True)
    mdp = FiniteMDP(
        sp.csr_array(P), rng.normal(size=(n_states, 1)), termination=np.full((n_states, 1), ending) if ending else None
    )
    d = on_policy_distribution(mdp, np.zeros(n_states, int))
    return P, mdp.rewards[:, 0], rng.normal(size=(n_states, n_features)), d


def test_values_of_a_policy_are_the_references():
    env = GridWorld.load("zhao-5x5")
    assert np.abs(exact_values(env, 0.9, UNIFORM).reshape(5, 5) - ZHAO["v_exact"]).max() < 1e-13


def test_values_without_a_policy_are_the_best_ones_of_environment_and_model_alike():
    env = gymnasium.make("FrozenLake-v1")
    expected = solve(FiniteMDP.from_gymnasium(env), 0.95).v
    assert np.array_equal(exact_values(env, 0.95), expected)
    assert np.array_equal(exact_values(FiniteMDP.from_gymnasium(env), 0.95), expected)


def test_a_policy_may_be_an_object_with_probabilities():
    class Uniform:
        def probs(self, observation):
            return np.full(5, 0.2)

    env = GridWorld.load("zhao-5x5")
    assert np.array_equal(exact_values(env, 0.9, Uniform()), exact_values(env, 0.9, UNIFORM))


def test_an_environment_without_a_model_has_no_exact_values():
    with pytest.raises(InvalidModel, match="neither a transition table P nor a model"):
        exact_values(gymnasium.make("CartPole-v1"), 0.9)


def test_an_epsilon_greedy_policy_on_the_cliff_is_worth_the_reference():
    env = GridWorld.load("sutton-barto-6.6")
    expected, start = TD["cliff_windy_access_walk"], env.state_of(3, 0)
    v = exact_values(env, 1.0)
    assert v[start] == pytest.approx(expected["cliff_v*_start"])
    order = [UP, DOWN, RIGHT, LEFT]  # the reference's, where several actions are optimal
    best = np.array(order)[optimal_actions(env.model(), v, 1.0)[:, order].argmax(axis=1)]
    soft = 0.9 * np.eye(4)[best] + 0.1 / 4
    assert exact_values(env, 1.0, soft)[start] == pytest.approx(expected["cliff_eps0.1_greedyQstar_start"], rel=1e-9)


def test_the_best_epsilon_soft_policies_of_cliff_and_windy_grid_are_worth_the_references():
    expected = TD["cliff_windy_access_walk"]
    cliff = GridWorld.load("sutton-barto-6.6")
    soft = epsilon_soft(cliff, 0.1)
    v = exact_values(soft, 1.0)
    assert v[cliff.state_of(3, 0)] == pytest.approx(expected["cliff_eps0.1_best_epssoft_start"], rel=1e-12)
    state, steps, greedy = cliff.state_of(3, 0), 0, solve(soft, 1.0).policy
    while not cliff.model().terminal[state]:
        cliff.reset(options={"state": state})
        state, steps = cliff.step(int(greedy[state]))[0], steps + 1
    assert steps == expected["cliff_safe_path_len_greedy_of_epssoft_opt"]
    windy = GridWorld.load("sutton-barto-6.5")
    start, _ = windy.reset(seed=0)
    assert -exact_values(epsilon_soft(windy, 0.1), 1.0)[start] == pytest.approx(
        expected["windy_eps.1_best_epssoft_len"], rel=1e-12
    )
    assert -exact_values(windy, 1.0)[start] == pytest.approx(expected["windy_4_optimal_steps"])


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_an_epsilon_soft_action_is_the_policy_that_mixes(epsilon):
    env = gymnasium.make("Taxi-v4")  # where a state can be entered with and without an end
    policy = np.random.default_rng(0).integers(6, size=500)
    mixed = (1 - epsilon) * np.eye(6)[policy] + epsilon / 6
    soft = epsilon_soft(env, epsilon)
    assert exact_values(soft, 0.9, policy) == pytest.approx(exact_values(env, 0.9, mixed), rel=1e-12)
    with pytest.raises(ConfigError, match=r"epsilon=1\.5"):
        epsilon_soft(env, 1.5)


def test_zhaos_2x2_example_has_the_published_stationary_distribution():
    P = np.array([[0.3, 0.1, 0.6, 0], [0.1, 0.3, 0, 0.6], [0.1, 0, 0.3, 0.6], [0, 0.1, 0.1, 0.8]])
    mdp = FiniteMDP.from_arrays(P[None], np.zeros(4))
    d = on_policy_distribution(mdp, np.zeros(4, int))
    expected = TD["zhao_2x2_stationary"]
    assert d == pytest.approx(expected["d"], abs=1e-14)
    assert np.sort(np.linalg.eigvals(P.T).real) == pytest.approx(expected["eigs_PT"], abs=1e-7)


def test_start_is_the_environments_own_or_uniform_over_what_is_not_terminal():
    env = GridWorld("S . H\n. S G")
    model = env.model()
    assert start_distribution(env).tolist() == [0.5, 0, 0, 0, 0.5, 0]
    assert start_distribution(model).tolist() == [0.25, 0.25, 0, 0.25, 0.25, 0]
    lake = start_distribution(gymnasium.make("FrozenLake-v1"))
    assert lake[0] == 1 == lake.sum()
    with pytest.raises(InvalidModel, match=r"start sums to 0.5"):
        start_distribution(model, [0.5, 0, 0, 0, 0, 0])


def test_where_nothing_ends_the_distribution_is_stationary(zhao):
    assert np.abs(zhao[2] - 1 / 25).max() < 1e-14


def test_where_episodes_end_the_distribution_counts_expected_visits():
    # From 0, half of the steps advance and half stay: two visits of 0; each later state one, with a sure advance.
    P = np.array([[[0.5, 0.5, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1]]])
    mdp = FiniteMDP.from_arrays(P, np.zeros(4), terminal=[False, False, False, True])
    policy = np.zeros(4, int)
    assert on_policy_distribution(mdp, policy, start=[1, 0, 0, 0]) == pytest.approx([0.5, 0.25, 0.25, 0])
    assert on_policy_distribution(mdp, policy, start=[0, 0, 1, 0]) == pytest.approx([0, 0, 1, 0])


def test_a_discount_counts_as_a_chance_to_end():
    mdp = FiniteMDP.from_arrays(np.array([[[0.0, 1.0], [1.0, 0.0]]]), np.zeros(2))
    d = on_policy_distribution(mdp, [0, 0], gamma=0.5, start=[1, 0])  # visits 1 + 1/4 + ... = 4/3, and half of that
    assert d == pytest.approx([2 / 3, 1 / 3])


def test_visits_that_are_infinite_are_refused():
    P = np.array([[[0, 0.5, 0.5], [0, 1, 0], [0, 0, 1]]])  # from 0 to the end, or into 1 for ever
    mdp = FiniteMDP.from_arrays(P, np.zeros(3), terminal=[False, False, True])
    with pytest.raises(InvalidModel, match="never ends"):
        on_policy_distribution(mdp, [0, 0, 0], start=[1, 0, 0])


def test_visits_that_no_episode_makes_do_not_matter():
    P = np.array([[[0, 0, 1], [0, 1, 0], [0, 0, 1]]])  # 1 loops for ever, but nothing leads there
    mdp = FiniteMDP.from_arrays(P, np.zeros(3), terminal=[False, False, True])
    assert on_policy_distribution(mdp, [0, 0, 0], start=[1, 0, 0]).tolist() == [1, 0, 0]


@pytest.mark.parametrize("name", MISC)
def test_every_error_of_the_best_the_td_and_the_least_bellman_error_weights_is_the_references(zhao, name):
    process, v, d = zhao
    P, r, Phi, root = process.transitions, process.rewards, FEATURES[name], np.sqrt(d)
    best = best_representable(Phi, v, d)
    least_bellman_error = np.linalg.lstsq(root[:, None] * (Phi - 0.9 * (P @ Phi)), root * r, rcond=None)[0]
    weights = {"best": best.w, "td": td_fixed_point(P, r, Phi, d, 0.9).w, "brm": least_bellman_error}
    for kind, w in weights.items():
        numbers, judged = MISC[name][kind], Phi @ w
        assert rmsve(judged, v, d) == pytest.approx(numbers["rmsve"], rel=1e-10)
        assert np.sqrt(msbe(judged, P, r, d, 0.9)) == pytest.approx(numbers["rmsbe"], rel=1e-10)
        assert np.sqrt(mspbe(judged, P, r, Phi, d, 0.9)) == pytest.approx(numbers["rmspbe"], rel=1e-9, abs=1e-12)
    assert best.error == pytest.approx(MISC[name]["best"]["rmsve"], rel=1e-10)


@pytest.mark.parametrize("Phi", FEATURES.values(), ids=FEATURES)
def test_errors_by_weights_are_errors_by_values(zhao, Phi):
    process, v, d = zhao
    errors = LinearErrors(Phi, process.transitions, process.rewards, v, d, 0.9)
    w = np.random.default_rng(0).normal(size=Phi.shape[1])
    bellman = process.transitions, process.rewards
    assert errors(w).rmsve == pytest.approx(rmsve(Phi @ w, v, d), rel=1e-12)
    assert errors(w).rmsbe == pytest.approx(np.sqrt(msbe(Phi @ w, *bellman, d, 0.9)), rel=1e-12)
    assert errors(w).rmspbe == pytest.approx(np.sqrt(mspbe(Phi @ w, *bellman, Phi, d, 0.9)), rel=1e-12)
    fixed_point = td_fixed_point(*bellman, Phi, d, 0.9).w
    assert errors(fixed_point).rmspbe == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("lam", ["0", "0.5", "0.9", "1.0"])
@pytest.mark.parametrize("name", MISC)
def test_fixed_points_of_td_lambda_and_their_bounds_are_the_references(zhao, name, lam):
    process, v, d = zhao
    expected, Phi, number = MISC[name]["td_lambda_fixed_points"][lam], FEATURES[name], float(lam)
    w = td_fixed_point(process.transitions, process.rewards, Phi, d, 0.9, number).w
    assert rmsve(Phi @ w, v, d) == pytest.approx(expected["rmsve"], rel=1e-9)
    best = best_representable(Phi, v, d).error
    assert best * (1 - 0.9 * number) / (1 - 0.9) == pytest.approx(expected["bound"], rel=1e-9)
    assert expected["rmsve"] <= error_bound(best, 0.9, number) * (1 + 1e-12) <= expected["bound"] * (1 + 1e-9)


@pytest.mark.parametrize("name", FLOORS)
def test_floors_fixed_points_weights_and_stability_are_the_references(zhao, name):
    process, v, d = zhao
    expected, Phi = FLOORS[name], FEATURES[name]
    assert (Phi.shape[1], np.linalg.matrix_rank(Phi)) == (expected["dim"], expected["rank"])
    system = td_fixed_point(process.transitions, process.rewards, Phi, d, 0.9)
    assert best_representable(Phi, v, d).error == pytest.approx(expected["best_d_rmsve"], abs=1e-12)
    assert best_representable(Phi, v, np.full(25, 1 / 25)).error == pytest.approx(
        expected["best_uniform_rmse"], abs=1e-12
    )
    assert rmsve(Phi @ system.w, v, d) == pytest.approx(expected["td_fixed_rmsve"], abs=1e-12)
    assert system.w == pytest.approx(expected["w_td"], abs=1e-9)
    if expected["rank"] == expected["dim"]:
        assert system.least_symmetric == pytest.approx(expected["min_eig_A"], rel=1e-9)
    else:  # along the null space A is 0
        assert system.least_symmetric == pytest.approx(0, abs=1e-12)
    assert system.is_stable


def test_a_table_is_its_own_fixed_point(zhao):
    process, v, d = zhao
    system = td_fixed_point(process.transitions, process.rewards, np.eye(25), d, 0.9)
    assert system.w == pytest.approx(v, abs=1e-12)


def test_redundant_features_have_the_shortest_weights(zhao):
    process, v, d = zhao
    Phi = np.repeat(np.eye(25), 2, axis=1)
    system = td_fixed_point(process.transitions, process.rewards, Phi, d, 0.9)
    assert system.w == pytest.approx(np.repeat(v, 2) / 2, abs=1e-10)
    assert system.is_stable


@pytest.mark.parametrize("ending", [0.0, 0.1])
@pytest.mark.parametrize("lam", [0.0, 0.3, 0.8, 1.0])
def test_the_fixed_point_is_that_of_projection_and_operator(lam, ending):
    P, r, Phi, d = random_chain(3, ending=ending)
    v = Phi @ td_fixed_point(P, r, Phi, d, 0.9, lam).w
    target = v + np.linalg.solve(np.eye(len(r)) - 0.9 * lam * P, r + 0.9 * P @ v - v)  # T^(lambda) v
    assert Phi @ best_representable(Phi, target, d).w == pytest.approx(v, abs=1e-10)


@pytest.mark.parametrize("ending", [0.0, 0.1])
@pytest.mark.parametrize("n_steps", [1, 2, 7])
def test_the_fixed_point_of_n_steps_is_that_of_projection_and_operator(n_steps, ending):
    P, r, Phi, d = random_chain(4, ending=ending)
    v = target = Phi @ td_fixed_point(P, r, Phi, d, 0.9, n_steps=n_steps).w
    for _ in range(n_steps):
        target = r + 0.9 * P @ target  # T^n v
    assert Phi @ best_representable(Phi, target, d).w == pytest.approx(v, abs=1e-10)


@pytest.mark.parametrize("seed", range(25))
def test_the_bound_holds_and_is_at_most_the_published_ones(seed):
    gamma, ending = [0.5, 0.9, 0.99][seed % 3], [0.0, 0.05][seed % 2]
    P, r, Phi, d = random_chain(seed, ending=ending)
    v = np.linalg.solve(np.eye(len(r)) - gamma * P, r)
    best = best_representable(Phi, v, d).error
    for lam in (0.0, 0.4, 0.9, 1.0):
        error = rmsve(Phi @ td_fixed_point(P, r, Phi, d, gamma, lam).w, v, d)
        bound = error_bound(best, gamma, lam)
        factor = (1 - gamma * lam) / (1 - gamma)
        rounding = 1 + 1e-9
        assert best <= error * rounding
        assert error <= bound * rounding
        assert bound <= factor * best * rounding  # Tsitsiklis & Van Roy (1997), Theorem 1
        assert bound**2 <= factor * best**2 * rounding  # S&B (2018), equations 9.14 and 12.8
    for n in (2, 5):
        error = rmsve(Phi @ td_fixed_point(P, r, Phi, d, gamma, n_steps=n).w, v, d)
        assert best / rounding <= error <= error_bound(best, gamma, n_steps=n) * rounding


@pytest.mark.parametrize("gamma", [0.5, 0.9, 0.99])
def test_the_bound_is_reached_so_that_no_smaller_one_holds(gamma):
    # Two states that swap; phi = (cos t, sin t). With e, the unit vector across it, the error is e's share of v times
    # sqrt(1 + (gamma phi.Pe / (1 - gamma phi.Pphi))^2); phi.Pphi = sin 2t, phi.Pe = cos 2t: largest at sin 2t = gamma.
    P, d, t = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0.5, 0.5]), np.arcsin(gamma) / 2
    Phi, v = np.array([[np.cos(t)], [np.sin(t)]]), np.array([2.0, -1.0])
    error = rmsve(Phi @ td_fixed_point(P, v - gamma * P @ v, Phi, d, gamma).w, v, d)
    assert error == pytest.approx(error_bound(best_representable(Phi, v, d).error, gamma), rel=1e-12)


def test_off_policy_there_is_no_bound():
    # Kolter (2011), "The fixed points of off-policy TD": values that the feature represents almost exactly, and a
    # weighting of the two states near which A is 0, so that the fixed point is as far away as one likes.
    P, Phi, v = np.full((2, 2), 0.5), np.array([[1.0], [1.05]]), np.array([1.0, 1.051])
    r = v - 0.99 * P @ v
    singular = brentq(lambda p: td_fixed_point(P, r, Phi, [p, 1 - p], 0.99).A.item(), 0.5, 1.0)
    ratios = []
    for distance in (1e-2, 1e-4, 1e-6):
        d = np.array([singular - distance, 1 - singular + distance])
        error = rmsve(Phi @ td_fixed_point(P, r, Phi, d, 0.99).w, v, d)
        ratios.append(error / best_representable(Phi, v, d).error)
    assert ratios[0] > error_bound(1.0, 0.99)
    assert ratios[1] > 50 * ratios[0]
    assert ratios[2] > 50 * ratios[1]


def test_the_bound_by_hand():
    assert error_bound(1.0, 0.6) == pytest.approx(1.25)
    assert error_bound(1.0, 0.9, 1.0) == 1.0
    assert error_bound(1.0, 1.0) == np.inf
    assert error_bound(1.0, 0.9, n_steps=3) == pytest.approx(1 / np.sqrt(1 - 0.9**6))


@pytest.mark.parametrize("seed", range(5))
def test_on_policy_the_system_is_positive_definite(seed):
    P, r, Phi, d = random_chain(seed)
    system = td_fixed_point(P, r, Phi, d, 0.99)
    assert system.least_symmetric > 0
    assert system.least_real_part >= system.least_symmetric - 1e-12
    assert system.warning() is None


def test_off_policy_the_w_to_2w_example_diverges():
    # S&B section 11.2: two states valued w and 2w, the first leading to the second, and only the first updated.
    P, Phi = np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([[1.0], [2.0]])
    system = td_fixed_point(P, np.zeros(2), Phi, np.array([1.0, 0.0]), 0.9)
    assert system.A.item() == pytest.approx(1 - 2 * 0.9)
    assert not system.is_stable
    assert "diverges" in system.warning()
    assert td_fixed_point(P, np.zeros(2), Phi, np.array([1.0, 0.0]), 0.49).is_stable


def test_a_system_without_a_solution_has_no_fixed_point():
    P = np.array([[0.0, 1.0], [0.0, 0.0]])
    Phi = np.array([[1.0], [2.0]])  # A = 1 - 0.5 * 2 = 0, but b = 1
    with pytest.raises(InvalidModel, match="no fixed point"):
        _ = td_fixed_point(P, [1.0, 0.0], Phi, [1.0, 0.0], 0.5).w


@pytest.mark.parametrize(
    ("lam", "n_steps", "message"), [(1.5, 1, "lam=1.5"), (0.0, 0, "n_steps=0"), (0.5, 2, "one of them, not both")]
)
def test_lambda_and_the_number_of_steps_have_ranges(lam, n_steps, message):
    with pytest.raises(ConfigError, match=message):
        td_fixed_point(np.eye(2), np.zeros(2), np.eye(2), [0.5, 0.5], 0.9, lam, n_steps=n_steps)


def test_an_emphasis_that_is_infinite_is_refused():
    with pytest.raises(InvalidModel, match="emphasis is infinite"):
        emphasis(np.eye(2), [0.5, 0.5], 1.0)


def test_measures_by_hand():
    v, exact, d = np.array([1.0, 2.0]), np.array([4.0, -2.0]), np.array([0.75, 0.25])
    assert rmsve(v, exact, d) == pytest.approx(np.sqrt(0.75 * 9 + 0.25 * 16))
    assert max_error(v, exact) == 4
    P, r = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1.0, 0.0])
    assert msbe(v, P, r, d, 0.5) == pytest.approx(0.75 * 1**2 + 0.25 * 1.5**2)  # errors 1 and -1.5
    one = np.ones((2, 1))  # projects on the mean: 0.75 * 1 - 0.25 * 1.5
    assert mspbe(v, P, r, one, d, 0.5) == pytest.approx(0.375**2)
    assert policy_regret(v, exact, np.array([1.0, 0.0])) == 3
    assert optimal_share(np.array([0, 1]), np.array([[True, False], [True, False]])) == 0.5


@pytest.mark.parametrize(("map", "gamma"), [("zhao-5x5", 0.9), ("sutton-barto-6.6", 1.0), ("frozen-lake-4x4", 1.0)])
def test_the_best_policy_has_no_regret_and_any_other_its_difference_in_value(map, gamma):
    env = GridWorld.load(map)
    truth = Yardstick(env, gamma)
    best = solve(env.model(), gamma).policy
    assert truth.policy_errors(best)["policy_regret"] == pytest.approx(0, abs=1e-9)
    assert truth.policy_errors(best)["optimal_actions"] == 1
    assert truth.value_errors(truth.v) == {"rmsve": 0, "max_error": 0}
    other = best.copy()
    state = int(np.argmax(truth.d))
    other[state] = UP if best[state] != UP else RIGHT
    errors = truth.policy_errors(other)
    try:
        v = policy_evaluation(env.model(), other, gamma).v
    except InvalidModel:
        assert "policy_regret" not in errors
    else:
        assert errors["policy_regret"] == pytest.approx(truth.start @ (truth.v - v), abs=1e-9)


def test_a_policy_that_never_ends_has_no_finite_regret_without_discount():
    env = GridWorld("S . G", rules="sutton-barto")
    assert Yardstick(env, 1.0).policy_errors(np.full(3, LEFT)) == {"optimal_actions": 0}
    assert Yardstick(env, 0.5).policy_errors(np.full(3, LEFT))["policy_regret"] > 0


def test_states_that_no_episode_comes_to_do_not_count():
    P = np.zeros((1, 3, 3))
    P[0, 0, 2] = P[0, 1, 2] = P[0, 2, 2] = 1
    truth = Yardstick(FiniteMDP.from_arrays(P, np.ones(3), terminal=[False, False, True]), 0.9, start=[1, 0, 0])
    assert truth.live.tolist() == [0]
    assert truth.value_errors(np.array([1.0, 99.0, 99.0])) == {"rmsve": 0, "max_error": 0}
