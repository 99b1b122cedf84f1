"""The grid model is the MDP that its layout says, and its values are proven."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlkit.bellman import solve
from rlkit.bellman.model import Sweeps
from rlkit.envs.gridworld.cells import DEFAULT_LEGEND
from rlkit.envs.gridworld.kernels import large, tiles
from rlkit.envs.gridworld.layout import GridMap, Layout
from rlkit.envs.gridworld.model import GridModel
from rlkit.envs.gridworld.rules import PRESETS, Rules
from rlkit.envs.gridworld.solver import LargeGrid, SmallGrid
from tests.envs import grids

SEEDS = st.integers(0, 10**6)
GAMMAS = st.sampled_from([0.0, 0.5, 0.9, 0.99])
REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "grids.json").read_text())


def tiled(model: GridModel, gamma: float) -> Sweeps:
    return LargeGrid(model.ground).solve(gamma, tol=1e-8, max_sweeps=10**6)


def model_of(layout: Layout, small: int) -> GridModel:
    """Make a model that lists grids of up to `small` cells; its way is chosen on first use."""
    model = GridModel(layout)
    with mock.patch("rlkit.envs.gridworld.model._SMALL", small):
        assert (model._listed is None) == (small == 0)
    return model


def zhao(**rules: float) -> GridModel:
    rows = [".....", ".XX..", "..X..", ".XGX.", ".X..."]
    codes = np.array([[".#SGXH".index(character) for character in row] for row in rows], dtype=np.uint8)
    return GridModel(Layout(GridMap(codes, DEFAULT_LEGEND), Rules(**{**PRESETS["zhao"], **rules})))


@pytest.mark.parametrize("small", [0, 4096])
@given(SEEDS, GAMMAS)
def test_action_values_are_those_of_the_layout(small: int, seed: int, gamma: float) -> None:
    layout = grids.random_layout(seed)
    mdp, model = grids.dense(layout), model_of(layout, small)
    v = np.where(mdp.terminal, 0.0, np.random.default_rng(seed).normal(size=model.n_states))
    q = mdp.rewards + gamma * mdp.transitions @ v
    q[mdp.terminal] = 0.0
    np.testing.assert_allclose(model.q_from_v(v, gamma), q, atol=1e-12)
    np.testing.assert_allclose(model.backup(v, gamma), q.max(axis=1), atol=1e-12)
    np.testing.assert_array_equal(model.greedy(v, gamma), model.q_from_v(v, gamma).argmax(axis=1))
    change = (q.max(axis=1) - v)[~mdp.terminal]
    low_high = (change.min(), change.max()) if len(change) else (0.0, 0.0)
    np.testing.assert_allclose(model.residual(v, gamma), low_high, atol=1e-12)


@pytest.mark.parametrize("small", [0, 4096])
@given(SEEDS, GAMMAS)
def test_values_and_policies_have_the_bits_of_action_values(small: int, seed: int, gamma: float) -> None:
    model = model_of(grids.random_layout(seed, plain=True), small)
    v = np.round(np.random.default_rng(seed).normal(size=model.n_states), 1)  # many ties
    q = model.q_from_v(v, gamma)
    np.testing.assert_array_equal(model.backup(v, gamma), q.max(axis=1))
    np.testing.assert_array_equal(model.greedy(v, gamma), q.argmax(axis=1))


@given(SEEDS, GAMMAS)
def test_the_error_is_within_its_proven_bound_and_the_bound_within_tol(seed: int, gamma: float) -> None:
    layout = grids.random_layout(seed)
    found = GridModel(layout).optimal_values(gamma, tol=1e-8, max_sweeps=10**6)
    error = np.abs(found.v - grids.optimal_values(grids.dense(layout), gamma)).max()
    assert found.error_bound <= 1e-8
    assert error <= found.error_bound + 1e-11


@given(SEEDS, GAMMAS)
def test_tiles_give_the_same_values_as_lists_and_always_the_same_bits(seed: int, gamma: float) -> None:
    model = GridModel(grids.random_layout(seed, side=80))
    found = tiled(model, gamma)
    assert np.array_equal(tiled(model, gamma).v, found.v)
    low, high = model.residual(found.v, gamma)
    apart = np.abs(SmallGrid(model).solve(gamma, tol=1e-8, max_sweeps=10**6).v - found.v).max()
    assert found.error_bound <= 1e-8
    assert max(high, -low) <= (1 + gamma) * found.error_bound + 1e-11
    assert apart <= 2e-8


@given(SEEDS)
def test_a_tile_rises_by_the_most_that_any_of_its_cells_does(seed: int) -> None:
    random = np.random.default_rng(seed)
    old = random.normal(size=tiles.SIZE)
    block = old.copy()
    block[random.integers(tiles.SIZE)] += 3.0
    expected = (block - old).max()
    assert large._rise(block, 0, old) == expected


@pytest.mark.parametrize(("gamma", "forbidden"), [(0.9, -1), (0.5, -1), (0, -1), (0.9, -10)])
def test_zhaos_grid_has_its_published_values(gamma: float, forbidden: float) -> None:
    found = zhao(forbidden_reward=float(forbidden)).optimal_values(gamma, tol=1e-10, max_sweeps=10**4)
    expected = np.array(REFERENCE[f"zhao_g{gamma}_rf{forbidden}"]).ravel()
    np.testing.assert_allclose(found.v, expected, atol=1e-9)


@given(SEEDS)
def test_the_matrix_is_that_of_the_layout(seed: int) -> None:
    layout = grids.random_layout(seed)
    mdp, model = grids.dense(layout), GridModel(layout)
    matrix = model.to_finite_mdp()
    acting = ~mdp.terminal
    shape = (model.n_states, model.n_actions, model.n_states)
    np.testing.assert_array_equal(matrix.terminal, mdp.terminal)
    np.testing.assert_allclose(matrix.transitions.toarray().reshape(shape)[acting], mdp.transitions[acting], atol=1e-15)
    np.testing.assert_allclose(matrix.rewards[acting], mdp.rewards[acting], atol=1e-12)


def test_states_and_cells_number_each_other() -> None:
    model = GridModel(grids.random_layout(3, side=20))
    for state in range(model.n_states):
        row, column = (int(place) for place in model.cells[state])
        assert model.state_of(row, column) == state
    with pytest.raises(IndexError, match="outside the"):
        model.state_of(-1, 0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (33, 65), (32, 64)])
def test_grids_of_any_shape_are_solved(shape: tuple[int, int]) -> None:
    codes = np.zeros(shape, dtype=np.uint8)
    codes[-1, -1] = grids.GOAL
    model = GridModel(Layout(GridMap(codes, DEFAULT_LEGEND), Rules(step_reward=-1.0, goal_reward=5.0)))
    away = np.add.outer(np.arange(shape[0])[::-1], np.arange(shape[1])[::-1]).ravel()  # steps to the goal
    expected = np.where(away > 0, 5.0 * 0.9 ** (away - 1.0) - 10.0 * (1.0 - 0.9 ** (away - 1.0)), 0.0)
    for solver in (SmallGrid(model), LargeGrid(model.ground)):
        found = solver.solve(0.9, tol=1e-9, max_sweeps=10**5)
        np.testing.assert_allclose(found.v, expected, atol=1e-9)


def test_walls_all_around_leave_what_bumping_is_worth() -> None:
    codes = np.full((70, 70), grids.WALL, dtype=np.uint8)
    codes[40, 40] = grids.FREE
    model = GridModel(Layout(GridMap(codes, DEFAULT_LEGEND), Rules(boundary_reward=-2.0)))
    np.testing.assert_allclose(model.optimal_values(0.9, tol=1e-9, max_sweeps=10**5).v, [-20.0], atol=1e-9)


def test_huge_rewards_are_solved_to_what_float64_can_resolve() -> None:
    model = zhao(forbidden_reward=-9e11, goal_reward=9e11)
    for solver in (SmallGrid(model), LargeGrid(model.ground)):
        found = solver.solve(0.9, tol=1e-8, max_sweeps=10**6)
        assert np.isfinite(found.v).all()
        assert 1e-8 < found.error_bound < 1.0
        np.testing.assert_allclose(found.v.max(), 9e12, rtol=1e-12)


def test_a_limit_on_sweeps_is_kept_and_the_bound_stays_true() -> None:
    model = GridModel(grids.random_layout(11, side=120, plain=True, slip=True))
    exact = model.optimal_values(0.99, tol=1e-9, max_sweeps=10**6)
    short = model.optimal_values(0.99, tol=1e-9, max_sweeps=12)
    assert short.iterations <= 12 + 8
    assert np.abs(short.v - exact.v).max() <= short.error_bound + 1e-9


def test_solving_takes_its_callback_along() -> None:
    seen: list[tuple[int, float]] = []
    for side in (20, 120):
        model = GridModel(grids.random_layout(5, side=side, plain=True, slip=True))
        model.optimal_values(
            0.9, tol=1e-8, max_sweeps=10**6, on_sweep=lambda count, v, low, high: seen.append((count, max(high, -low)))
        )
        assert seen[-1][1] < 1e-7
        seen.clear()


def test_five_by_five_is_solved_in_under_a_hundred_microseconds() -> None:
    model = zhao()
    solve(model, 0.9)
    seconds = []
    for _ in range(200):
        start = time.perf_counter()
        solve(model, 0.9)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 100e-6


@pytest.mark.slow
def test_ten_million_states_take_under_sixteen_bytes_each() -> None:
    script = """
import resource
import numpy as np
from rlkit.bellman import solve
from rlkit.envs.gridworld.cells import DEFAULT_LEGEND
from rlkit.envs.gridworld.layout import GridMap, Layout
from rlkit.envs.gridworld.model import GridModel
from rlkit.envs.gridworld.rules import PRESETS, Rules

def use(height, width):
    codes = np.zeros((height, width), dtype=np.uint8)
    codes[::3, ::2] = 4
    codes[height // 2, width // 2] = 3
    model = GridModel(Layout(GridMap(codes, DEFAULT_LEGEND), Rules(**PRESETS["zhao"])))
    solve(model, 0.9).policy
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

small = use(100, 100)
print((use(2500, 4000) - small) / 1e7)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 16
