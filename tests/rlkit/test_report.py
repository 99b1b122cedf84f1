"""What a report says: methods, common steps, scores, scales, who is better, and every note it owes."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from rlkit.errors import ConfigError
from rlkit.report import bootstrap, interquartile_mean, optimality_gap, probability_of_improvement, read_runs, report
from tests.rlkit.report_runs import write_monitor, write_rows, write_run, write_seeds

GOOD, BAD = [0.5, 0.6, 0.7, 0.8, 0.9], [0.1, 0.3, 0.5, 0.65, 0.2]


@pytest.fixture
def two(tmp_path):
    """Two agents with five seeds each on one environment, of which `A` ends higher."""
    write_seeds(tmp_path / "a", GOOD, agent="A")
    write_seeds(tmp_path / "b", BAD, agent="B")
    return tmp_path


@pytest.fixture
def four(tmp_path):
    """Two agents on two environments, `Far` with scores up to 500."""
    for agent, finals in (("A", GOOD), ("B", BAD)):
        write_seeds(tmp_path / agent / "near", finals, agent=agent, env="Near")
        write_seeds(tmp_path / agent / "far", [500 * each for each in finals], agent=agent, env="Far")
    return tmp_path


def noted(found, *words):
    """Whether one of a report's notes has all these words."""
    return any(all(word in note for word in words) for note in found.notes)


# curves and scores


def test_a_learning_curve_is_the_interquartile_mean_of_the_seeds_at_each_step(two):
    curve = report(two).curve("eval/mean_reward", "A", "Lake-v1")
    assert curve.curve.steps.tolist() == [100.0, 200.0, 300.0]
    assert curve.estimate.value == pytest.approx([0.0, 0.35, 0.7])


def test_a_learning_curves_interval_is_the_bootstraps(two):
    found = report(two, reps=200, seed=5)
    curve = found.curve("eval/mean_reward", "B", "Lake-v1")
    expected = bootstrap(interquartile_mean, curve.curve.values.T[:, :, None], reps=200, seed=5)
    assert np.array_equal(curve.estimate.low, expected.low)
    assert np.array_equal(curve.estimate.high, expected.high)


def test_scores_are_those_where_the_runs_end(two):
    found = report(two)
    assert found.compared_at == {"Lake-v1": 300.0}
    assert found.scores["A", "Lake-v1"].tolist() == GOOD
    assert found.finals["A", "Lake-v1"].value == pytest.approx(0.7)
    assert (found.methods, found.environments) == (("A", "B"), ("Lake-v1",))


def test_runs_of_unequal_length_are_compared_where_the_first_ends_and_it_is_said(tmp_path):
    write_run(tmp_path / "long", [1.0, 2.0, 3.0, 4.0], seed=0)
    write_run(tmp_path / "short", [5.0, 6.0], seed=1)
    found = report(tmp_path)
    assert found.compared_at == {"Lake-v1": 200.0}
    assert found.scores["Q", "Lake-v1"].tolist() == [2.0, 6.0]
    assert noted(found, "compared at step 200", "short ends", "others go on to 400")


def test_runs_logged_at_different_steps_are_interpolated_linearly_and_it_is_said(tmp_path):
    write_run(tmp_path / "a", [0.0, 4.0], steps=[0, 400], seed=0)
    write_run(tmp_path / "b", [0.0, 1.0, 4.0], steps=[0, 100, 400], seed=1)
    found = report(tmp_path)
    curve = found.curve("eval/mean_reward", "Q", "Lake-v1").curve
    assert curve.at(100.0) == pytest.approx([1.0, 1.0], abs=0.02)  # a hundred points, and a line from each to the next
    assert curve.at(200.0) == pytest.approx([2.0, 2.0], abs=1e-9)
    assert noted(found, "logged at different steps", "linear")


def test_a_run_that_shares_no_step_with_the_others_is_left_out_and_named(tmp_path):
    write_run(tmp_path / "a", [1.0, 2.0], seed=0)
    write_run(tmp_path / "b", [1.0, 2.0], steps=[900, 1000], seed=1)
    found = report(tmp_path)
    assert len(found.scores["Q", "Lake-v1"]) == 1
    assert noted(found, "shares no step")


def test_a_run_without_the_metric_is_left_out_and_named(two):
    write_run(two / "c", [None, None, None], agent="A", seed=9)
    found = report(two)
    assert len(found.scores["A", "Lake-v1"]) == 5
    assert noted(found, "c: has not logged eval/mean_reward")


def test_a_single_seed_has_a_value_and_no_interval_and_it_is_said(tmp_path):
    write_run(tmp_path / "run", [0.5, 1.0])
    found = report(tmp_path)
    value, low, high = found.finals["Q", "Lake-v1"]
    assert value == 1.0
    assert np.isnan([low, high]).all()
    assert noted(found, "Q on Lake-v1", "single run", "no interval")


def test_few_seeds_are_said_to_have_intervals_that_are_too_narrow(two):
    assert noted(report(two), "with 5", "90 %")


def test_ten_seeds_need_no_word(tmp_path):
    write_seeds(tmp_path, range(10))
    assert report(tmp_path).notes == ()


@pytest.mark.parametrize(
    ("metric", "words"), [("eval/mean_reward", "ten unless"), ("rollout/ep_rew_mean", "hundred episodes")]
)
def test_scores_that_are_all_the_same_are_said_to_be_so_and_of_what_episodes(tmp_path, metric, words):
    for seed in range(10):
        write_run(tmp_path / str(seed), [0.0, 1.0], seed=seed, tags={"rollout/ep_rew_mean": [0.0, 2.0]})
    assert noted(report(tmp_path, metric=metric, reps=50), "Q on Lake-v1", "score the same", "no width", words)


def test_a_seeds_second_run_is_left_out_and_named(tmp_path):
    write_run(tmp_path / "first", [1.0, 2.0])
    write_run(tmp_path / "again", [1.0, 2.0, 3.0])
    found = report(tmp_path)
    assert found.scores["Q", "Lake-v1"].tolist() == [3.0]
    assert noted(found, "first: is seed 0", "left out")


def test_two_reports_of_one_seed_are_the_same_to_the_bit(two):
    first, again = report(two, seed=1), report(two, seed=1)
    assert first.finals == again.finals
    assert first.aggregates == again.aggregates
    assert first.improvement == again.improvement
    for one, two_ in zip(first.curves, again.curves, strict=True):
        assert all(np.array_equal(*pair) for pair in zip(one.estimate, two_.estimate, strict=True))


# which runs are one method


def test_runs_that_differ_in_a_hyperparameter_are_methods_named_by_it(tmp_path):
    for rate in (0.1, 0.5):
        write_seeds(tmp_path / str(rate), [1.0, 2.0], hyperparameters={"learning_rate": rate, "epsilon": 0.1})
    assert report(tmp_path).methods == ("Q learning_rate=0.1", "Q learning_rate=0.5")


def test_a_long_float_in_a_name_has_four_digits_where_these_tell_it_apart(tmp_path):
    for rate in (0.11781448719376508, 0.5):
        write_seeds(tmp_path / "a" / str(rate), [1.0, 2.0], hyperparameters={"learning_rate": rate})
    for rate in (0.117814, 0.117815):
        write_seeds(tmp_path / "b" / str(rate), [1.0, 2.0], hyperparameters={"learning_rate": rate})
    assert set(report(tmp_path / "a").methods) == {"Q learning_rate=0.1178", "Q learning_rate=0.5"}
    assert set(report(tmp_path / "a", group="learning_rate").methods) == {"learning_rate=0.1178", "learning_rate=0.5"}
    assert set(report(tmp_path / "b").methods) == {"Q learning_rate=0.117814", "Q learning_rate=0.117815"}


def test_runs_can_be_grouped_by_agent_alone_and_what_was_pooled_is_said(tmp_path):
    for seed, rate in enumerate((0.1, 0.5)):
        write_run(tmp_path / str(rate), [1.0], seed=seed, hyperparameters={"learning_rate": rate})
    found = report(tmp_path, group="agent")
    assert found.methods == ("Q",)
    assert noted(found, "differ in learning_rate", "count as one method")


def test_runs_can_be_grouped_by_folder_or_hyperparameter(tmp_path):
    for rate in (0.1, 0.5):
        write_seeds(tmp_path / f"r{rate}", [1.0, 2.0], hyperparameters={"learning_rate": rate})
    assert report(tmp_path, group="folder").methods == ("r0.1", "r0.5")
    assert report(tmp_path, group="learning_rate").methods == ("learning_rate=0.1", "learning_rate=0.5")


def test_an_unknown_group_is_refused_by_name(two):
    with pytest.raises(ConfigError, match=r"group='colour', expected agent, folder, or one of gamma"):
        report(two, group="colour")


def test_a_run_that_says_only_an_environments_id_is_compared_with_the_others_and_it_is_said(tmp_path):
    write_seeds(tmp_path / "q", [1.0, 2.0], env="Lake-v1", arguments={"size": 4})
    columns = {"time/total_timesteps": [100, 200, 300], "eval/mean_reward": [0.0, 0.5, 1.0]}
    write_rows(tmp_path / "dqn" / "progress.csv", columns)  # as stable-baselines3 leaves it
    write_monitor(tmp_path / "dqn" / "monitor.csv", [(1.0, 300, 2.0)], env="Lake-v1")
    found = report(tmp_path)
    assert found.environments == ("Lake-v1",)
    assert set(found.improvement) == {("dqn", "Q")}
    assert any("say no more of it" in note for note in found.notes)


def test_an_environment_with_other_arguments_is_another_task(tmp_path):
    for size in (4, 8):
        write_seeds(tmp_path / str(size), [1.0, 2.0], arguments={"size": size})
    assert report(tmp_path).environments == ("Lake-v1 size=4", "Lake-v1 size=8")


def test_names_that_the_reader_gives_are_the_methods(two):
    assert report({"new": two / "a", "old": two / "b"}).methods == ("new", "old")


# the metric


def test_another_metric_can_be_asked_for(two):
    found = report(write_run(two / "c", [1.0], agent="C", tags={"train/loss": [0.25]}), metric="train/loss")
    assert found.scores["C", "Lake-v1"].tolist() == [0.25]
    assert found.better_low


def test_a_metric_that_no_run_has_logged_is_refused_with_those_that_are_known(two):
    with pytest.raises(ConfigError, match=r"metric='eval/reward'.*eval/mean_reward"):
        report(two, metric="eval/reward")


def test_without_evaluations_episodes_returns_are_compared(tmp_path):
    write_monitor(tmp_path / "dqn_1" / "monitor.csv", [(20.0, 20, 0.1), (40.0, 40, 0.2)])
    found = report(tmp_path)
    assert found.metric == "rollout/ep_rew_mean"
    assert found.scores["dqn", "CartPole-v1"].tolist() == [30.0]


def test_runs_that_have_logged_nothing_to_compare_are_refused(tmp_path):
    write_run(tmp_path / "run", [None], tags={"train/td_error": [0.1]})
    with pytest.raises(ConfigError, match=r"--metric names what to compare"):
        report(tmp_path)


def test_exact_errors_get_curves_of_their_own(two):
    for seed in range(2):
        tags = {"truth/rmsve": [0.4, 0.2 + seed], "truth/optimal_actions": [0.5, 1.0]}
        write_run(two / "t" / str(seed), [1.0, 2.0], agent="T", seed=seed, tags=tags)
    found = report(two)
    assert found.truths == ("truth/optimal_actions", "truth/rmsve")
    assert found.curve("truth/rmsve", "T", "Lake-v1").estimate.value == pytest.approx([0.4, 0.7])
    assert found.curve("truth/rmsve", "A", "Lake-v1") is None


@pytest.mark.parametrize(("tag", "chance"), [("truth/rmsve", 0.0), ("truth/optimal_actions", 1.0)])
def test_of_an_exact_error_less_is_better_and_of_optimal_actions_more(tmp_path, tag, chance):
    for agent, end in (("A", 0.9), ("B", 0.1)):
        for seed in range(2):
            write_run(tmp_path / agent / str(seed), [None, None], agent=agent, seed=seed, tags={tag: [1.0, end]})
    assert report(tmp_path, metric=tag).improvement["A", "B"].value == chance


# several environments


def test_the_probability_of_improvement_is_over_the_environments_that_both_were_tried_on(four):
    found = report(four, reps=300)
    a, b = (np.stack([found.scores[method, task] for task in found.environments], axis=1) for method in "AB")
    assert found.improvement["A", "B"] == bootstrap(probability_of_improvement, a, b, reps=300)


def test_without_a_common_scale_environments_are_not_averaged_and_it_is_said(four):
    found = report(four)
    assert (dict(found.aggregates), found.profile, found.efficiency) == ({}, None, None)
    assert noted(found, "no common scale", "normalise")


def test_scales_by_environment_put_all_scores_between_0_and_1_and_aggregate_them(four):
    found = report(four, normalise={"Near": (0, 1), "Far": (0, 500)}, reps=300)
    scores = np.array([GOOD, GOOD]).T
    assert found.aggregates["interquartile mean"]["A"].value == pytest.approx(float(interquartile_mean(scores)))
    assert found.aggregates["optimality gap"]["A"].value == pytest.approx(float(optimality_gap(scores)))
    assert set(found.aggregates) == {"interquartile mean", "median", "mean", "optimality gap"}


def test_one_scale_may_hold_for_all_environments(two):
    found = report(two, normalise=(0.0, 2.0))
    assert found.aggregates["mean"]["A"].value == pytest.approx(0.35)


def test_a_scale_may_run_downwards_as_errors_do(tmp_path):
    for seed, error in enumerate((0.0, 5.0)):
        write_run(tmp_path / str(seed), [None], seed=seed, tags={"truth/rmsve": [error]})
    found = report(tmp_path, metric="truth/rmsve", normalise=(10.0, 0.0))
    assert found.aggregates["mean"]["Q"].value == pytest.approx(0.75)


def test_the_sample_efficiency_curve_pools_environments_by_their_share_of_steps(four):
    found = report(four, normalise={"Near": (0, 1), "Far": (0, 500)}, reps=100)
    assert found.efficiency.shares[[0, -1]] == pytest.approx([1 / 3, 1.0])
    halfway = np.interp(2 / 3, found.efficiency.shares, found.efficiency.estimates["A"].value)
    assert halfway == pytest.approx(0.35)  # every score is halfway up by then
    assert found.efficiency.estimates["A"].value[-1] == pytest.approx(0.7)


def test_a_profile_is_exact_at_every_score(two):
    found = report(two, reps=100).profile
    share = dict(zip(found.thresholds.tolist(), found.estimates["A"].value.tolist(), strict=True))
    assert [share[threshold] for threshold in (0.1, 0.5, 0.7, 0.9)] == pytest.approx([1.0, 0.8, 0.4, 0.0])


def test_a_profile_of_errors_counts_the_runs_below(tmp_path):
    for seed, error in enumerate((1.0, 2.0)):
        write_run(tmp_path / str(seed), [None], seed=seed, tags={"truth/rmsve": [error]})
    found = report(tmp_path, metric="truth/rmsve").profile
    assert found.below
    assert found.estimates["Q"].value.tolist() == [0.0, 0.0, 0.5, 1.0]


def test_of_one_environment_no_median_over_environments_is_named(two):
    assert set(report(two).aggregates) == {"interquartile mean", "mean"}


def test_an_environment_that_not_every_method_was_tried_on_is_left_out_of_aggregates_and_named(four):
    write_seeds(four / "A" / "other", GOOD, agent="A", env="Other")
    found = report(four, normalise=(0, 500))
    assert found.tasks == ("Far", "Near")
    assert noted(found, "Other", "leave that out")


def test_aggregates_take_as_many_runs_of_each_environment_and_it_is_said(four):
    write_run(four / "A" / "near" / "seed_5", [0.0, 0.5, 1.0], agent="A", env="Near", seed=5)
    found = report(four, normalise={"Near": (0, 1), "Far": (0, 500)})
    assert noted(found, "A", "first 5 runs")
    assert found.aggregates["mean"]["A"].value == pytest.approx(0.7)


def test_the_optimum_as_a_scale_is_exactly_what_random_and_optimal_play_return_within_the_time_limit(tmp_path):
    """A random walk's arrivals are summed here by the table; 0.74 is FrozenLake's well-known optimum in 100 steps."""
    write_seeds(tmp_path, [0.0, 1.0], env="FrozenLake-v1")
    found = report(tmp_path, normalise="optimum", reps=50)
    arrives = np.zeros(16)  # [S], with the steps that are left
    model = gymnasium.make("FrozenLake-v1").unwrapped.P
    for _ in range(100):
        arrives = np.array(
            [
                sum(p * (r + (not end) * arrives[n]) for a in range(4) for p, n, r, end in model[s][a]) / 4
                for s in range(16)
            ]
        )
    scale = found.scales["FrozenLake-v1"]
    assert scale.worst == pytest.approx(arrives[0], abs=1e-14)
    assert scale.best == pytest.approx(0.74, abs=0.005)
    assert noted(found, "0 is the random policy's", "1 the largest that any policy has", "exact", "at most 100 steps")


def test_a_maps_own_time_limit_is_the_optimums_too(tmp_path):
    """From the start of the 2x2 map the goal is two steps away, so that one step is not enough."""
    arguments = {"map": "zhao-2x2", "max_steps": 1}
    write_seeds(tmp_path, [0.0, 1.0], env="rlkit/GridWorld-v0", arguments=arguments)
    assert noted(report(tmp_path, normalise="optimum", reps=50), "at most 1 steps")


def test_where_there_is_no_table_the_optimal_policy_plays_and_standard_errors_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr("rlkit.report.scales.EPISODES", 50)
    write_seeds(tmp_path, [0.0, 1.0], env="rlkit/LinearQuadratic-v0")
    found = report(tmp_path, normalise="optimum", reps=50)
    assert noted(found, "in 50 episodes each", "standard errors", "+-")
    assert found.scales["rlkit/LinearQuadratic-v0"].best > found.scales["rlkit/LinearQuadratic-v0"].worst


@pytest.mark.parametrize(
    ("normalise", "message"),
    [
        ((1.0, 1.0), "two different numbers"),
        ((0.0, float("nan")), "two different numbers"),
        ((1.0, 2.0, 3.0), "expected the scores that count as 0 and 1"),
        ("best", "expected the scores that count as 0 and 1"),
        ({"Other": (0, 1)}, "names no scale for Lake-v1"),
        ("optimum", "gymnasium knows no environment"),
    ],
)
def test_a_scale_that_makes_no_sense_is_refused(two, normalise, message):
    with pytest.raises(ConfigError, match=message):
        report(two, normalise=normalise)


def test_the_optimum_of_what_is_no_return_is_refused(tmp_path):
    write_run(tmp_path / "run", [None], tags={"truth/rmsve": [1.0]})
    with pytest.raises(ConfigError, match="is for returns"):
        report(tmp_path, metric="truth/rmsve", normalise="optimum")


def test_no_runs_at_all_are_refused():
    with pytest.raises(ConfigError, match="no run"):
        report([])


def test_runs_that_were_read_before_are_taken_as_they_are(two):
    assert report(read_runs(two)).finals == report(two).finals
