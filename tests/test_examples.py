"""Every example runs, prints its result, and leaves a picture and a TensorBoard run."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rlkit import bellman

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("[0-9][0-9]_*.py"))
GRIDS = json.loads((ROOT / "tests/reference/grids.json").read_text())


@pytest.fixture
def run(tmp_path, capsys):
    """Run an example by its number, into a folder of the test's own; return what its main returned."""

    def run(number, **arguments):
        path = next(path for path in EXAMPLES if path.name.startswith(number))
        found = runpy.run_path(str(path))["main"](tmp_path / "out", **arguments)
        printed = capsys.readouterr().out.splitlines()
        assert len(printed) == 2
        assert printed[1].startswith(str(tmp_path / "out"))
        assert list((tmp_path / "out").glob("*.png"))
        assert list((tmp_path / "out").rglob("events.out.tfevents.*"))
        return found

    return run


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_short(path):
    assert len(path.read_text().splitlines()) <= 62


def test_01_solves_the_drawing_within_the_bound_it_tells(run):
    solution = run("01")
    exact = bellman.solve(solution.model, 0.95, tol=1e-12)
    assert np.abs(solution.v - exact.v).max() <= solution.error_bound <= 1e-8


def test_02_reproduces_the_books_values_and_the_invariance(run):
    answers = run("02")
    published = {
        "gamma 0.9": "zhao_g0.9_rf-1",
        "gamma 0.5": "zhao_g0.5_rf-1",
        "gamma 0": "zhao_g0_rf-1",
        "gamma 0.9, forbidden -10": "zhao_g0.9_rf-10",
    }
    for title, name in published.items():
        np.testing.assert_allclose(answers[title].v, np.ravel(GRIDS[name]), atol=1e-8)
    scaled = answers["gamma 0.9, 2 r + 1"]
    np.testing.assert_allclose(scaled.v, 2.0 * np.ravel(GRIDS["zhao_g0.9_rf-1"]) + 10.0, atol=1e-7)
    assert np.array_equal(scaled.policy, answers["gamma 0.9"].policy)


def test_03_makes_the_same_world_in_three_ways(run):
    first, *others = run("03")
    assert len(others) == 2
    for other in others:
        np.testing.assert_allclose(other.v, first.v, atol=2e-8)


def test_04_learns_what_the_bellman_equation_says(run):
    assert run("04") < 1e-3


def test_05_subclasses_an_agent_that_learns(run):
    assert run("05") < 0.02


def test_06_earns_what_the_exact_solution_promises(run):
    exact, mean = run("06")
    assert exact == pytest.approx(0.5420, abs=1e-4)
    assert mean == pytest.approx(exact, abs=4 * 0.014)


def test_07_converges_where_td_diverges(run):
    last = run("07")
    assert last["TDC"] < 1e-3  # in the long run 5.4e-5
    assert last["TDRC"] < 0.1  # over 100 seeds the median is 1.1e-3


def test_08_earns_more_than_chance_in_no_time(run):
    assert run("08", steps=2500) > 50  # acting at random earns 22; seeds 0-7 earned 69 to 276


def test_09_drives_out_of_the_valley(run):
    assert run("09", steps=100_000) < 200  # over seeds 0 to 19: 105, sd 6; at random it takes thousands


def test_10_swings_the_pendulum_up(run):
    assert run("10", steps=4000) > -400  # over seeds 0 to 5: -172 to -236; doing nothing gets about -1200


def test_11_compares_both_critics_with_the_truth(run):
    assert set(run("11", steps=1500)) == {"DDPG", "SmoothedDDPG"}


def test_12_goes_through_the_maze(run):
    # over seeds 0 to 19, 18 bring all 10 runs to the goal, on ways 1.1 to 1.2 times as long; two bring none
    ended, stretch = max(run("12", seed=seed) for seed in (0, 1))
    assert ended >= 5
    assert 1.0 - 1e-6 <= stretch < 1.5


def test_13_nears_the_riccati_optimum(run):
    assert run("13", steps=3000) < 10


def test_an_example_is_a_script_with_a_folder_to_choose(tmp_path):
    command = [sys.executable, str(EXAMPLES[0]), "--out", str(tmp_path / "mine")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "wrong by at most" in done.stdout
    assert (tmp_path / "mine/values.png").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
