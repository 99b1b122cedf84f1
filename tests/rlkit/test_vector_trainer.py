"""Training in many environments at once: what is learnt from, counted, logged, stopped and resumed."""

from __future__ import annotations

import csv
import os
import signal
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import rlkit
from rlkit import Agent, Callback, ConfigError, Diverged, InvalidTransition, SpaceError, VectorTrainer
from rlkit.envs import GridWorld, GridWorldVectorEnv
from tests.rlkit.helpers import Corridor, Drift, Recorder

MAP = "S . . G\n. X . ."
MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]


class Listener(Agent):
    """Does action 0 or what it draws, and keeps what it was told; it learns a table of mean rewards."""

    def setup(self):
        self.seen, self.valid = [], []
        self.w = np.zeros(self.observation_space.n)

    def act_batch(self, observations, *, explore=True):
        return self.rng.integers(self.action_space.n, size=len(observations))

    def update_batch(self, transitions, valid=None):
        chosen = slice(None) if valid is None else valid
        np.add.at(self.w, transitions.observation[chosen], 0.1 * transitions.reward[chosen])
        self.seen.append(transitions)
        self.valid.append(valid)
        return {"td_error": float(transitions.reward.mean())}

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name not in ("seen", "valid")}


class Sums(Agent):
    """Acts at random, and adds up what it sees."""

    def setup(self):
        self.sums = np.zeros(self.observation_space.shape)

    def act_batch(self, observations, *, explore=True):
        return self.rng.uniform(-1, 1, (len(observations), *self.action_space.shape)).astype(self.action_space.dtype)

    def update_batch(self, transitions, valid=None):
        chosen = slice(None) if valid is None else valid
        self.sums += (transitions.next_observation[chosen] * transitions.reward[chosen][:, None]).sum(axis=0)
        return {}


def corridors(mode, lengths=(2, 3)):
    """Return environments whose episodes last 2 and 3 steps."""
    makers = [lambda n=n: gymnasium.wrappers.TransformReward(Corridor(3, reward=n, limit=n), float) for n in lengths]
    return SyncVectorEnv(makers, autoreset_mode=mode)


def listener(env, seed=0):
    return Listener(env.single_observation_space, env.single_action_space, seed=seed)


def transitions_of(agent, i):
    """Return what the agent was told to learn from in environment i."""
    return [
        (int(t.observation[i]), int(t.next_observation[i]), bool(t.terminated[i]), bool(t.truncated[i]))
        for t, valid in zip(agent.seen, agent.valid, strict=True)
        if valid is None or valid[i]
    ]


@pytest.mark.parametrize("mode", MODES)
def test_no_transition_crosses_an_episode_and_resets_are_none(mode):
    env = corridors(mode)
    agent = listener(env)
    VectorTrainer(agent, env).run(22)
    episodes = [
        [(0, 1, False, False), (1, 2, False, True)],
        [(0, 1, False, False), (1, 2, False, False), (2, 3, True, True)],
    ]
    for i, episode in enumerate(episodes):
        told = transitions_of(agent, i)
        assert len(told) > 6
        assert told == (episode * 9)[: len(told)]


@pytest.mark.parametrize(("mode", "n_batches"), [(AutoresetMode.NEXT_STEP, 8), (AutoresetMode.SAME_STEP, 6)])
def test_steps_are_transitions_and_episodes_are_counted(mode, n_batches):
    """Of 8 batches, the third and sixth of one environment and the fourth and eighth of the other are resets."""
    env = corridors(mode)
    trainer = VectorTrainer(listener(env), env)
    trainer.run(12)
    assert (trainer.step, len(trainer.agent.seen)) == (12, n_batches)
    assert (
        sorted(zip(trainer.episodes.returns, trainer.episodes.lengths, strict=True)) == [(4.0, 2)] * 3 + [(9.0, 3)] * 2
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_resumed_run_goes_on_to_the_bit(tmp_path, mode):
    def make(folder, **settings):
        env = GridWorldVectorEnv(MAP, 5, slip=0.3, max_steps=11, autoreset_mode=mode)
        return VectorTrainer(listener(env), env, directory=folder, log_every=10**6, truth=False, **settings)

    straight = make(tmp_path / "straight")
    straight.run(1_000)
    make(tmp_path / "run").run(400)
    resumed = make(tmp_path / "run")
    assert resumed.resume() == pytest.approx(400, abs=4)
    resumed.run(1_000 - resumed.step)
    assert resumed.step == straight.step
    assert resumed.agent.w.tobytes() == straight.agent.w.tobytes()
    assert resumed.episodes.state_dict() == straight.episodes.state_dict()
    assert resumed.env.get_state() == straight.env.get_state()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("world", [lambda: Drift(limit=7), lambda: gymnasium.make("rlkit/LinearQuadratic-v0")])
def test_environments_without_a_state_of_their_own_resume_to_the_bit(tmp_path, mode, world):
    def make(folder):
        env = gymnasium.wrappers.vector.NormalizeReward(SyncVectorEnv([world] * 3, autoreset_mode=mode))
        return VectorTrainer(Sums(env.single_observation_space, env.single_action_space, seed=0), env, directory=folder)

    straight = make(None)
    straight.run(300)
    make(tmp_path / "run").run(119)
    resumed = make(tmp_path / "run")
    resumed.resume()
    resumed.run(300 - resumed.step)
    assert resumed.step == straight.step
    assert resumed.agent.sums.tobytes() == straight.agent.sums.tobytes()
    assert resumed.episodes.state_dict() == straight.episodes.state_dict()
    for one, other in zip(resumed.env.unwrapped.envs, straight.env.unwrapped.envs, strict=True):
        assert one.unwrapped.np_random.bit_generator.state == other.unwrapped.np_random.bit_generator.state


def test_environments_that_cannot_be_brought_back_begin_new_episodes_and_say_so(tmp_path):
    class Elsewhere(SyncVectorEnv):
        """Stands for environments in processes of their own."""

    for steps in (20, 40):
        env = Elsewhere([Corridor, Corridor], autoreset_mode=AutoresetMode.SAME_STEP)
        said = (
            warnings.catch_warnings() if steps == 20 else pytest.warns(UserWarning, match="Elsewhere: .*not to the bit")
        )
        with said:
            trainer = rlkit.train(listener(env), env, steps=steps, directory=tmp_path, resume=True)
        assert trainer.step == steps
        assert transitions_of(trainer.agent, 0)[0] == (0, 1, False, False)
    assert trainer.folder.path == tmp_path


def test_the_log_has_the_truth_of_the_single_environment(tmp_path):
    class Valued(Listener):
        def state_values(self, observations):
            return self.w[observations]

        def setup(self):
            super().setup()
            self.target_policy = np.full((self.observation_space.n, self.action_space.n), 0.25)

    env = GridWorldVectorEnv(MAP, 4, slip=0.1)
    agent = Valued(env.single_observation_space, env.single_action_space, seed=0)
    rlkit.train(agent, env, steps=2_000, directory=tmp_path)
    with (tmp_path / "progress.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert float(rows[-1]["truth/rmsve"]) > 0
    assert float(rows[-1]["rollout/ep_len_mean"]) > 3


def test_a_single_grid_of_a_vector_has_its_dynamics():
    for changes in ({}, {"slip": 0.2, "goal_reward": 3.0, "max_steps": 7}):
        env = GridWorldVectorEnv(MAP, 4, **changes)
        assert env.single().get_state()["fingerprint"] == GridWorld(MAP, **changes).get_state()["fingerprint"]


class Diary(Callback):
    every = 10

    def __init__(self):
        self.steps, self.episodes, self.ticks = [], [], []

    def on_step(self, trainer, transition, metrics):
        self.steps.append((trainer.step, len(transition.reward)))

    def on_episode(self, trainer, episode):
        self.episodes.append(tuple(episode))

    def on_every(self, trainer):
        self.ticks.append(trainer.step)


def test_callbacks_are_told():
    env, diary = corridors(AutoresetMode.SAME_STEP), Diary()
    VectorTrainer(listener(env), env, callbacks=[diary]).run(24)
    assert diary.steps == [(step, 2) for step in range(2, 26, 2)]
    assert diary.episodes[:3] == [(4.0, 2, 1), (9.0, 3, 2), (4.0, 2, 3)]
    assert diary.ticks == [10, 20]


def test_who_learns_from_one_environment_only_is_refused():
    env = corridors(AutoresetMode.SAME_STEP)
    agent = Recorder(env.single_observation_space, env.single_action_space)
    with pytest.raises(ConfigError, match="Recorder learns from one environment at a time"):
        rlkit.train(agent, env, steps=5)
    for call in (lambda: agent.act_batch(np.zeros(2)), lambda: agent.update_batch(None)):
        with pytest.raises(NotImplementedError, match="Recorder does not say how it"):
            call()


def test_environments_that_do_not_fit_are_refused():
    env = corridors(AutoresetMode.SAME_STEP)
    with pytest.raises(SpaceError, match=r"Discrete\(10\), the agent was made for Discrete\(4\)"):
        VectorTrainer(listener(env), SyncVectorEnv([lambda: Corridor(9)]))
    with pytest.raises(SpaceError, match=r"autoreset_mode is AutoresetMode\.DISABLED"):
        VectorTrainer(listener(env), corridors(AutoresetMode.DISABLED))
    with pytest.raises(SpaceError, match="is a Corridor, expected a VectorEnv"):
        VectorTrainer(listener(env), Corridor())


def test_what_is_not_finite_is_refused_and_divergence_stops():
    env = corridors(AutoresetMode.SAME_STEP, (2, np.inf))
    with pytest.raises(InvalidTransition, match="the rewards are inf somewhere"):
        VectorTrainer(listener(env), env).run(9)
    env = corridors(AutoresetMode.SAME_STEP, (2, 1e200))
    with pytest.raises(Diverged, match=r"Listener on .*, step 2: td_error is 5e\+199"):
        VectorTrainer(listener(env), env).run(9)


@pytest.mark.parametrize("error", [KeyboardInterrupt, EOFError])
@pytest.mark.parametrize("interrupted", [True, False])
def test_a_ctrl_c_that_ends_the_environments_processes_too_leaves_a_checkpoint(tmp_path, error, interrupted):
    """A terminal sends it to all processes, and then a step that waits for its environments fails."""

    class Ended(SyncVectorEnv):
        def step(self, actions):
            self.left -= 1
            if self.left == 0:
                if interrupted:
                    os.kill(os.getpid(), signal.SIGINT)
                raise error("the pipe is closed")
            return super().step(actions)

    env = Ended([Corridor, Corridor], autoreset_mode=AutoresetMode.SAME_STEP)
    env.left = 12
    trainer = VectorTrainer(listener(env), env, directory=tmp_path)
    with pytest.raises(KeyboardInterrupt if interrupted else error):
        trainer.run(100)
    assert trainer.step == 22
    assert trainer.folder.saved()[0].stem == f"step_{22 if interrupted else 0:012d}"


@pytest.mark.parametrize("rewards", [np.zeros((2, 1)), np.zeros(3), 0.0])
def test_rewards_of_another_shape_are_refused(rewards):
    class Odd(SyncVectorEnv):
        def step(self, actions):
            seen, _, *rest = super().step(actions)
            return seen, rewards, *rest

    env = Odd([Corridor, Corridor])
    with pytest.raises(InvalidTransition, match=r"step 1: the rewards are of shape \(.*\), expected \(2,\)"):
        VectorTrainer(listener(env), env).run(9)


@pytest.mark.parametrize("actions", [[0, 2], [-1, 0], [0.0, 1.0], [0]])
def test_actions_outside_their_space_are_refused(actions):
    class Wrong(Listener):
        def act_batch(self, observations, *, explore=True):
            return np.array(actions)

    env = corridors(AutoresetMode.SAME_STEP)
    with pytest.raises(InvalidTransition, match=r"step 1: the actions (hold|are)"):
        VectorTrainer(Wrong(env.single_observation_space, env.single_action_space), env).run(9)
