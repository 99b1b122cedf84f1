"""Aggregates and their intervals: against figures worked by hand, exact coverage, and rliable's own numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from rlkit.errors import ConfigError
from rlkit.report import (
    bootstrap,
    interquartile_mean,
    mean_score,
    median_score,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)
from rlkit.report.analysis import COVERED, ENOUGH
from rlkit.report.statistics import interval, resample

STATISTICS = {each.__name__: each for each in (interquartile_mean, mean_score, median_score, optimality_gap)}
SCORES = np.array([[0.0, 1.0], [0.2, 3.0], [0.4, 0.6], [9.0, 0.8]])  # [N, M]; sorted 0 .2 .4 .6 .8 1 3 9


@pytest.fixture(scope="module")
def rliable():
    """What rliable 1.2.0 makes of some scores; `make_rliable.py` beside it says how that was recorded."""
    recorded = json.loads((Path(__file__).parents[1] / "reference" / "rliable.json").read_text(encoding="utf-8"))
    assert recorded["_versions"]["rliable"] == "1.2.0"
    return recorded


def coverage(draw, true, runs, *, trials, statistic=interquartile_mean, tasks=1):
    """How often an interval from so many runs holds the true value; fifty experiments share their draws."""
    rng, hits = np.random.default_rng(7), 0
    for seed in range(trials // 50):
        found = bootstrap(statistic, draw(rng, (50, runs, tasks)), reps=800, seed=seed)
        hits += int(((found.low <= true) & (true <= found.high)).sum())
    return hits / trials


def normal(rng, shape):
    return rng.normal(size=shape)


# figures worked by hand


def test_the_interquartile_mean_is_that_of_the_middle_half():
    assert interquartile_mean(SCORES) == pytest.approx((0.4 + 0.6 + 0.8 + 1.0) / 4)


def test_the_quarter_that_an_interquartile_mean_leaves_out_is_rounded_down():
    assert interquartile_mean(np.array([[0.0], [1.0], [100.0]])) == pytest.approx(101 / 3)
    assert interquartile_mean(np.array([[0.0], [1.0], [2.0], [3.0], [100.0]])) == pytest.approx(2.0)


def test_the_median_is_over_tasks_of_means_over_runs():
    scores = np.array([[0.0, 1.0, 5.0], [2.0, 5.0, 5.0]])
    assert median_score(scores) == 3.0


def test_the_mean_is_over_all_scores():
    assert mean_score(SCORES) == pytest.approx(15 / 8)


def test_the_optimality_gap_counts_nothing_above_the_target():
    assert optimality_gap(SCORES) == pytest.approx(1 - (0 + 0.2 + 0.4 + 0.6 + 0.8 + 1 + 1 + 1) / 8)
    assert optimality_gap(SCORES, target=0.4) == pytest.approx(0.4 - (0 + 0.2 + 6 * 0.4) / 8)


def test_a_profile_is_the_share_of_scores_above_each_threshold_and_not_of_those_that_equal_it():
    found = performance_profile(SCORES, np.array([-1.0, 0.0, 0.5, 3.0, 9.0]))
    assert found.tolist() == [1.0, 7 / 8, 5 / 8, 1 / 8, 0.0]


def test_the_probability_of_improvement_counts_equal_scores_as_half_and_averages_tasks():
    x = np.array([[1.0, 0.0], [2.0, 0.0]])
    y = np.array([[1.0, 5.0], [0.0, 5.0], [3.0, 5.0]])
    of_the_first_task = (0.5 + 1 + 0 + 1 + 1 + 0) / 6
    assert probability_of_improvement(x, y) == pytest.approx(of_the_first_task / 2)
    assert probability_of_improvement(x, y) + probability_of_improvement(y, x) == pytest.approx(1.0)


@pytest.mark.parametrize("statistic", STATISTICS.values(), ids=STATISTICS)
def test_a_statistic_of_many_arrays_is_that_of_each(statistic):
    many = np.random.default_rng(0).normal(size=(3, 2, 6, 4))
    found = statistic(many)
    assert found.shape == (3, 2)
    assert found[2, 1] == pytest.approx(float(statistic(many[2, 1])), abs=1e-15)


def test_the_interval_of_two_runs_is_from_the_worse_to_the_better():
    """Of two runs, a bootstrap sample is the worse one twice with probability 1/4, more than the tail's 2.5 %."""
    assert bootstrap(mean_score, [[0.0], [4.0]]) == (2.0, 0.0, 4.0)


def test_the_interval_of_two_runs_at_half_the_confidence_is_their_mean_alone():
    """The sample mean is 0, 2 and 4 with probabilities 1/4, 1/2 and 1/4; the tails of 30 % end inside the 2."""
    assert bootstrap(mean_score, [[0.0], [4.0]], confidence=0.4) == (2.0, 2.0, 2.0)


def test_tasks_are_drawn_from_on_their_own():
    """A sample of either task is 0 with probability 1/4, of both 1/16: less than a tail of 10 %, which ends at 1.

    Were both drawn together, both would be 0 in 1/4 of samples, and the interval from 0 to 4.
    """
    assert bootstrap(mean_score, [[0.0, 0.0], [4.0, 4.0]], confidence=0.8) == (2.0, 1.0, 3.0)


def test_a_run_is_drawn_with_all_its_points_in_time():
    """Points that differ by a constant have intervals that differ by it, to rounding."""
    runs = np.random.default_rng(0).normal(size=(5, 2))
    found = bootstrap(interquartile_mean, np.stack([runs, runs + 7.0]))
    assert found.low[1] - found.low[0] == pytest.approx(7.0, abs=1e-12)
    assert found.high[1] - found.high[0] == pytest.approx(7.0, abs=1e-12)


def test_a_single_run_has_no_interval():
    found = bootstrap(mean_score, [[1.0, 2.0]])
    assert found.value == 1.5
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_two_samples_of_which_one_is_a_single_run_have_no_interval():
    found = bootstrap(probability_of_improvement, [[1.0]], [[0.0], [2.0]])
    assert found.value == 0.5
    assert math.isnan(found.low)


def test_a_seed_gives_the_same_interval_to_the_bit_and_another_one_a_different_one():
    scores = np.random.default_rng(1).normal(size=(4, 10, 5))
    first, again, other = (bootstrap(interquartile_mean, scores, reps=300, seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first.low, other.low)


def test_a_bootstrap_writes_to_no_score():
    scores = np.random.default_rng(1).normal(size=(10, 5))
    before = scores.copy()
    bootstrap(interquartile_mean, scores, reps=50)
    assert np.array_equal(scores, before)


def test_a_wider_confidence_holds_the_narrower_one():
    scores = np.random.default_rng(1).normal(size=(10, 5))
    narrow, wide = (bootstrap(interquartile_mean, scores, confidence=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


@pytest.mark.parametrize(
    ("scores", "settings", "message"),
    [
        ([1.0, 2.0], {}, r"shape \(2,\)"),
        (np.empty((0, 3)), {}, r"shape \(0, 3\)"),
        ([[1.0], [np.nan]], {}, "not finite"),
        ([[1.0], [2.0]], {"confidence": 1.0}, "confidence=1.0"),
        ([[1.0], [2.0]], {"reps": 0}, "reps"),
    ],
)
def test_what_no_interval_can_be_worked_out_from_is_refused(scores, settings, message):
    with pytest.raises(ConfigError, match=message):
        bootstrap(mean_score, scores, **settings)


# rliable's numbers


@pytest.mark.parametrize("name", STATISTICS)
def test_aggregates_are_rliables(rliable, name):
    assert STATISTICS[name](np.array(rliable["x"])) == pytest.approx(rliable["statistics"][name]["value"], abs=1e-14)


@pytest.mark.parametrize("name", STATISTICS)
def test_the_interval_of_the_same_draws_is_rliables(rliable, name):
    recorded = rliable["statistics"][name]
    drawn = STATISTICS[name](resample(np.array(rliable["x"]), np.array(recorded["rows"])[:, 0]))
    assert interval(drawn, 0.95) == pytest.approx(recorded["interval"], abs=1e-14)


def test_the_probability_of_improvement_and_its_interval_of_the_same_draws_are_rliables(rliable):
    x, y, recorded = np.array(rliable["x"]), np.array(rliable["y"]), rliable["probability_of_improvement"]
    assert probability_of_improvement(x, y) == pytest.approx(recorded["value"], abs=1e-14)
    rows = [np.array([each[which] for each in recorded["rows"]]) for which in (0, 1)]
    drawn = probability_of_improvement(resample(x, rows[0]), resample(y, rows[1]))
    assert interval(drawn, 0.95) == pytest.approx(recorded["interval"], abs=1e-14)


def test_profiles_are_rliables(rliable):
    found = performance_profile(np.array(rliable["x"]), np.array(rliable["thresholds"]))
    assert found == pytest.approx(rliable["profile"], abs=1e-14)


def test_sample_efficiency_curves_are_rliables(rliable):
    by_step = np.moveaxis(np.array(rliable["curves"]), -1, 0)  # [T, N, M]
    assert interquartile_mean(by_step) == pytest.approx(rliable["curves_interquartile_mean"], abs=1e-14)


def test_an_interval_of_our_own_draws_is_rliables_as_far_as_draws_tell(rliable):
    """Each bound of 2,000 draws has the spread that is seen over 40 seeds; rliable's of 20,000 a tenth of its variance.

    So their difference has 1.05 times the spread, and exceeds five of them once in a million. 0.002, a fifth of the
    digit that scores are rounded to, is for where few distinct values make the spread vanish.
    """
    bounds = np.array([bootstrap(interquartile_mean, rliable["x"], seed=seed)[1:] for seed in range(40)])  # [40, 2]
    allowed = 5 * 1.05 * bounds.std(axis=0, ddof=1) + 0.002
    assert np.all(np.abs(bounds[0] - rliable["interquartile_mean_interval_of_20000"]) < allowed)


# how often intervals hold the truth


@pytest.mark.parametrize(("runs", "exact"), [(2, 1 / 2), (3, 3 / 4), (4, 7 / 8)])
@pytest.mark.parametrize("draw", [normal, lambda rng, shape: rng.uniform(-1, 1, size=shape)], ids=["normal", "uniform"])
def test_intervals_of_very_few_runs_hold_the_truth_exactly_as_often_as_their_range_does(draw, runs, exact):
    """Of up to four runs, the worst alone makes up more than 2.5 % of samples (1/4, 1/27, 13/256).

    So the interval is the whole range, which misses a symmetric distribution's centre with probability 2 / 2^N.
    The bound is four binomial standard deviations.
    """
    trials = 1000
    found = coverage(draw, 0.0, runs, trials=trials)
    assert abs(found - exact) < 4 * math.sqrt(exact * (1 - exact) / trials)


@pytest.mark.parametrize("runs", [5, 8])
def test_intervals_of_few_runs_hold_the_truth_as_often_as_a_report_says(runs):
    """Four binomial standard deviations, the rounding of what it says, and 1 % for draws that experiments share."""
    said, trials = COVERED[runs] / 100, 1000
    found = coverage(normal, 0.0, runs, trials=trials)
    assert abs(found - said) < 4 * math.sqrt(said * (1 - said) / trials) + 0.015


def test_intervals_of_as_many_runs_as_are_advised_on_five_tasks_hold_the_truth_about_as_often_as_they_claim():
    """A percentile interval's known shortfall at N = 10 is a factor sqrt(9/10) in width: 93.7 % instead of 95 %.

    Four binomial standard deviations and 1 % for draws that experiments share.
    """
    trials = 800
    found = coverage(normal, 0.0, ENOUGH, trials=trials, tasks=5)
    assert abs(found - 0.937) < 4 * math.sqrt(0.937 * 0.063 / trials) + 0.01


def test_intervals_of_the_probability_of_improvement_hold_the_truth_about_as_often_as_they_claim():
    """Normal scores half a deviation apart: P(X > Y) = Phi(0.5 / sqrt 2) = 0.638; bounds as above."""
    rng, trials, hits = np.random.default_rng(3), 400, 0
    true = 0.5 * (1 + math.erf(0.5 / 2))
    for seed in range(trials):
        found = bootstrap(
            probability_of_improvement, rng.normal(0.5, 1, (10, 1)), rng.normal(0, 1, (10, 1)), reps=300, seed=seed
        )
        hits += found.low <= true <= found.high
    assert abs(hits / trials - 0.937) < 4 * math.sqrt(0.937 * 0.063 / trials) + 0.01
