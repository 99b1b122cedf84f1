"""Value iteration on a Ray cluster has one machine's answer within the bound it proves, whatever dies on the way."""

from __future__ import annotations

import json
import os
import signal
from unittest import mock

import numpy as np
import pytest

from rlkit.bellman import solve
from rlkit.checkpoint import archive
from rlkit.distributed import DistributedSolution, value_iteration
from rlkit.envs import GridWorld, Rules
from rlkit.envs.gridworld.cells import DEFAULT_LEGEND, Cell
from rlkit.envs.gridworld.layout import GridMap, Layout
from rlkit.envs.gridworld.model import GridModel
from rlkit.errors import CheckpointError, ConfigError, InvalidModel, MapError, NotConverged

pytestmark = pytest.mark.usefixtures("local_ray")
GAMMA = 0.99


def rooms(side: int = 90, **rules) -> GridModel:
    """Return a grid with walls here and there and slippery moves, whose values take many exchanges to get about."""
    codes = (np.random.default_rng(1).random((side, side)) < 0.2).astype(np.uint8)
    codes[0, 0], codes[side // 3, side // 2] = 2, 3
    return GridModel(Layout(GridMap(codes, DEFAULT_LEGEND), Rules(**{"step_reward": -1.0, "slip": 0.1, **rules})))


def special(side: int = 60) -> GridModel:
    """Return a grid with wind, a portal to the other block, a jump to this one, doors and slips of their own."""
    legend = (
        *DEFAULT_LEGEND,
        Cell(character="w", wind=(-2, 1)),
        Cell(character="P", kind="portal", to=(side - 2, 3)),
        Cell(character="J", kind="jump", to=(4, side - 3), reward=2.0),
        Cell(character="o", exits=("up", "left"), reward=-0.5),
        Cell(character="i", slip=0.4),
    )
    names = len(DEFAULT_LEGEND)
    codes = np.random.default_rng(2).choice(
        [0, 1, *range(names, names + 5)], size=(side, side), p=[0.6, 0.15, *[0.05] * 5]
    )
    codes[side - 2, 3] = codes[4, side - 3] = 0
    codes[0, 0], codes[side // 3, side // 2] = 2, 3
    return GridModel(Layout(GridMap(codes.astype(np.uint8), legend), Rules(step_reward=-0.1, slip=0.1)))


MAPS = {
    "no slip": lambda: rooms(slip=0.0),
    "continuing": lambda: rooms(continuing=True, boundary_reward=-2.0),
    "uniform slip in eight directions": lambda: rooms(moves=8, stay=True, slip=0.3, slip_kind="uniform"),
    "wind, portals, jumps and doors": special,
}


@pytest.fixture(scope="module")
def one_machine():
    return solve(rooms(), GAMMA)


def assert_same_answer(found: DistributedSolution, single) -> None:
    assert found.error_bound <= 1e-8
    assert np.abs(found.values() - single.v).max() <= found.error_bound + single.error_bound


class Kill:
    """Kills a worker with a signal that nothing survives, between two exchanges."""

    def __init__(self, *when: int) -> None:
        self.when, self.seen = when, []

    def __call__(self, exchange) -> None:
        self.seen.append(exchange)
        if exchange.number in self.when:
            os.kill(int(exchange.workers[exchange.number % 2].rsplit(":")[-1]), signal.SIGKILL)


def test_two_workers_have_one_machines_answer_to_the_bit_in_every_run_and_leave_files_to_read_it_from(
    tmp_path, one_machine
):
    found = value_iteration(rooms(), GAMMA, directory=tmp_path)
    assert_same_answer(found, one_machine)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["solution.json", "values_0000.npy", "values_0001.npy"]
    again = value_iteration(rooms(), GAMMA)
    np.testing.assert_array_equal(again.values(), found.values())
    read = DistributedSolution.open(tmp_path)
    assert (read.error_bound, read.n_states, read.rebuilt) == (found.error_bound, rooms().n_states, 0)
    edge = int(read.first_state[1])
    np.testing.assert_array_equal(read.values(edge - 5, edge + 5), found.values()[edge - 5 : edge + 5])
    np.testing.assert_array_equal(np.concatenate([read.block(0), read.block(1)]), found.values())
    with pytest.raises(ValueError, match="read-only"):
        read.block(0)[0] = 1.0


def test_wind_and_portals_lead_from_block_to_block():
    assert_same_answer(value_iteration(special(), GAMMA, sweeps_per_exchange=1), solve(special(), GAMMA))


@pytest.mark.slow
@pytest.mark.parametrize("sweeps", [1, 4, 16])
@pytest.mark.parametrize("name", MAPS)
def test_two_workers_have_one_machines_answer_however_often_they_exchange(name, sweeps):
    model = MAPS[name]()
    found = value_iteration(model, GAMMA, sweeps_per_exchange=sweeps, callback=Kill(2, 5))
    assert_same_answer(found, solve(model, GAMMA))
    assert found.rebuilt >= 1


def test_blocks_too_large_to_be_sent_along_with_a_call_are_built_again_too():
    model = rooms(500)  # Ray sends up to 100 KiB along, and keeps what is larger elsewhere: here 125 KB a block
    found = value_iteration(model, 0.9, tol=1e-6, sweeps_per_exchange=4, callback=Kill(2))
    assert found.rebuilt == 1
    assert np.abs(found.values() - solve(model, 0.9).v).max() <= found.error_bound + 1e-8


def test_what_cannot_be_built_is_said_as_it_is(tmp_path):
    np.save(tmp_path / "map.npy", np.zeros((20, 20), dtype=np.uint8))
    codes = np.load(tmp_path / "map.npy", mmap_mode="r")
    model = GridModel(Layout(GridMap(codes, DEFAULT_LEGEND), Rules()))
    parts = model.divide(2)
    (tmp_path / "map.npy").unlink()
    with mock.patch.object(GridModel, "divide", return_value=parts), pytest.raises(MapError, match="cannot be opened"):
        value_iteration(model, 0.9)


def test_the_answer_survives_that_both_workers_are_killed_in_mid_run(one_machine):
    kill = Kill(3, 6)
    found = value_iteration(rooms(), GAMMA, sweeps_per_exchange=4, callback=kill)
    assert_same_answer(found, one_machine)
    assert (found.rebuilt, kill.seen[-1].rebuilt) == (2, 2)
    assert len({worker for exchange in kill.seen for worker in exchange.workers}) == 4


def test_a_killed_workers_block_goes_on_from_its_checkpoint_unless_it_is_damaged(tmp_path, one_machine):
    class Stop(Exception):
        pass

    def stop(exchange):
        if exchange.number == 20:
            raise Stop

    arguments = {"sweeps_per_exchange": 8, "directory": tmp_path, "checkpoint_every": 1e-9}
    with pytest.raises(Stop):
        value_iteration(rooms(), GAMMA, callback=stop, **arguments)
    files = sorted(tmp_path.glob("block_*.npz"))
    assert [file.name for file in files] == ["block_0000.npz", "block_0001.npz"]
    _, (saved,) = archive.read(files[0])
    whole = value_iteration(rooms(), GAMMA, sweeps_per_exchange=8)
    damaged = bytearray(files[1].read_bytes())
    damaged[len(damaged) // 2] ^= 1
    files[1].write_bytes(damaged)
    found = value_iteration(rooms(), GAMMA, **arguments)
    assert_same_answer(found, one_machine)
    assert np.isfinite(saved).all()
    assert found.iterations < whole.iterations
    assert not list(tmp_path.glob("block_*.npz"))  # once there is an answer nobody needs them


def test_what_a_limit_leaves_undone_is_not_returned_as_if_it_were_done():
    with pytest.raises(NotConverged, match="above tol=1e-08") as caught:
        value_iteration(rooms(), GAMMA, blocks=1, max_iterations=5)
    found = caught.value.solution
    assert found.error_bound > 1e-8
    assert np.abs(found.values() - solve(rooms(), GAMMA).v).max() <= found.error_bound


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"gamma": 1.0}, r"gamma=1.0 is outside the range \[0, 1\)"),
        ({"gamma": -0.1}, "gamma=-0.1"),
        ({"tol": 0.0}, "tol=0.0"),
        ({"blocks": 0}, "blocks"),
        ({"blocks": 91}, r"blocks=91 is outside its range \[1, 90\]"),
        ({"sweeps_per_exchange": 0}, "sweeps_per_exchange"),
        ({"checkpoint_every": 0.0}, "checkpoint_every=0.0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, words):
    with pytest.raises(ConfigError, match=words):
        value_iteration(**{"model": rooms(), "gamma": 0.9, **arguments})


def test_what_cannot_be_divided_is_refused():
    from rlkit import FiniteMDP

    mdp = FiniteMDP.from_arrays(np.ones((1, 1, 1)), np.zeros((1, 1)))
    with pytest.raises(InvalidModel, match="a FiniteMDP cannot be solved in blocks"):
        value_iteration(mdp, 0.9)


def test_a_grid_world_stands_for_its_model():
    env = GridWorld("S . .\n. X .\n. . G")
    found = value_iteration(env, 0.9, blocks=3)
    np.testing.assert_allclose(found.values(), solve(env.model(), 0.9).v, atol=2e-8)


@pytest.mark.parametrize("facts", ["", "[]", "{}", '{"first_state": [0, "x"]}', '{"first_state": [0], "other": 1}'])
def test_a_folder_without_a_solution_is_refused(tmp_path, facts):
    (tmp_path / "solution.json").write_text(facts)
    with pytest.raises(CheckpointError, match="is no solution's"):
        DistributedSolution.open(tmp_path)


def test_values_that_are_not_what_was_written_are_refused(tmp_path):
    facts = {"first_state": [0, 3], "error_bound": 0.0, "gamma": 0.5, "iterations": 1}
    (tmp_path / "solution.json").write_text(json.dumps(facts))
    found = DistributedSolution.open(tmp_path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        found.block(0)
    np.save(tmp_path / "values_0000.npy", np.zeros(4))
    with pytest.raises(CheckpointError, match=r"holds \(4,\) float64, expected \(3,\) float64"):
        found.block(0)
