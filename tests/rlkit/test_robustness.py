"""What a run of a deep agent survives, and what it refuses: nothing wrong is stored, nothing not finite is saved."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import rlkit
from rlkit import Callback, ConfigError, Diverged, InvalidTransition, Trainer
from rlkit.agents import DDPG, TD3
from tests.rlkit.helpers import Drift

SMALL = {"network": (8, 8), "batch_size": 8, "buffer_size": 500, "learning_starts": 10}


class Faulty(Drift):
    """Does something else in its n-th step of all: raises what it is given, or gives it in place of what is right."""

    def __init__(self, n, error=None, **instead):
        super().__init__()
        self.left, self.error, self.instead = n, error, instead

    def step(self, action):
        self.left -= 1
        observation, reward, *rest = super().step(action)
        if self.left == 0:
            if self.error is not None:
                raise self.error
            observation, reward = self.instead.get("observation", observation), self.instead.get("reward", reward)
        return observation, reward, *rest


def small(seed=0, **changes):
    return DDPG.for_env(Drift(), seed=seed, **{**SMALL, **changes})


def rows_of(folder):
    with (folder / "progress.csv").open() as stream:
        return list(csv.DictReader(stream))


WRONG = [
    {"reward": np.nan},
    {"reward": -np.inf},
    {"reward": None},
    {"observation": np.array([0.0, np.nan])},
    {"observation": np.array([np.inf, 0.0])},
    {"observation": np.zeros(3)},
    {"observation": np.zeros((1, 2))},
    {"observation": None},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_what_is_wrong_is_refused_before_it_is_stored_and_the_last_checkpoint_stays(tmp_path, wrong):
    agent, env = small(), Faulty(35, **wrong)
    trainer = Trainer(agent, env, directory=tmp_path, checkpoint_every=30)
    what = next(iter(wrong))
    with pytest.raises(InvalidTransition, match=f"Faulty, step 35: the {what} is"):
        trainer.run(50)
    assert agent.n_stored == len(agent.buffer) == 34
    saved = DDPG.load(tmp_path)
    assert saved.n_stored == 30
    assert np.isfinite(saved.act(np.zeros(2))).all()


@pytest.mark.parametrize("wrong", WRONG[:2] + WRONG[3:5], ids=str)
def test_what_is_wrong_in_one_of_many_environments_is_refused(wrong):
    env = SyncVectorEnv([Drift, lambda: Faulty(15, **wrong)], autoreset_mode=AutoresetMode.SAME_STEP)
    agent = DDPG.for_env(env, seed=0, **SMALL)
    with pytest.raises(InvalidTransition, match=f"step 29: the {next(iter(wrong))}s are"):
        rlkit.train(agent, env, steps=50)
    assert agent.n_stored == 28


@pytest.mark.parametrize("parallel", [False, True])
def test_a_run_that_goes_on_after_a_fault_begins_another_episode(parallel):
    faulty, seen, begun = Faulty(15, reward=np.nan), [], []

    class Follows(DDPG):
        def update(self, transition):
            seen.append(transition.observation)
            return super().update(transition)

        def update_batch(self, transitions, valid=None):
            seen.append(transitions.observation[0])
            return super().update_batch(transitions, valid)

        def abandon_episode(self):
            begun.append(len(seen))
            super().abandon_episode()

    env = SyncVectorEnv([lambda: faulty], autoreset_mode=AutoresetMode.SAME_STEP) if parallel else faulty
    agent = Follows.for_env(env, seed=0, **SMALL)
    with pytest.raises(InvalidTransition, match="step 15"):
        rlkit.train(agent, env, steps=30)
    left = faulty.position
    rlkit.train(agent, env, steps=1)
    assert begun == [0, 14]
    assert abs(seen[14] - left).max() > 0.01  # where nothing was learnt of the way to
    assert faulty.steps == 1


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("wrong", [{"observation": np.array([1e39, 0.0])}, {"reward": 1e39}], ids=str)
def test_what_only_a_float32_cannot_hold_is_refused_with_step_and_environment(wrong):
    agent = small()
    with pytest.raises(InvalidTransition, match=r"Faulty, step 15: .*inf in float32"):
        rlkit.train(agent, Faulty(15, **wrong), steps=30)
    assert agent.n_stored == len(agent.buffer) == 14


@pytest.mark.parametrize("factor", [1.0001, np.nan, np.inf])
def test_an_action_out_of_bounds_never_reaches_the_environment(factor):
    class Beyond(DDPG):
        def act(self, observation, *, explore=False):
            return factor * np.ones(2, np.float32)

    env = Drift()
    with pytest.raises(InvalidTransition, match="Drift, step 1: the action is"):
        Trainer(Beyond.for_env(env, **SMALL), env).run(5)
    assert env.steps == 0


def test_actions_out_of_bounds_never_reach_parallel_environments():
    class Beyond(DDPG):
        def act_batch(self, observations, *, explore=True):
            return np.float32([[0, 0], [0, 1.5]])

    env = SyncVectorEnv([Drift, Drift])
    with pytest.raises(InvalidTransition, match=r"step 1: the actions are .*, which is outside Box"):
        rlkit.train(Beyond.for_env(env, **SMALL), env, steps=5)


@pytest.mark.parametrize("cls", [DDPG, TD3])
@pytest.mark.parametrize("directory", [True, False])
def test_a_loss_that_is_not_finite_is_a_divergence_and_never_saved(tmp_path, cls, directory):
    """The square of 1e30 is beyond float32."""
    env = Faulty(25, reward=1e30)
    agent = cls.for_env(Drift(), seed=0, **SMALL)
    trainer = Trainer(agent, env, directory=tmp_path / "run" if directory else None, checkpoint_every=20, log_every=10)
    with pytest.raises(Diverged, match=rf"{cls.__name__} on Faulty, step \d+: .* not finite"):
        trainer.run(200)
    if directory:
        assert all((tmp_path / f"run/{name}").is_file() for name in ("progress.csv", "config.json"))
        for path in trainer.folder.saved():
            agent = cls.load(path)
            assert all(torch.isfinite(p).all() for module in (agent.actor, agent.critics) for p in module.parameters())


def test_an_agent_that_acts_no_number_because_it_diverged_is_told_so():
    class Poisoned(DDPG):
        def update(self, transition):
            metrics = super().update(transition)
            if self.n_stored == 17:
                with torch.no_grad():
                    next(self.actor.parameters()).fill_(np.nan)
            return metrics

    env = Drift()
    with pytest.raises(Diverged, match=r"Poisoned on Drift, step 17: .*not finite"):
        Trainer(Poisoned.for_env(env, seed=0, noise=None, **SMALL), env).run(50)


def test_a_crash_of_the_environment_leaves_a_readable_log_and_a_run_to_resume(tmp_path):
    straight = rlkit.train(small(), Drift(), steps=90, directory=tmp_path / "straight", checkpoint_every=30).agent
    broken = Faulty(75, error=OSError("the robot is on fire"))
    with pytest.raises(OSError, match="on fire"):
        rlkit.train(small(), broken, steps=90, directory=tmp_path / "run", checkpoint_every=30)
    assert rows_of(tmp_path / "run")[-1]["step"] == "74"
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "run")).Reload()
    assert events.Scalars("time/total_timesteps")[-1].step == 74

    resumed = rlkit.train(small(), Drift(), steps=90, directory=tmp_path / "run", checkpoint_every=30, resume=True)
    assert resumed.step == 90
    for left, right in zip(straight.actor.parameters(), resumed.agent.actor.parameters(), strict=True):
        assert torch.equal(left, right)
    assert [row["step"] for row in rows_of(tmp_path / "run")] == ["90"]


SCRIPT = """
import os, signal
import rlkit
from tests.rlkit.helpers import DoubleQLearning, Drift, Corridor

class Signaller(rlkit.Callback):
    def on_step(self, trainer, transition, metrics):
        if trainer.step == 25:
            os.kill(os.getpid(), signal.{name})

rlkit.train(DoubleQLearning.for_env(Corridor()), Corridor(), steps=1000, directory={folder!r}, callbacks=[Signaller()])
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_a_process_after_its_step_with_a_checkpoint(tmp_path, name, code):
    script = SCRIPT.format(name=name, folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=120)
    interrupted = -signal.SIGINT if name == "SIGINT" else code  # what a shell calls 130
    assert done.returncode in (code, interrupted)
    assert (tmp_path / "checkpoints/step_000000000025.npz").is_file()


def test_a_disk_that_takes_no_more_costs_a_warning_and_no_learning(tmp_path):
    """A limit on the size of files stands for the full disk: the log reaches it, checkpoints stay below."""
    resource = pytest.importorskip("resource")

    class Limit(Callback):
        def on_step(self, trainer, transition, metrics):
            if trainer.step == 12:
                resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))

        def on_stop(self, trainer):
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        trainer = Trainer(small(), Drift(), callbacks=[Limit()], directory=tmp_path, log_every=1, checkpoint_every=200)
        at_the_end = pytest.raises(rlkit.CheckpointError)  # without a checkpoint a run is not saved, and says so
        with pytest.warns(UserWarning, match="cannot be written") as warned, at_the_end:
            trainer.run(150)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert trainer.step == trainer.agent.n_stored == 150
    assert len(warned) <= 2  # one a file


OUT_OF_RANGE = {
    "gamma": (1.5, -0.1, np.nan),
    "tau": (-1, 0, 1.1),
    "batch_size": (0, -5, 2.5),
    "learning_rate": (0, -1e-3, np.inf),
    "actor_learning_rate": (0, -1),
    "buffer_size": (0, -1),
    "learning_starts": (-1, 0.5),
    "train_freq": (0, -1),
    "gradient_steps": (0, -2),
    "n_steps": (0, -1),
    "weight_decay": (-1e-2, np.nan),
    "network": ((0,), (64, -1), 64),
    "optimizer": ("sgd", None),
    "noise": (0.1, "gaussian"),
    "device": (0, None),
}


@pytest.mark.parametrize("cls", [DDPG, TD3])
@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_a_hyperparameter_out_of_range_is_refused_by_name(cls, name):
    assert set(OUT_OF_RANGE) <= set(cls.Config().to_dict())
    for value in OUT_OF_RANGE[name]:
        with pytest.raises(ConfigError, match=rf"{name}"):
            cls.for_env(gymnasium.make("Pendulum-v1"), **{name: value})


@pytest.mark.parametrize(
    ("name", "values"),
    [("policy_delay", (0, -1)), ("target_policy_noise", (-0.1, np.nan)), ("target_noise_clip", (-1,))],
)
def test_what_only_td3_has_is_refused_out_of_range_too(name, values):
    for value in values:
        with pytest.raises(ConfigError, match=name):
            TD3.for_env(Drift(), **{name: value})
