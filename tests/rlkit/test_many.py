"""Many runs are as many single runs, in any number of threads."""

from __future__ import annotations

import _thread
import threading
import time

import numpy as np
import pytest

import rlkit
from rlkit import Callback, Trainer
from rlkit.agents.control.sarsa import Sarsa
from rlkit.agents.prediction.td import LinearTD
from rlkit.envs import GridWorld, RandomWalk
from rlkit.errors import ConfigError, Diverged
from tests.rlkit.helpers import Corridor, DoubleQLearning

SEEDS = [3, 0, 7, 1]


def walker(seed):
    env = RandomWalk(5)
    return LinearTD.for_env(env, seed=seed, gamma=1.0), env


def controller(seed):
    env = GridWorld("S . .\n. X G", slip=0.2, step_reward=-0.1)
    return Sarsa.for_env(env, seed=seed), env


def in_python(seed):
    env = GridWorld("S . .\n. X G", slip=0.2, step_reward=-0.1)
    return DoubleQLearning.for_env(env, seed=seed), env


class Episodes(Callback):
    def __init__(self):
        self.all = []

    def on_step(self, trainer, transition, metrics):
        """Have every step be taken in Python."""

    def on_episode(self, trainer, episode):
        self.all.append(episode)


def weights(agent):
    return agent.q if isinstance(agent, DoubleQLearning) else agent.w


@pytest.mark.parametrize("make", [walker, controller, in_python])
def test_runs_are_what_each_seed_alone_would_be(make):
    runs = rlkit.train_many(make, SEEDS, steps=700)
    for seed, agent, returns, lengths in zip(SEEDS, runs.agents, runs.returns, runs.lengths, strict=True):
        alone, env = make(seed)
        watcher = Episodes()
        Trainer(alone, env, callbacks=[watcher]).run(700)
        assert weights(agent).tobytes() == weights(alone).tobytes()
        assert returns.tolist() == [episode.reward for episode in watcher.all]
        assert lengths.tolist() == [episode.length for episode in watcher.all]


@pytest.mark.parametrize("make", [walker, in_python])
def test_the_number_of_threads_changes_nothing(make):
    runs = [
        rlkit.train_many(
            make, range(5), episodes=30, record=lambda agent: weights(agent).copy(), every=10, threads=threads
        )
        for threads in (1, 2, 4)
    ]
    for other in runs[1:]:
        assert other.records.tobytes() == runs[0].records.tobytes()
        assert other.returns.tobytes() == runs[0].returns.tobytes()
    assert runs[0].returns.shape == runs[0].lengths.shape == (5, 30)
    assert runs[0].records.shape == (5, 4, *weights(runs[0].agents[0]).shape)


@pytest.mark.parametrize("make", [walker, in_python])
@pytest.mark.parametrize("unit", ["steps", "episodes"])
def test_records_are_taken_at_the_start_and_after_every_so_many(make, unit):
    runs = rlkit.train_many(make, [0], **{unit: 250}, record=lambda agent: weights(agent).copy(), every=100)
    first, after_100, after_200 = runs.records[0]
    assert (first == 0).all()
    for record, length in ((after_100, 100), (after_200, 200)):
        shorter = rlkit.train_many(make, [0], **{unit: length})
        assert record.tobytes() == weights(shorter.agents[0]).tobytes()
    assert weights(runs.agents[0]).tobytes() != after_200.tobytes()


def test_numbers_recorded_make_a_table_of_seeds_and_moments():
    runs = rlkit.train_many(walker, range(3), episodes=4, record=lambda agent: agent.w.sum(), every=2)
    assert runs.records.shape == (3, 3)
    assert rlkit.train_many(walker, range(3), episodes=4).records.shape == (3, 0)


def test_an_error_in_a_thread_is_raised_and_says_in_which_run():
    def failing(seed):
        if seed == 2:
            raise ValueError("no such thing")
        return walker(seed)

    with pytest.raises(ValueError, match="no such thing") as caught:
        rlkit.train_many(failing, range(4), episodes=5)
    assert caught.value.__notes__ == ["in train_many, seed 2"]


def test_a_failing_run_gives_up_the_others_at_once():
    def one_fails(seed):
        if seed == 1:
            raise ValueError("at once")
        return walker(seed)

    began = time.monotonic()
    with pytest.raises(ValueError, match="at once"):
        rlkit.train_many(one_fails, range(2), steps=10**11, threads=2)
    assert time.monotonic() - began < 30


def test_an_interrupt_ends_it_soon():
    threading.Timer(0.5, _thread.interrupt_main).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        rlkit.train_many(walker, range(4), steps=10**11)
    assert time.monotonic() - began < 30
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("rlkit")]


def explosive(seed):
    env = RandomWalk(5)
    return LinearTD.for_env(env, seed=seed, gamma=1.0, learning_rate=1e200), env


def test_divergence_is_an_error_that_names_the_step_unless_it_is_let_be():
    with pytest.raises(Diverged, match=r"LinearTD on RandomWalk, step \d+: td_error is .*; the norm of the weights"):
        rlkit.train_many(explosive, [0], episodes=50)
    runs = rlkit.train_many(explosive, [0], episodes=50, stop_on_divergence=False)
    assert runs.returns.shape == (1, 50)
    assert not np.isfinite(runs.agents[0].w).all()


def test_an_environment_for_two_runs_is_refused():
    env = Corridor()
    with pytest.raises(ConfigError, match="returned an environment again"):
        rlkit.train_many(lambda seed: (DoubleQLearning.for_env(env, seed=seed), env), range(2), steps=5)


def test_an_agent_for_two_runs_is_refused():
    agent = DoubleQLearning.for_env(Corridor(), seed=0)
    with pytest.raises(ConfigError, match="returned an agent again"):
        rlkit.train_many(lambda _: (agent, Corridor()), range(2), steps=5)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "steps=None and episodes=None, expected just one"),
        ({"steps": 5, "episodes": 5}, "steps=5 and episodes=5, expected just one"),
        ({"steps": 0}, "steps=0 is not a whole number"),
        ({"steps": 5, "every": 2}, "they come together"),
        ({"steps": 5, "threads": 0}, "threads=0"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, complaint):
    with pytest.raises(ConfigError, match=complaint):
        rlkit.train_many(walker, [0], **arguments)


def test_a_schedule_without_an_end_is_refused():
    def make(seed):
        env = GridWorld("S . G")
        return Sarsa.for_env(env, seed=seed, exploration_fraction=0.5), env

    with pytest.raises(ConfigError, match=r"whose length only steps=\.\.\. tells"):
        rlkit.train_many(make, [0], episodes=5)
    assert rlkit.train_many(make, [0], steps=200).agents[0].exploration_rate == pytest.approx(0.1)


def test_what_make_returns_is_a_pair_and_seeds_are_many():
    def alone(seed):
        return LinearTD.for_env(RandomWalk(5), seed=seed)

    with pytest.raises(ConfigError, match=r"expected a pair \(agent, environment\)"):
        rlkit.train_many(alone, [0], steps=1)
    with pytest.raises(ConfigError, match=r"such as range\(5\)"):
        rlkit.train_many(alone, 5, steps=1)
