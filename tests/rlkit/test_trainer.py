from __future__ import annotations

import contextlib
import csv
import os
import signal
import threading
import warnings

import gymnasium
import numpy as np
import pytest
import torch

import rlkit
from rlkit import Callback, Diverged, InvalidTransition, Trainer
from rlkit.agents import DDPG, TD3
from rlkit.errors import ConfigError, SpaceError
from rlkit.statistics import Means
from tests.rlkit.helpers import Corridor, DoubleQLearning, Drift, Recorder


class Broken(Corridor):
    """Gives, in its n-th step of all, what it was told to."""

    def __init__(self, at, **instead):
        super().__init__()
        self.total, self.bad, self.instead = 0, at, instead

    def step(self, action):
        observation, reward, *rest = super().step(action)
        self.total += 1
        if self.total == self.bad:
            observation, reward = self.instead.get("observation", observation), self.instead.get("reward", reward)
        return observation, reward, *rest


def test_transitions_are_what_the_environment_said_and_never_cross_an_episode():
    agent = Recorder.for_env(Corridor(length=3))
    Trainer(agent, Corridor(length=3)).run(7)
    seen = [(t.observation, t.next_observation, t.terminated, t.truncated) for t in agent.seen]
    episode = [(0, 1, False, False), (1, 2, False, False), (2, 3, True, False)]
    assert seen == [*episode, *episode, episode[0]]


def test_a_truncated_episode_keeps_its_last_observation_and_is_not_terminated():
    agent = Recorder.for_env(Corridor(length=5))
    Trainer(agent, Corridor(length=5, limit=2)).run(3)
    assert [(t.next_observation, t.terminated, t.truncated) for t in agent.seen] == [
        (1, False, False),
        (2, False, True),
        (1, False, False),
    ]


def test_running_twice_is_running_once():
    once, twice = (DoubleQLearning.for_env(gymnasium.make("FrozenLake-v1"), seed=0) for _ in range(2))
    Trainer(once, gymnasium.make("FrozenLake-v1")).run(500)
    trainer = Trainer(twice, gymnasium.make("FrozenLake-v1"))
    trainer.run(123)
    trainer.run(377)
    assert trainer.step == 500
    assert (once.q == twice.q).all()
    assert once.rng.bit_generator.state == twice.rng.bit_generator.state


def test_train_called_again_continues():
    env = gymnasium.make("FrozenLake-v1")
    once, twice = (DoubleQLearning.for_env(env, seed=0) for _ in range(2))
    rlkit.train(once, gymnasium.make("FrozenLake-v1"), steps=500)
    rlkit.train(twice, env, steps=200)
    trainer = rlkit.train(twice, env, steps=300)
    assert trainer.step == 500
    assert (once.q == twice.q).all()


def test_episodes_are_counted_and_averaged():
    agent, env = Recorder.for_env(Corridor(length=4)), Corridor(length=4, reward=0.5)
    trainer = Trainer(agent, env)
    trainer.run(10)
    assert (trainer.episodes.count, trainer.episodes.length, trainer.episodes.total) == (2, 2, 1.0)
    assert trainer.episodes.means() == {"rollout/ep_rew_mean": 2.0, "rollout/ep_len_mean": 4.0}


def test_only_the_last_hundred_episodes_are_averaged():
    env = Corridor(length=1)
    trainer = Trainer(Recorder.for_env(env), env)
    trainer.run(50)
    env.reward = 3.0
    trainer.run(100)
    assert trainer.episodes.means()["rollout/ep_rew_mean"] == 3.0


@pytest.mark.parametrize("reward", [np.nan, np.inf, 10**400, None, "much"])
def test_a_reward_that_is_no_finite_number_is_refused_by_step_and_environment(reward):
    env = Broken(7, reward=reward)
    agent = Recorder.for_env(env)
    with pytest.raises(InvalidTransition, match=r"Broken, step 7: the reward"):
        Trainer(agent, env).run(20)
    assert len(agent.seen) == 6


@pytest.mark.parametrize("observation", [6, -1, None, 2.5])
def test_an_observation_outside_its_space_is_refused(observation):
    env = Broken(3, observation=observation)
    agent = Recorder.for_env(env)
    with pytest.raises(InvalidTransition, match=r"Broken, step 3: the observation"):
        Trainer(agent, env).run(20)
    assert len(agent.seen) == 2


@pytest.mark.parametrize("action", [np.array([np.nan, 0]), np.array([2.0, 0]), np.zeros(3), 0.5])
def test_an_action_outside_its_space_is_refused(action):
    class Wrong(Recorder):
        def act(self, observation, *, explore=False):
            return action

    agent = Wrong.for_env(Drift())
    with pytest.raises(InvalidTransition, match="Drift, step 1: the action"):
        Trainer(agent, Drift()).run(1)


def test_an_observation_that_the_environment_overwrites_is_kept():
    class Overwriting(Drift):
        def reset(self, **keywords):
            self.buffer, info = super().reset(**keywords)
            return self.buffer, info

        def step(self, action):
            observation, *rest = super().step(action)
            self.buffer[:] = observation
            return self.buffer, *rest

    agents = []
    for env in (Drift(), Overwriting()):
        agents.append(Recorder.for_env(env, seed=0))
        Trainer(agents[-1], env).run(5)
    for left, right in zip(agents[0].seen, agents[1].seen, strict=True):
        assert (left.observation == right.observation).all()
        assert (left.next_observation == right.next_observation).all()


def test_a_metric_that_is_not_finite_stops_the_run_and_is_named():
    class Exploding(Recorder):
        def update(self, t):
            super().update(t)
            return {"loss": float("inf") if len(self.seen) == 3 else 1.0}

    with pytest.raises(Diverged, match=r"Exploding on Corridor, step 3: loss is inf"):
        Trainer(Exploding.for_env(Corridor()), Corridor()).run(10)


@pytest.mark.parametrize(
    ("reported", "complaint"),
    [
        (5.0, r"update\(\) returned 5\.0, expected numbers by name"),
        ({"loss": "low"}, r"update\(\) reported loss='low', expected a number"),
        ({"loss": torch.zeros(3)}, r"update\(\) reported loss of shape \(3,\), expected a number"),
    ],
)
def test_what_is_no_metric_is_refused(reported, complaint):
    class Reporting(Recorder):
        def update(self, transition):
            return reported

    with pytest.raises(rlkit.RlkitError, match=complaint):
        rlkit.train(Reporting.for_env(Corridor()), Corridor(), steps=3)


def test_parameters_that_are_not_finite_are_never_saved(tmp_path):
    class Poisoned(Recorder):
        def setup(self):
            self.weights, self.count = np.zeros(3), 0

        def update(self, t):
            self.count += 1
            if self.count == 15:
                self.weights[1] = np.nan
            return {}

    trainer = Trainer(Poisoned.for_env(Corridor()), Corridor(), directory=tmp_path / "run", checkpoint_every=10)
    with pytest.raises(Diverged, match=r"step 20: agent\.weights"):
        trainer.run(100)
    assert [path.name for path in trainer.folder.saved()] == ["step_000000000010.npz", "step_000000000000.npz"]


def test_callbacks_are_told_of_steps_episodes_and_checkpoints(tmp_path):
    class Diary(Callback):
        def __init__(self):
            self.lines = []

        def on_start(self, trainer):
            self.lines.append("start")

        def on_step(self, trainer, transition, metrics):
            self.lines.append((trainer.step, transition.next_observation, metrics["reward"], trainer.info["at"]))

        def on_episode(self, trainer, episode):
            self.lines.append(tuple(episode))

        def on_checkpoint(self, trainer, path):
            self.lines.append(path.name)

        def on_stop(self, trainer):
            self.lines.append("stop")

    diary, env = Diary(), Corridor(length=2)
    Trainer(Recorder.for_env(env), env, callbacks=[diary], directory=tmp_path / "run").run(3)
    assert diary.lines == [
        "step_000000000000.npz",
        "start",
        (1, 1, 1.0, 1),
        (2, 2, 1.0, 2),
        (2.0, 2, 1),
        (3, 1, 1.0, 1),
        "step_000000000003.npz",
        "stop",
    ]


def test_a_callback_can_end_the_run():
    class Enough(Callback):
        def on_episode(self, trainer, episode):
            if episode.number == 3:
                trainer.stop()

    env = Corridor(length=4)
    trainer = Trainer(Recorder.for_env(env), env, callbacks=[Enough()])
    trainer.run(1000)
    assert trainer.step == 12


class Signaller(Callback):
    """Sends this process a signal after a step."""

    def __init__(self, *numbers, at=5):
        self.numbers, self.at = numbers, at

    def on_step(self, trainer, transition, metrics):
        if trainer.step == self.at:
            for number in self.numbers:
                os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_lets_the_step_finish_and_a_checkpoint_be_written(tmp_path, number, kind):
    env = Corridor()
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    trainer = Trainer(Recorder.for_env(env), env, callbacks=[Signaller(number)], directory=tmp_path / "run")
    with pytest.raises(kind) as caught:
        trainer.run(1000)
    assert kind is KeyboardInterrupt or caught.value.code == 143
    assert trainer.step == 5
    assert trainer.folder.saved()[0].name == "step_000000000005.npz"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_second_interrupt_does_not_wait():
    env = Corridor()

    class Twice(Signaller):
        def on_step(self, trainer, transition, metrics):
            super().on_step(trainer, transition, metrics)
            assert trainer.step < 5, "went on after the second interrupt"

    trainer = Trainer(Recorder.for_env(env), env, callbacks=[Twice(signal.SIGINT, signal.SIGINT)])
    with pytest.raises(KeyboardInterrupt):
        trainer.run(1000)


def test_training_in_another_thread_leaves_the_signals_alone():
    env = Corridor()
    agent = Recorder.for_env(env)
    thread = threading.Thread(target=Trainer(agent, env).run, args=(10,))
    before = signal.getsignal(signal.SIGINT)
    thread.start()
    thread.join()
    assert len(agent.seen) == 10
    assert signal.getsignal(signal.SIGINT) is before


def test_an_agent_made_for_other_spaces_is_refused():
    with pytest.raises(SpaceError, match=r"Corridor's observation_space is Discrete\(4\)"):
        Trainer(Recorder.for_env(Corridor(length=5)), Corridor(length=3))


def test_a_vector_of_environments_is_refused():
    envs = gymnasium.vector.SyncVectorEnv([Corridor])
    with pytest.raises(SpaceError, match="is a SyncVectorEnv"):
        Trainer(Recorder.for_env(Corridor()), envs)


@pytest.mark.parametrize("number", [0, 1.5, "1", True])
@pytest.mark.parametrize("setting", ["log_every", "checkpoint_every", "keep_checkpoints"])
def test_a_setting_that_counts_nothing_is_refused(setting, number):
    with pytest.raises(ConfigError, match=f"{setting}={number!r} is not a whole number of at least 1"):
        Trainer(Recorder.for_env(Corridor()), Corridor(), **{setting: number})


@pytest.mark.parametrize("steps", [-1, 1e3, "10", None])
def test_steps_that_are_no_whole_number_are_refused(steps, tmp_path):
    trainer = Trainer(Recorder.for_env(Corridor()), Corridor(), directory=tmp_path / "run")
    with pytest.raises(ConfigError, match="steps="):
        trainer.run(steps)
    with pytest.raises(ConfigError, match="steps="):
        rlkit.train(trainer.agent, trainer.env, steps=steps, resume=True)
    assert not (tmp_path / "run").exists()


def test_who_cannot_learn_or_watch_is_refused():
    env = Corridor()
    with pytest.raises(ConfigError, match="is not an Agent"):
        Trainer(rlkit.Policy(env.observation_space, env.action_space), env)
    for callback in (rlkit.Callback, len):
        with pytest.raises(ConfigError, match="is not a Callback"):
            Trainer(Recorder.for_env(env), env, callbacks=[callback])


def test_what_cannot_be_saved_is_refused_before_the_first_step(tmp_path):
    class Hooked(Recorder):
        def setup(self):
            super().setup()
            self.hook = lambda: 0

    trainer = Trainer(Hooked.for_env(Corridor()), Corridor(), directory=tmp_path / "run")
    with pytest.raises(rlkit.CheckpointError, match=r"agent\.hook: a function has no saved form"):
        trainer.run(10)
    assert trainer.step == 0


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    env = Corridor()
    trainer = Trainer(Recorder.for_env(env), env, directory=tmp_path / "run", checkpoint_every=10, keep_checkpoints=2)
    trainer.run(45)
    assert [path.name for path in trainer.folder.saved()] == ["step_000000000045.npz", "step_000000000040.npz"]


def test_a_folder_with_a_run_in_it_is_left_alone(tmp_path):
    env = Corridor()
    folders = []
    for _ in range(2):
        trainer = Trainer(Recorder.for_env(env), env, directory=tmp_path / "run")
        trainer.run(5)
        folders.append(trainer.folder.path.name)
    assert folders == ["run", "run-2"]


def test_a_full_disk_costs_a_warning_and_no_training(tmp_path, monkeypatch):
    env = Corridor()
    trainer = Trainer(Recorder.for_env(env), env, directory=tmp_path / "run", checkpoint_every=10, log_every=10)
    trainer.run(10)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        patched.setattr(os, "write", full)
        patched.setattr(os, "fsync", full)
        trainer.callbacks = [type("Undo", (Callback,), {"on_step": lambda s, t, *_: t.step == 95 and patched.undo()})()]
        trainer.run(100)
    messages = [str(warning.message) for warning in seen]
    assert len([m for m in messages if "No space left" in m]) == len(messages) == 3  # events, table, checkpoints
    assert trainer.step == 110
    assert trainer.folder.saved()[0].name == "step_000000000110.npz"
    rows = (tmp_path / "run/progress.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == [str(step) for step in range(10, 120, 10)]


def test_what_an_agent_says_of_itself_is_asked_once_a_row(tmp_path):
    class Introspective(DoubleQLearning):
        asked = 0

        def diagnostics(self):
            self.asked += 1
            return {"answer": 42.0}

    agent = Introspective.for_env(Corridor(), seed=0)
    Trainer(agent, Corridor(), directory=tmp_path, log_every=10).run(30)
    assert agent.asked == 3
    with (tmp_path / "progress.csv").open() as stream:
        assert [row["train/answer"] for row in csv.DictReader(stream)] == ["42.0"] * 3


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_a_run_takes_place_in_the_agents_context_and_leaves_it(error):
    class Computing(Recorder):
        inside = False

        @contextlib.contextmanager
        def computing(self):
            self.inside = True
            try:
                yield
            finally:
                self.inside = False

        def act(self, observation, *, explore=False):
            assert self.inside
            if error is not None:
                raise error
            return super().act(observation, explore=explore)

    agent = Computing.for_env(Corridor())
    with contextlib.nullcontext() if error is None else pytest.raises(error):
        Trainer(agent, Corridor()).run(5)
    assert not agent.inside


@pytest.mark.parametrize("agent_type", [DDPG, TD3])
@pytest.mark.parametrize("setting", [(2, "highest"), (1, "medium")])
def test_a_deep_agents_run_leaves_torch_as_it_found_it(agent_type, setting):
    class Watch(Callback):
        def on_step(self, trainer, transition, metrics):
            threads.add(torch.get_num_threads())

    threads: set[int] = set()
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    agent = agent_type.for_env(Drift(), network=(256, 256), batch_size=4, buffer_size=50, learning_starts=5, seed=0)
    try:
        torch.set_num_threads(setting[0])
        torch.set_float32_matmul_precision(setting[1])
        Trainer(agent, Drift(), callbacks=[Watch()]).run(10)
        assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == setting
    finally:
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[1])
    assert threads == {1}


@pytest.mark.parametrize("length", [1, Means.UNREAD - 1, 3 * Means.UNREAD + 7])
def test_tensors_have_the_means_of_the_numbers_they_hold(length):
    values = np.random.default_rng(0).normal(size=length).astype(np.float32)
    numbers, tensors = Means(), Means()
    for i, value in enumerate(values):
        numbers.add({"loss": float(value)})
        tensors.add({"loss": torch.tensor(value, requires_grad=i % 2 == 0).reshape((1,) * (i % 3))})
        assert len(tensors._unread["loss"]) < Means.UNREAD
    assert tensors.read_tensors() is None
    assert tensors.take() == numbers.take()


def test_a_tensor_that_is_not_finite_is_noticed_before_too_many_wait():
    class Late(Recorder):
        def update(self, t):
            self.seen.append(t)
            return {"loss": torch.tensor(np.nan if len(self.seen) > 400 else 1.0)}

    with pytest.raises(Diverged, match=r"Late on Corridor, step 1000: loss is nan"):
        Trainer(Late.for_env(Corridor()), Corridor(), log_every=10**6).run(10**6)


def test_rows_have_the_times_and_counts_that_sb3_logs(tmp_path):
    agent = DDPG.for_env(Drift(), seed=0, network=(8,), batch_size=8, buffer_size=100, learning_starts=10)
    Trainer(agent, Drift(), directory=tmp_path).run(80)
    with (tmp_path / "progress.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    time = {f"time/{name}" for name in ("episodes", "fps", "time_elapsed", "total_timesteps")}
    learning = {f"train/{name}" for name in ("actor_loss", "critic_loss", "n_updates")}
    assert time | learning | {"rollout/ep_rew_mean", "rollout/ep_len_mean"} <= row.keys()
    assert (row["time/episodes"], row["train/n_updates"], row["time/total_timesteps"]) == ("2.0", "70.0", "80.0")


def test_the_progress_bar_shows_steps_and_returns(capsys, monkeypatch):
    monkeypatch.setattr("rlkit.training.BAR_AFTER", 0)
    Trainer(Recorder.for_env(Corridor(5)), Corridor(5), progress=True, log_every=10).run(40)
    shown = capsys.readouterr().err
    assert "40/40" in shown
    assert "ep_rew_mean=5" in shown
