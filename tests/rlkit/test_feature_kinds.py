"""Each kind of features by its definition."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlkit.envs import BairdStar, GridWorld
from rlkit.errors import ConfigError
from rlkit.features import (
    Coordinates,
    FeatureTable,
    Fourier,
    NeuralEncoder,
    OneHot,
    Polynomial,
    RadialBasis,
    StateAggregation,
    TileCoding,
    concatenate,
)

PLANE = {"low": (-1.0, 10.0), "high": (3.0, 20.0)}
BOX = gymnasium.spaces.Box(np.array([-1.0, 10.0]), np.array([3.0, 20.0]), dtype=np.float64)
CAR = {"low": (-1.2, -0.07), "high": (0.5, 0.07)}
points = st.tuples(st.floats(-1, 3), st.floats(10, 20))


def grid_of_two_axes():
    return GridWorld(". .\n. .", continuing=True)


def unit(x):
    """Scale points of PLANE to [0, 1] by hand."""
    return (np.asarray(x) - [-1, 10]) / [4, 10]


def test_one_hot_features_are_the_identity():
    env = GridWorld("S . #\n# . G", continuing=True)
    assert (OneHot.for_env(env).matrix(env) == np.eye(4)).all()


def test_rows_of_terminal_states_are_0_in_the_matrix():
    env = GridWorld("S . G")
    assert (OneHot.for_env(env).matrix(env) == np.diag([1, 1, 0])).all()
    assert (Fourier.for_env(env, order=1).matrix(env) == [[1, 1], [1, pytest.approx(-1)], [0, 0]]).all()


@given(points)
def test_fourier_features_are_cosines_of_all_integer_waves(x):
    u = unit(x)
    expected = [np.cos(np.pi * (c1 * u[0] + c2 * u[1])) for c1 in range(4) for c2 in range(4)]
    np.testing.assert_allclose(Fourier(order=3, **PLANE)(x), expected, atol=1e-13)


def test_fourier_step_scales_are_the_inverse_norms_of_the_waves():
    scales = Fourier(order=2, **PLANE).step_scales
    # c = (0,0), (0,1), (0,2), (1,0), (1,1), ...
    assert scales[:5] == pytest.approx([1, 1, 1 / 2, 1, 1 / np.sqrt(2)])


@given(points)
def test_polynomial_features_are_monomials_by_degree(x):
    a, b = 2 * unit(x) - 1
    expected = [1, a, b, a * a, a * b, b * b, a**3, a * a * b, a * b * b, b**3]
    np.testing.assert_allclose(Polynomial(degree=3, **PLANE)(x), expected, atol=1e-14)


@given(points)
def test_full_polynomial_features_bound_each_exponent(x):
    features = Polynomial(degree=2, full=True, interval=(0.0, 1.0), **PLANE)
    assert len(features.exponents) == features.n_features == 9
    expected = (unit(x) ** features.exponents).prod(axis=1)
    np.testing.assert_allclose(features(x), expected, atol=1e-14)


@pytest.mark.parametrize("full", [False, True])
def test_polynomials_of_three_dimensions_have_every_monomial_once(full):
    features = Polynomial(low=(0.0,) * 3, high=(1.0,) * 3, degree=3, full=full, interval=(0.0, 1.0))
    assert features.n_features == (64 if full else 20)
    assert len({tuple(row) for row in features.exponents.tolist()}) == features.n_features
    x = np.array([0.3, 0.8, 0.6])
    np.testing.assert_allclose(features(x), (x**features.exponents).prod(axis=1), rtol=1e-14)


@given(points)
def test_radial_basis_features_are_gaussians_around_a_grid_of_centers(x):
    z = unit(x) * [2, 3]  # in units of the spacing of 3 and 4 centers
    away = [(z[0] - i) ** 2 + (z[1] - j) ** 2 for i in range(3) for j in range(4)]
    found = RadialBasis(centers=(3, 4), width=0.7, **PLANE)(x)
    np.testing.assert_allclose(found, np.exp(-np.array(away) / (2 * 0.7**2)), atol=1e-14)


@given(points, st.sampled_from([0.001, 0.1, 1.0, 30.0]))
def test_normalized_radial_basis_features_sum_to_1_however_narrow(x, width):
    found = RadialBasis(centers=(3, 4), width=width, normalized=True, **PLANE)(x)
    assert found.sum() == pytest.approx(1, abs=1e-14)
    assert (found >= 0).all()


@pytest.mark.parametrize("hidden", [(5,), (5, 4)])
@given(x=points)
def test_neural_features_are_a_frozen_hidden_layer_of_relus_and_a_1(hidden, x):
    features = NeuralEncoder(layers=NeuralEncoder.for_env(grid_of_two_axes(), hidden=hidden).layers, **PLANE)
    h = 2 * unit(x) - 1
    for layer in features.layers:
        biases, weights = np.array(layer)[:, 0], np.array(layer)[:, 1:]
        h = np.maximum(0, biases + weights @ h)
    np.testing.assert_allclose(features(x), [*h, 1], atol=1e-14)


def test_random_neural_features_are_their_seeds_and_within_their_bounds():
    first, again, other = (NeuralEncoder.for_env(grid_of_two_axes(), hidden=(50, 40), seed=s) for s in (0, 0, 1))
    assert first == again != other
    for layer, fan_in in zip(first.layers, (2, 50), strict=True):
        assert 0.9 < abs(np.array(layer)).max() * np.sqrt(fan_in) <= 1


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: NeuralEncoder(layers=(), **PLANE), "0 hidden layers, expected 1 or 2"),
        (lambda: NeuralEncoder(layers=(((1.0, 2.0),),), **PLANE), r"layers\[0\] has rows of another length than 3"),
        (lambda: NeuralEncoder(layers=(((1.0, 2.0, np.nan),),), **PLANE), r"layers\[0\] has weights that are not"),
        (lambda: NeuralEncoder.for_env(grid_of_two_axes(), hidden=(3, 0)), "without units"),
        (lambda: NeuralEncoder.for_env(grid_of_two_axes(), hidden=(3, 3, 3)), "3 hidden layers"),
    ],
)
def test_networks_that_cannot_be_features_are_refused(call, complaint):
    with pytest.raises(ConfigError, match=complaint):
        call()


def test_aggregated_states_are_in_one_group_each_and_groups_of_a_divided_line_are_equal():
    features = StateAggregation.for_env(gymnasium.make("FrozenLake-v1"), groups=4)  # 16 states, on a line
    assert features.encode(np.arange(16)).ravel().tolist() == [s // 4 for s in range(16)]


@given(st.integers(1, 40), st.integers(1, 200))
def test_groups_are_equally_large_whenever_they_can_be(groups, size):
    states = Coordinates(shape=(groups * size,))
    features = StateAggregation(low=(-0.5,), high=(groups * size - 0.5,), groups=(groups,), coordinates=states)
    assert (np.bincount(features.encode(np.arange(groups * size)).ravel()) == size).all()


def test_a_grid_is_aggregated_by_columns_and_rows():
    env = GridWorld("\n".join([". . . ."] * 4), continuing=True)
    groups = StateAggregation.for_env(env, groups=2).encode(np.arange(16)).reshape(4, 4)
    assert groups.tolist() == [[0, 0, 2, 2], [0, 0, 2, 2], [1, 1, 3, 3], [1, 1, 3, 3]]  # x (the column) comes first


def test_a_table_of_features_is_what_was_given():
    env = BairdStar()
    features = FeatureTable.for_env(env)
    assert (features.matrix(env) == env.features).all()
    assert (features(3) == env.features[3]).all()


def by_the_book(features, x):
    """Return tiles as Sutton's tiles3 names them, (tiling, coordinate...): floor((q + k (1 + 2 d)) / n)."""
    n = features.tilings
    widths = (np.array(features.high) - features.low) / features.tiles
    q = np.floor((np.asarray(x) - features.low) / widths * n).astype(int)
    return [tuple(int((q[d] + k * (1 + 2 * d)) // n) for d in range(len(q))) for k in range(n)]


def test_mountain_cars_tiles_are_shared_as_in_suttons_tile_coder():
    features, rng = TileCoding(tilings=8, tiles=(8, 8), **CAR), np.random.default_rng(0)
    xs = rng.uniform(features.low, features.high, (300, 2))
    ours = features.encode(xs)
    theirs = [by_the_book(features, x) for x in xs]
    for i, j in rng.integers(300, size=(3000, 2)):
        assert [a == b for a, b in zip(theirs[i], theirs[j], strict=True)] == (ours[i] == ours[j]).tolist()


@given(st.tuples(st.floats(-2, 1), st.floats(-0.1, 0.1)))
def test_exactly_one_tile_of_each_tiling_is_active(x):
    active = TileCoding(tilings=8, tiles=(8, 8), **CAR)(x)
    assert (active // 81 == np.arange(8)).all()


def test_neighbours_share_tilings_in_proportion_to_their_nearness():
    features = TileCoding(tilings=8, tiles=(8,), low=(0.0,), high=(1.0,))
    here = features([0.5])
    shared = [int((features([0.5 + parts / 64]) == here).sum()) for parts in range(9)]
    assert shared == [8, 7, 6, 5, 4, 3, 2, 1, 0]  # each eighth of a tile leaves one tiling


def test_asymmetric_offsets_spread_the_tilings_evenly_over_both_dimensions():
    features = TileCoding(tilings=8, tiles=(1, 1), low=(0.0, 0.0), high=(1.0, 1.0))
    n = 8
    corners = set()
    for k in range(n):  # the first eighth of each dimension at which tiling k's tile changes
        cut = [
            next(q for q in range(1, n + 1) if features(point(q))[k] != features(point(q - 1))[k] or q == n)
            for point in (lambda q: [(q + 0.5) / n, 0.01], lambda q: [0.01, (q + 0.5) / n])
        ]
        corners.add(tuple((n - each) % n for each in cut))
    assert corners == {(k, 3 * k % n) for k in range(n)}  # displacement vector (1, 3)


def test_the_upper_bound_is_in_the_last_tile_of_the_first_tiling():
    assert TileCoding(tilings=1, tiles=(4,), low=(0.0,), high=(1.0,))([1.0]).tolist() == [3]


def test_a_dimension_of_0_tiles_does_not_count():
    features = TileCoding(tilings=8, tiles=(8, 0), **CAR)
    assert features.n_features == 8 * 9
    assert (features([-0.3, 0.0]) == features([-0.3, 5.0])).all()


def test_hashed_indices_stay_in_bounds_and_use_all_of_them():
    features = TileCoding(tilings=8, tiles=(8, 8), size=100, **CAR)
    active = features.encode(np.random.default_rng(0).uniform(features.low, features.high, (5000, 2)))
    assert features.n_features == 100
    assert set(active.ravel().tolist()) == set(range(100))


def test_hashing_is_as_good_as_chance():
    exact, hashed = (TileCoding(tilings=8, tiles=(32, 32), size=size, **CAR) for size in (None, 4096))
    xs = np.random.default_rng(0).uniform(exact.low, exact.high, (40_000, 2))
    pairs = {*zip(exact.encode(xs).ravel().tolist(), hashed.encode(xs).ravel().tolist(), strict=True)}
    tiles, used = len({tile for tile, _ in pairs}), len({index for _, index in pairs})
    assert len(pairs) == tiles  # a tile has one index
    # tiles thrown at random into 4096: used is 4096 (1 - exp(-tiles / 4096)), standard deviation below 32
    assert abs(used - 4096 * (1 - np.exp(-tiles / 4096))) < 4 * 32


def test_a_size_that_suffices_hashes_nothing():
    exact, enough = (TileCoding(tilings=8, tiles=(8, 8), size=size, **CAR) for size in (None, 648))
    assert not enough.hashed
    assert (exact([0.1, 0.01]) == enough([0.1, 0.01])).all()


def test_features_side_by_side_are_both_kinds_features():
    dense, other, sparse = (
        Fourier(order=1, **CAR),
        Polynomial(degree=1, **CAR),
        TileCoding(tilings=8, tiles=(8, 8), **CAR),
    )
    xs = np.random.default_rng(0).uniform((-1.3, -0.08), (0.6, 0.08), (50, 2))
    assert (concatenate(dense, other).transform(xs) == np.hstack([dense.transform(xs), other.transform(xs)])).all()
    both = concatenate(sparse, sparse)
    assert both.sparse
    assert both.n_active == 16
    assert (both.transform(xs).toarray() == np.hstack([sparse.transform(xs).toarray()] * 2)).all()
    mixed = concatenate(dense, sparse)
    assert not mixed.sparse
    assert (mixed.transform(xs) == np.hstack([dense.transform(xs), sparse.transform(xs).toarray()])).all()
    scales = np.concatenate([dense.step_scales, np.ones(648)])
    assert (mixed.step_scales == scales).all()


def test_a_hashed_tile_that_comes_twice_counts_twice_when_spread():
    dense, hashed = Fourier(order=0, **CAR), TileCoding(tilings=8, tiles=(8, 8), size=8, **CAR)
    xs = np.random.default_rng(0).uniform((-1.2, -0.07), (0.5, 0.07), (50, 2))
    expected = np.stack([np.bincount(row, minlength=8) for row in hashed.encode(xs)])
    assert expected.max() > 1
    assert (concatenate(dense, hashed).transform(xs)[:, 1:] == expected).all()
    assert (hashed.transform(xs).toarray() == expected).all()


def test_features_of_different_observations_do_not_concatenate():
    with pytest.raises(ConfigError, match=r"TileCoding is made for vectors of 2 numbers, OneHot for 4 states"):
        concatenate(OneHot(n=4), TileCoding(tiles=(8, 8), **CAR))
