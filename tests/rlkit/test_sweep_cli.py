"""`rlkit sweep`: what it says, what it leaves, how it goes on, and how it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from rlkit.agents import QLearning
from rlkit.cli import main
from tests.rlkit.test_sweep import Serial

pytest.importorskip("optuna")

SMALL = ("--trials", "3", "--steps", "60", "--measurements", "2", "--episodes", "1")
WORDS = ("sweep", "QLearning", "zhao-2x2", "--search", "learning_rate=0.1:1:log", *SMALL)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """A folder to work in, and runs that take place in this process, one by one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("rlkit.experiments.sweep_results.write_pictures", lambda found: None)
    monkeypatch.setattr("rlkit.cli._seeds.pool_of", lambda workers, patience, ray: Serial())
    return tmp_path


def done(capsys, *words, code=0):
    assert main(list(words)) == code, capsys.readouterr().err
    return capsys.readouterr().out


def done_json(capsys, *words, code=0):
    return json.loads(done(capsys, *words, "--json", code=code))


def refusal(capsys, *words):
    """The one line on stderr of a command that has to fail."""
    assert main(list(words)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("rlkit: ")
    assert captured.err.count("\n") == 1
    return captured.err


def trials(found):
    return [(trial["hyperparameters"], trial["state"], trial["value"]) for trial in found["trials"]]


def test_a_sweep_says_what_was_best_and_how_to_train_with_it(capsys, own_folder):
    printed = done(capsys, *WORDS).splitlines()
    assert printed[0] == "QLearning on zhao-2x2, 3 trials: 3 complete, 0 pruned, 0 failed"
    assert printed[1].split() == ["trial", "eval/mean_reward", "learning_rate"]
    folder = "runs/sweep-QLearning-zhao-2x2"
    assert printed[-1] == f"{folder}: rlkit train --config {folder}/best.toml --seeds 10"
    names = {"best.toml", "study.journal", "sweep.json", "trials", "trials.csv"}
    assert {path.name for path in Path(folder).iterdir()} == names


def test_own_values_that_the_search_leaves_out_are_named(capsys):
    words = ("sweep", "QLearning", "zhao-2x2", "--search", "learning_rate=0.7,0.8", *SMALL, "--trials", "1")
    assert "no trial has the agent's own values: learning_rate=0.1 is not where was looked" in done(capsys, *words)


def test_with_ray_the_number_of_workers_can_be_said(capsys, monkeypatch):
    asked = []
    monkeypatch.setattr("rlkit.cli._seeds.pool_of", lambda *how: asked.append(how) or Serial())
    done(capsys, *WORDS, "--ray", "--workers", "2")
    assert (asked[0][0], asked[0][2] is not None) == (2, True)


def test_what_it_leaves_can_be_trained_with(capsys):
    found = done_json(capsys, *WORDS)
    words = ("train", "--config", f"{found['folder']}/best.toml", "--eval-every", "0")
    trained = done_json(capsys, *words)
    assert trained["steps"] == 60
    best = found["trials"][found["best"]]["hyperparameters"]
    assert QLearning.load(trained["folder"]).config.learning_rate == best["learning_rate"]


def test_options_may_come_from_a_file_and_words_go_first(capsys, own_folder):
    (own_folder / "sweep.toml").write_text(
        'agent = "QLearning"\nenvironment = "zhao-2x2"\nsteps = 40\ntrials = 5\nmeasurements = 1\nepisodes = 1\n'
        "[search]\nlearning_rate = [0.1, 0.5]\ngamma = '0.8:0.9'\n[QLearning]\ninitial_value = 2\n"
    )
    found = done_json(capsys, "sweep", "--config", "sweep.toml", "--trials", "2", "--search", "gamma=0.5,0.6")
    assert [set(trial["hyperparameters"]) for trial in found["trials"]] == [{"learning_rate", "gamma"}] * 2
    assert {trial["hyperparameters"]["gamma"] for trial in found["trials"]} <= {0.5, 0.6}
    said = tomllib.loads(Path(found["folder"], "best.toml").read_text())
    assert (said["steps"], said["QLearning"]["initial_value"]) == (40, 2.0)


def test_hyperparameters_that_are_set_hold_for_all_trials(capsys):
    found = done_json(capsys, *WORDS, "--set", "gamma=0.5", "exploration-final-eps=0.3")
    config = QLearning.load(Path(found["trials"][0]["folder"], "seed_0")).config
    assert (config.gamma, config.exploration_final_eps) == (0.5, 0.3)


def test_without_a_search_it_looks_around_the_agents_own_values(capsys):
    found = done_json(capsys, "sweep", "QLearning", "zhao-2x2", *SMALL)
    assert set(found["trials"][0]["hyperparameters"]) == {"gamma", "learning_rate", "exploration_final_eps"}


def test_features_are_said_as_for_training(capsys):
    words = ("sweep", "QLearning", "MountainCar-v0", *SMALL, "--features", "TileCoding", "tilings=2", "tiles=2")
    found = done_json(capsys, *words, "--metric", "rollout/ep_rew_mean", "--steps", "210", "--trials", "1")
    assert tomllib.loads(Path(found["folder"], "best.toml").read_text())["QLearning"]["features"]["tilings"] == 2


def test_a_sweep_goes_on_from_its_folder_with_more_trials(capsys):
    whole = done_json(capsys, *WORDS, "--trials", "5", "--seeds", "2")
    part = done_json(capsys, *WORDS, "--seeds", "2", "--out", "part")
    assert trials(done_json(capsys, "sweep", "--resume", "part")) == trials(part)
    assert trials(done_json(capsys, "sweep", "--resume", "part", "--trials", "5")) == trials(whole)


def test_interrupted_it_says_how_to_go_on(capsys, monkeypatch):
    monkeypatch.setattr("rlkit.cli._seeds.pool_of", lambda *_: Serial(stop_at=4))
    assert main([*WORDS, "--out", "cut"]) == 130
    assert capsys.readouterr().err == "rlkit: stopped; rlkit sweep --resume cut goes on\n"
    monkeypatch.setattr("rlkit.cli._seeds.pool_of", lambda *_: Serial())
    assert trials(done_json(capsys, "sweep", "--resume", "cut")) == trials(done_json(capsys, *WORDS))


OWN = """
from tests.rlkit.helpers import DoubleQLearning

class Mine(DoubleQLearning):
    def update(self, t):
        if self.config.epsilon > 0.5:
            raise ValueError("too wild")
        return super().update(t)
"""


def test_agents_of_ones_own_are_swept_and_their_failures_named(capsys, own_folder):
    (own_folder / "my_own.py").write_text(OWN)
    words = ("sweep", "my_own:Mine", "zhao-2x2", "--search", "epsilon=0.1,0.9", "--sampler", "grid", *SMALL)
    printed = done(capsys, *words, "--out", "own").splitlines()
    assert printed[0] == "Mine on zhao-2x2, 2 trials: 1 complete, 0 pruned, 1 failed"
    assert printed[-2].endswith("failed: ValueError: too wild")
    assert printed[-1] == "own: rlkit train my_own:Mine --config own/best.toml --seeds 10"
    assert "is none of rlkit's; name its class, my_own:Mine" in refusal(capsys, "sweep", "--resume", "own")
    assert len(done_json(capsys, "sweep", "my_own:Mine", "--resume", "own")["trials"]) == 2


def test_a_sweep_without_a_complete_trial_fails(capsys, own_folder):
    (own_folder / "my_own.py").write_text(OWN)
    words = ("sweep", "my_own:Mine", "zhao-2x2", "--search", "epsilon=0.9", *SMALL, "--trials", "2")
    assert done_json(capsys, *words, code=1)["best"] is None
    assert "trials 0, 1 failed: ValueError: too wild" in done(capsys, *words, code=1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("sweep",), "no agent is named"),
        (("sweep", "QLearning"), "no environment is named"),
        (("sweep", "QLearn", "zhao-2x2"), "did you mean 'QLearning'?"),
        (("sweep", "ValueIteration", "zhao-2x2"), "plans with a model"),
        (("sweep", "QLearning", "zhao-9x9"), "no environment 'zhao-9x9'"),
        ((*WORDS, "--search", "lr=1:2"), "did you mean 'learning_rate'?"),
        ((*WORDS, "--search", "gamma"), "--search gamma: expected name=value"),
        ((*WORDS, "--set", "gamma=2"), "gamma=2.0 is outside its range [0, 1]"),
        ((*WORDS, "--sampler", "cma"), "sampler='cma', expected tpe, random or grid"),
        ((*WORDS, "--steps", "1.5"), "--steps 1.5: expected a whole number"),
        ((*WORDS, "--config", "none.toml"), "none.toml: No such file or directory"),
        (("sweep", "--resume", "nowhere"), "nowhere: holds no sweep"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(capsys, own_folder, words, sentence):
    assert sentence in refusal(capsys, *words)
    assert not list(own_folder.glob("runs/*"))


def test_a_file_with_an_option_that_there_is_not_is_refused(capsys, own_folder):
    (own_folder / "sweep.toml").write_text("trails = 5\n")
    assert "unknown option 'trails'; did you mean 'trials'" in refusal(capsys, *WORDS, "--config", "sweep.toml")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[serach]\nlearning_rate = '0.1:1'\n", "unknown option 'serach'; did you mean 'search'"),
        ("search = 3\n", "search = 3, expected a table of names and values"),
        ("environment = 3\n", "environment = 3, expected a name"),
    ],
)
def test_a_file_with_a_table_or_a_value_that_means_nothing_is_refused(capsys, own_folder, text, sentence):
    (own_folder / "sweep.toml").write_text(text)
    assert sentence in refusal(capsys, *WORDS, "--config", "sweep.toml")


@pytest.mark.parametrize("said", [{"search": None}, {"every": 0}, {"steps": float("inf")}, {"hyperparameters": 3}])
def test_a_damaged_description_is_named(capsys, own_folder, said):
    done(capsys, *WORDS, "--out", "a")
    file = own_folder / "a/sweep.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **said}))
    assert "a: its description is damaged" in refusal(capsys, "sweep", "--resume", "a")


def test_no_environment_is_imported_because_a_file_says_so(capsys, own_folder):
    done(capsys, *WORDS, "--out", "a")
    file = own_folder / "a/sweep.json"
    said = json.loads(file.read_text())
    file.write_text(json.dumps({**said, "environment": {"id": "unheard_of:World-v0", "arguments": {}}}))
    assert "nothing is imported because a file says so" in refusal(capsys, "sweep", "--resume", "a")


def test_what_is_settled_cannot_be_changed_by_going_on(capsys):
    done(capsys, *WORDS, "--out", "a")
    assert "--steps: a sweep that goes on keeps what it has" in refusal(
        capsys, "sweep", "--resume", "a", "--steps", "9"
    )
    assert "rlkit sweep --resume a goes on with it" in refusal(capsys, *WORDS, "--out", "a")


def test_killed_in_mid_run_with_its_workers_it_ends_as_if_nothing_had_been(capsys, own_folder, monkeypatch):
    """Real processes: SIGKILL to the sweep, whose runs end by themselves when nobody answers any more."""
    words = [*WORDS, "--trials", "4", "--steps", "3000", "--measurements", "20", "--out", "killed"]
    process = subprocess.Popen([sys.executable, "-m", "rlkit", *words, "--workers", "1"], env={**os.environ})
    journal = own_folder / "killed/study.journal"
    by = time.monotonic() + 120
    while (not journal.exists() or journal.read_bytes().count(b"\n") < 30) and time.monotonic() < by:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = done_json(capsys, "sweep", "--resume", "killed")
    words[words.index("killed")] = "whole"
    assert trials(again) == trials(done_json(capsys, *words))
