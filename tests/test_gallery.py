"""The gallery's figures: the numbers of each are as published, within the spread of the runs; one command makes them.

A comparison says itself how far its two numbers may be apart: some 4 standard errors of the difference, from the spread
of the runs on our side and the number of runs on the other (`examples.gallery.against`), or rounding, where nothing is
drawn. All seeds are fixed.
"""

from __future__ import annotations

import csv
import importlib

import numpy as np
import pytest

import rlkit
from examples.gallery import (
    REFERENCE,
    Comparison,
    _repeated,
    against,
    equal,
    learner,
    names,
    near_median,
    once,
    sheet,
    sigmas,
)
from examples.gallery.__main__ import main, make, report
from rlkit.agents import LinearTD, OfflineLambdaReturn

QUICK = ("sb_7_2", "sb_11_2", "zhao_8_5", "zhao_8_6", "zhao_8_7")
PREDICTION = ("sb_6_2", "sb_9_1", "sb_9_2", "sb_9_5", "sb_9_10", "sb_11_5", "sb_11_6", "sb_12_3", "sb_12_6", "sb_12_8")


def check(comparisons):
    for comparison in comparisons:
        assert comparison.within, comparison


@pytest.mark.parametrize("name", QUICK)
def test_a_tenth_of_the_runs_gives_the_published_numbers(name, tmp_path):
    comparisons = make(name, tmp_path, quick=True)
    assert comparisons
    check(comparisons)
    assert (tmp_path / f"{name}.png").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("name", [*PREDICTION, *QUICK, "zhao_8_8"])
def test_all_runs_give_the_published_numbers(name, tmp_path):
    check(make(name, tmp_path))


@pytest.mark.parametrize("name", names())
def test_a_figure_is_a_short_script_with_its_title_and_three_functions(name):
    script = importlib.import_module(f"examples.gallery.{name}")
    assert script.__doc__.startswith(("S&B, ", "Zhao, "))
    assert script.RUNS >= 1
    assert all(callable(getattr(script, function)) for function in ("measure", "draw", "compare"))
    assert len((REFERENCE.parents[2] / f"examples/gallery/{name}.py").read_text().splitlines()) <= 80


def test_one_command_makes_figures_a_table_and_a_file_of_numbers(tmp_path, capsys):
    assert main(("zhao_8_6",), tmp_path, quick=True) == 0
    assert "3 of 3 numbers are as published" in capsys.readouterr().out
    with (tmp_path / "numbers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["figure"] for row in rows] == ["zhao_8_6"] * 3
    assert float(rows[2]["here"]) == pytest.approx(0.04)


def test_a_name_that_is_no_figure_is_refused_with_those_there_are(tmp_path, capsys):
    assert main(("sb_99",), tmp_path) == 2
    assert capsys.readouterr().err.startswith("gallery: no figure sb_99; there are sb_6_2 ")


def test_spreads_are_four_standard_errors_more_where_few_runs_tell_the_standard_deviation():
    values = np.repeat([1.0, 3.0], 500)  # sd of the sample: sqrt(1000 / 999)
    error = np.sqrt(1000 / 999 * (1 / 1000 + 1 / 250))
    assert against("mean", values, 2.5, runs=250)[1:] == pytest.approx((2.0, 2.5, 4 * error), rel=6e-3)
    assert once("value", values, 2.0).spread == pytest.approx(4.0, rel=6e-3)
    assert sigmas(2) > sigmas(5) > 10  # Student's t
    assert near_median("median", np.arange(101.0), 50.0, runs=101)[1:3] == (50.0, 50.0)
    assert equal("exact", 1.0, 1.0 + 1e-9).within
    assert not equal("not exact", 1.0, 1.0 + 1e-7).within


def test_a_comparison_that_could_not_fail_does_not_count_as_agreement(tmp_path, capsys):
    wide, narrow = Comparison("wide", 10.8, 35.0, 79.0), Comparison("narrow", 1.0, 1.1, 0.2)
    assert report([("figure", wide), ("figure", narrow)], tmp_path) == 0
    said = capsys.readouterr().out
    assert "1 of 2 numbers are as published" in said
    assert "1 cannot tell" in said
    assert Comparison("rounded", 0.04, 0.0, 0.05).tells


@pytest.mark.parametrize("kind", [LinearTD, OfflineLambdaReturn])
def test_repeated_runs_note_the_errors_that_training_alone_gives(kind):
    found = _repeated.errors(kind, "rlkit/RandomWalk19-v0", [{"learning_rate": 0.3}], runs=2, episodes=4)
    assert found.shape == (1, 2, 4)
    exact = np.arange(-18, 20, 2) / 20
    alone = rlkit.train_many(
        learner(kind, "rlkit/RandomWalk19-v0", gamma=1.0, learning_rate=0.3),
        [0],
        episodes=4,
        every=1,
        record=lambda agent: np.sqrt(((agent.w[1:-1] - exact) ** 2).mean()),
    )
    np.testing.assert_allclose(found[0, 0], alone.records[0, 1:], rtol=1e-12)
    if kind is LinearTD:  # which, beginning anew, learns the last state's reward only: 0.3 of -1 or 1
        first = np.sqrt(((exact[:-1] ** 2).sum() + 0.6**2) / 19)
        np.testing.assert_allclose(found[0, :, 0], first, rtol=1e-12)
        assert np.abs(found[0, 1] - found[0, 0]).max() > 0  # on other episodes


def test_a_sheet_has_a_panel_for_each_row_and_column():
    figure, panels = sheet("title", 2, 3)
    assert len(panels) == len(figure.axes) == 6
