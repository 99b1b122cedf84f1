"""Update rules against numbers worked out by hand, against each other, and against expected updates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rlkit.envs.chains.baird_star import SOLID, BairdStar
from rlkit.updates import (
    GTD2,
    TDC,
    Accumulating,
    Dutch,
    Emphatic,
    LambdaReturn,
    LeastSquares,
    Memory,
    NStep,
    OneStep,
    Replacing,
    Step,
    learn,
    new_memory,
    no_traces,
)
from rlkit.updates.rule import room

REFERENCE = json.loads((Path(__file__).parents[1] / "reference/td.json").read_text())


def told(rule, phi, reward, next_phi, *, gamma=0.5, alpha=0.5, rho=1.0, terminated=False, truncated=False):
    """Tell a rule of a transition, as a learner does; return the error."""
    next_value = float(rule.w[next_phi].sum()) if next_phi.dtype.kind == "i" else float(rule.w @ next_phi)
    discount = 0.0 if terminated else gamma
    ended = terminated or truncated
    return learn(rule, Step(phi, 0, reward, discount, next_phi, next_value, alpha, rho, ended, False))


def tell(rule, states, rewards, features=None, **last_and_rest):
    """Tell a rule of an episode through numbered states; `terminated` or `truncated` speak of the last step."""
    ends = {name: last_and_rest.pop(name) for name in ("terminated", "truncated") if name in last_and_rest}
    rhos = last_and_rest.pop("rhos", np.ones(len(rewards)))
    rows = np.arange(max(states) + 1)[:, None] if features is None else features
    errors = []
    for k, (reward, rho) in enumerate(zip(rewards, rhos, strict=True)):
        over = ends if k == len(rewards) - 1 else {}
        errors.append(told(rule, rows[states[k]], reward, rows[states[k + 1]], rho=rho, **last_and_rest, **over))
    return errors


def memory(size, n_encoded=1, dtype=np.int64):
    return new_memory(size, np.zeros(n_encoded, dtype))


def traces(n, *, sparse=True):
    return no_traces(n, sparse=sparse, cutoff=0.0)


def test_two_step_td_learns_two_steps_later_and_all_the_rest_at_the_end():
    rule = NStep(np.array([0.0, 0.0, 0.0, 8.0, 0.0]), memory(2), np.zeros(2, np.int64))
    errors = tell(rule, [0, 1, 2, 3, 4], [1.0, 2.0, 4.0, 6.0], terminated=True)
    # state 0: 1 + 2/2 + v(2)/4 = 2;  state 1: 2 + 4/2 + 8/4 = 6;  state 2: 4 + 6/2 = 7;  state 3: 6 - 8 = -2
    assert errors == [0.0, 2.0, 6.0, -2.0]
    assert rule.w.tolist() == [1.0, 3.0, 3.5, 7.0, 0.0]
    assert rule.at[1] == 0


def test_n_step_td_bootstraps_from_where_an_episode_was_cut_and_forgets_it():
    rule = NStep(np.array([0.0, 0.0, 8.0]), memory(4), np.zeros(2, np.int64))
    tell(rule, [0, 1, 2], [1.0, 2.0], truncated=True)
    assert rule.w.tolist() == [0.5 * (1.0 + 2.0 / 2 + 8.0 / 4), 0.5 * (2.0 + 8.0 / 2), 8.0]
    tell(rule, [0, 1], [0.0])
    assert rule.at[1] == 1  # of the new episode alone


def test_n_step_td_weighs_an_error_by_the_ratios_of_its_n_actions():
    rule = NStep(np.zeros(4), memory(2), np.zeros(2, np.int64))
    tell(rule, [0, 1, 2, 3], [1.0, 1.0, 1.0], rhos=[3.0, 0.5, 2.0], terminated=True)
    returns, products = np.array([1.5, 1.5, 1.0]), np.array([1.5, 1.0, 2.0])
    assert rule.w.tolist() == [*(0.5 * products * returns), 0.0]


def test_a_visit_has_the_step_size_of_its_time():
    rule = NStep(np.zeros(3), memory(2), np.zeros(2, np.int64))
    rows = np.arange(3)[:, None]
    told(rule, rows[0], 1.0, rows[1], alpha=0.25)
    told(rule, rows[1], 1.0, rows[2], alpha=0.125, terminated=True)
    assert rule.w.tolist() == [0.25 * 1.5, 0.125, 0.0]


def test_monte_carlo_learns_every_visit_from_its_return_when_the_episode_has_ended():
    rule = LambdaReturn(np.zeros(3), 1.0, memory(3), np.zeros(1, np.int64))
    tell(rule, [0, 1], [4.0])
    assert rule.w.tolist() == [0.0, 0.0, 0.0]
    rule.n_held[0] = 0
    tell(rule, [0, 1, 0, 2], [4.0, 2.0, 1.0], terminated=True)
    # returns 5.25, 2.5, 1; state 0 is learnt from twice: 0 -> 2.625 -> 1.8125
    assert rule.w.tolist() == [1.8125, 1.25, 0.0]
    assert rule.n_held[0] == 0


def test_the_lambda_return_mixes_all_n_step_returns():
    w = np.array([1.0, 2.0, 4.0, 8.0])
    rule = LambdaReturn(w.copy(), 0.5, memory(3), np.zeros(1, np.int64))
    tell(rule, [0, 1, 2, 3], [1.0, 2.0, 4.0], truncated=True)
    one, two, three = 1 + 2 / 2, 1 + 2 / 2 + 4 / 4, 1 + 2 / 2 + 4 / 4 + 8 / 8
    expected = 0.5 * one + 0.25 * two + 0.25 * three  # equation 12.3
    assert rule.w[0] == pytest.approx(1.0 + 0.5 * (expected - 1.0), abs=1e-15)


def test_an_off_policy_lambda_return_has_control_variates():
    rule = LambdaReturn(np.array([1.0, 2.0, 0.0]), 1.0, memory(2), np.zeros(1, np.int64))
    tell(rule, [0, 1, 2], [1.0, 3.0], rhos=[0.5, 2.0], terminated=True)
    later = 2.0 * 3.0 + (1 - 2.0) * 2.0  # equation 12.22
    first = 0.5 * (1.0 + later / 2) + 0.5 * 1.0
    assert rule.w.tolist() == [1.0 + 0.5 * (first - 1.0), 2.0 + 0.5 * (later - 2.0), 0.0]


def test_a_rule_that_remembers_tells_how_much_room_it_has():
    rule = LambdaReturn(np.zeros(3), 1.0, memory(3), np.zeros(1, np.int64))
    tell(rule, [0, 1, 2], [1.0, 1.0])
    assert room(rule) == 1
    assert room(OneStep(np.zeros(1))) == 1


@pytest.mark.parametrize("kind", ["n_step", "accumulating", "replacing", "dutch", "emphatic"])
def test_one_step_or_lambda_0_is_td_0(kind):
    rng = np.random.default_rng(0)
    w = rng.normal(size=5)
    one = OneStep(w.copy())
    if kind == "n_step":
        rule = NStep(w.copy(), memory(1), np.zeros(2, np.int64))
    elif kind == "dutch":
        rule = Dutch(w.copy(), traces(5), 0.0, np.zeros(1))
    elif kind == "emphatic":  # on the first step of an episode, where the emphasis is 1
        rule = Emphatic(w.copy(), traces(5), 0.0, np.ones(1))
    else:
        rule = {"accumulating": Accumulating, "replacing": Replacing}[kind](w.copy(), traces(5), 0.0)
    for _ in range(50):
        states, n = rng.integers(4, size=9), 1 if kind == "emphatic" else 8
        for each in (one, rule):
            tell(each, [*states[:n], 4], np.arange(float(n)), terminated=True, alpha=0.3, gamma=0.9)
    np.testing.assert_allclose(rule.w, one.w, rtol=0, atol=1e-13)


def online_forward_view(features, states, rewards, alpha, gamma, lam, w0):
    """Return the weights of the online lambda-return algorithm at the end of an episode (S&B, section 12.4)."""
    n = len(rewards)
    values = [w0]  # by the latest weights of each horizon
    for h in range(1, n + 1):
        w = w0.copy()
        for t in range(h):
            G, total = 0.0, 0.0
            for k in range(1, h - t + 1):  # all returns until h, the last with all the weight that is left
                ahead = 0.0 if t + k == n else features[states[t + k]] @ values[t + k - 1]
                n_step = sum(gamma**i * rewards[t + i] for i in range(k)) + gamma**k * ahead
                weight = (1 - lam) * lam ** (k - 1) if k < h - t else lam ** (h - t - 1)
                G, total = G + weight * n_step, total + weight
            assert total == pytest.approx(1.0)
            w = w + alpha[t] * (G - features[states[t]] @ w) * features[states[t]]
        values.append(w)
    return values[-1]


@pytest.mark.parametrize(("lam", "gamma"), [(0.0, 0.9), (0.4, 1.0), (0.8, 0.95), (1.0, 1.0)])
def test_true_online_td_is_the_online_forward_view(lam, gamma):
    rng = np.random.default_rng(1)
    features, w0 = rng.normal(size=(6, 3)), rng.normal(size=3)
    states, rewards = [*rng.integers(5, size=9), 5], rng.normal(size=9)
    rule = Dutch(w0.copy(), traces(3, sparse=False), lam, np.zeros(1))
    tell(rule, states, rewards, features, terminated=True, alpha=0.1, gamma=gamma)
    expected = online_forward_view(features, states, rewards, np.full(9, 0.1), gamma, lam, w0)
    published = max(REFERENCE["random_walk_19"]["true_online_vs_forward_view_maxdiff"])  # 1.4e-16, on other episodes
    np.testing.assert_allclose(rule.w, expected, rtol=0, atol=20 * published)


def test_true_online_td_is_the_online_forward_view_with_falling_step_sizes_too():
    rng = np.random.default_rng(2)
    features, w0 = rng.normal(size=(6, 3)), rng.normal(size=3)
    features[5] = 0.0
    states, rewards, alphas = [*rng.integers(5, size=9), 5], rng.normal(size=9), 0.3 / np.arange(1, 10) ** 0.7
    rule = Dutch(w0.copy(), traces(3, sparse=False), 0.8, np.zeros(1))
    for k in range(9):
        here, there = features[states[k]], features[states[k + 1]]
        told(rule, here, rewards[k], there, gamma=0.95, alpha=alphas[k], terminated=k == 8)
    expected = online_forward_view(features, states, rewards, alphas, 0.95, 0.8, w0)
    np.testing.assert_allclose(rule.w, expected, rtol=0, atol=1e-14)


def test_dutch_traces_end_at_the_cutoff_whatever_the_step_size():
    for alpha in (0.5, 1e-6):
        rule = Dutch(np.zeros(3), no_traces(3, sparse=True, cutoff=0.3), 1.0, np.zeros(1))
        for state, n_alive in ((0, 1), (1, 1)):  # gamma = 1/2: what is left of the first is 1/2, and then 1/4
            told(rule, np.array([state]), 0.0, np.array([state + 1]), gamma=0.5, alpha=alpha)
            assert rule.traces.n_alive[0] == n_alive


def baird_expectation(kind, sweeps, alpha=0.005, beta=0.05):
    """Apply a rule's expected update so often: to every transition from the same weights, by its probability."""
    env = BairdStar()
    w, h = env.initial_weights.copy(), np.zeros(8)
    # The lower state is entered by `solid`, with ratio 7 and probability 1/7; by `dashed` the ratio is 0.
    lower, at = env.features[6], 1 / 7
    assert env.target_policy[0, SOLID] == 1.0
    for _ in range(sweeps):
        change_w, change_h = np.zeros(8), np.zeros(8)
        for phi in env.features:
            rule = kind(w.copy(), h.copy(), beta)
            told(rule, phi, 0.0, lower, gamma=env.gamma, alpha=alpha, rho=7.0)
            change_w += at / 7 * (rule.w - w)
            change_h += at / 7 * (rule.h - h)
        w, h = w + change_w, h + change_h
    return np.sqrt(((env.features @ w) ** 2).mean())


@pytest.mark.parametrize(("kind", "name"), [(TDC, "expected_TDC_a.005_b.05"), (GTD2, "expected_GTD2_a.005_b.05")])
def test_expected_gradient_td_is_the_books_on_bairds_star(kind, name):
    for sweeps in (100, 500):
        expected = REFERENCE["baird"][name][str(sweeps)]["rmsve"]
        assert baird_expectation(kind, sweeps) == pytest.approx(expected, rel=1e-9)


def test_tdc_and_gtd2_by_hand():
    phi, next_phi = np.array([1.0, 0.0]), np.array([0.0, 2.0])
    tdc, gtd2 = (kind(np.array([1.0, 3.0]), np.array([2.0, 5.0]), 0.25) for kind in (TDC, GTD2))
    errors = [told(rule, phi, 1.0, next_phi, rho=2.0) for rule in (tdc, gtd2)]
    assert errors == [3.0, 3.0]  # 1 + 6 / 2 - 1
    assert tdc.w.tolist() == [1.0 + 0.5 * 2 * 3.0, 3.0 - 0.5 * 2 * 0.5 * 2.0 * 2.0]
    assert gtd2.w.tolist() == [1.0 + 0.5 * 2 * 2.0, 3.0 - 0.5 * 2 * 0.5 * 2.0 * 2.0]
    assert tdc.h.tolist() == gtd2.h.tolist() == [2.0 + 0.25 * 2 * (3.0 - 2.0), 5.0]


def test_nothing_follows_what_terminated():
    phi, next_phi = np.array([1.0, 0.0]), np.array([0.0, 2.0])
    rule = TDC(np.array([1.0, 3.0]), np.array([2.0, 5.0]), 0.25)
    assert told(rule, phi, 1.0, next_phi, terminated=True) == 0.0
    assert rule.w[1] == 3.0


def test_the_emphasis_follows_the_ratios_and_begins_anew_with_every_episode():
    rule = Emphatic(np.zeros(5), traces(5), 0.25, np.ones(1))
    tell(rule, [0, 1, 2], [1.0, 1.0], rhos=[2.0, 0.5])
    # F: 1, 1 + 2/2 = 2, 1 + 0.5/2 * 2 = 1.5;  M: 1, 0.25 + 0.75 * 2 = 1.75;  z0 = 2, then 0.5 (0.125 * 2, 1.75)
    assert rule.follow_on[0] == 1.5
    assert rule.w[:2].tolist() == [0.5 * 2.0 + 0.5 * 0.125, 0.5 * 0.875]
    tell(rule, [3, 4], [0.0], terminated=True)
    assert rule.follow_on[0] == 1.0
    assert not rule.traces.z.any()


@pytest.mark.parametrize("lam", [0.0, 0.6, 1.0])
def test_lstd_sums_up_the_system_of_its_trajectory_sparse_or_dense(lam):
    rng = np.random.default_rng(2)
    states, rewards = rng.integers(4, size=31), rng.normal(size=30)
    rhos, gamma = rng.uniform(0.0, 2.0, size=30), 0.9
    A, b, z, before = np.zeros((4, 4)), np.zeros(4), np.zeros(4), 0.0
    for k in range(30):
        z = before * gamma * lam * z + np.eye(4)[states[k]]
        after = np.zeros(4) if k == 29 else np.eye(4)[states[k + 1]]
        A += rhos[k] * np.outer(z, np.eye(4)[states[k]] - gamma * after)
        b += rhos[k] * z * rewards[k]
        before = rhos[k]
    for features in (None, np.eye(4)):
        sums = traces(4, sparse=features is None)
        rule = LeastSquares(np.zeros(4), np.zeros((4, 4)), np.zeros(4), sums, lam)
        tell(rule, states.tolist(), rewards, features, rhos=rhos, gamma=gamma, terminated=True)
        np.testing.assert_allclose(rule.columns.T, A, atol=1e-12)
        np.testing.assert_allclose(rule.b, b, atol=1e-12)
        assert not rule.traces.z.any()


def test_memory_is_named_arrays_of_one_length():
    made = Memory(**memory(3, 2)._asdict())
    assert {len(array) for array in made} == {3}
    assert made.phi.shape == (3, 2)
