"""Training where observations are dicts, as in goal tasks: one environment, or many in parallel."""

from __future__ import annotations

import csv

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import rlkit
from rlkit import Agent, CheckpointError, InvalidTransition, SpaceError, Trainer, VectorTrainer
from rlkit.agents import DDPG
from rlkit.spaces import batch_flattener, flattener
from tests.rlkit.helpers import Reach

MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]


class Seeker(Agent):
    """Goes straight to the goal, and sums up what it saw."""

    def setup(self):
        self.total = np.zeros(7)
        self.ends = []

    def act(self, observation, *, explore=False):
        return self.act_batch({name: part[None] for name, part in observation.items()})[0]

    def act_batch(self, observations, *, explore=True):
        return np.clip(2 * (observations["desired_goal"] - observations["achieved_goal"]), -1, 1).astype(np.float32)

    def update(self, t):
        self.total += flattener(self.observation_space)(t.next_observation)
        return {}

    def update_batch(self, transitions, valid=None):
        chosen = slice(None) if valid is None else valid
        self.total += batch_flattener(self.observation_space)(transitions.next_observation)[chosen].sum(axis=0)
        self.ends += transitions.next_observation["observation"][transitions.truncated, 2].tolist()
        return {}


def seeker(env):
    return Seeker(
        getattr(env, "single_observation_space", env.observation_space),
        getattr(env, "single_action_space", env.action_space),
        seed=0,
    )


def last_row(folder):
    with (folder / "progress.csv").open() as stream:
        return list(csv.DictReader(stream))[-1]


@pytest.mark.parametrize("mode", [None, *MODES])
def test_ddpg_learns_a_goal_task_in_one_environment_and_in_many(mode):
    """Of 12 seeds each, all ended with 100 successes in 100 episodes; who acts at random has 11."""
    env = Reach() if mode is None else SyncVectorEnv([Reach] * 4, autoreset_mode=mode)
    small = {"network": (32, 32), "batch_size": 64, "learning_starts": 200, "buffer_size": 10_000, "gamma": 0.9}
    trainer = rlkit.train(DDPG.for_env(env, seed=0, **small), env, steps=1_500)
    assert trainer.episodes.means()["rollout/success_rate"] >= 0.9


def test_a_run_in_a_goal_task_resumes_to_the_bit(tmp_path):
    straight = rlkit.train(seeker(Reach()), Reach(), steps=43, directory=tmp_path / "straight")
    rlkit.train(seeker(Reach()), Reach(), steps=23, directory=tmp_path / "run")
    resumed = rlkit.train(seeker(Reach()), Reach(), steps=43, directory=tmp_path / "run", resume=True)
    assert resumed.step == straight.step == 43
    assert resumed.agent.total.tobytes() == straight.agent.total.tobytes()
    assert resumed.episodes.state_dict() == straight.episodes.state_dict()


class BackwardReach(Reach):
    """Has the parts of its observations in no alphabetical order."""

    def __init__(self):
        super().__init__()
        parts = sorted(self.observation_space.spaces.items(), reverse=True)
        self.observation_space = gymnasium.spaces.Dict(parts)


def test_an_agent_that_was_loaded_reads_a_dict_in_the_order_in_which_it_learnt(tmp_path):
    small = {"network": (8,), "batch_size": 8, "learning_starts": 10, "buffer_size": 100}
    agent = DDPG.for_env(BackwardReach(), seed=0, **small)
    rlkit.train(agent, BackwardReach(), steps=30, directory=tmp_path)
    seen, _ = BackwardReach().reset(seed=1)
    np.testing.assert_array_equal(DDPG.load(tmp_path).act(seen), agent.act(seen))
    with pytest.raises(CheckpointError, match=r"agent\.observation_space: is Dict\('observation'.* expected Dict\('a"):
        rlkit.train(DDPG.for_env(Reach(), seed=0, **small), Reach(), steps=40, directory=tmp_path, resume=True)


@pytest.mark.parametrize("mode", [None, *MODES])
def test_successes_are_logged_under_sb3s_tag(tmp_path, mode):
    """Of episodes of one step, those succeed whose goal is within a step and 0.5 of the start: here all but some."""
    env = Reach(limit=1) if mode is None else SyncVectorEnv([lambda: Reach(limit=1)] * 3, autoreset_mode=mode)
    agent = seeker(env)
    trainer = rlkit.train(agent, env, steps=60, directory=tmp_path)
    near = [total > -0.5 for total in trainer.episodes.returns]
    assert 0 < sum(near) < len(near)
    assert float(last_row(tmp_path)["rollout/success_rate"]) == pytest.approx(np.mean(near))


def test_who_says_nothing_of_success_has_no_rate(tmp_path):
    class Silent(Reach):
        def step(self, action):
            return *super().step(action)[:4], {}

    trainer = rlkit.train(seeker(Silent()), Silent(), steps=20, directory=tmp_path)
    assert trainer.episodes.count == 4
    assert "rollout/success_rate" not in last_row(tmp_path)


@pytest.mark.parametrize("mode", MODES)
def test_parallel_goal_tasks_show_the_last_observation_of_an_episode(mode):
    env = SyncVectorEnv([lambda n=n: Reach(limit=n) for n in (2, 3)], autoreset_mode=mode)
    agent = seeker(env)
    VectorTrainer(agent, env).run(30)
    assert len(agent.ends) >= 10
    assert set(agent.ends) == {1.0}  # the share of the episode that is over


class BrokenReach(Reach):
    """Gives something else, in one part of its n-th observation."""

    def __init__(self, n, bad, part="desired_goal"):
        super().__init__()
        self.left, self.bad, self.part = n, bad, part

    def seen(self):
        self.left -= 1
        return super().seen() if self.left else {**super().seen(), self.part: self.bad}


@pytest.mark.parametrize("bad", [np.array([np.nan, 0]), np.array([0, -np.inf]), np.zeros(3), None])
def test_a_part_that_is_wrong_is_named_and_not_learnt_from(bad):
    env = BrokenReach(5, bad)
    agent = seeker(env)
    with pytest.raises(InvalidTransition, match="BrokenReach, step 4: the observation at 'desired_goal' is"):
        Trainer(agent, env).run(9)
    assert agent.total[6] == pytest.approx(0.2 + 0.4 + 0.6)
    with pytest.raises(
        InvalidTransition, match="BrokenReach, step 1: the observation after reset at 'desired_goal' is"
    ):
        Trainer(seeker(env), BrokenReach(1, bad)).run(9)


def test_a_part_that_is_wrong_in_one_of_many_is_named():
    env = SyncVectorEnv([Reach, lambda: BrokenReach(5, np.array([np.nan, 0]))])
    with pytest.raises(InvalidTransition, match="step 7: the observations at 'desired_goal' are"):
        VectorTrainer(seeker(env), env).run(20)


def test_parallel_environments_of_other_dicts_are_refused():
    class Odd(Reach):
        def __init__(self):
            super().__init__()
            self.observation_space["word"] = gymnasium.spaces.Text(5)

    env = SyncVectorEnv([Odd], observation_mode="same")
    with pytest.raises(SpaceError, match="expected Discrete, Box or Dict of such"):
        VectorTrainer(seeker(env), env)
