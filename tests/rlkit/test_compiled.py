"""Training in a compiled loop is training step by step, to the bit: weights, logs, checkpoints, and what follows."""

from __future__ import annotations

import csv
import zipfile

import gymnasium
import pytest

from rlkit import Callback, Trainer
from rlkit import trainer as training
from rlkit.agents.control.sarsa import Sarsa
from rlkit.agents.prediction.td import LinearTD
from rlkit.compiled.run import CompiledRun
from rlkit.envs import GridWorld, MountainCar, RandomWalk
from rlkit.features import TileCoding

MAP = "S . . # .\n. X . . .\n. . . X G"


def walk():
    env = RandomWalk(5)
    return LinearTD.for_env(env, seed=3, gamma=1.0, learning_rate_power=0.5), env


def grid():
    env = GridWorld(MAP, slip=0.3, step_reward=-0.1, max_steps=60)
    return Sarsa.for_env(env, seed=0, exploration_fraction=0.5), env


def limited_grid():
    env = gymnasium.make("rlkit/GridWorld-v0", map=MAP, slip=0.3, step_reward=-0.1, max_episode_steps=23)
    return Sarsa.for_env(env, seed=0), env


def car():
    env = MountainCar(max_steps=300)
    return Sarsa.for_env(env, features=TileCoding.for_env(env), seed=0, gamma=1.0, learning_rate=0.05), env


PAIRS = [walk, grid, limited_grid, car]


@pytest.fixture
def choose(monkeypatch):
    """Have trainers take their steps in a compiled loop, or in Python."""

    def set_way(way):
        monkeypatch.setattr(training, "WORTH_COMPILING", 1 if way == "compiled" else 1 << 60)

    return set_way


class Counting(CompiledRun):
    """Counts the compiled loops that were made."""

    made = 0

    def __init__(self, *arguments):
        super().__init__(*arguments)
        Counting.made += 1


def rows_of(folder):
    with (folder / "progress.csv").open() as stream:
        return [{k: v for k, v in row.items() if k != "time/fps"} for row in csv.DictReader(stream)]


def saved_in(folder):
    """Return everything in the checkpoints of a run."""
    everything = {}
    for path in sorted(folder.glob("checkpoints/*.npz")):
        with zipfile.ZipFile(path) as file:
            everything |= {(path.name, name): file.read(name) for name in file.namelist()}
    return everything


@pytest.mark.parametrize("pair", PAIRS)
def test_a_run_leaves_the_same_files_whichever_way_it_went(tmp_path, choose, pair, monkeypatch):
    monkeypatch.setattr(training, "CompiledRun", Counting)
    Counting.made = 0
    ends = []
    for way in ("compiled", "python"):
        choose(way)
        agent, env = pair()
        trainer = Trainer(
            agent, env, directory=tmp_path / way, log_every=100, checkpoint_every=700, keep_checkpoints=9, truth=False
        )
        trainer.run(2_000)
        ends.append((trainer.step, trainer.episodes.state_dict(), env.unwrapped.get_state(), trainer.info))
        assert Counting.made == 1
    assert ends[0] == ends[1]
    assert rows_of(tmp_path / "compiled") == rows_of(tmp_path / "python")
    assert len(rows_of(tmp_path / "python")) == 20
    compiled, python = saved_in(tmp_path / "compiled"), saved_in(tmp_path / "python")
    assert len({name for name, _ in compiled}) == 4
    assert compiled == python


class StopAt(Callback):
    def __init__(self, step):
        self.every = step

    def on_every(self, trainer):
        trainer.stop()


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("ways", [("compiled", "compiled"), ("compiled", "python"), ("python", "compiled")])
def test_a_run_that_stops_and_goes_on_in_another_way_ends_the_same(tmp_path, choose, pair, ways):
    choose("python")
    straight = Trainer(*pair(), log_every=10**6)
    straight.run(1_500)
    for way, callbacks in zip(ways, ([StopAt(777)], []), strict=True):
        choose(way)
        resumed = Trainer(*pair(), directory=tmp_path, callbacks=callbacks, truth=False, log_every=10**6)
        if not callbacks:
            assert resumed.resume() == 777
        resumed.run(1_500 - resumed.step)
    assert resumed.agent.w.tobytes() == straight.agent.w.tobytes()
    assert resumed.agent.visits.tobytes() == straight.agent.visits.tobytes()
    assert resumed.agent.rng.bit_generator.state == straight.agent.rng.bit_generator.state
    assert resumed.episodes.state_dict() == straight.episodes.state_dict()
    assert resumed.env.unwrapped.get_state() == straight.env.unwrapped.get_state()
