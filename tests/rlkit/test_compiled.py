"""Training in a compiled loop is training step by step, to the bit: weights, logs, checkpoints, and what follows."""

from __future__ import annotations

import csv
import dataclasses
import os
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import rlkit
from rlkit import Callback, Diverged, Trainer
from rlkit import trainer as training
from rlkit.agents.control.sarsa import Sarsa
from rlkit.agents.prediction.td import LinearTD
from rlkit.compiled import run
from rlkit.compiled.run import CompiledRun
from rlkit.envs import BairdStar, GridWorld, MountainCar, RandomWalk
from rlkit.features import FeatureTable, TileCoding

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
        return [
            {k: v for k, v in row.items() if k not in ("time/fps", "time/time_elapsed")}
            for row in csv.DictReader(stream)
        ]


def saved_in(folder):
    """Return everything in the checkpoints of a run."""
    everything = {}
    for path in sorted(folder.glob("checkpoints/*.npz")):
        with zipfile.ZipFile(path) as file:
            everything |= {(path.name, name): file.read(name) for name in file.namelist()}
    return everything


@pytest.mark.parametrize("pair", PAIRS)
def test_a_run_leaves_the_same_files_whichever_way_it_went(tmp_path, choose, pair, monkeypatch):
    monkeypatch.setattr(run, "CompiledRun", Counting)
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


DIVERGED = r"^LinearTD on RandomWalk, step 99: td_error is 2\.5\d*e\+152; the norm of the weights is 2\.5\d*e\+155; the"


def explosive():
    env = RandomWalk(5)
    return LinearTD.for_env(env, seed=0, gamma=1.0, learning_rate=1e3), env


@pytest.mark.parametrize("way", ["compiled", "python"])
def test_divergence_is_noticed_in_its_step_and_the_last_finite_checkpoint_stays(tmp_path, choose, way):
    choose(way)
    trainer = Trainer(*explosive(), directory=tmp_path, checkpoint_every=50, log_every=50)
    with pytest.raises(Diverged, match=DIVERGED) as caught:
        trainer.run(30_000)
    assert np.isfinite(trainer.agent.w).all()
    last = trainer.folder.saved()[0]
    assert f"the last finite checkpoint is {last}" in str(caught.value)
    assert trainer.step - 50 <= int(last.stem.removeprefix("step_")) < trainer.step
    assert np.isfinite(LinearTD.load(tmp_path).w).all()
    assert int(rows_of(tmp_path)[-1]["step"]) == trainer.step  # what it looked like is in the log


@pytest.mark.parametrize("way", ["compiled", "python"])
def test_a_run_may_go_on_after_divergence_with_finite_checkpoints_only(tmp_path, choose, way):
    choose(way)
    trainer = Trainer(
        *explosive(), directory=tmp_path, checkpoint_every=200, log_every=500, stop_on_divergence=False, truth=False
    )
    with pytest.warns(UserWarning, match="no checkpoints, and the last finite one stays") as warned:
        trainer.run(2_000)
    assert len(warned) == 1
    assert trainer.step == 2_000
    assert [row["train/td_error"] for row in rows_of(tmp_path)][-1] == "nan"
    assert np.isfinite(LinearTD.load(tmp_path).w).all()


def test_a_weight_that_is_not_finite_ends_a_run_without_a_folder():
    class Poisoned(LinearTD):
        @dataclasses.dataclass(frozen=True, kw_only=True)
        class Config(LinearTD.Config):
            pass

        def update(self, t):
            self.w[0] = np.inf
            return {}

    env = RandomWalk(5)
    with pytest.raises(Diverged, match=r"step 20: a weight is not finite; .* no checkpoint was written"):
        Trainer(Poisoned.for_env(env), env).run(20)


@pytest.mark.parametrize("way", ["compiled", "python"])
def test_bairds_star_diverges_and_may(choose, way):
    choose(way)
    env = BairdStar()

    def train(**arguments):
        agent = LinearTD.for_env(
            env,
            policy=env.target_policy,
            behaviour=env.behaviour_policy,
            features=FeatureTable.for_env(env),
            gamma=env.gamma,
            learning_rate=0.5,
            seed=0,
        )
        agent.w[:] = env.initial_weights
        rlkit.train(agent, env, steps=30_000, **arguments)
        return agent

    with pytest.raises(Diverged, match=r"LinearTD on BairdStar, step \d+: td_error is"):
        train()
    assert np.isnan(train(stop_on_divergence=False).w).any()


class Diary(Callback):
    """Notes what it is told and what it sees then, and ends the run with the fifth episode."""

    def __init__(self):
        self.lines = []

    def on_episode(self, trainer, episode):
        self.lines.append((tuple(episode), trainer.step, trainer.agent.w.tobytes(), trainer._observation))
        if episode.number == 5:
            trainer.stop()


def test_callbacks_are_told_of_every_episode_in_its_step_and_can_end_the_run(choose):
    diaries = []
    for way in ("compiled", "python"):
        choose(way)
        diaries.append(Diary())
        agent, env = grid()
        trainer = Trainer(agent, env, callbacks=[diaries[-1]])
        trainer.run(10_000)
        assert trainer.step == diaries[-1].lines[-1][1] < 10_000
    assert diaries[0].lines == diaries[1].lines
    assert len(diaries[0].lines) == 5


class Ticks(Callback):
    every = 250

    def __init__(self):
        self.steps = []

    def on_every(self, trainer):
        self.steps.append(trainer.step)


@pytest.mark.parametrize("way", ["compiled", "python"])
def test_a_callback_with_an_interval_is_called_at_its_multiples(choose, way):
    choose(way)
    ticks = Ticks()
    trainer = Trainer(*walk(), callbacks=[ticks])
    trainer.run(600)
    trainer.run(500)
    assert ticks.steps == [250, 500, 750, 1000]


class Alarm(Callback):
    """Sends this process a signal while it is in the compiled loop."""

    every = 20_000

    def __init__(self, number):
        self.timer = threading.Timer(0.05, os.kill, (os.getpid(), number))

    def on_every(self, trainer):
        if trainer.step == self.every:
            self.timer.start()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_compiled_run_soon_with_a_checkpoint(tmp_path, number):
    alarm = Alarm(number)
    trainer = Trainer(*walk(), callbacks=[alarm], directory=tmp_path, log_every=10**12)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        trainer.run(10**9)
    assert alarm.timer.finished.is_set()
    assert trainer.folder.saved()[0].name == f"step_{trainer.step:012d}.npz"
    assert 20_000 <= trainer.step < 10**9


def is_compiled(agent, env):
    return CompiledRun.of(agent, env) is not None


def test_what_python_redefines_is_not_compiled():
    class Noisy(RandomWalk):
        def step(self, action):
            state, reward, *rest = super().step(action)
            return state, reward + self.np_random.normal(), *rest

    class Careful(LinearTD):
        def update(self, t):
            return super().update(t._replace(reward=min(t.reward, 0.5)))

    class Folded(LinearTD):
        def as_input(self, observation):
            return min(super().as_input(observation), 3)

    class Halved(LinearTD):
        def rule(self):
            return super().rule()

    env = RandomWalk(5)
    assert is_compiled(LinearTD.for_env(env), env)
    assert is_compiled(Halved.for_env(env), env)
    assert not is_compiled(LinearTD.for_env(env), Noisy(5))
    assert not is_compiled(Careful.for_env(env), env)
    assert not is_compiled(Folded.for_env(env), env)
    watched = LinearTD.for_env(env)
    watched.update = lambda t: {}
    assert not is_compiled(watched, env)


def test_only_wrappers_that_change_nothing_are_looked_through():
    env = gymnasium.make("rlkit/RandomWalk5-v0", max_episode_steps=9)
    agent = LinearTD.for_env(env)
    checked = gymnasium.wrappers.OrderEnforcing(gymnasium.wrappers.PassiveEnvChecker(env))
    assert is_compiled(agent, checked)
    assert not is_compiled(agent, gymnasium.wrappers.TransformReward(env, lambda reward: 2 * reward))
    assert not is_compiled(agent, gymnasium.wrappers.RecordEpisodeStatistics(env))


def test_what_is_drawn_at_every_step_or_too_large_steps_in_python():
    shown = GridWorld(MAP, render_mode="human")
    assert not is_compiled(Sarsa.for_env(shown), shown)
    large = GridWorld("\n".join(["G" + "." * 199] + ["." * 200] * 199))
    assert not is_compiled(Sarsa.for_env(large), large)


@pytest.mark.parametrize("pair", [walk, limited_grid, car])
@pytest.mark.parametrize("steps", [1, 130, 600])
def test_an_environment_comes_back_from_a_compiled_loop_as_if_it_had_stepped(pair, steps):
    """Also with numbers drawn before: the future is the same, and so is the state, draws left over included."""
    agent, env = pair()
    other_agent, other = pair()
    for one, its in ((agent, env), (other_agent, other)):
        Trainer(one, its).run(77)
    run = CompiledRun.of(agent, env)
    run.in_episode = True
    run.run(steps)
    Trainer.run(continued(other_agent, other), steps)
    assert env.unwrapped.get_state() == other.unwrapped.get_state()
    assert agent.w.tobytes() == other_agent.w.tobytes()


def continued(agent, env):
    """Return a trainer in the midst of an episode."""
    trainer = Trainer(agent, env)
    state = env.unwrapped.get_state()
    trainer._in_episode = True
    trainer._observation = state["state"] if "state" in state else np.array([state["position"], state["velocity"]])
    return trainer


def test_what_was_clipped_and_what_collided_is_logged(tmp_path):
    env = gymnasium.wrappers.TransformObservation(car()[1], lambda x: 3 * x, None)
    features = TileCoding.for_env(env, size=64)
    trainer = Trainer(Sarsa.for_env(env, features=features, seed=0), env, directory=tmp_path, log_every=50)
    trainer.run(100)
    first, last = rows_of(tmp_path)
    assert 0 < float(first["features/clipped"]) <= float(last["features/clipped"]) == trainer.agent.n_clipped
    assert 0 < float(first["features/collisions"]) <= float(last["features/collisions"]) == trainer.agent.n_collisions


TRAINING = """
import warnings
warnings.simplefilter("error")
from rlkit import Trainer, trainer
from tests.rlkit.test_compiled import PAIRS
trainer.WORTH_COMPILING = {worth}
for pair in PAIRS:
    agent, env = pair()
    Trainer(agent, env, progress=False).run(400)
    print(agent.w.tobytes().hex())
"""


@pytest.mark.slow
@pytest.mark.parametrize("worth", [1, 1 << 60])
def test_without_numbas_compiler_everything_is_the_same_but_slow(worth):
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", TRAINING.format(worth=worth)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = []
    for pair in PAIRS:
        agent, env = pair()
        Trainer(agent, env).run(400)
        expected.append(agent.w.tobytes().hex())
    assert done.stdout.split() == expected
