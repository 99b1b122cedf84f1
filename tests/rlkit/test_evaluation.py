"""Evaluations while an agent learns: what is logged, how far its values are off, what is shown."""

from __future__ import annotations

import csv
import io
import itertools

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv
from PIL import Image

from rlkit import ConfigError, SpaceError, Trainer, VectorTrainer
from rlkit.agents import DDPG, QLearning
from rlkit.evaluation import Evaluation, evaluation_seed, play, q_bias
from rlkit.film import FRAMES, Film
from tests.rlkit.helpers import Corridor, Drift, Reach, Recorder


class Constant(Recorder):
    """Believes that everything is worth 2, and pays attention to what it is asked."""

    def q_values(self, observations, actions):
        self.asked = observations, actions
        return np.full(len(actions), 2.0, np.float32)


def bias(agent, env):
    return q_bias(agent, [transition for transition, _ in play(agent, env, seed=0)])


def test_the_bias_is_the_value_less_the_discounted_return():
    """Rewards of 1, 1, 1 at gamma 0.5 are worth 1.75, 1.5, 1."""
    agent = Constant.for_env(Corridor(3), gamma=0.5)
    assert bias(agent, Corridor(3)).tolist() == [0.25, 0.5, 1.0]
    assert agent.asked[0].tolist() == [0, 1, 2]


def test_the_value_of_the_last_observation_stands_for_what_was_cut_off():
    """1 + 0.5 * 2 = 2: the values are right wherever the episode is cut short."""
    agent = Constant.for_env(Corridor(9), gamma=0.5)
    for limit in (1, 2, 5):
        assert bias(agent, Corridor(9, limit=limit)).tolist() == [0.0] * limit
    assert agent.asked[0].tolist() == [0, 1, 2, 3, 4, 5]


def test_learnt_action_values_have_a_bias_too():
    agent = QLearning.for_env(Corridor(4), gamma=0.5, seed=0)
    assert bias(agent, Corridor(4)) == pytest.approx([-1.875, -1.75, -1.5, -1.0])
    assert bias(Recorder.for_env(Corridor(4)), Corridor(4)) is None


def test_a_critics_bias_in_a_goal_task_is_that_of_its_values():
    env = Reach()
    agent = DDPG.for_env(env, seed=0, network=(8,), buffer_size=10, gamma=0.0)
    steps = [transition for transition, _ in play(agent, env, seed=0)]
    values = [agent.q_values({k: v[None] for k, v in t.observation.items()}, t.action[None])[0] for t in steps]
    rewards = np.array([t.reward for t in steps])
    assert q_bias(agent, steps) == pytest.approx(values - rewards, abs=1e-6)


def rows_of(folder):
    with (folder / "progress.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_evaluations_are_logged_under_sb3s_tags(tmp_path):
    agent = DDPG.for_env(Reach(), seed=0, network=(8,), buffer_size=100, batch_size=8, learning_starts=10)
    watch = Evaluation(Reach(), every=20, episodes=4, picture=False)
    Trainer(agent, Reach(), callbacks=[watch], directory=tmp_path, log_every=20).run(40)
    for row in rows_of(tmp_path):
        assert float(row["eval/mean_reward"]) < 0
        assert float(row["eval/mean_ep_length"]) == 5
        assert 0 <= float(row["eval/success_rate"]) <= 1
        assert np.isfinite(float(row["eval/q_bias"]))
    assert not list(tmp_path.glob("evaluation.*"))


def test_agents_of_different_seeds_are_evaluated_in_different_episodes(tmp_path):
    def rewards(name, agent_seed, **options):
        watch = Evaluation(Reach(), every=5, episodes=2, picture=False, **options)
        agent = Recorder.for_env(Reach(), seed=agent_seed)
        Trainer(agent, Reach(), callbacks=[watch], directory=tmp_path / name, log_every=5).run(10)
        return [row["eval/mean_reward"] for row in rows_of(tmp_path / name)]

    first, again, other = rewards("0", 0), rewards("0_again", 0), rewards("1", 1)
    assert first == again != other
    assert first[0] == first[1]  # one policy, and the same episodes all along the run
    assert rewards("0_said", 0, seed=7) == rewards("1_said", 1, seed=7)
    seeds = [evaluation_seed(seed, final=final) for seed in (0, 1, 2) for final in (False, True)]
    assert len(set(seeds)) == 6


def test_an_evaluation_changes_nothing_in_the_run(tmp_path):
    agents = []
    for callbacks in ([], [Evaluation(Drift(), every=25, episodes=2)]):
        agent = DDPG.for_env(Drift(), seed=0, network=(8,), buffer_size=100, batch_size=8, learning_starts=10)
        Trainer(agent, Drift(), callbacks=callbacks, directory=tmp_path / str(len(callbacks))).run(50)
        agents.append(agent)
    for left, right in zip(agents[0].actor.parameters(), agents[1].actor.parameters(), strict=True):
        assert (left == right).all()


def test_what_cannot_be_evaluated_in_is_refused():
    with pytest.raises(SpaceError, match="is a SyncVectorEnv, expected one"):
        Evaluation(SyncVectorEnv([Corridor]))
    env = gymnasium.wrappers.TimeLimit(Corridor(), 3)
    with pytest.raises(ConfigError, match="the environment is the one trained in"):
        Trainer(Recorder.for_env(env), env, callbacks=[Evaluation(env.unwrapped)]).run(5)
    one = Reach()
    many = SyncVectorEnv([Reach, lambda: one])
    with pytest.raises(ConfigError, match="the environment is the one trained in"):
        VectorTrainer(DDPG.for_env(many, buffer_size=10), many, callbacks=[Evaluation(one)]).run(5)


class Painted(Corridor):
    """Draws its place as a shade of grey."""

    def __init__(self, length, size=8):
        super().__init__(length)
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": 20}
        self.render_mode, self.size, self.drawn = "rgb_array", size, 0

    def render(self):
        self.drawn += 1
        return np.full((self.size, 2 * self.size, 3), self.at % 256, np.uint8)


def images(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder), size_guidance={"images": 0}).Reload().Images("eval/episode")


def test_an_environment_that_draws_itself_is_shown_as_an_animation(tmp_path):
    watch = Evaluation(Painted(5), every=10)
    Trainer(QLearning.for_env(Corridor(5), seed=0), Corridor(5), callbacks=[watch], directory=tmp_path).run(20)
    assert [image.step for image in images(tmp_path)] == [10, 20]
    assert (tmp_path / "evaluation.gif").read_bytes() == images(tmp_path)[-1].encoded_image_string
    with Image.open(tmp_path / "evaluation.gif") as movie:
        assert (movie.n_frames, movie.size, movie.info["duration"]) == (5, (16, 8), 50)


@pytest.mark.parametrize("length", [FRAMES, FRAMES + 1, 1000])
def test_a_long_episode_is_drawn_seldom_and_shown_whole(length):
    env = Painted(length, size=300)
    film = Film(env)
    for transition, _ in play(Recorder.for_env(env), env):
        film.note(transition)
    shades = [int(frame[0, 0, 0]) for frame in film.frames]
    assert FRAMES / 2 <= len(shades) <= FRAMES
    assert env.drawn <= FRAMES * (1 + np.log2(length / FRAMES)) + 1
    stride = {(after - before) % 256 for before, after in itertools.pairwise(shades)}
    assert len(stride) == 1
    assert film.frames[0].shape == (100, 200, 3)


def test_an_environment_that_draws_nothing_is_shown_as_curves(tmp_path):
    watch = Evaluation(Reach(), every=10)
    agent = DDPG.for_env(Reach(), seed=0, network=(8,), buffer_size=100)
    Trainer(agent, Reach(), callbacks=[watch], directory=tmp_path).run(10)
    for file in (tmp_path / "evaluation.png", io.BytesIO(images(tmp_path)[0].encoded_image_string)):
        with Image.open(file) as picture:
            assert picture.size == (640, 520)


def test_a_picture_that_cannot_be_drawn_or_written_costs_a_warning(tmp_path):
    class Blind(Painted):
        def render(self):
            raise RuntimeError("no display")

    (tmp_path / "two/evaluation.gif").mkdir(parents=True)
    for folder, env in (("one", Blind(5)), ("two", Painted(5))):
        trainer = Trainer(
            QLearning.for_env(Corridor(5), seed=0),
            Corridor(5),
            callbacks=[Evaluation(env, every=5)],
            directory=tmp_path / folder,
        )
        with pytest.warns(UserWarning, match=r"cannot be (drawn \(no display\)|written)") as warned:
            trainer.run(20)
        assert len(warned) == 1
        assert trainer.step == 20


@pytest.mark.parametrize("keep", [True, False])
def test_the_agent_that_was_evaluated_best_is_kept_unless_it_is_not_wanted(tmp_path, keep):
    class Waning(Corridor):
        """Pays less with every episode."""

        def reset(self, **keywords):
            self.reward -= 1
            return super().reset(**keywords)

    watch = Evaluation(Waning(5), every=10, episodes=1, keep_best=keep)
    trainer = Trainer(QLearning.for_env(Corridor(5), seed=0), Corridor(5), callbacks=[watch], directory=tmp_path)
    trainer.run(30)
    assert trainer.folder.best.exists() == keep
    if keep:
        assert QLearning.load(trainer.folder.best).visits.sum() == 10
