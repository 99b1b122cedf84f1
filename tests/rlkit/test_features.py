"""What all features promise: captured ranges, JSON, one code for two speeds, counts, errors."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlkit import Agent
from rlkit.compiling import njit
from rlkit.envs import AccessControl, GridWorld, RandomWalk
from rlkit.errors import ConfigError, InvalidTransition, SpaceError
from rlkit.features import (
    Coordinates,
    Features,
    FeatureTable,
    Fourier,
    NeuralEncoder,
    OneHot,
    Polynomial,
    RadialBasis,
    StateAggregation,
    TileCoding,
    concatenate,
    register,
)
from rlkit.features.encoding import add, dot, encode

CAR = {"low": (-1.2, -0.07), "high": (0.5, 0.07)}
WALLED = "S . #\n# . .\n. . G"


def car_tiles(**changes):
    return TileCoding(tilings=8, tiles=(8, 8), **CAR, **changes)


def box(low, high):
    """Return an environment that is only its observation space."""
    env = gymnasium.Env()
    env.observation_space = gymnasium.spaces.Box(np.array(low), np.array(high), dtype=np.float64)
    env.action_space = gymnasium.spaces.Discrete(2)
    return env


def car_box():
    return box(CAR["low"], CAR["high"])


finite = st.floats(-1e6, 1e6)
ranges = st.integers(1, 3).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            "low": st.tuples(*[finite] * n),
            "high": st.tuples(*[st.floats(2e6, 3e6)] * n),
            "per": st.tuples(*[st.integers(1, 5)] * n),
        }
    )
)
kinds = st.one_of(
    st.builds(OneHot, n=st.integers(1, 9)),
    st.builds(FeatureTable, rows=st.lists(st.tuples(finite, finite), min_size=1, max_size=20).map(tuple)),
    st.builds(lambda seed: NeuralEncoder.for_env(box([-1.0], [2.0]), hidden=(3, 2), seed=seed), st.integers(0, 9)),
    st.builds(lambda r, order: Fourier(low=r["low"], high=r["high"], order=order), ranges, st.integers(0, 4)),
    st.builds(lambda r, f: Polynomial(low=r["low"], high=r["high"], full=f, interval=(0, 2.5)), ranges, st.booleans()),
    st.builds(
        lambda r, w: RadialBasis(low=r["low"], high=r["high"], centers=r["per"], width=w), ranges, st.floats(0.1, 9)
    ),
    st.builds(lambda r: StateAggregation(low=r["low"], high=r["high"], groups=r["per"]), ranges),
    st.builds(
        lambda r, n, size: TileCoding(low=r["low"], high=r["high"], tiles=r["per"], tilings=n, size=size),
        ranges,
        st.integers(1, 16),
        st.none() | st.integers(1, 99),
    ),
)


@given(kinds)
def test_features_of_every_kind_round_trip_through_json(features):
    assert Features.from_dict(json.loads(json.dumps(features.to_dict()))) == features
    assert type(features).from_dict(features.to_dict()) == features


def test_features_of_states_and_concatenations_round_trip_with_their_coordinates():
    env = GridWorld(WALLED)
    features = concatenate(Fourier.for_env(env), TileCoding.for_env(env), OneHot.for_env(env))
    again = Features.from_dict(json.loads(json.dumps(features.to_dict())))
    assert again == features
    assert (again.matrix(env) == features.matrix(env)).all()


def test_a_file_can_name_only_registered_classes():
    for kind in ("rlkit.features.Fourier", "Config", "os.system", 3, None):
        with pytest.raises(ConfigError, match=r"unknown kind .* known: .*Fourier"):
            Features.from_dict({"kind": kind, "n": 3})
    with pytest.raises(ConfigError, match="Fourier: unknown kind 'OneHot'; known: Fourier"):
        Fourier.from_dict({"kind": "OneHot", "n": 3})


def test_a_users_own_kind_can_be_registered():
    @register
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Halves(OneHot):
        pass

    assert Features.from_dict(Halves(n=3).to_dict()) == Halves(n=3)


def test_a_checkpoint_rebuilds_an_agents_features(tmp_path):
    class Learner(Agent):
        @dataclasses.dataclass(frozen=True, kw_only=True)
        class Config(Agent.Config):
            features: Features

        def setup(self):
            self.w = np.zeros(self.config.features.n_features)
            self.report = self.config.features.report()

    env = GridWorld(WALLED)
    agent = Learner.for_env(env, features=concatenate(OneHot.for_env(env), TileCoding.for_env(env, size=9)))
    agent.config.features(3, agent.report)
    agent.save(tmp_path / "agent.npz")
    again = Learner.load(tmp_path / "agent.npz")
    assert again.config == agent.config
    assert again.report.metrics() == agent.report.metrics()
    assert (again.report.owners == agent.report.owners).all()


def test_copies_and_pickles_are_equal():
    features = Fourier(order=2, **CAR)
    before = features([0.1, 0.01])
    for other in (copy.deepcopy(features), pickle.loads(pickle.dumps(features))):
        assert other == features
        assert (other([0.1, 0.01]) == before).all()


@njit()
def run_compiled(parameters, xs, weights, phi):
    """Encode tuples, move the weights and return the sum of all values."""
    total = 0.0
    for i in range(len(xs)):
        encode(parameters, (xs[i, 0], xs[i, 1]), phi)
        total += dot(phi, weights, 0)
        add(phi, weights, 0, 0.1)
    return total


@pytest.mark.parametrize(
    "features",
    [car_tiles(), car_tiles(size=99), Fourier(order=3, **CAR), NeuralEncoder.for_env(car_box(), hidden=(5, 4))],
    ids=["tiles", "hashed", "fourier", "neural"],
)
def test_a_compiled_loop_gets_the_bits_that_python_gets(features):
    xs = np.random.default_rng(0).uniform((-1.3, -0.08), (0.6, 0.08), (100, 2))
    fast, slow, slow_total = np.zeros(features.n_features), np.zeros(features.n_features), 0.0
    total = run_compiled(features.parameters, xs, fast, features(xs[0]))
    for x in xs:
        phi = features(x)
        slow_total += dot(phi, slow, 0)
        add(phi, slow, 0, 0.1)
    assert total == slow_total
    assert (fast == slow).all()
    assert (features.encode(xs) == [features(x) for x in xs]).all()


def test_the_uncompiled_function_is_the_same_function():
    for features in (car_tiles(), Fourier(order=2, **CAR), RadialBasis(centers=(3, 3), **CAR)):
        x, out = np.array([-0.4, 0.02]), features([0.0, 0.0])
        encode(features.parameters, x, out)
        assert (out == features(x)).all()


def test_states_lie_at_their_column_and_row():
    coordinates = Coordinates.of(GridWorld(WALLED))
    assert coordinates == Coordinates(shape=(3, 3), cells=(0, 1, 4, 5, 6, 7, 8))
    assert coordinates.points().tolist() == [[0, 0], [1, 0], [1, 1], [2, 1], [0, 2], [1, 2], [2, 2]]


def test_a_grid_without_walls_needs_no_list_of_cells():
    assert Coordinates.of(GridWorld("S .\n. G")) == Coordinates(shape=(2, 2))


def test_a_models_geometry_is_as_good_as_its_environments():
    env = GridWorld(WALLED)
    assert Fourier.for_env(env.model()) == Fourier.for_env(env)
    assert Fourier.for_env(env.model().to_finite_mdp()).coordinates == Coordinates(shape=(7,))


def test_states_without_cells_lie_in_their_shape_or_on_a_line():
    assert Coordinates.of(AccessControl()) == Coordinates(shape=(11, 4))
    assert Coordinates.of(gymnasium.make("FrozenLake-v1")) == Coordinates(shape=(16,))


def test_terminal_states_beyond_the_ends_do_not_stretch_the_range():
    features = Fourier.for_env(RandomWalk(5), order=1)
    assert (features.low, features.high) == ((1.0,), (5.0,))


def test_a_box_is_scaled_by_its_bounds_or_by_given_ones():
    env = box([-1.0, -np.inf], [1.0, np.inf])
    features = Fourier.for_env(env, low=(None, -3), high=(None, 3))
    assert (features.low, features.high) == ((-1.0, -3.0), (1.0, 3.0))


def test_an_unbounded_box_without_bounds_is_refused_by_its_dimension():
    with pytest.raises(ConfigError, match=r"dimension 1 of the observations has no bound \(low\[1\]=-inf\); give low="):
        Fourier.for_env(box([-1.0, -np.inf], [1.0, np.inf]))
    with pytest.raises(ConfigError, match=r"dimension 1 .*high\[1\]"):
        Fourier.for_env(box([-1.0, 0.0], [1.0, np.finfo(np.float32).max]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Fourier(low=(0.0,), high=(0.0,)), r"dimension 0 is bounded by \[0.0, 0.0\]"),
        (lambda: Fourier(low=(0.0, 1.0), high=(1.0, np.nan)), r"dimension 1 is bounded"),
        (lambda: Fourier(low=(0.0,), high=(1.0, 2.0)), r"high=.* is not one number for each of 1"),
        (lambda: TileCoding(tiles=(8,), **CAR), r"tiles=\(8,\) is not one number for each of 2"),
        (lambda: TileCoding(tiles=(8, -1), **CAR), r"tiles=\(8, -1\) are not all in"),
        (lambda: TileCoding(tiles=(8, 8), shifts=(1,), **CAR), r"shifts=\(1,\) are not 2"),
        (lambda: TileCoding(tiles=(100_000, 100_000), **CAR), r"makes 80001600008 tiles; give size="),
        (lambda: StateAggregation(groups=(0, 1), **CAR), r"groups=\(0, 1\) are not all at least 1"),
        (lambda: RadialBasis(centers=(0, 1), **CAR), r"centers=\(0, 1\)"),
        (lambda: Polynomial(interval=(1.0, 1.0), **CAR), r"interval="),
        (lambda: Fourier(order=100_000, **CAR), r"makes 10000200001 features"),
        (lambda: Fourier.for_env(RandomWalk(5), ordre=3), r"unknown hyperparameter 'ordre'; did you mean 'order'"),
        (lambda: Fourier.for_env(box([0.0], [1.0]), low=(1, 2)), r"2 numbers are given for low, expected 1"),
        (lambda: FeatureTable(rows=((1.0, 2.0), (3.0,))), r"rows\[1\] has 1 features"),
        (lambda: FeatureTable.of([[np.nan]]), r"rows\[0\]"),
        (lambda: Coordinates(shape=(2, 2), cells=(0, 4)), r"cells are not numbers in \[0, 4\)"),
        (lambda: Coordinates(shape=(2, 2), cells=(1, 1)), r"two states have the same cell"),
    ],
)
def test_wrong_parameters_are_named(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize(
    "space",
    [gymnasium.spaces.Box(0, 1, (2, 2)), gymnasium.spaces.Discrete(3, start=1), gymnasium.spaces.MultiBinary(3)],
)
def test_spaces_of_other_kinds_are_refused(space):
    env = gymnasium.Env()
    env.observation_space = space
    with pytest.raises(SpaceError, match="the observation space is"):
        Fourier.for_env(env)


@pytest.mark.parametrize(
    ("observation", "message"),
    [
        ([0.1], r"an observation is \[0.1\], expected 2 numbers"),
        (np.zeros((2, 1)), r"of shape \(2, 1\), expected 2 numbers"),
        ("no", "expected 2 numbers"),
        ([0.1, np.nan], "dimension 1 of an observation is nan, which is not finite"),
        ([-np.inf, 0.0], "dimension 0 of an observation is -inf"),
    ],
)
def test_vectors_that_are_none_are_refused(observation, message):
    for features in (Fourier(order=3, **CAR), car_tiles()):
        with pytest.raises(InvalidTransition, match=message):
            features(observation)


def test_batches_that_are_none_are_refused():
    features = car_tiles()
    with pytest.raises(InvalidTransition, match=r"observations are float64 \(2,\), expected \(N, 2\)"):
        features.transform([0.1, 0.01])
    with pytest.raises(InvalidTransition, match="dimension 1 of an observation is nan"):
        features.transform([[0.1, 0.0], [0.1, np.nan]])


@pytest.mark.parametrize("state", [-1, 5, 1.5, np.zeros(1), "1"])
def test_numbers_of_no_state_are_refused(state):
    for features in (OneHot(n=5), Fourier(low=(0.0,), high=(4.0,), coordinates=Coordinates(shape=(5,)))):
        with pytest.raises(InvalidTransition, match="observation"):
            features(state)
        with pytest.raises(InvalidTransition, match="observation"):
            features.transform(np.array([state]))


def test_features_know_the_spaces_that_they_are_for():
    car, states = car_tiles(), OneHot(n=5)
    car.check_space(gymnasium.spaces.Box(-1, 1, (2,)))
    states.check_space(gymnasium.spaces.Discrete(5))
    for features, space in ((car, gymnasium.spaces.Box(-1, 1, (3,))), (states, gymnasium.spaces.Discrete(6))):
        with pytest.raises(SpaceError, match="made for"):
            features.check_space(space)
    with pytest.raises(SpaceError, match="made for 5 states, this environment has 7 states"):
        states.matrix(RandomWalk(5))


def test_clipped_observations_are_counted_and_encoded_as_the_bound():
    features = Fourier(order=2, **CAR)
    report = features.report()
    assert (features([9.0, 0.07], report) == features([0.5, 0.07], report)).all()
    features.encode([[0.0, 0.0], [-1.3, 9.0], [-1.2, -0.07]], report)
    assert (report.n_encoded, report.n_clipped) == (5, 2)
    assert report.metrics() == {"features/clipped": 2 / 5}


def test_collisions_are_look_ups_of_an_index_that_another_tile_has():
    features = car_tiles(size=50)
    report, owner, collisions = features.report(), {}, 0
    exact = car_tiles()
    for x in np.random.default_rng(0).uniform(*CAR.values(), (200, 2)):
        for tile, index in zip(exact(x).tolist(), features(x, report).tolist(), strict=True):
            collisions += owner.setdefault(index, tile) != tile
    assert report.n_active == 1600
    assert report.n_collisions == collisions
    assert report.metrics()["features/collisions"] == collisions / 1600


def test_what_is_not_hashed_never_collides():
    features = concatenate(car_tiles(), car_tiles())
    report = features.report()
    features([0.0, 0.0], report)
    assert report.metrics() == {"features/clipped": 0.0}


def test_a_report_of_other_features_is_refused():
    with pytest.raises(ConfigError, match="the report is that of other features"):
        car_tiles(size=50)([0.0, 0.0], car_tiles(size=40).report())


def test_numpy_numbers_and_arrays_are_taken_for_parameters():
    features = TileCoding.for_env(RandomWalk(5), tiles=np.array([4]), low=np.int64(1), high=np.array([5]))
    assert features.to_dict()["tiles"] == [4]
    assert json.loads(json.dumps(features.to_dict()))["high"] == [5.0]


def test_a_value_is_the_same_in_both_encodings():
    features, rng = car_tiles(), np.random.default_rng(0)
    x, w = np.array([-0.3, 0.02]), rng.normal(size=features.n_features)
    row = features.transform([x]).toarray()[0]
    assert dot(features(x), w, 0) == pytest.approx(dot(row, w, 0), abs=1e-13)
    sparse, dense = w.copy(), w.copy()
    add(features(x), sparse, 0, 0.5)
    add(row, dense, 0, 0.5)
    assert (sparse == dense).all()


def test_many_states_are_encoded_as_they_come():
    states = Coordinates(shape=(2000, 2000))  # 4 million: no table
    features = StateAggregation(low=(-0.5, -0.5), high=(1999.5, 1999.5), groups=(10, 10), coordinates=states)
    few = Fourier(order=3, low=(0.0, 0.0), high=(1999.0, 1999.0), coordinates=states)
    assert type(few.parameters).__name__ == "Located"
    assert few(2001).tolist() == Fourier(order=3, low=few.low, high=few.high)([1.0, 1.0]).tolist()
    assert features(1999 * 2000 + 3).tolist() == [9]  # row 1999, column 3: x-group 0, y-group 9
