"""Chains with known answers: what they do by hand-worked numbers, what they are worth by the published ones."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from scipy.stats import chi2

import rlkit
from rlkit.agents import QLearning
from rlkit.envs import AccessControl, BairdStar, BoyanChain, RandomWalk
from rlkit.envs.chains.chain import Chain
from rlkit.features import Fourier, Polynomial, StateAggregation, TileCoding
from rlkit.truth import (
    LinearErrors,
    best_representable,
    emphasis,
    epsilon_soft,
    exact_gain,
    exact_values,
    msbe,
    mspbe,
    on_policy_distribution,
    rmsve,
    td_fixed_point,
)

TD = json.loads((Path(__file__).parent.parent / "reference" / "td.json").read_text())
WALK, QUEUE, BAIRD = TD["random_walk_1000"], TD["cliff_windy_access_walk"], TD["baird"]
IDS = [name for name, spec in gymnasium.registry.items() if "rlkit.envs.chains" in str(spec.entry_point)]
ON = 0  # the one action of a chain that goes by itself


def values(env, gamma=1.0):
    return exact_values(env, gamma, np.zeros(env.observation_space.n, int))


@pytest.mark.parametrize("name", IDS)
def test_check_env_passes_without_a_warning(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(name).unwrapped)
        assert isinstance(gymnasium.make(name), Chain)  # no wrapper


def test_every_chain_has_its_id():
    names = ("AccessControl", "BairdStar", "BoyanChain", "RandomWalk5", "RandomWalk19", "RandomWalk1000")
    assert sorted(IDS) == sorted(f"rlkit/{name}-v0" for name in names)


def test_a_walk_goes_one_state_left_or_right_and_is_paid_at_its_ends():
    env = RandomWalk(3, left_reward=-2.0, right_reward=5.0)
    env.reset(seed=0)
    seen = set()
    for _ in range(300):
        state, _ = env.reset()
        over = False
        while not over:
            before = state
            state, reward, over, truncated, _ = env.step(ON)
            assert abs(state - before) == 1
            assert (reward, over, truncated) == ({0: -2.0, 4: 5.0}.get(state, 0.0), state in (0, 4), False)
            seen.add(state)
    assert seen == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(("n_states", "middle"), [(5, 3), (19, 10), (1000, 500)])
def test_walks_begin_in_the_middle(n_states, middle):
    assert {gymnasium.make(f"rlkit/RandomWalk{n_states}-v0").reset(seed=seed)[0] for seed in range(5)} == {middle}


def test_the_walk_of_5_is_worth_a_sixth_to_five_sixths():
    v = values(gymnasium.make("rlkit/RandomWalk5-v0"))
    assert v[1:-1] == pytest.approx(QUEUE["walk_AE"], abs=1e-14)


def test_the_walk_of_19_rises_by_a_tenth():
    v = values(gymnasium.make("rlkit/RandomWalk19-v0"))
    assert v[1:-1] == pytest.approx(np.arange(-9, 10) / 10, abs=1e-13)
    assert np.sqrt(np.mean(v[1:-1] ** 2)) == pytest.approx(TD["random_walk_19"]["initial_rms"])


@pytest.fixture(scope="module")
def walk():
    env = gymnasium.make("rlkit/RandomWalk1000-v0").unwrapped
    policy = np.zeros(1002, int)
    return env, env.model().induced_by(policy), values(env), on_policy_distribution(env, policy)


def test_the_walk_of_1000_has_the_reference_values_and_visits(walk):
    _, _, v, d = walk
    for state in (1, 100, 250, 500, 501, 1000):
        assert v[state] == pytest.approx(WALK[f"v_{state}"], abs=1e-13)
    assert v[1:6] == pytest.approx(WALK["v_first"], abs=1e-13)
    assert (d[1], d[500]) == pytest.approx((WALK["mu_1"], WALK["mu_500"]), rel=1e-12)
    assert d.argmax() == WALK["mu_max_state_1based"]
    assert d[[0, -1]].tolist() == [0, 0]


def polynomial(env, degree):
    return Polynomial.for_env(env, degree=degree, interval=(0.0, 1.0), low=0, high=1000)


OF_THE_WALK = {f"agg{groups}": (StateAggregation.for_env, {"groups": groups}) for groups in (5, 10, 20, 100)}
OF_THE_WALK |= {f"fourier{order}": (Fourier.for_env, {"order": order, "low": 0, "high": 1000}) for order in (5, 10, 20)}
OF_THE_WALK |= {f"poly{degree}": (polynomial, {"degree": degree}) for degree in (5, 10)}  # 20: dependent in float64
OF_THE_WALK |= {
    "tiles1x200": (TileCoding.for_env, {"tilings": 1, "tiles": 5}),
    "tiles50x200_off4": (TileCoding.for_env, {"tilings": 50, "tiles": 5}),
}


@pytest.mark.parametrize("name", OF_THE_WALK)
def test_features_of_the_walk_of_1000_have_the_reference_errors(walk, name):
    env, process, v, d = walk
    make, parameters = OF_THE_WALK[name]
    features, expected = make(env, **parameters), WALK["features"][name]
    Phi = np.where(env.model().terminal[:, None], 0.0, features.matrix(env))
    best = best_representable(Phi, v, d)
    system = td_fixed_point(process.transitions, process.rewards, Phi, d, 1.0)
    rel = 1e-5 if name == "poly10" else 1e-7  # powers of [0, 1] are nearly dependent
    assert features.n_features == expected["dim"] - (name == "tiles1x200")  # the reference has a sixth tile, never met
    assert best.error == pytest.approx(expected["best_rmsve"], rel=rel)
    assert rmsve(Phi @ system.w, v, d) == pytest.approx(expected["td_rmsve"], rel=rel)
    for w, weights in ((best.w, "w_best"), (system.w, "w_td")):
        if expected[weights] is not None and "poly" not in name:
            assert w == pytest.approx(expected[weights][: w.size], abs=1e-7)
    monte_carlo = td_fixed_point(process.transitions, process.rewards, Phi, d, 1.0, 1.0).w  # finds the best there is
    assert rmsve(Phi @ monte_carlo, v, d) == pytest.approx(best.error, rel=rel if rel < 1e-6 else 0.05)
    assert system.is_stable


def test_boyans_chain_is_worth_minus_two_a_state_and_its_features_say_so():
    env = BoyanChain()
    v, d = values(env), on_policy_distribution(env, np.zeros(13, int))
    assert v == pytest.approx(-2.0 * np.arange(13), abs=1e-13)
    process = env.model().induced_by(np.zeros(13, int))
    for lam in (0.0, 0.6, 1.0):
        w = td_fixed_point(process.transitions, process.rewards, env.features, d, 1.0, lam).w
        assert w == pytest.approx([-24, -16, -8, 0], abs=1e-10)
    assert env.features[[12, 11, 2]].tolist() == [[1, 0, 0, 0], [0.75, 0.25, 0, 0], [0, 0, 0.5, 0.5]]


def test_boyans_chain_goes_down_by_one_or_two_and_from_1_to_the_end():
    env = BoyanChain()
    assert env.reset(seed=0)[0] == 12
    steps = {env.reset(options={"state": 7})[0] - env.step(ON)[0] for _ in range(50)}
    assert steps == {1, 2}
    env.reset(options={"state": 1})
    assert env.step(ON) == (0, -2.0, True, False, {})


@pytest.fixture(scope="module")
def star():
    env = BairdStar()
    d = on_policy_distribution(env, env.behaviour_policy)
    return env, env.model().induced_by(env.target_policy), d


def test_bairds_behaviour_visits_every_state_alike(star):
    assert star[2] == pytest.approx(np.full(7, 1 / 7))


def test_bairds_errors_at_the_start_are_the_references(star):
    env, process, d = star
    v = env.features @ env.initial_weights
    arguments = process.transitions, process.rewards
    assert rmsve(v, np.zeros(7), d) == pytest.approx(BAIRD["RMSVE_w0"])
    assert np.sqrt(msbe(v, *arguments, d, env.gamma)) == pytest.approx(BAIRD["RMSBE_w0"])
    assert np.sqrt(mspbe(v, *arguments, env.features, d, env.gamma)) == pytest.approx(BAIRD["RMSPBE_w0"])


def test_td_is_known_to_diverge_on_bairds_star_before_it_starts(star):
    env, process, d = star
    system = td_fixed_point(process.transitions, process.rewards, env.features, d, env.gamma)
    assert system.least_real_part == pytest.approx(BAIRD["min_real_eig_A"])
    assert np.sort(np.linalg.eigvals(system.A).real) == pytest.approx(BAIRD["eig_A"], abs=1e-9)
    assert system.w == pytest.approx(0, abs=1e-12)
    assert "diverges" in system.warning()
    on_policy = td_fixed_point(process.transitions, process.rewards, env.features, np.eye(7)[6], env.gamma)
    assert on_policy.is_stable


def test_emphasis_weighs_bairds_lower_state_as_the_reference_and_makes_td_stable(star):
    env, process, d = star
    m = emphasis(process.transitions, d, env.gamma)
    assert m == pytest.approx(BAIRD["ETD_exact"]["emphasis"], rel=1e-9)
    assert td_fixed_point(process.transitions, process.rewards, env.features, m, env.gamma).is_stable
    for lam in (0.5, 1.0):
        m = emphasis(process.transitions, d, env.gamma, lam)
        assert td_fixed_point(process.transitions, process.rewards, env.features, m, env.gamma, lam).is_stable
    assert m == pytest.approx(d)  # with lambda = 1 there is nothing to make up for


@pytest.mark.parametrize("name", ["TDC", "GTD2"])
def test_expected_gradient_td_on_bairds_star_has_the_reference_errors(star, name):
    env, process, d = star
    Phi, arguments = env.features, (process.transitions, process.rewards)
    system = td_fixed_point(*arguments, Phi, d, env.gamma)
    spectral_radius = np.abs(np.linalg.eigvals(np.eye(8) - 0.01 * system.A)).max()
    assert spectral_radius == pytest.approx(BAIRD["spectral_radius_I-alpha_A(.01)"], abs=1e-14)
    errors, expected = LinearErrors(Phi, *arguments, np.zeros(7), d, env.gamma), BAIRD[f"expected_{name}_a.005_b.05"]
    weighted = Phi * d[:, None]
    covariance, ahead = Phi.T @ weighted, env.gamma * (process.transitions @ Phi).T @ weighted
    w, h = env.initial_weights, np.zeros(8)
    for step in range(1, 5001):
        delta = system.b - system.A @ w
        along = delta - ahead @ h if name == "TDC" else system.A.T @ h
        w, h = w + 0.005 * along, h + 0.05 * (delta - covariance @ h)
        if str(step) in expected:
            found = errors(w)
            assert (found.rmsve, found.rmspbe) == pytest.approx(tuple(expected[str(step)].values()), rel=1e-9)


def test_expected_emphatic_td_on_bairds_star_shrinks_as_the_reference_says(star):
    env, process, d = star
    m = emphasis(process.transitions, d, env.gamma)
    system = td_fixed_point(process.transitions, process.rewards, env.features, m, env.gamma)
    assert np.linalg.matrix_rank(system.A) == BAIRD["ETD_exact"]["rank"] == np.linalg.matrix_rank(env.features)
    assert system.least_real_part == pytest.approx(BAIRD["ETD_exact"]["min_real_eig"], abs=1e-9)  # 8 weights, rank 7
    w, size = env.initial_weights, 0.03 / m.sum()
    for step in range(1, 1001):
        w = w + size * (system.b - system.A @ w)
        if str(step) in (expected := BAIRD["expected_ETD_exact_emphasis_normalised_a.03"]):
            assert rmsve(env.features @ w, np.zeros(7), d) == pytest.approx(expected[str(step)], rel=1e-9)
    assert np.linalg.norm(system.w) == pytest.approx(BAIRD["lstd_exact_minnorm_norm"], abs=1e-12)


def test_expected_td_on_bairds_star_grows_as_the_reference_says(star):
    env, process, d = star
    system, w = td_fixed_point(process.transitions, process.rewards, env.features, d, env.gamma), env.initial_weights
    for step in range(1, 1001):
        w = w + 0.01 * (system.b - system.A @ w)
        if step in (100, 1000):
            expected = BAIRD["semi_gradient_DP_alpha.01"][str(step)]
            assert w == pytest.approx(expected["w"], rel=1e-9)
            assert rmsve(env.features @ w, np.zeros(7), d) == pytest.approx(expected["rmsve"], rel=1e-9)


@pytest.mark.parametrize(
    ("epsilon", "average", "accepted"),
    [
        (0.0, "access_control_optimal_avg_reward", "access_control_policy_accept(free x prio)"),
        (0.1, "access_control_eps.1_soft_optimal_avg_reward", "access_control_eps.1_policy"),
    ],
)
def test_the_queues_best_average_reward_and_policy_are_the_references(epsilon, average, accepted):
    env = AccessControl()
    soft = epsilon_soft(env, epsilon)
    found = exact_gain(soft)
    assert found.gain == pytest.approx(QUEUE[average], abs=1e-12)
    assert found.error_bound < 1e-12
    assert found.policy.reshape(11, 4)[1:].tolist() == QUEUE[accepted][1:]  # with no free server both are the same
    if epsilon:
        q = env.model().q_from_v(found.values, 1.0) - found.gain
        difference = (q[:, 1] - q[:, 0]).reshape(11, 4)
        assert difference == pytest.approx(np.array(QUEUE["access_control_eps.1_qdiff"]), abs=6e-4)


@pytest.mark.parametrize("freed_at_once", [True, False])
def test_whether_a_taken_server_may_be_freed_at_once_makes_the_references_two_variants(freed_at_once):
    variant = "incl just-accepted server (as ShangtongZhang's code)" if freed_at_once else "excl"
    for epsilon, expected in zip((0.0, 0.1), QUEUE["access_control_variants"][variant], strict=True):
        soft = epsilon_soft(AccessControl(freed_at_once=freed_at_once), epsilon)
        assert exact_gain(soft).gain == pytest.approx(expected, abs=6e-5)


def test_the_queue_pays_for_whom_it_accepts_and_rejects_where_no_server_is_free():
    env = AccessControl()
    assert {env.reset(seed=seed)[0] // 4 for seed in range(9)} == {10}
    for state, action, reward in ((40, 0, 0.0), (40, 1, 1.0), (43, 1, 8.0), (6, 1, 4.0), (3, 1, 0.0)):
        env.reset(options={"state": state})
        assert env.step(action)[1:4] == (reward, False, False)


@pytest.mark.parametrize(
    "env", [RandomWalk(9, reach=4), BairdStar(), AccessControl()], ids=lambda env: type(env).__name__
)
def test_steps_follow_the_models_probabilities(env):
    P, n_actions, tries = env.model().transitions.toarray(), env.action_space.n, 400
    statistic, freedom = 0.0, 0
    env.reset(seed=0)
    for row in range(0, len(P), 5):
        state, action = divmod(row, n_actions)
        if not env._row_of(state):
            continue
        counts = np.zeros(P.shape[1])
        for _ in range(tries):
            env.reset(options={"state": state})
            counts[env.step(action)[0]] += 1
        expected = tries * P[row]
        assert counts[expected == 0].sum() == 0
        often = expected > 5
        statistic += ((counts - expected)[often] ** 2 / expected[often]).sum()
        freedom += often.sum()
    assert statistic < chi2.ppf(0.999, freedom)


def test_a_saved_state_goes_on_to_the_bit_through_json():
    env, twin = AccessControl(), AccessControl()
    env.reset(seed=3)
    for _ in range(300):
        env.step(1)
    twin.set_state(json.loads(json.dumps(env.get_state())))
    assert [env.step(1) for _ in range(300)] == [twin.step(1) for _ in range(300)]
    with pytest.raises(rlkit.ConfigError, match="the dynamics are others"):
        AccessControl(freed_at_once=False).set_state(env.get_state())


def test_max_steps_truncates_and_stepping_on_is_refused():
    env = BairdStar(max_steps=2)
    env.reset(seed=0)
    assert [env.step(0)[3] for _ in range(2)] == [False, True]
    with pytest.raises(ResetNeeded, match=r"BairdStar\.step"):
        env.step(0)
    env.reset()
    with pytest.raises(ValueError, match=r"action 2 is not an integer in \[0, 2\)"):
        env.step(2)


@pytest.mark.parametrize("options", [{"state": 0}, {"state": 6}, {"state": 7}, {"state": 1.5}, {"cell": 1}])
def test_nothing_begins_in_terminal_or_unknown_states(options):
    with pytest.raises(rlkit.ConfigError, match=r"RandomWalk.reset"):
        RandomWalk(5).reset(options=options)


@pytest.mark.parametrize("arguments", [{"n_states": 0}, {"reach": 0}, {"left_reward": np.nan}])
def test_a_walk_that_cannot_be_is_refused(arguments):
    with pytest.raises(rlkit.ConfigError):
        RandomWalk(**arguments)


def test_a_learner_on_a_chain_is_measured_against_it(tmp_path):
    env = gymnasium.make("rlkit/AccessControl-v0")
    agent = QLearning.for_env(env, gamma=0.9, seed=0)
    trainer = rlkit.train(agent, env, steps=2000, directory=tmp_path / "run")
    assert "truth/policy_regret" in (trainer.folder.path / "progress.csv").read_text().splitlines()[0]
