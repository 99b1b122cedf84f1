from __future__ import annotations

import csv
import errno
import os
import subprocess
import sys

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from rlkit.crc32c import crc32c
from rlkit.logger import Logger, encode_gif, format_table


def events(folder):
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    found.Reload()
    return found


def table(folder):
    with (folder / "progress.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_checksum_is_the_published_one():
    # RFC 3720, appendix B.4, and the customary check value
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43


def test_scalars_reach_tensorboard_and_the_table(tmp_path):
    with Logger(tmp_path) as logger:
        for step in range(1, 4):
            logger.scalar("a/x", step / 3, step)
            logger.scalar("a/y", -step, step)
    assert [(e.step, e.value) for e in events(tmp_path).Scalars("a/x")] == [
        (step, pytest.approx(step / 3, rel=1e-7)) for step in (1, 2, 3)
    ]
    assert [(row["step"], float(row["a/x"]), float(row["a/y"])) for row in table(tmp_path)] == [
        (str(step), step / 3, -step) for step in (1, 2, 3)
    ]


def test_a_new_name_widens_the_table_without_losing_a_row(tmp_path):
    with Logger(tmp_path) as logger:
        logger.scalars({"a": 1.0}, 1)
        logger.scalars({"a": 2.0, "b,": 3.0}, 2)
        logger.scalars({"b,": 4.0}, 3)
    assert table(tmp_path) == [
        {"step": "1", "a": "1.0", "b,": ""},
        {"step": "2", "a": "2.0", "b,": "3.0"},
        {"step": "3", "a": "", "b,": "4.0"},
    ]


def test_pictures_texts_and_animations_reach_tensorboard(tmp_path):
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[1, 2] = 255
    frames = [np.full((5, 5, 3), shade, np.uint8) for shade in (0, 128, 255)]
    with Logger(tmp_path) as logger:
        logger.image("picture", picture, 7)
        logger.gif("film", frames, 8)
        logger.text("notes", "*hello*", 9)
    found = events(tmp_path)
    (image,), (film,), (note,) = found.Images("picture"), found.Images("film"), found.Tensors("notes/text_summary")
    assert (image.step, image.width, image.height) == (7, 6, 4)
    assert image.encoded_image_string.startswith(b"\x89PNG")
    assert film.encoded_image_string == encode_gif(frames)
    assert film.encoded_image_string.startswith(b"GIF89a")
    assert note.tensor_proto.string_val == [b"*hello*"]


def test_hyperparameters_are_shown_under_the_run_itself(tmp_path):
    with Logger(tmp_path) as logger:
        logger.hparams({"rate": 0.1, "greedy": True, "sizes": (3, 4), "name": "x"}, ["a/x"])
    found = events(tmp_path)
    data = found.SummaryMetadata("_hparams_/session_start_info").plugin_data
    start = plugin_data_pb2.HParamsPluginData.FromString(data.content).session_start_info.hparams
    assert data.plugin_name == "hparams"
    assert (start["rate"].number_value, start["greedy"].bool_value, start["sizes"].string_value) == (
        0.1,
        True,
        "(3, 4)",
    )
    data = found.SummaryMetadata("_hparams_/experiment").plugin_data
    experiment = plugin_data_pb2.HParamsPluginData.FromString(data.content).experiment
    assert [info.name for info in experiment.hparam_infos] == ["rate", "greedy", "sizes", "name"]
    assert [info.name.tag for info in experiment.metric_infos] == ["a/x"]
    assert b"| rate | 0.1 |" in found.Tensors("config/text_summary")[0].tensor_proto.string_val[0]


def test_hyperparameters_within_another_are_named_by_both(tmp_path):
    with Logger(tmp_path) as logger:
        logger.hparams({"actor": {"layer_norm": True, "inner": {"depth": 2}}, "noise": None, "extra": {}})
    content = events(tmp_path).SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert set(start) == {"actor.layer_norm", "actor.inner.depth", "noise", "extra"}
    assert start["actor.layer_norm"].bool_value
    assert start["actor.inner.depth"].number_value == 2


def test_resuming_shows_each_step_once(tmp_path):
    with Logger(tmp_path) as logger:
        for step in range(1, 11):
            logger.scalar("x", step, step)
    with Logger(tmp_path, resume_from=6) as logger:
        for step in range(7, 9):
            logger.scalar("x", -step, step)
    expected = [1, 2, 3, 4, 5, 6, -7, -8]
    assert [event.value for event in events(tmp_path).Scalars("x")] == expected
    assert [float(row["x"]) for row in table(tmp_path)] == expected


def test_half_a_row_of_a_killed_process_is_dropped(tmp_path):
    with Logger(tmp_path) as logger:
        logger.scalars({"x": 1.0, "y": 2.0}, 1)
    with (tmp_path / "progress.csv").open("a") as stream:
        stream.write("2,1.")
    with Logger(tmp_path, resume_from=5) as logger:
        logger.scalars({"x": 3.0, "y": 4.0}, 6)
    assert [row["step"] for row in table(tmp_path)] == ["1", "6"]


def test_numbers_that_are_not_finite_are_logged_as_such(tmp_path):
    with Logger(tmp_path) as logger:
        logger.scalars({"x": float("nan"), "y": float("inf")}, 1)
    assert table(tmp_path) == [{"step": "1", "x": "nan", "y": "inf"}]
    assert events(tmp_path).Scalars("y")[0].value == float("inf")


def test_a_disk_that_fills_up_costs_one_warning_a_file_and_no_record_is_torn(tmp_path, monkeypatch):
    real, free = os.write, [200]

    def write(descriptor, data):
        taken = min(len(data), free[0])
        if not taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        free[0] -= taken
        return real(descriptor, data[:taken])

    logger = Logger(tmp_path)
    monkeypatch.setattr(os, "write", write)

    def log(steps):
        for step in steps:
            logger.scalar("x", step, step)
            logger.flush()

    with pytest.warns(UserWarning, match="No space left on device") as seen:
        log(range(1, 21))
    assert len(seen) == 2
    free[0] = 10**6  # somebody has tidied up
    logger.scalar("x", 21, 21)
    logger.close()
    assert [event.step for event in events(tmp_path).Scalars("x")] == list(range(1, 22))
    assert [int(row["step"]) for row in table(tmp_path)] == list(range(1, 22))


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Logger(None) as logger:
        logger.scalar("x", 1, 1)
        logger.image("p", np.zeros((2, 2, 3), np.uint8), 1)
        logger.text("t", "x")
        logger.hparams({"a": 1})
    assert not list(tmp_path.iterdir())


def test_the_console_shows_rows_as_sb3_does(tmp_path, capsys):
    with Logger(None, console=True) as logger:
        logger.scalars({"rollout/ep_rew_mean": -13.25, "time/fps": 1000.0}, 5)
    assert (
        capsys.readouterr().out == format_table({"rollout/ep_rew_mean": -13.25, "time/fps": 1000.0, "step": 5}) + "\n"
    )
    assert format_table({"a/b": 1.0, "a/long": -2.5, "step": 5}).splitlines() == [
        "------------------",
        "| a/      |      |",
        "|    b    | 1    |",
        "|    long | -2.5 |",
        "| step    | 5    |",
        "------------------",
    ]


def test_logging_needs_no_torch(tmp_path):
    code = f"""
import sys
from rlkit.logger import Logger
with Logger({str(tmp_path)!r}) as logger:
    logger.scalar("x", 1, 1)
    logger.hparams({{"a": 1}})
assert not {{"torch", "tensorflow", "matplotlib", "pandas"}} & set(sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
