"""stable-baselines3's callbacks, the real ones, watch our runs as they watch its own."""

from __future__ import annotations

import csv
import inspect

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    EvalCallback,
    EveryNTimesteps,
    LogEveryNTimesteps,
    ProgressBarCallback,
    StopTrainingOnMaxEpisodes,
    StopTrainingOnNoModelImprovement,
    StopTrainingOnRewardThreshold,
)
from stable_baselines3.common.logger import Figure, HParam, Image, Video
from stable_baselines3.common.monitor import Monitor
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import rlkit
from rlkit import ConfigError, Trainer, VectorTrainer
from rlkit.agents import DDPG, DQN
from rlkit.errors import CheckpointError, Diverged
from rlkit.sb3 import SB3Callback, load_replay_buffer, save_replay_buffer
from tests.rlkit.helpers import Corridor, DoubleQLearning, Reach, Recorder

torch.set_num_threads(1)


class Diary(BaseCallback):
    """Writes down what it is told, and when; says to stop once `until` says so."""

    def __init__(self, until=None):
        super().__init__()
        self.events, self.until = [], until

    def note(self, what, *more):
        self.events.append((what, self.num_timesteps, self.n_calls, *more))

    def _init_callback(self):
        self.note("init", self.training_env.num_envs)

    def _on_training_start(self):
        self.note("start", self.locals["total_timesteps"])

    def _on_rollout_start(self):
        self.note("rollout start")

    def _on_step(self):
        arrays = [(self.locals[name].shape, str(self.locals[name].dtype)) for name in NAMES]
        self.note("step", arrays, self.locals["dones"].tolist(), [sorted(info) for info in self.locals["infos"]])
        return not (self.until is not None and self.until(self))

    def _on_rollout_end(self):
        self.note("rollout end")

    def _on_training_end(self):
        self.note("end")


NAMES = ("actions", "new_obs", "rewards", "dones")


class Sighted(Recorder):
    """Knows which of its two actions to take, and takes that."""

    def act(self, observation, *, explore=False):
        return 1

    def act_batch(self, observations, *, explore=True):
        return np.ones(len(observations), np.int64)

    def update_batch(self, transitions, valid=None):
        return {}


def corridors(n, mode=AutoresetMode.SAME_STEP, **settings):
    return SyncVectorEnv([lambda: Corridor(**settings) for _ in range(n)], autoreset_mode=mode)


def watched(*callbacks, steps=20, directory=None, env=None):
    env = env or Corridor()
    return rlkit.train(Sighted.for_env(env, seed=0), env, steps=steps, directory=directory, callbacks=callbacks)


def rows(trainer):
    with (trainer.folder.path / "progress.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def evaluation(**settings):
    return EvalCallback(Monitor(Corridor()), **{"n_eval_episodes": 2, "eval_freq": 8, "verbose": 0, **settings})


def test_a_callback_hears_the_same_from_us_as_from_sb3():
    def pendulum():
        return gymnasium.make("Pendulum-v1", max_episode_steps=12)

    theirs, ours, env = Diary(), Diary(), pendulum()
    model = stable_baselines3.DDPG("MlpPolicy", pendulum(), train_freq=5, learning_starts=100, buffer_size=50)
    model.learn(30, callback=theirs)
    agent = DDPG.for_env(env, train_freq=5, learning_starts=100, buffer_size=50)
    rlkit.train(agent, env, steps=30, callbacks=[ours])
    assert ours.events == theirs.events
    assert sum(event[0] == "rollout end" for event in ours.events) == 6


def test_an_evaluation_is_logged_and_its_best_model_is_loaded(tmp_path):
    env = Corridor()
    agent = DoubleQLearning.for_env(env, seed=0)
    callback = evaluation(best_model_save_path=str(tmp_path / "best"), log_path=str(tmp_path))
    trainer = rlkit.train(agent, env, steps=20, directory=tmp_path / "run", callbacks=[callback])
    logged = [(row["step"], row["eval/mean_reward"], row["eval/mean_ep_length"]) for row in rows(trainer)]
    assert logged == [("8", "5.0", "5.0"), ("16", "5.0", "5.0"), ("20", "", "")]
    with np.load(tmp_path / "evaluations.npz") as found:
        assert found["timesteps"].tolist() == [8, 16]
    best = DoubleQLearning.load(tmp_path / "best" / "best_model.npz")
    assert best.q.any()
    assert not np.array_equal(best.q, agent.q)  # it is of step 8, and was learnt on from


def test_an_evaluation_neither_steps_nor_changes_what_is_trained(tmp_path):
    def learnt(*callbacks):
        env = gymnasium.make("Pendulum-v1", max_episode_steps=20)
        agent = DDPG.for_env(env, seed=0, network=(8,), learning_starts=10, batch_size=8, buffer_size=100)
        rlkit.train(agent, env, steps=40, callbacks=callbacks)
        return [parameter.detach().numpy().copy() for parameter in agent.actor.parameters()]

    other = Monitor(gymnasium.make("Pendulum-v1", max_episode_steps=20))
    for alone, seen in zip(learnt(), learnt(EvalCallback(other, eval_freq=7, verbose=0)), strict=True):
        np.testing.assert_array_equal(alone, seen)


def test_an_evaluation_where_is_trained_is_refused():
    env = Corridor()
    evaluating = EveryNTimesteps(5, EvalCallback(Monitor(env), verbose=0))
    with pytest.raises(ConfigError, match="EvalCallback: eval_env is the environment that is trained in"):
        watched(evaluating, env=env)


def test_a_reward_threshold_ends_the_run():
    assert watched(evaluation(callback_on_new_best=StopTrainingOnRewardThreshold(4.9))).step == 8
    assert watched(evaluation(callback_on_new_best=StopTrainingOnRewardThreshold(5.1))).step == 20


def test_no_improvement_ends_the_run():
    # The first of equal evaluations is the best; the second and third are the two that may pass without a better one.
    patience = StopTrainingOnNoModelImprovement(max_no_improvement_evals=1)
    assert watched(evaluation(callback_after_eval=patience), steps=100).step == 24


def test_a_number_of_episodes_ends_the_run():
    assert watched(StopTrainingOnMaxEpisodes(3), steps=100).step == 15
    assert watched(StopTrainingOnMaxEpisodes(3), steps=100, env=corridors(2)).step == 30


@pytest.mark.filterwarnings("ignore:rich is experimental")
def test_a_progress_bar_reaches_its_end():
    pytest.importorskip("rich")
    bar = ProgressBarCallback()
    watched(bar)
    assert (bar.pbar.n, bar.pbar.total) == (20, 20)


def test_checkpoints_are_ours_and_load(tmp_path):
    env = gymnasium.make("CartPole-v1")
    agent = DQN.for_env(env, seed=0, buffer_size=100, network=(4,), learning_starts=1000)
    callback = CheckpointCallback(10, str(tmp_path), name_prefix="dqn", save_replay_buffer=True, save_vecnormalize=True)
    rlkit.train(agent, env, steps=25, callbacks=[callback])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "dqn_10_steps.npz",
        "dqn_20_steps.npz",
        "dqn_replay_buffer_10_steps.npz",
        "dqn_replay_buffer_20_steps.npz",
    ]
    loaded = DQN.load(tmp_path / "dqn_20_steps.npz")
    assert (loaded.n_stored, len(loaded.buffer), len(agent.buffer)) == (
        20,
        0,
        25,
    )  # as in SB3
    load_replay_buffer(loaded, tmp_path / "dqn_replay_buffer_10_steps.pkl")  # SB3's name of it will do
    assert len(loaded.buffer) == 10
    for name, kept in loaded.buffer.state_dict().items():
        np.testing.assert_array_equal(kept, 10 if name == "added" else agent.buffer.state_dict()[name][:10])
    with np.load(tmp_path / "dqn_replay_buffer_20_steps.npz") as archive:  # refuses pickles, as it does unasked
        assert all(archive[name].dtype != object for name in archive.files if name != "tree.json")


@pytest.mark.parametrize("n_steps", [1, 3])
def test_a_best_model_learns_on(tmp_path, n_steps):
    env = gymnasium.make("Pendulum-v1", max_episode_steps=20)
    agent = DDPG.for_env(env, network=(8,), learning_starts=10, batch_size=8, buffer_size=30, n_steps=n_steps, seed=0)
    rlkit.train(agent, env, steps=33, callbacks=[CheckpointCallback(33, str(tmp_path))])
    loaded = DDPG.load(tmp_path / "rl_model_33_steps.npz")
    seen = np.ones((1, 3), np.float32)
    np.testing.assert_array_equal(loaded.state_values(seen), agent.state_values(seen))
    rlkit.train(loaded, env, steps=5)
    assert (loaded.n_stored, len(loaded.buffer)) == (38, 5)
    assert len(agent.buffer) == 30


def test_rows_that_waited_in_the_buffer_that_was_left_out_wait_no_more(tmp_path):
    env = gymnasium.make("Pendulum-v1")
    agent = DDPG.for_env(env, network=(8,), learning_starts=100, buffer_size=30, n_steps=3, gamma=0.5, seed=0)
    rlkit.train(agent, env, steps=31, callbacks=[CheckpointCallback(31, str(tmp_path))])
    loaded = DDPG.load(tmp_path / "rl_model_31_steps.npz")
    nowhere = np.zeros(3, np.float32)
    loaded.buffer.add(nowhere, np.zeros(1), 1.0, nowhere, False, False)  # it goes where the last one that waited was
    batch = loaded.buffer.sample(1, np.random.default_rng(0))
    assert (batch.reward.item(), batch.discount.item()) == (1.0, 0.5)


def test_no_agent_is_saved_that_has_diverged(tmp_path):
    class Diverges(DDPG):
        def learn_batch(self, batch):
            metrics = super().learn_batch(batch)
            if self.n_updates == 5:
                for parameter in self.actor.parameters():
                    parameter.data.fill_(np.nan)
            return metrics

    env = gymnasium.make("Pendulum-v1")
    agent = Diverges.for_env(env, network=(8,), learning_starts=10, batch_size=8, buffer_size=100, seed=0)
    with pytest.raises(Diverged, match="step 15: a weight is not finite"):
        rlkit.train(agent, env, steps=100, callbacks=[CheckpointCallback(1, str(tmp_path))])
    assert len(list(tmp_path.iterdir())) == 14


def test_of_what_agent_and_config_share_the_name_the_model_shows_the_agents():
    env = gymnasium.make("Pendulum-v1")
    agent = DDPG.for_env(env, network=(8,), buffer_size=10, gamma=0.9)
    seen = []
    rlkit.train(agent, env, steps=1, callbacks=[lambda local, _: seen.append(local["self"]) or True])
    assert seen[0].critic is agent.critic  # where the Config says what it is built of
    assert seen[0].actor is agent.actor
    assert seen[0].gamma == 0.9


def test_a_replay_buffer_goes_only_where_it_fits(tmp_path):
    env = Corridor()
    small, large = (DQN.for_env(env, buffer_size=size) for size in (5, 9))
    rlkit.train(large, env, steps=7)
    saved = save_replay_buffer(large, tmp_path / "replay")
    assert saved == tmp_path / "replay.npz"
    with pytest.raises(CheckpointError, match=r"replay\.npz: buffer\.observation is"):
        load_replay_buffer(small, saved)
    with pytest.raises(CheckpointError, match="Sighted has no replay buffer"):
        save_replay_buffer(Sighted.for_env(env), tmp_path / "none")
    large.save(tmp_path / "agent.npz")
    with pytest.raises(CheckpointError, match=r"agent\.npz: is not a replay buffer"):
        load_replay_buffer(large, tmp_path / "agent.npz")


def test_functions_and_lists_are_taken_as_sb3_takes_them():
    seen = []

    def enough(local, other):
        seen.append((int(local["dones"][0]), other))
        return len(seen) < 7

    assert watched(enough).step == 7
    assert seen == [(0, {})] * 4 + [(1, {})] + [(0, {})] * 2
    one, two = Diary(), Diary(until=lambda diary: diary.num_timesteps == 3)
    assert watched(SB3Callback([one, CallbackList([two])])).step == 3
    assert one.events == two.events


def test_callbacks_of_both_kinds_hear_of_the_same_steps():
    heard = []

    class Ours(rlkit.Callback):
        def __init__(self, name):
            self.name = name

        def on_step(self, trainer, transition, metrics):
            heard.append(self.name)

    def theirs(local, other):
        heard.append("theirs")
        return True

    watched(Ours("first"), theirs, Ours("last"), theirs, steps=1)
    assert heard == ["first", "theirs", "theirs", "last"]


def test_what_is_no_callback_is_refused():
    for wrong in (rlkit.Callback, EvalCallback, 7, len):
        with pytest.raises(ConfigError, match="is not a Callback"):
            watched(wrong)
    with pytest.raises(ConfigError, match="neither one of SB3's callbacks nor a function"):
        SB3Callback(7)


def test_a_run_that_goes_on_goes_on_counting(tmp_path):
    env = Corridor()
    agent, diary = Sighted.for_env(env), Diary()
    for _ in range(2):
        rlkit.train(agent, env, steps=7, callbacks=[diary])
    starts = [event for event in diary.events if event[0] == "start"]
    assert starts == [("start", 0, 0, 7), ("start", 7, 7, 14)]
    assert diary.events[-1] == ("end", 14, 14)


def test_a_run_that_fails_ends_for_its_callbacks():
    class Fails(Sighted):
        def update(self, t):
            raise RuntimeError("no more")

    diary, env = Diary(), Corridor()
    with pytest.raises(RuntimeError, match="no more"):
        rlkit.train(Fails.for_env(env), env, steps=3, callbacks=[diary])
    assert [event[0] for event in diary.events] == ["init", "start", "rollout start", "end"]


def test_an_episode_that_ends_leaves_its_last_observation_and_its_return():
    infos = []

    def look(local, other):
        infos.append(local["infos"][0])
        return True

    watched(look, steps=6, env=Corridor(limit=3, reward=2.0))
    assert infos[1] == {"at": 2, "TimeLimit.truncated": False}
    ended = infos[2]
    assert ended.pop("episode") == {"r": 6.0, "l": 3, "t": pytest.approx(0, abs=600)}
    assert ended == {"at": 3, "TimeLimit.truncated": True, "terminal_observation": 3}


def test_the_episodes_of_many_environments_are_told_apart():
    # The first is truncated after 2 steps, the second ends by itself after 5; each pays 1 a step.
    env = SyncVectorEnv([lambda: Corridor(limit=2), Corridor], autoreset_mode=AutoresetMode.SAME_STEP)
    seen, at = [], []

    def look(local, other):
        for i in np.flatnonzero(local["dones"]):
            info = local["infos"][i]
            episode = info["episode"]
            seen.append((local["self"].num_timesteps, int(i), info["TimeLimit.truncated"], episode["r"], episode["l"]))
            assert info["terminal_observation"] == local["new_obs"][i] == episode["l"]
        at.append([info["at"] for info in local["infos"]])
        return True

    watched(look, steps=10, env=env)
    assert at == [[1, 1], [2, 2], [1, 3], [2, 4], [1, 5]]
    assert seen == [(4, 0, True, 2.0, 2), (8, 0, True, 2.0, 2), (10, 1, False, 5.0, 5)]


def test_steps_that_only_begin_episodes_are_not_counted():
    diary = Diary()
    trainer = watched(diary, steps=12, env=corridors(2, AutoresetMode.NEXT_STEP))
    assert trainer.step == 12
    dones = [event[4] for event in diary.events if event[0] == "step"]
    assert dones == [[False] * 2] * 4 + [[True] * 2] + [[False] * 2] * 2


def test_a_dict_is_shown_with_an_axis_of_environments():
    shapes = []

    def look(local, other):
        shapes.append({name: part.shape for name, part in local["new_obs"].items()})
        return True

    env = Reach()
    rlkit.train(Recorder.for_env(env), env, steps=1, callbacks=[look])
    assert shapes == [{"observation": (1, 3), "achieved_goal": (1, 2), "desired_goal": (1, 2)}]


def test_what_is_recorded_goes_out_with_the_next_row_or_at_the_end(tmp_path):
    class Records(BaseCallback):
        def _on_step(self):
            self.logger.record("mine/last", self.num_timesteps)
            self.logger.record_mean("mine/mean", self.num_timesteps)
            self.logger.record("mine/hidden", 1, exclude="tensorboard")
            if self.num_timesteps == 3:
                self.logger.dump(self.num_timesteps)
            return True

        def _on_training_end(self):
            self.logger.record("mine/end", torch.tensor(1.5))

    trainer = watched(Records(), steps=7, directory=tmp_path / "run")
    logged = [(row["step"], row["mine/last"], row["mine/mean"], row["mine/end"]) for row in rows(trainer)]
    assert logged == [("3", "3.0", "2.0", ""), ("7", "7.0", "5.5", ""), ("7", "", "", "1.5")]
    assert "mine/hidden" not in rows(trainer)[0]


def test_pictures_films_texts_and_hyperparameters_are_logged(tmp_path):
    from matplotlib import pyplot

    class Draws(BaseCallback):
        def _on_step(self):
            figure = pyplot.figure(figsize=(1, 1))
            self.logger.record("a/figure", Figure(figure, close=True))
            self.logger.record("a/picture", Image(np.zeros((3, 8, 9)), "CHW"))
            self.logger.record("a/grey", Image(np.zeros((2, 8, 9), np.uint8), "NHW"))
            self.logger.record("a/film", Video(torch.zeros(1, 2, 3, 8, 9, dtype=torch.uint8), fps=5))
            self.logger.record("a/text", "hello")
            self.logger.record("hparams", HParam({"gamma": self.model.gamma}, {"rollout/ep_rew_mean": 0.0}))
            self.logger.record("a/many", np.zeros(5))
            return True

    with pytest.warns(UserWarning, match="a/many: a ndarray with 5 numbers is not logged"):
        trainer = watched(Draws(), steps=1, directory=tmp_path / "run")
    events = EventAccumulator(str(trainer.folder.path), size_guidance={"images": 0})
    events.Reload()
    assert set(events.Tags()["images"]) == {"a/figure", "a/picture", "a/grey", "a/film"}
    assert [(image.width, image.height) for image in events.Images("a/grey")] == [(18, 8)]
    assert "a/text/text_summary" in events.Tags()["tensors"]
    assert pyplot.get_fignums() == []


def test_rows_are_written_when_a_callback_asks(tmp_path):
    trainer = watched(LogEveryNTimesteps(6), steps=20, directory=tmp_path / "run")
    assert [row["step"] for row in rows(trainer)] == ["6", "12", "18", "20"]
    diary = Diary()
    watched(EveryNTimesteps(6, diary), steps=20)
    assert [event[1] for event in diary.events if event[0] == "step"] == [6, 12, 18]


def test_the_model_is_the_agent_with_sb3s_names():
    class Reads(BaseCallback):
        def _on_step(self):
            model = self.model
            assert (model.gamma, model.learning_rate, model.n_envs) == (0.9, 0.1, 1)
            assert model.policy is model.agent
            assert model.q is model.agent.q
            assert model.replay_buffer is None
            assert model.get_vec_normalize_env() is None
            assert model.predict(np.array([0, 1]), deterministic=True)[0].shape == (2,)
            with pytest.raises(AttributeError, match="DoubleQLearning shows SB3's callbacks no 'rollout_buffer'"):
                _ = model.rollout_buffer
            with pytest.raises(ConfigError, match="DoubleQLearning: learning_rate cannot be changed"):
                model.learning_rate = 0.5
            model.remark = "kept"
            return True

        def _on_training_end(self):
            assert self.model.remark == "kept"
            assert [episode["l"] for episode in self.model.ep_info_buffer] == [5]

    env = Corridor()
    rlkit.train(DoubleQLearning.for_env(env, gamma=0.9), env, steps=6, callbacks=[Reads()])


def test_the_model_has_all_that_sb3s_own_callbacks_read(tmp_path):
    env = Corridor()
    seen = []
    trainer = Trainer(Sighted.for_env(env), env, callbacks=[lambda local, _: seen.append(local["self"]) or True])
    trainer.run(1)
    source = inspect.getsource(stable_baselines3.common.callbacks)
    read = {part.split("(")[0].split(".")[0].split(")")[0].split()[0] for part in source.split("self.model.")[1:]}
    assert {"predict", "save"} - read == {"predict"}  # that one, evaluate_policy calls
    for name in read | {"predict", "num_timesteps", "logger", "get_env"}:
        assert hasattr(seen[0], name.rstrip(",`")), name


def test_the_environment_can_be_looked_at_but_not_stepped():
    class Looks(BaseCallback):
        def _on_step(self):
            env = self.training_env
            n = env.num_envs
            assert env.get_attr("length") == [5] * n
            assert env.env_is_wrapped(Monitor) == [False] * n
            assert env.render_mode is None
            with pytest.raises(ConfigError, match=r"a callback steps .*, which is trained in"):
                env.step(np.zeros(n, int))
            with pytest.raises(ConfigError, match=r"a callback resets .*, which is trained in"):
                env.reset()
            env.close()
            return True

    watched(Looks(), steps=2)
    env = corridors(3)
    env.close = lambda **_: pytest.fail("closed")
    VectorTrainer(Sighted.for_env(env), env, callbacks=[Looks()]).run(6)
