"""The grid model is the MDP that its layout says, and its values are proven."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlkit.bellman.model import Sweeps
from rlkit.envs.gridworld.cells import DEFAULT_LEGEND
from rlkit.envs.gridworld.layout import GridMap, Layout
from rlkit.envs.gridworld.model import GridModel
from rlkit.envs.gridworld.rules import PRESETS, Rules
from rlkit.envs.gridworld.solver import LargeGrid, SmallGrid
from tests.envs import grids

SEEDS = st.integers(0, 10**6)
GAMMAS = st.sampled_from([0.0, 0.5, 0.9, 0.99])
REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "grids.json").read_text())


def tiled(model: GridModel, gamma: float) -> Sweeps:
    return LargeGrid(model).solve(gamma, tol=1e-8, max_sweeps=10**6)


def zhao(**rules: float) -> GridModel:
    rows = [".....", ".XX..", "..X..", ".XGX.", ".X..."]
    codes = np.array([[".#SGXH".index(character) for character in row] for row in rows], dtype=np.uint8)
    return GridModel(Layout(GridMap(codes, DEFAULT_LEGEND), Rules(**{**PRESETS["zhao"], **rules})))


@given(SEEDS, GAMMAS)
def test_action_values_are_those_of_the_layout(seed: int, gamma: float) -> None:
    layout = grids.random_layout(seed)
    mdp, model = grids.dense(layout), GridModel(layout)
    v = np.where(mdp.terminal, 0.0, np.random.default_rng(seed).normal(size=model.n_states))
    q = mdp.rewards + gamma * mdp.transitions @ v
    q[mdp.terminal] = 0.0
    np.testing.assert_allclose(model.q_from_v(v, gamma), q, atol=1e-12)
    np.testing.assert_allclose(model.backup(v, gamma), q.max(axis=1), atol=1e-12)
    np.testing.assert_array_equal(model.greedy(v, gamma), model.q_from_v(v, gamma).argmax(axis=1))
    change = (q.max(axis=1) - v)[~mdp.terminal]
    low_high = (change.min(), change.max()) if len(change) else (0.0, 0.0)
    np.testing.assert_allclose(model.residual(v, gamma), low_high, atol=1e-12)


@given(SEEDS, GAMMAS)
def test_sweeping_row_by_row_gives_the_bits_of_action_values(seed: int, gamma: float) -> None:
    model = GridModel(grids.random_layout(seed, plain=True))
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


@pytest.mark.parametrize(("gamma", "forbidden"), [(0.9, -1), (0.5, -1), (0, -1), (0.9, -10)])
def test_zhaos_grid_has_its_published_values(gamma: float, forbidden: float) -> None:
    found = zhao(forbidden_reward=float(forbidden)).optimal_values(gamma, tol=1e-10, max_sweeps=10**4)
    expected = np.array(REFERENCE[f"zhao_g{gamma}_rf{forbidden}"]).ravel()
    np.testing.assert_allclose(found.v, expected, atol=1e-9)
