"""Features against the textbooks' figures: what they can represent, and where expected TD ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rlkit.envs import GridWorld, RandomWalk
from rlkit.features import Fourier, JointActions, OneHot, Polynomial, StateAggregation, TileCoding

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "td.json").read_text())
ZHAO = ". . . . .\n. X X . .\n. . X . .\n. X G X .\n. X . . ."


def errors(Phi, P, r, d, gamma):
    """Return the error of the best weights and of the TD fixed point, and both weights, all by dense algebra."""
    v, root = np.linalg.solve(np.eye(len(r)) - gamma * P, r), np.sqrt(d)
    best = np.linalg.lstsq(root[:, None] * Phi, root * v, rcond=None)[0]
    fixed = np.linalg.lstsq(Phi.T @ (d[:, None] * (Phi - gamma * P @ Phi)), Phi.T @ (d * r), rcond=None)[0]
    return *(np.sqrt(d @ (Phi @ w - v) ** 2) for w in (best, fixed)), best, fixed


@pytest.fixture(scope="module")
def grid():
    env = GridWorld(ZHAO, rules="zhao", boundary_reward=-1, forbidden_reward=-1)
    chain = env.model().to_finite_mdp().induced_by(np.full((25, 5), 0.2))
    return env, (chain.transitions.toarray(), chain.rewards, np.full(25, 1 / 25), 0.9)


@pytest.fixture(scope="module")
def walk():
    env = RandomWalk(1000, reach=100)
    chain = env.model().induced_by(np.zeros(1002, int))
    P = chain.transitions.toarray()
    visits = np.linalg.solve(np.eye(1002) - P.T, env.initial_state_distrib) * ~env.model().terminal
    return env, (P, chain.rewards, visits / visits.sum(), 1.0)


@pytest.mark.parametrize(
    ("name", "kind", "parameters"),
    [
        ("poly3", Polynomial, {"degree": 1}),
        ("poly6", Polynomial, {"degree": 2}),
        ("fourier_q1", Fourier, {"order": 1}),
        ("fourier_q2", Fourier, {"order": 2}),
        ("fourier_q4", Fourier, {"order": 4}),
        ("fourier_q5", Fourier, {"order": 5}),
        ("tabular", OneHot, {}),
    ],
)
def test_features_of_zhaos_grid_reach_the_books_errors_with_its_weights(grid, name, kind, parameters):
    env, problem = grid
    features, expected = kind.for_env(env, **parameters), REFERENCE["zhao_5x5"]["exact_floors_and_fixed_points"][name]
    best, fixed, _, weights = errors(features.matrix(env), *problem)
    assert features.n_features == expected["dim"]
    assert best == pytest.approx(expected["best_d_rmsve"], abs=1e-12)
    assert fixed == pytest.approx(expected["td_fixed_rmsve"], abs=1e-12)
    np.testing.assert_allclose(weights, expected["w_td"], atol=1e-10)


@pytest.mark.parametrize(
    ("name", "kind", "parameters"),
    [("poly10", Polynomial, {"degree": 3}), ("fourier_q3", Fourier, {"order": 3})],
)
def test_larger_features_of_zhaos_grid_reach_the_books_errors(grid, name, kind, parameters):
    env, problem = grid
    expected = REFERENCE["zhao_5x5"]["exact_all_errors_gt_misc"][name]
    best, fixed, *_ = errors(kind.for_env(env, **parameters).matrix(env), *problem)
    assert best == pytest.approx(expected["best"]["rmsve"], abs=1e-12)
    assert fixed == pytest.approx(expected["td"]["rmsve"], abs=1e-12)


def test_zhaos_joint_features_of_state_and_action_are_216(grid):
    env, _ = grid
    features = JointActions.for_env(env, Fourier, order=5)
    assert features.n_features == 216
    # cell (row 1, column 3) is (x, y) = (3, 1); action 2 of 0..4: cos(pi (c1 3/4 + c2 1/4 + c3 2/4)), c3 fastest
    c1, c2, c3 = 4, 1, 5
    found = features(env.state_of(1, 3), 2)[c1 * 36 + c2 * 6 + c3]
    assert found == pytest.approx(np.cos(np.pi * (c1 * 3 / 4 + c2 * 1 / 4 + c3 * 2 / 4)), abs=1e-14)


@pytest.mark.parametrize(
    ("name", "kind", "parameters"),
    [
        ("agg5", StateAggregation, {"groups": 5}),
        ("agg10", StateAggregation, {"groups": 10}),
        ("agg20", StateAggregation, {"groups": 20}),
        ("agg100", StateAggregation, {"groups": 100}),
        ("tiles1x200", TileCoding, {"tilings": 1, "tiles": 5}),
        ("tiles50x200_off4", TileCoding, {"tilings": 50, "tiles": 5}),
        ("poly5", Polynomial, {"degree": 5, "interval": (0.0, 1.0), "low": 0, "high": 1000}),
        ("fourier5", Fourier, {"order": 5, "low": 0, "high": 1000}),
        ("fourier10", Fourier, {"order": 10, "low": 0, "high": 1000}),
        ("fourier20", Fourier, {"order": 20, "low": 0, "high": 1000}),
    ],
)
def test_features_of_the_1000_state_walk_reach_the_books_errors_with_its_weights(walk, name, kind, parameters):
    env, problem = walk
    expected = REFERENCE["random_walk_1000"]["features"][name]
    best, fixed, _, weights = errors(kind.for_env(env, **parameters).matrix(env), *problem)
    assert best == pytest.approx(expected["best_rmsve"], abs=1e-12)
    assert fixed == pytest.approx(expected["td_rmsve"], abs=1e-12)
    if expected["w_td"] is not None:
        np.testing.assert_allclose(weights, expected["w_td"][: len(weights)], atol=1e-9)


def test_the_tilings_of_figure_9_10_are_50_of_200_states_each_4_further(walk):
    env, _ = walk
    features = TileCoding.for_env(env, tilings=50, tiles=5)
    active = features.encode(np.arange(1, 1001))  # [1000, 50]
    states, tilings = np.arange(1000)[:, None], np.arange(50)[None, :]
    assert features.n_features == 300
    assert (active == 6 * tilings + (states + 4 * tilings) // 200).all()
