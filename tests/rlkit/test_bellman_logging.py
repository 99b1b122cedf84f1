"""The curves in TensorBoard are those that the theory promises."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from PIL import Image

from rlkit.bellman import BellmanLogger, solve, value_iteration
from rlkit.envs import GridWorld
from rlkit.logger import Logger
from rlkit.plotting import heat_map

GAMMA = 0.9


def events(folder):
    """Every summary value of a run, as (tag, step, value)."""
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for raw in RawEventFileLoader(str(path)).Load():
            event = Event.FromString(raw)
            found += [(value.tag, event.step, value) for value in event.summary.value]
    return found


def scalars(folder, tag):
    return {step: value.simple_value for name, step, value in events(folder) if name == tag}


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """One recorded value iteration on Russell & Norvig's slippery 4x3: its folder, progress and solution."""
    folder = tmp_path_factory.mktemp("run")
    model = GridWorld.load("russell-norvig-4x3").model()
    seen = []
    with BellmanLogger(folder, model) as log:
        solution = value_iteration(model, GAMMA, callback=lambda progress: (log(progress), seen.append(progress)))
        log.finish(solution)
    return folder, seen, solution


def test_measured_contraction_never_exceeds_gamma(solved):
    folder, seen, solution = solved
    contraction = scalars(folder, "bellman/contraction")
    residual = scalars(folder, "bellman/residual")
    assert len(contraction) == len(seen) - 1 > 10
    for step, ratio in contraction.items():
        rounding = 8 * np.finfo(float).eps * np.abs(solution.v).max() / residual[step - 1]
        assert ratio <= GAMMA * (1 + 1e-6) + rounding


def test_every_iteration_is_in_the_event_file_and_in_the_table(solved):
    folder, seen, _ = solved
    bounds = scalars(folder, "bellman/error_bound")
    assert sorted(bounds) == [progress.iteration for progress in seen]
    assert bounds[len(seen)] == pytest.approx(seen[-1].error_bound)
    with (folder / "progress.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["bellman/residual"]) for row in rows] == [progress.residual for progress in seen]


def test_logged_bounds_hold_at_every_iteration(solved):
    _, seen, _ = solved
    exact = solve(GridWorld.load("russell-norvig-4x3").model(), GAMMA, tol=1e-13).v
    for progress in seen:
        assert np.abs(progress.v - exact).max() <= progress.error_bound + 1e-13


def test_value_pictures_come_at_log_spaced_iterations_and_at_the_last(solved):
    folder, seen, _ = solved
    steps = [step for tag, step, _ in events(folder) if tag == "bellman/values"]
    assert steps[:5] == [1, 2, 3, 5, 8]
    assert steps[-1] == len(seen)
    assert len(steps) < 20


def test_the_full_picture_is_there_once(solved):
    folder, _, _ = solved
    pictures = [value.image for tag, _, value in events(folder) if tag == "bellman/solution"]
    assert len(pictures) == 1
    shape = np.asarray(Image.open(io.BytesIO(pictures[0].encoded_image_string))).shape
    assert shape == (pictures[0].height, pictures[0].width, 3)


def test_a_passed_logger_stays_open(tmp_path):
    with Logger(tmp_path) as logger:
        with BellmanLogger(logger) as log:
            value_iteration(GridWorld.load("zhao-2x2").model(), GAMMA, callback=log)
        logger.scalar("after", 1.0, 1000)
    tags = {tag for tag, _, _ in events(tmp_path)}
    assert tags == {"bellman/residual", "bellman/contraction", "bellman/error_bound", "after"}


def test_the_heat_map_colours_cells_as_the_plots_do():
    model = GridWorld("S . #\n. . G").model()
    image = heat_map(model, [2.0, 3.0, 4.0, 6.0, 0.0], pixels=30)
    assert image.shape == (20, 30, 3)
    assert image[0, 0].tolist() == [0x44, 0x01, 0x54]  # viridis' lowest
    assert image[-1, 10].tolist() == [0xFD, 0xE7, 0x25]  # and highest
    assert image[0, -1].tolist() == [0x3A, 0x3F, 0x47]  # a wall
    assert image[-1, -1].tolist() == [0xE9, 0xEC, 0xEF]  # the end
    assert heat_map(model, [-1.0, 0.0, 0.0, 1.0, 0.0], pixels=3)[0, 0].tolist() == [0x67, 0x00, 0x1F]  # diverging


def test_the_heat_map_of_a_large_map_is_thinned_out():
    model = GridWorld(np.zeros((1000, 700), dtype=np.uint8), continuing=True).model()
    assert heat_map(model, np.arange(700_000.0), pixels=400).shape == (334, 234, 3)
