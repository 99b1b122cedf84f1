"""The shipped maps have the solutions that their books publish."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.toy_text.frozen_lake import MAPS as FROZEN_LAKES
from numpy.typing import NDArray

from rlkit.envs import GridWorld, PointMaze
from rlkit.envs.gridworld.drawing import check, read_toml, to_toml
from rlkit.envs.gridworld.layout import Layout
from rlkit.envs.gridworld.loading import settle_rules
from rlkit.envs.gridworld.maps import load_map, shipped_maps
from rlkit.errors import MapError

REFERENCE = Path(__file__).parents[1] / "reference"
GRIDS = json.loads((REFERENCE / "grids.json").read_text())
TD = json.loads((REFERENCE / "td.json").read_text())


class Solved:
    """A map as dense arrays, straight from its layout's landings: slow, short and independent of the solvers."""

    def __init__(self, name: str, **changes: Any) -> None:
        grid, own = load_map(name)
        self.layout = Layout(grid, settle_rules(None, own, changes))
        codes = grid.codes.ravel()
        self.cells = np.flatnonzero(self.layout.occupiable[codes])  # [S]
        landing, reward = self.layout.landings(self.cells)  # [S, D]
        self.terminal = self.layout.terminal[codes[self.cells]]  # [S]
        mixing = np.stack([self.layout.mixing(self.layout.slip[code]) for code in codes[self.cells]])  # [S, A, D]
        state_of = np.full(codes.size, -1)
        state_of[self.cells] = np.arange(len(self.cells))
        onward = np.eye(len(self.cells))[state_of[landing]]  # [S, D, S]
        alive = ~self.terminal
        self.p = np.einsum("sad,sdt->sat", mixing, onward) * alive[:, None, None]  # [S, A, S]
        self.r = np.einsum("sad,sd->sa", mixing, reward) * alive[:, None]  # [S, A]

    def optimal(self, gamma: float, epsilon: float = 0.0) -> NDArray[np.float64]:
        """Return the best values among epsilon-soft policies, by value iteration to rounding."""
        v = np.zeros(len(self.cells))
        for _ in range(100_000):
            q = self.r + gamma * self.p @ v  # [S, A]
            updated = (1 - epsilon) * q.max(axis=1) + epsilon * q.mean(axis=1)
            if np.abs(updated - v).max() < 1e-14 * max(1.0, np.abs(v).max()):
                return updated
            v = updated
        raise AssertionError("value iteration did not settle")

    def of_uniform_policy(self, gamma: float) -> NDArray[np.float64]:
        """Return the values of the policy that takes every action equally often, by one linear solve."""
        return np.linalg.solve(np.eye(len(self.cells)) - gamma * self.p.mean(axis=1), self.r.mean(axis=1))

    def start(self, values: NDArray[np.float64]) -> float:
        """Return the value of the only start cell."""
        kinds = [self.layout.grid.legend[code].kind for code in self.layout.grid.codes.ravel()[self.cells]]
        assert kinds.count("start") == 1
        return float(values[kinds.index("start")])

    def value_at(self, values: NDArray[np.float64], row: int, column: int) -> float:
        """Return the value of a cell."""
        return float(values[np.flatnonzero(self.cells == row * self.layout.shape[1] + column)[0]])


@pytest.mark.parametrize("name", shipped_maps())
def test_every_shipped_map_names_itself_its_source_and_passes_its_check(name: str) -> None:
    grid, own = load_map(name)
    check(grid, settle_rules(None, own, {}))
    assert grid.name == name
    first_line = (Path(__file__).parents[2] / "envs/gridworld/maps" / f"{name}.toml").read_text().splitlines()[0]
    assert first_line.startswith("# ")


@pytest.mark.parametrize("name", shipped_maps())
def test_every_shipped_map_survives_being_written_and_read(name: str) -> None:
    grid, own = load_map(name)
    rules = settle_rules(None, own, {})
    again, own_again = read_toml(to_toml(grid, rules))
    assert np.array_equal(again.codes, grid.codes)
    assert (again.legend, again.name) == (grid.legend, grid.name)
    assert settle_rules(None, own_again, {}) == rules


def test_a_name_that_no_map_has_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(MapError, match=r"no shipped map 'zhao-5x6'; did you mean 'zhao-5x5'\?"):
        load_map("zhao-5x6")


@pytest.mark.parametrize(
    ("key", "gamma", "forbidden"),
    [
        ("zhao_g0.9_rf-1", 0.9, -1),
        ("zhao_g0.5_rf-1", 0.5, -1),
        ("zhao_g0_rf-1", 0.0, -1),
        ("zhao_g0.9_rf-10", 0.9, -10),
    ],
)
def test_zhao_5x5_has_its_published_values(key: str, gamma: float, forbidden: float) -> None:
    world = Solved("zhao-5x5", forbidden_reward=forbidden)
    np.testing.assert_allclose(world.optimal(gamma).reshape(5, 5), GRIDS[key], atol=1e-12)


def test_zhao_5x5_has_its_published_values_under_the_uniform_policy() -> None:
    values = Solved("zhao-5x5").of_uniform_policy(0.9).reshape(5, 5)
    np.testing.assert_allclose(values[0], [-3.8, -3.8, -3.6, -3.1, -3.2], atol=0.05)
    np.testing.assert_allclose(values[4], [-4.5, -4.2, -3.4, -3.4, -3.5], atol=0.05)


def test_zhao_2x2_has_its_published_values() -> None:
    np.testing.assert_allclose(Solved("zhao-2x2").optimal(0.9), GRIDS["zhao_2x2"], atol=1e-12)


def test_sutton_barto_3_5_has_its_published_values() -> None:
    world = Solved("sutton-barto-3.5")
    np.testing.assert_allclose(world.optimal(0.9), GRIDS["sb_3.8_vstar"], atol=1e-12)
    np.testing.assert_allclose(world.of_uniform_policy(0.9), GRIDS["sb_3.5_vrandom"], atol=1e-12)


def test_sutton_barto_4_1_has_its_published_values() -> None:
    np.testing.assert_allclose(Solved("sutton-barto-4.1").of_uniform_policy(1.0), GRIDS["sb_4.1"], atol=1e-11)


def test_the_windy_grid_takes_15_steps_and_17_0483_when_every_tenth_is_random() -> None:
    world = Solved("sutton-barto-6.5")
    published = TD["cliff_windy_access_walk"]
    assert world.start(world.optimal(1.0)) == -published["windy_4_optimal_steps"]
    assert world.start(world.optimal(1.0, 0.1)) == pytest.approx(-published["windy_eps.1_best_epssoft_len"], abs=1e-9)


@pytest.mark.parametrize(
    ("stay", "key"), [(False, "windy_8king_optimal_steps"), (True, "windy_9king+stay_optimal_steps")]
)
def test_the_windy_grid_takes_7_king_s_moves(stay: bool, key: str) -> None:
    world = Solved("sutton-barto-6.5", moves=8, stay=stay)
    assert world.start(world.optimal(1.0)) == -TD["cliff_windy_access_walk"][key]


def test_the_cliff_costs_13_and_20_7077_when_every_tenth_step_is_random() -> None:
    world = Solved("sutton-barto-6.6")
    published = TD["cliff_windy_access_walk"]
    assert world.start(world.optimal(1.0)) == published["cliff_v*_start"]
    best = world.start(world.optimal(1.0, 0.1))
    assert best == pytest.approx(published["cliff_eps0.1_best_epssoft_start"], abs=1e-9)


def test_the_dyna_maze_takes_14_steps() -> None:
    world = Solved("sutton-barto-8.1")
    assert world.layout.shape == (6, 9)
    assert world.start(world.optimal(0.95)) == pytest.approx(0.95**13, abs=1e-14)


def test_russell_norvig_4x3_has_its_published_utilities() -> None:
    world = Solved("russell-norvig-4x3")
    values = world.optimal(1.0)
    for key, utility in GRIDS["rn_4x3"].items():
        column, row_from_below = map(int, key.strip("()").split(", "))
        if utility not in (1.0, -1.0):  # the exits, whose reward is paid on entering here
            assert world.value_at(values, 2 - row_from_below, column) == pytest.approx(utility, abs=1e-12)


def test_four_rooms_have_104_cells_joined_by_four_hallways_alone() -> None:
    world = Solved("four-rooms", slip=0.0)
    assert len(world.cells) == 104
    hallways = {(3, 6), (6, 2), (7, 9), (10, 6)}
    walled = world.layout.grid.codes.copy()
    for hallway in hallways:
        assert walled[hallway] != 1
        walled[hallway] = 1
    rooms = [
        (slice(1, 6), slice(1, 6)),
        (slice(1, 7), slice(7, 12)),
        (slice(7, 12), slice(1, 6)),
        (slice(8, 12), slice(7, 12)),
    ]
    for room in rooms:
        assert not walled[room].any()
        walled[room] = 1
    assert walled.all()


def test_four_rooms_without_slip_are_worth_the_discounted_shortest_way() -> None:
    world = Solved("four-rooms", slip=0.0)
    assert world.value_at(world.optimal(0.9), 1, 1) == pytest.approx(0.9 ** (14 - 1), abs=1e-14)  # 14 steps from (1, 1)


@pytest.mark.parametrize("size", ["4x4", "8x8"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9, 0.99, 0.999])
def test_frozen_lake_has_the_values_of_gymnasium_s_own_model(size: str, gamma: float) -> None:
    model = gymnasium.make("FrozenLake-v1", map_name=size, is_slippery=True).unwrapped.P  # type: ignore[attr-defined]
    v = np.zeros(len(model))
    for _ in range(100_000):
        q = [[sum(p * (r + gamma * v[t] * (not end)) for p, t, r, end in model[s][a]) for a in range(4)] for s in model]
        updated = np.max(q, axis=1)
        if np.abs(updated - v).max() < 1e-12 * (1 - gamma):
            break
        v = updated
    np.testing.assert_allclose(Solved(f"frozen-lake-{size}").optimal(gamma), v, atol=1e-11)


@pytest.mark.parametrize("size", ["4x4", "8x8"])
def test_frozen_lake_is_drawn_as_gymnasium_draws_it(size: str) -> None:
    grid, _ = load_map(f"frozen-lake-{size}")
    drawn = ["".join(grid.legend[code].character for code in row) for row in grid.codes]
    assert [row.replace(".", "F") for row in drawn] == FROZEN_LAKES[size]


@pytest.mark.parametrize("make", [GridWorld, PointMaze])
def test_a_misspelt_name_is_not_taken_for_a_drawing(make: Any) -> None:
    with pytest.raises(MapError, match=r"no shipped map 'sutton-barto-81'; did you mean 'sutton-barto-8\.1'\?"):
        make("sutton-barto-81")


def test_one_line_without_a_word_is_a_drawing_whatever_is_wrong_in_it() -> None:
    with pytest.raises(MapError, match="unknown character 'q'"):
        GridWorld("S.q.G")
