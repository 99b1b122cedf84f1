"""Runs on a Ray cluster: what fails stays alone, what dies is called again and goes on, nothing outlives the pool."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import rlkit
from rlkit.agents import QLearning
from rlkit.envs import GridWorld
from rlkit.errors import CheckpointError, ConfigError
from rlkit.experiments import Outcome, run_seeds
from rlkit.experiments.ray_files import AwayFolder, files_in, pack, unpack
from rlkit.experiments.ray_pool import RayPool, _Crew, _Run

pytestmark = pytest.mark.usefixtures("local_ray")
MAP = "S . .\n. X .\n. . G"


def behave(config, tell):
    """Do as one is told."""
    if config == "raise":
        raise ValueError("no good")
    if config == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if config == "hang":
        time.sleep(600)
    if config == "go on":
        step = 0
        while tell({"step": step}):
            step += 1
            time.sleep(0.01)
        return step
    return config, os.environ["OMP_NUM_THREADS"]


def test_what_raises_dies_or_hangs_is_an_outcome_that_says_so_and_the_others_go_on():
    configs = ["raise", "die", "hang", "go on", "fine"]
    pool = RayPool(workers=2, patience=4.0, grace=1.0, retries=1)
    told = []

    def hear(index, report):
        told.append((index, report["step"]))
        return report["step"] < 3

    outcomes = {outcome.config: outcome for outcome in pool.map(behave, configs, on_progress=hear)}
    assert [outcomes[config].index for config in configs] == list(range(5))
    assert {config: outcome.error for config, outcome in outcomes.items() if outcome.error} == {
        "raise": "ValueError: no good (test_ray_pool.py:30)",
        "die": "its worker died 2 times (WorkerCrashedError)",
        "hang": "no word for 4 s, so it counts as hung",
    }
    assert (outcomes["go on"].value, outcomes["fine"].value) == (3, ("fine", "1"))
    assert told == [(3, step) for step in range(4)]


def test_what_a_run_returns_that_was_ended_as_hung_does_not_count():
    crew, run = object.__new__(_Crew), _Run(0, "where", "reference", None)
    crew.ray, crew.runs, run.ended = (
        SimpleNamespace(get=lambda reference: ("half of it", None)),
        [run],
        "no word for 1 s",
    )
    assert crew._over(run) == Outcome(0, "where", None, "no word for 1 s")


def test_configurations_are_drawn_when_a_worker_is_free():
    drawn = []
    outcomes = RayPool(workers=1).map(behave, (drawn.append(n) or n for n in range(3)))
    assert next(outcomes).value == (0, "1")
    assert drawn == [0]
    outcomes.close()


def test_closing_ends_what_is_under_way():
    outcomes = RayPool(workers=2, grace=600.0).map(behave, ["fine", "go on"])
    assert next(outcomes).config == "fine"
    outcomes.close()  # would take ten minutes if nobody told the other


class Dies(rlkit.Callback):
    """Kills its own process, the first time."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def on_step(self, trainer, transition, metrics):
        if trainer.step == 130 and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def make(seed):
    env = GridWorld(MAP, max_steps=30)
    return QLearning.for_env(env, seed=seed), env


def test_a_run_whose_worker_is_killed_goes_on_elsewhere_as_if_nothing_had_happened(tmp_path):
    (run,) = run_seeds(
        make,
        [7],
        steps=200,
        directory=tmp_path / "runs",
        pool=RayPool(workers=1),
        callbacks=lambda: [Dies(tmp_path / "marker")],
        checkpoint_every=50,
        episodes=1,
    )
    assert (run.error, run.steps, (tmp_path / "marker").exists()) == (None, 200, True)
    agent, env = make(7)
    rlkit.train(agent, env, steps=200)
    found = QLearning.load(max((run.folder / "checkpoints").glob("step_*.npz")))
    np.testing.assert_array_equal(found.q, agent.q)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["seed_7"]  # what the pool left there is gone


def test_more_than_the_cluster_has_is_refused():
    with pytest.raises(ConfigError, match=r"a run needs 64 CPUs; the Ray cluster has 2 in all"):
        next(RayPool(threads=64).map(behave, ["fine"]))


def test_what_cannot_be_sent_is_refused():
    with pytest.raises(ConfigError, match="configuration 0: cannot be sent to another process"):
        next(RayPool().map(behave, [threading.Lock()]))


@pytest.mark.parametrize(
    "arguments", [{"workers": 0}, {"patience": 0.0}, {"threads": 0}, {"retries": -1}, {"gpus": -1}]
)
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ConfigError, match=next(iter(arguments))):
        RayPool(**arguments)


class Pair:
    """Two machines' folders of one run, and what the one asks the other."""

    def __init__(self, tmp_path: Path, call: str = "a call") -> None:
        self.home, self.away = tmp_path / "home", tmp_path / "away"
        self.brought: set[str] = set()
        self.folder = AwayFolder(self.away, call, self.ask)

    def ask(self, kind, said):
        if kind == "files?":
            return pack(self.home)
        unpack(self.home, said, self.brought)
        return True


def write(folder: Path, **files: str) -> None:
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / "checkpoints" / name).write_text(text)


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in files_in(folder).values()}


def test_a_machine_that_does_not_share_the_folder_begins_with_its_files_and_brings_back_what_changes(tmp_path):
    pair = Pair(tmp_path)
    write(pair.home, old="1", kept="2")
    write(pair.away, stale="of another experiment")
    pair.folder.fetch()
    assert texts(pair.away) == {"old": "1", "kept": "2"}
    write(pair.away, new="3", kept="22")
    pair.folder.bring()
    assert texts(pair.home) == {"old": "1", "kept": "22", "new": "3"}
    (pair.away / "checkpoints" / "new").unlink()
    write(pair.away, newer="4", **{".half.tmp": "?"})
    pair.folder.bring()
    assert texts(pair.home) == {"old": "1", "kept": "22", "newer": "4"}
    assert not (pair.home / "checkpoints" / ".half.tmp").exists()


def test_a_run_called_again_on_a_machine_that_does_not_share_the_folder_goes_on_from_what_is_there(tmp_path):
    Pair(tmp_path).folder.fetch()
    write(tmp_path / "away", newest="1")
    Pair(tmp_path).folder.fetch()
    assert texts(tmp_path / "away") == {"newest": "1"}
    Pair(tmp_path, call="another").folder.fetch()
    assert texts(tmp_path / "away") == {}


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "..\\out"])
def test_files_do_not_leave_the_folder(tmp_path, name):
    with pytest.raises(CheckpointError, match="no name of a file in it"):
        unpack(tmp_path / "run", {"changed": {name: b"x"}, "names": (name,)})
    assert not (tmp_path / "out").exists()
