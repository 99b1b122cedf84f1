"""Runs as arrays: rlkit's folders, stable-baselines3's files, and what is damaged among them."""

from __future__ import annotations

import csv

import numpy as np
import pytest

import rlkit
from rlkit.envs import GridWorld
from rlkit.errors import ConfigError
from rlkit.report import UnreadableRun, read_runs
from rlkit.report.reading import gather
from tests.rlkit.helpers import DoubleQLearning
from tests.rlkit.report_runs import write_monitor, write_rows, write_run, write_seeds

RETURN = "rollout/ep_rew_mean"


def test_a_trained_run_is_read_with_all_that_it_has_logged(tmp_path):
    env = GridWorld.load("zhao-2x2", max_steps=20)
    agent = DoubleQLearning.for_env(env, gamma=0.9, learning_rate=0.5, seed=3)
    rlkit.train(agent, env, steps=200, directory=tmp_path / "run")
    (run,) = read_runs(tmp_path / "run")
    assert (run.agent, run.seed) == ("DoubleQLearning", 3)
    assert run.hyperparameters["learning_rate"] == 0.5
    with (tmp_path / "run" / "progress.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    steps, values = run.curve(RETURN)
    logged = [row for row in rows if row[RETURN]]
    assert steps.tolist() == [float(row["step"]) for row in logged]
    assert values.tolist() == [float(row[RETURN]) for row in logged]


def test_a_folder_of_seeds_is_read_in_the_order_of_their_numbers(tmp_path):
    write_seeds(tmp_path / "q", range(11))
    assert [run.seed for run in read_runs(tmp_path)] == list(range(11))


def test_a_run_that_is_named_twice_is_read_once(tmp_path):
    folder = write_run(tmp_path / "run", [1.0])
    assert len(read_runs([tmp_path, folder, folder / "progress.csv"])) == 1


def test_runs_can_be_given_names(tmp_path):
    for name in "ab":
        write_run(tmp_path / name, [1.0])
    found = read_runs({"old": tmp_path / "a", "new": [tmp_path / "b"]})
    assert [run.label for run in found] == ["old", "new"]


def test_nested_hyperparameters_are_read_by_dotted_names(tmp_path):
    write_run(tmp_path, [1.0], hyperparameters={"features": {"order": 3}})
    assert read_runs(tmp_path)[0].hyperparameters["features.order"] == 3


def test_empty_cells_are_no_points_of_a_curve(tmp_path):
    write_run(tmp_path, [None, 1.0, None, 2.0])
    steps, values = read_runs(tmp_path)[0].curve("eval/mean_reward")
    assert (steps.tolist(), values.tolist()) == ([200.0, 400.0], [1.0, 2.0])


def test_of_a_step_that_was_logged_twice_the_later_row_counts(tmp_path):
    write_run(tmp_path, [1.0, 2.0, 5.0, 3.0], steps=[100, 200, 200, 300])
    steps, values = read_runs(tmp_path)[0].curve("eval/mean_reward")
    assert (steps.tolist(), values.tolist()) == ([100.0, 200.0, 300.0], [1.0, 5.0, 3.0])


def test_a_tag_that_was_never_logged_has_an_empty_curve(tmp_path):
    steps, values = read_runs(write_run(tmp_path / "run", [1.0]))[0].curve("truth/rmsve")
    assert steps.size == values.size == 0


def test_half_a_line_of_a_killed_run_is_left_out(tmp_path):
    folder = write_run(tmp_path / "run", [1.0, 2.0])
    with (folder / "progress.csv").open("a") as stream:
        stream.write("300")
    assert read_runs(folder)[0].curve("eval/mean_reward")[0].tolist() == [100.0, 200.0]


def test_stable_baselines3s_progress_is_read_by_its_count_of_steps(tmp_path):
    write_rows(tmp_path / "ppo_1" / "progress.csv", {RETURN: [20.0, 30.0], "time/total_timesteps": [128, 256]})
    (run,) = read_runs(tmp_path)
    assert run.agent == "ppo"
    assert [column.tolist() for column in run.curve(RETURN)] == [[128.0, 256.0], [20.0, 30.0]]


def test_a_monitor_beside_stable_baselines3s_progress_names_the_environment(tmp_path):
    write_rows(tmp_path / "ppo_1" / "progress.csv", {RETURN: [20.0], "time/total_timesteps": [128]})
    write_monitor(tmp_path / "ppo_1" / "0.monitor.csv", [(9.0, 9, 0.1)])
    (run,) = read_runs(tmp_path)
    assert run.environment == "CartPole-v1"
    assert run.curve(RETURN)[1].tolist() == [20.0]


def test_stable_baselines3s_monitor_is_averaged_over_the_last_hundred_episodes(tmp_path):
    rows = [(float(episode), 10, 0.5 * episode) for episode in range(150)]
    write_monitor(tmp_path / "dqn" / "monitor.csv", rows)
    (run,) = read_runs(tmp_path)
    steps, means = run.curve(RETURN)
    assert steps.tolist() == [10.0 * (episode + 1) for episode in range(150)]
    expected = [np.mean(np.arange(max(0, last - 99), last + 1)) for last in range(150)]
    assert means == pytest.approx(expected, abs=1e-9)


def test_monitors_of_a_runs_several_environments_count_their_steps_together(tmp_path):
    write_monitor(tmp_path / "0.monitor.csv", [(1.0, 10, 1.0), (2.0, 10, 4.0)])
    write_monitor(tmp_path / "1.monitor.csv", [(6.0, 30, 1.0)], begun=1001.5)  # ends between the other two
    (run,) = read_runs(tmp_path)
    steps, means = run.curve(RETURN)
    assert steps.tolist() == [10.0, 40.0, 50.0]
    assert means.tolist() == [1.0, 3.5, 3.0]


@pytest.mark.parametrize("text", ["", "step,loss\n", "loss\n1.0\n"], ids=["empty", "no rows", "no steps"])
def test_a_run_that_cannot_be_read_is_named_and_the_others_are_read(tmp_path, text):
    write_run(tmp_path / "good", [1.0])
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "progress.csv").write_text(text)
    with pytest.warns(UserWarning, match=r"bad.*left out"):
        found = read_runs(tmp_path)
    assert [run.folder.name for run in found] == ["good"]


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[1, 2]", "\x00"], ids=["cut", "deep", "list", "binary"])
def test_a_damaged_config_is_named(tmp_path, text):
    (write_run(tmp_path / "run", [1.0]) / "config.json").write_text(text)
    with pytest.raises(UnreadableRun, match=r"run"):
        read_runs(tmp_path)


@pytest.mark.parametrize(
    "line", ["", "#", "#" + "[" * 100_000, "#[]", '#{"t_start": "soon", "env_id": 3}', '#{"t_start": null}']
)
def test_a_damaged_monitor_is_named_and_not_tripped_over(tmp_path, line):
    write_run(tmp_path / "good", [1.0])
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "monitor.csv").write_text(f"{line}\nr,l,t\nx,y,z\n")
    with pytest.warns(UserWarning, match=r"bad.*left out"):
        assert len(read_runs(tmp_path)) == 1


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UnreadableRun, match=r"nowhere: no such run"):
        read_runs(tmp_path / "nowhere")


def test_a_folder_without_any_run_is_named(tmp_path):
    with pytest.raises(UnreadableRun, match=r"holds no run"):
        read_runs(tmp_path)


def test_what_is_no_folder_at_all_is_refused():
    with pytest.raises(ConfigError, match=r"runs=3, expected folders"):
        read_runs(3)


def test_a_sweeps_trials_are_read_only_where_it_is_named(tmp_path):
    write_run(tmp_path / "run", [1.0])
    write_run(tmp_path / "sweep" / "trials" / "trial_0000" / "seed_0", [2.0])
    (tmp_path / "sweep" / "sweep.json").write_text("{}")
    runs, notes = gather(tmp_path)
    assert [run.folder.name for run in runs] == ["run"]
    assert len(notes) == 1
    assert notes[0].startswith(f"{tmp_path / 'sweep'}: is a sweep, whose trials are left out")
    for named in (tmp_path / "sweep", tmp_path / "sweep" / "trials"):
        assert [run.folder.name for run in gather(named)[0]] == ["seed_0"]
    both, notes = gather([tmp_path, tmp_path / "sweep"])
    assert (len(both), notes) == (2, [])


def test_a_run_that_has_lost_its_description_is_named(tmp_path):
    (write_run(tmp_path / "q" / "seed_0", [1.0]) / "config.json").unlink()
    write_rows(tmp_path / "sb3" / "progress.csv", {"time/total_timesteps": [1], "rollout/ep_rew_mean": [1.0]})
    runs, notes = gather(tmp_path)
    assert [run.agent for run in runs] == ["q", "sb3"]
    assert len(notes) == 1
    assert "seed_0: has lost its config.json" in notes[0]
