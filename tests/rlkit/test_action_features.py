"""Features of observations and actions."""

from __future__ import annotations

import json

import gymnasium
import numpy as np
import pytest

from rlkit.compiling import njit
from rlkit.envs import GridWorld
from rlkit.errors import ConfigError, InvalidTransition, SpaceError
from rlkit.features import ActionBlocks, ActionFeatures, Fourier, JointActions, OneHot, TileCoding
from rlkit.features.action_encoding import action_values, block, encode_action
from rlkit.features.encoding import dot

GRID = GridWorld("S . .\n# . G")
CAR = gymnasium.make("MountainCar-v0")
X = np.array([-0.3, 0.02], np.float32)


def test_blocks_give_each_action_its_own_copy():
    features = ActionBlocks.for_env(GRID, OneHot.for_env(GRID))
    assert features.n_features == 20
    assert features(3, 2).tolist() == [2 * 5 + 3]
    dense = ActionBlocks.for_env(GRID, Fourier.for_env(GRID, order=1))
    assert dense(3, 2).tolist() == [*[0] * 8, *dense.of(3), *[0] * 4]


def test_joint_features_take_the_action_for_a_coordinate():
    features = JointActions.for_env(CAR, Fourier, order=2)
    assert features.n_features == 27
    point = [*X, 1.0]
    assert (features(X, 1) == Fourier(order=2, low=features.of.low, high=features.of.high)(point)).all()
    assert (features.of.low[2], features.of.high[2]) == (0, 2)


def test_the_actions_bounds_can_be_given():
    features = JointActions.for_env(GRID, Fourier, low=(-1, -1, -1), high=(2, 1, 3), order=1)
    # scaled as Zhao does by counting from 1: action 1 of 0..3 is 2/4
    assert features(0, 1)[1] == pytest.approx(np.cos(np.pi * 2 / 4), abs=1e-15)


MADE = [
    ActionBlocks.for_env(GRID, OneHot.for_env(GRID)),
    ActionBlocks.for_env(GRID, Fourier.for_env(GRID, order=2)),
    ActionBlocks.for_env(CAR, TileCoding.for_env(CAR)),
    JointActions.for_env(GRID, Fourier, order=2),
    JointActions.for_env(CAR, Fourier, order=2),
    JointActions.for_env(CAR, TileCoding, tiles=(8, 8, 3), size=200),
]


@pytest.mark.parametrize("features", MADE)
def test_action_features_round_trip_through_json(features):
    assert ActionFeatures.from_dict(json.loads(json.dumps(features.to_dict()))) == features


@njit()
def values_compiled(parameters, x, weights, phi, q):
    for action in range(len(q)):
        encode_action(parameters, x, action, phi)
        q[action] = dot(phi, weights, block(parameters, action))


@pytest.mark.parametrize("features", MADE)
def test_values_are_the_same_bits_however_they_are_worked_out(features):
    w = np.random.default_rng(0).normal(size=features.n_features)
    x = X if features.n_states is None else 2
    q = features.values(x, w)
    by_call = [w[features(x, a)].sum() if features.sparse else w @ features(x, a) for a in range(len(q))]
    assert q == pytest.approx(by_call, abs=1e-12)
    phi, again = np.empty(features.n_encoded, np.int64 if features.sparse else np.float64), np.empty(len(q))
    values_compiled(features.parameters, x if features.n_states else (float(X[0]), float(X[1])), w, phi, again)
    assert (q == again).all()
    action_values(features.parameters, x if features.n_states else np.float64(X), w, phi, again)  # not compiled
    assert (q == again).all()


@pytest.mark.parametrize("features", [MADE[0], MADE[1], MADE[3]])
def test_the_matrix_has_a_row_for_each_pair_and_none_for_terminal_states(features):
    matrix = features.matrix(GRID).reshape(5, 4, -1)
    assert (matrix[4] == 0).all()
    for s in range(4):
        for a in range(4):
            phi = features(s, a)
            expected = np.bincount(phi, minlength=features.n_features) if features.sparse else phi
            assert (matrix[s, a] == expected).all()


def test_what_no_features_are_for_is_refused():
    features = MADE[4]
    for action in (3, -1, 1.0):
        with pytest.raises(InvalidTransition, match="action"):
            features(X, action)
    with pytest.raises(InvalidTransition, match="expected 2 numbers"):
        features.values([0.1], np.zeros(features.n_features))
    with pytest.raises(InvalidTransition, match="nan"):
        features.values([0.1, np.nan], np.zeros(features.n_features))
    with pytest.raises(ConfigError, match="weights are"):
        features.values(X, np.zeros(3))
    with pytest.raises(SpaceError, match="made for"):
        ActionBlocks.for_env(CAR, OneHot(n=3))
    with pytest.raises(SpaceError, match="the action space is Box"):
        JointActions.for_env(gymnasium.make("Pendulum-v1"), Fourier)


def test_clipped_observations_are_counted_once():
    for features in (MADE[2], MADE[4]):
        report = features.report()
        features([9.0, 9.0], 1, report)
        assert (report.n_encoded, report.n_clipped) == (1, 1)
