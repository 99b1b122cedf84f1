"""Sweeps: what they find, that they stop and go on alike, and that what fails stays alone."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import sys
import tomllib
from dataclasses import dataclass, replace

import gymnasium
import numpy as np
import pytest

import rlkit
from rlkit import Agent, bounded
from rlkit.agents import LinearTD, QLearning
from rlkit.errors import CheckpointError, ConfigError, RlkitError
from rlkit.experiments import Outcome, ProcessPool, sweep
from rlkit.experiments.pool import sentence_of
from rlkit.experiments.study import open_study, pruner_of
from rlkit.experiments.sweep_results import _lists_none, _toml, plot_history
from rlkit.files import FolderLock

optuna = pytest.importorskip("optuna")

TARGET = 0.3


@pytest.fixture(autouse=True)
def few_pictures(request, monkeypatch):
    """Pictures take longer than the sweeps of these tests."""
    if "pictures" not in request.node.name:
        monkeypatch.setattr("rlkit.experiments.sweep_results.write_pictures", lambda found: None)


class Archer(Agent):
    """Always does `aim`, so that its mean return is known; `flaw` says what else happens."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Agent.Config):
        aim: float = bounded(0.5, at_least=0, up_to=1)
        flaw: str = ""
        sizes: tuple[int | None, ...] = ()

    def setup(self):
        self.w = np.zeros(1)

    def act(self, observation, *, explore=False):
        return np.array([self.config.aim], np.float32)

    def update(self, t):
        if self.config.flaw == "crash":
            raise RuntimeError("the bow broke")
        if self.config.flaw == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.config.flaw == "diverge":
            self.w[:] = np.inf
        return {}


class Range(gymnasium.Env):
    """Each episode is one shot, and pays how far it is off, squared and negative."""

    observation_space = gymnasium.spaces.Discrete(1)
    action_space = gymnasium.spaces.Box(0, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        return 0, -((float(action[0]) - TARGET) ** 2), True, False, {}


class Serial:
    """One run after the other, in this process; `stop_at` is the word at which somebody interrupts."""

    def __init__(self, stop_at=None):
        self.stop_at, self.words = stop_at, 0
        self.begun = []

    def map(self, run, configs, *, on_progress=None):
        def tell_of(index):
            def tell(said):
                self.words += 1
                if self.words == self.stop_at:
                    raise KeyboardInterrupt
                return on_progress(index, said)

            return tell

        for index, config in enumerate(configs):
            self.begun.append(config)
            try:
                value, error = run(config, tell_of(index)), None
            except Exception as failure:
                value, error = None, sentence_of(failure)
            yield Outcome(index, config, value, error)


def shoot(directory, search=None, **more):
    """A sweep of archers."""
    given = {"steps": 12, "trials": 6, "measurements": 3, "episodes": 1, "pool": Serial(), **more}
    return sweep(Archer, Range, search or {"aim": "0:1"}, directory=directory, **given)


def expected(trial):
    """What a trial's value has to be, in the action's float32."""
    return -((float(np.float32(trial.hyperparameters["aim"])) - TARGET) ** 2)


def plain(found):
    """What has to be the same in two sweeps that are the same."""
    return [trial._replace(folder=trial.folder.name) for trial in found.trials]


def test_the_best_trial_is_the_one_that_comes_closest(tmp_path):
    found = shoot(tmp_path, trials=15, pruner="none")
    assert [trial.value for trial in found.trials] == [expected(trial) for trial in found.trials]
    assert found.best == min(found.trials, key=lambda trial: abs(trial.hyperparameters["aim"] - TARGET))
    assert found.config_of(found.best).aim == found.best.hyperparameters["aim"]


def test_the_sampler_comes_close_in_forty_trials(tmp_path):
    """Of twenty seeds the worst came within 0.012; of forty random shots none does four times of ten (0.976^40)."""
    found = shoot(tmp_path, trials=40, steps=1, measurements=1, pruner="none")
    assert abs(found.best.hyperparameters["aim"] - TARGET) < 0.02


def test_the_hyperparameters_as_they_are_go_first(tmp_path):
    assert shoot(tmp_path / "in", trials=1).trials[0].hyperparameters == {"aim": 0.5}
    assert shoot(tmp_path / "set", trials=1, hyperparameters={"aim": 0.25}).trials[0].hyperparameters == {"aim": 0.25}
    outside = shoot(tmp_path / "out", {"aim": "0.6:1"}, trials=1)
    assert outside.trials[0].hyperparameters["aim"] > 0.6
    assert outside.outside == {"aim": 0.5}


def test_a_float_that_is_searched_by_default_keeps_its_value_in_the_first_trial(tmp_path):
    found = sweep(Archer, Range, steps=12, trials=2, episodes=1, pool=Serial(), directory=tmp_path)
    assert found.trials[0].hyperparameters["aim"] == 0.5
    assert 0.0 < found.trials[1].hyperparameters["aim"] < 1.0
    assert found.outside == {}


def test_a_trial_counts_the_mean_of_its_seeds(tmp_path):
    found = sweep(
        QLearning,
        "FrozenLake-v1",
        {"learning_rate": [0.5]},
        steps=50,
        trials=1,
        seeds=[3, 8],
        measurements=1,
        episodes=3,
        metric="rollout/ep_rew_mean",
        directory=tmp_path,
        pool=Serial(),
    )
    trial = found.best
    assert len(trial.values) == 2
    assert trial.value == pytest.approx(sum(trial.values) / 2)
    assert sorted(path.name for path in trial.folder.iterdir()) == ["seed_3", "seed_8"]


@pytest.mark.parametrize("stop_at", [1, 2, 4, 5, 9, 13, 20])
def test_a_sweep_that_was_interrupted_is_the_same_in_the_end(tmp_path, stop_at):
    whole = shoot(tmp_path / "whole", seeds=2)
    with pytest.raises(KeyboardInterrupt):
        shoot(tmp_path / "cut", seeds=2, pool=Serial(stop_at))
    assert plain(shoot(tmp_path / "cut", seeds=2)) == plain(whole)


class Unheard(Serial):
    """From a word on nobody listens, as when the pool's process dies: the run writes a checkpoint and ends."""

    def map(self, run, configs, *, on_progress=None):
        def tell_of(index):
            def tell(said):
                self.words += 1
                return self.words < self.stop_at and on_progress(index, said)

            return tell

        for index, config in enumerate(configs):
            value = run(config, tell_of(index))
            if self.words >= self.stop_at:
                raise KeyboardInterrupt
            yield Outcome(index, config, value, None)


def measured(folder):
    """What each trial of a sweep reported, by step."""
    return [trial.intermediate_values for trial in open_study(folder, "maximize", None).get_trials()]


@pytest.mark.parametrize("stop_at", [1, 2, 6, 9])
def test_a_measurement_that_nobody_heard_is_told_again(tmp_path, stop_at):
    shoot(tmp_path / "whole", seeds=2, trials=2)
    with pytest.raises(KeyboardInterrupt):
        shoot(tmp_path / "cut", seeds=2, trials=2, pool=Unheard(stop_at))
    shoot(tmp_path / "cut", seeds=2, trials=2)
    assert measured(tmp_path / "cut") == measured(tmp_path / "whole")


@pytest.mark.parametrize("stop_at", [1, 2, 3, 4, 6])
def test_a_trial_that_was_interrupted_while_it_was_proposed_is_the_same(tmp_path, monkeypatch, stop_at):
    words = {"search": {"aim": "0:1", "gamma": "0.5:1"}, "trials": 3, "steps": 2, "measurements": 1}
    whole, n_written = shoot(tmp_path / "whole", **words), 0

    def dying(self, *arguments):
        nonlocal n_written
        n_written += 1
        if n_written == stop_at:
            raise KeyboardInterrupt
        return write(self, *arguments)

    write = optuna.storages.JournalStorage.set_trial_param
    with monkeypatch.context() as patched:
        patched.setattr(optuna.storages.JournalStorage, "set_trial_param", dying)
        with pytest.raises(KeyboardInterrupt):
            shoot(tmp_path / "cut", **words)
    assert plain(shoot(tmp_path / "cut", **words)) == plain(whole)


def test_a_grid_that_was_interrupted_still_is_every_combination_once(tmp_path, monkeypatch):
    words = {"search": {"aim": "0:1:0.25"}, "sampler": "grid", "pruner": "none", "steps": 1, "measurements": 1}

    def dying(self, params):
        enqueue(self, params)
        raise KeyboardInterrupt

    enqueue = optuna.Study.enqueue_trial
    with monkeypatch.context() as patched:
        patched.setattr(optuna.Study, "enqueue_trial", dying)
        with pytest.raises(KeyboardInterrupt):
            shoot(tmp_path, **words)
    found = shoot(tmp_path, **words)
    assert sorted(trial.hyperparameters["aim"] for trial in found.trials) == [0.0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    "value", [math.inf, -math.inf, "\U0001f600", [1.5, "\u03b3"], {"a b": 1, "c.d": {"e": True}}, 1e-5]
)
def test_what_best_toml_spells_reads_back(value):
    assert tomllib.loads(f"value = {_toml(value)}") == {"value": value}


def test_hyperband_spends_up_to_all_steps_of_all_seeds():
    """Three seeds of 9 measurements are 27, which by a factor of 3 are 4 brackets; 9 are 3 (Li et al. 2018)."""
    study = optuna.create_study(pruner=pruner_of("hyperband", 10, 90, seeds=3))
    study.ask().should_prune()
    assert study.pruner._n_brackets == 4


def test_a_finished_sweep_is_left_alone_and_more_trials_are_added(tmp_path):
    first = shoot(tmp_path, trials=3)
    again, more = Serial(), Serial()
    assert plain(shoot(tmp_path, trials=3, pool=again)) == plain(first)
    assert again.begun == []
    assert plain(shoot(tmp_path, trials=5, pool=more))[:3] == plain(first)
    assert [run.number for run in more.begun] == [3, 4]


def test_seeds_that_are_through_are_not_trained_again(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        shoot(tmp_path, seeds=3, trials=1, pool=Serial(stop_at=6))  # in the second seed: each has four words
    pool = Serial()
    shoot(tmp_path, seeds=3, trials=1, pool=pool)
    assert [run.done for run in pool.begun] == [(expected(shoot(tmp_path, seeds=3, trials=1).trials[0]),)]


def test_a_grid_is_every_combination_once(tmp_path):
    found = shoot(tmp_path, {"aim": "0:1:0.5", "gamma": [0.5, 1.0]}, sampler="grid", pruner="none", trials=99)
    points = sorted((trial.hyperparameters["aim"], trial.hyperparameters["gamma"]) for trial in found.trials)
    assert points == [(0.0, 0.5), (0.0, 1.0), (0.5, 0.5), (0.5, 1.0), (1.0, 0.5), (1.0, 1.0)]


def test_a_grid_of_a_range_without_a_step_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"search: aim=0\.0:1\.0: a grid takes a list of values, or a range with"):
        shoot(tmp_path, sampler="grid")


def test_trials_that_fail_are_named_and_the_others_go_on(tmp_path):
    found = shoot(tmp_path, {"flaw": ["crash", ""]}, sampler="grid")
    assert sorted((trial.hyperparameters["flaw"], trial.state, trial.error) for trial in found.trials) == [
        ("", "complete", None),
        ("crash", "failed", "RuntimeError: the bow broke"),
    ]
    (failed,) = [trial for trial in found.trials if trial.state == "failed"]
    assert "raise RuntimeError" in (failed.folder / "error.txt").read_text()


def test_where_all_trials_fail_it_does_not_go_on(tmp_path):
    pool = Serial()
    with pytest.raises(
        RlkitError, match="all of the first 3 trials failed, the last with: RuntimeError: the bow broke"
    ):
        shoot(tmp_path, {"flaw": ["crash"]}, pool=pool)
    assert len(pool.begun) == 3


def test_what_diverges_counts_as_bad_and_not_as_broken(tmp_path):
    found = shoot(tmp_path, {"flaw": ["diverge", ""]}, sampler="grid")
    (bad,) = [trial for trial in found.trials if trial.hyperparameters["flaw"] == "diverge"]
    assert (bad.state, "a weight is not finite" in bad.error) == ("pruned", True)


def test_a_process_that_is_killed_is_a_failed_trial(tmp_path):
    found = shoot(tmp_path, {"flaw": ["die", ""]}, sampler="grid", pool=ProcessPool(workers=2))
    assert sorted((trial.hyperparameters["flaw"], trial.state, trial.error) for trial in found.trials) == [
        ("", "complete", None),
        ("die", "failed", "killed by signal 9 (SIGKILL)"),
    ]


def test_what_is_worse_than_the_median_is_given_up_before_its_second_seed(tmp_path):
    """The rule begins after five trials; the sixth to ninth are further off than those."""
    aims = [0.3, 0.31, 0.29, 0.32, 0.28, 0.9, 0.95, 1.0]
    pool = Serial()
    found = shoot(tmp_path, {"aim": aims}, sampler=lambda seed: InOrder(), trials=8, seeds=2, pool=pool)
    assert [trial.state for trial in found.trials] == ["complete"] * 5 + ["pruned"] * 3
    assert [trial.values for trial in found.trials[5:]] == [(), (), ()]
    assert not (found.trials[-1].folder / "seed_1").exists()


class InOrder(optuna.samplers.BaseSampler):
    """Proposes the choices one after the other."""

    def infer_relative_search_space(self, study, trial):
        return {}

    def sample_relative(self, study, trial, search_space):
        return {}

    def sample_independent(self, study, trial, param_name, param_distribution):
        return param_distribution.choices[trial.number]


def test_without_a_pruner_all_trials_are_complete(tmp_path):
    assert {trial.state for trial in shoot(tmp_path, trials=9, pruner="none").trials} == {"complete"}


def test_hyperband_gives_up_some(tmp_path):
    found = shoot(tmp_path, trials=20, steps=9, measurements=9, pruner="hyperband")
    assert {trial.state for trial in found.trials} == {"complete", "pruned"}


def test_errors_against_the_truth_are_minimised_and_leave_gamma_alone(tmp_path):
    found = sweep(
        LinearTD, "rlkit/RandomWalk5-v0", steps=300, trials=3, measurements=2, directory=tmp_path, pool=Serial()
    )
    assert (found.metric, found.direction) == ("truth/rmsve", "minimize")
    assert "gamma" not in found.space
    assert found.best.value == min(trial.value for trial in found.trials if trial.state == "complete")


def test_a_metric_that_is_never_logged_is_named(tmp_path):
    error = shoot(tmp_path, trials=1, metric="eval/success_rate").trials[0].error
    assert error.startswith("eval/success_rate is nan in the end; logged: eval/mean_ep_length, eval/mean_reward")


def test_the_table_of_trials_has_a_line_for_each(tmp_path):
    found = shoot(tmp_path, {"aim": "0:1", "flaw": ["crash", ""]}, trials=5, seeds=2)
    with (tmp_path / "trials.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(int(row["trial"]), row["state"]) for row in rows] == [(t.number, t.state) for t in found.trials]
    assert [float(row["aim"]) for row in rows] == [trial.hyperparameters["aim"] for trial in found.trials]
    assert [row["error"] for row in rows] == [trial.error or "" for trial in found.trials]


def test_the_best_hyperparameters_can_be_read_back(tmp_path):
    search = {"gamma": "0.9:0.99", "network": [(8,), (8, 8)], "critic.layer_norm": [True], "noise.sigma": "0.1:0.5"}
    found = sweep(
        rlkit.agents.DDPG,
        "Pendulum-v1",
        search,
        hyperparameters={"buffer_size": 100},
        steps=2,
        trials=1,
        measurements=1,
        episodes=1,
        directory=tmp_path,
        pool=Serial(),
    )
    said = tomllib.loads((tmp_path / "best.toml").read_text())
    assert (said["environment"], said["steps"]) == ("Pendulum-v1", 2)
    assert rlkit.agents.DDPG.Config.from_dict(said["DDPG"]) == found.config_of(found.best)
    assert found.config_of(found.best).buffer_size == 100


@pytest.mark.parametrize(
    ("value", "unsaid"),
    [(None, True), ([1, None], True), ([[None]], True), ({"a": [None]}, True), ({"a": None}, False), ([1, "x"], False)],
)
def test_what_toml_cannot_say_is_told_from_what_it_can(value, unsaid):
    assert _lists_none(value) is unsaid


def test_a_lists_none_is_a_comment_in_best_toml(tmp_path):
    found = shoot(tmp_path, {"aim": [0.25], "sizes": [[3, None]]}, trials=1)
    text = (tmp_path / "best.toml").read_text()
    assert "# sizes is [3, null], which TOML cannot say" in text
    assert tomllib.loads(text)["Archer"]["aim"] == found.best.hyperparameters["aim"]


def test_the_historys_labels_are_inside_the_picture_on_a_log_axis_too(tmp_path):
    found = shoot(tmp_path, trials=4)
    values = [trial._replace(value=10.0**-number) for number, trial in enumerate(found.trials)]
    for direction in ("maximize", "minimize"):
        shown = replace(found, trials=values, direction=direction, metric="truth/policy_regret")
        figure = plot_history(shown)
        figure.savefig(tmp_path / f"{direction}.png")
        box = figure.axes[0].yaxis.label.get_window_extent()
        assert box.x0 >= 0
        assert box.y0 >= 0


def test_pictures_are_drawn(tmp_path):
    shoot(tmp_path, {"aim": "0.1:1:log", "gamma": [0.9, 1.0]}, trials=10)
    assert {"history.png", "hyperparameters.png"} <= {path.name for path in tmp_path.iterdir()}


def test_any_tool_of_optunas_reads_the_trials(tmp_path):
    found = shoot(tmp_path)
    from optuna.storages.journal import JournalFileBackend

    storage = optuna.storages.JournalStorage(JournalFileBackend(str(tmp_path / "study.journal")))
    study = optuna.load_study(study_name=None, storage=storage)
    assert study.best_value == found.best.value
    assert [trial.params for trial in study.trials] == [trial.hyperparameters for trial in found.trials]


@pytest.mark.parametrize("left", [b'{"op_code":4,"wor', b"\xff"])
def test_half_a_line_and_a_lock_of_a_killed_process_do_no_harm(tmp_path, left):
    first = shoot(tmp_path, trials=3)
    with (tmp_path / "study.journal").open("ab") as stream:
        stream.write(left)
    (tmp_path / "study.journal.lock").symlink_to("study.journal")
    assert plain(shoot(tmp_path, trials=4))[:3] == plain(first)
    assert len(open_study(tmp_path, "maximize", None).trials) == 4


@pytest.mark.parametrize("line", ['{"op_code": 99}', '{"op_co', "[]"])
def test_a_damaged_journal_is_named(tmp_path, line):
    shoot(tmp_path, trials=1)
    journal = tmp_path / "study.journal"
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([*lines[:3], line, *lines[4:], ""]))
    with pytest.raises(CheckpointError, match=r"study\.journal: is damaged"):
        shoot(tmp_path, trials=2)


def test_another_sweep_in_the_folder_is_refused_and_says_what_differs(tmp_path):
    shoot(tmp_path, trials=1)
    with pytest.raises(ConfigError, match="holds another sweep, whose steps is 12, not 24"):
        shoot(tmp_path, trials=2, steps=24)
    with pytest.raises(ConfigError, match=r"whose search is {'aim': '0.0:1.0'}, not {'aim': '0.0:0.5'}"):
        shoot(tmp_path, {"aim": "0:0.5"}, trials=2)


def test_a_folder_with_something_else_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ConfigError, match=r"holds no sweep, but thesis.tex; choose an empty folder"):
        shoot(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_two_processes_do_not_sweep_in_one_folder(tmp_path):
    lock = FolderLock(tmp_path)
    lock.acquire()
    with pytest.raises(CheckpointError, match=f"process {os.getpid()}"):
        shoot(tmp_path)


def test_without_optuna_the_remedy_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna.storages.journal", None)
    with pytest.raises(ConfigError, match=r"a sweep needs Optuna.*pip install rlkit\[sweep\]"):
        shoot(tmp_path)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"seeds": []}, "seeds=\\[\\], expected one or more different ones"),
        ({"seeds": [1, 1]}, "expected one or more different ones"),
        ({"trials": 0}, "trials=0 is not a whole number"),
        ({"metric": "return"}, "metric='return', expected a tag of the log"),
        ({"sampler": "cma"}, "sampler='cma', expected tpe, random or grid"),
        ({"pruner": "soon"}, "pruner='soon', expected median, hyperband or none"),
        ({"workers": 2}, "say one of workers and pool"),
        ({"hyperparameters": {"aim": 2.0}}, "aim=2.0 is outside its range"),
        ({"search": {"aim": "0:2"}}, "search: Archer.Config: aim=2.0 is outside its range"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, more, sentence):
    with pytest.raises(ConfigError, match=sentence):
        shoot(tmp_path / "sweep", **more)
    assert not (tmp_path / "sweep").exists()


def test_a_description_is_plain_json(tmp_path):
    shoot(tmp_path, trials=1)
    said = json.loads((tmp_path / "sweep.json").read_text())
    assert said["agent"] == "Archer"
    assert said["search"] == {"aim": "0.0:1.0"}
