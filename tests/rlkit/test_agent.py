from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import rlkit
from rlkit import Agent, Planner, Policy, Trainer
from rlkit.agent import ReplayAgent
from rlkit.agents import DDPG, DQN, QLearning
from rlkit.errors import ConfigError, SpaceError
from rlkit.evaluation import Evaluation, evaluate
from rlkit.replay import ReplayBuffer
from rlkit.transition import Transition
from tests.rlkit.helpers import Corridor


class Counting(ReplayAgent):
    """Counts the batches that it is asked to learn from."""

    def setup(self):
        super().setup()
        self.batches = []

    def act(self, observation, *, explore=False):
        return 1

    def learn_batch(self, batch):
        self.batches.append((self.n_stored, batch.reward.shape[0]))
        return {"batches": float(len(self.batches))}


def test_replay_learns_when_and_as_often_as_it_should():
    env = Corridor()
    agent = Counting.for_env(env, seed=0, learning_starts=6, train_freq=4, gradient_steps=2, batch_size=3)
    Trainer(agent, env).run(16)
    assert agent.batches == [(8, 3), (8, 3), (12, 3), (12, 3), (16, 3), (16, 3)]


def test_a_full_buffer_forgets_the_oldest():
    buffer = ReplayBuffer(5, spaces.Discrete(100), spaces.Discrete(2))
    for step in range(12):
        buffer.add(Transition(step, step % 2, float(step), step + 1, step == 9, False))
    batch = buffer.sample(1000, np.random.default_rng(0))
    assert len(buffer) == 5
    assert set(batch.observation.tolist()) == {7, 8, 9, 10, 11}
    assert (batch.next_observation == batch.observation + 1).all()
    assert (batch.action == batch.observation % 2).all()
    assert (batch.terminated == (batch.observation == 9)).all()


def test_batches_are_uniform():
    buffer = ReplayBuffer(10, spaces.Discrete(100), spaces.Discrete(2))
    for step in range(10):
        buffer.add(Transition(step, 0, 0.0, 0, False, False))
    shares = np.bincount(buffer.sample(50_000, np.random.default_rng(0)).observation) / 50_000
    assert np.abs(shares - 0.1).max() < 4 * np.sqrt(0.09 / 50_000)


def test_a_buffer_refuses_spaces_that_are_not_arrays():
    with pytest.raises(SpaceError, match="flatten the space first"):
        ReplayBuffer(10, spaces.Dict({"a": spaces.Discrete(2)}), spaces.Discrete(2))


@pytest.mark.parametrize(
    ("cls", "call", "method"),
    [
        (Policy, lambda p: p.act(0), "act"),
        (Agent, lambda p: p.update(None), "update"),
        (ReplayAgent, lambda p: p.learn_batch(None), "learn_batch"),
        (Planner, lambda p: p.plan(None), "plan"),
    ],
)
def test_what_a_subclass_must_define_is_named(cls, call, method):
    with pytest.raises(NotImplementedError, match=rf"Bare does not say .* define {method}\(\)"):
        call(type("Bare", (cls,), {}).for_env(Corridor()))


def test_evaluation_is_greedy_and_repeatable():
    env = gymnasium.make("FrozenLake-v1")
    agent = QLearning.for_env(env, seed=0)
    rlkit.train(agent, env, steps=5000)
    before = agent.rng.bit_generator.state
    first, second = (evaluate(agent, gymnasium.make("FrozenLake-v1"), episodes=20) for _ in range(2))
    assert first == second
    assert agent.rng.bit_generator.state == before


def test_evaluation_is_logged_while_the_agent_learns(tmp_path):
    env = Corridor(length=4)
    agent = QLearning.for_env(env, seed=0)
    Trainer(agent, env, callbacks=[Evaluation(Corridor(length=4), every=10)], directory=tmp_path / "run").run(30)
    header, *rows = (line.split(",") for line in (tmp_path / "run/progress.csv").read_text().splitlines())
    assert [row[header.index("eval/mean_reward")] for row in rows] == ["4.0", "4.0", "4.0"]
    assert [row[0] for row in rows] == ["10", "20", "30"]


def test_an_evaluation_of_nothing_is_refused():
    env = Corridor()
    for options in ({"every": 0}, {"episodes": 0}):
        with pytest.raises(ConfigError, match="=0 is not a whole number"):
            Evaluation(env, **options)
    with pytest.raises(ConfigError, match="episodes=0"):
        evaluate(Counting.for_env(env), env, episodes=0)


@pytest.mark.parametrize(
    ("kind", "env", "alternatives"),
    [(DQN, "Pendulum-v1", "for Box there are DDPG and TD3"), (DDPG, "FrozenLake-v1", "for Discrete there are DQN and")],
)
def test_a_space_that_is_for_other_agents_is_refused_with_their_names(kind, env, alternatives):
    with pytest.raises(SpaceError, match=alternatives):
        kind.for_env(gymnasium.make(env))


@pytest.mark.parametrize(("kind", "env"), [(DQN, "CartPole-v1"), (DDPG, "Pendulum-v1")])
def test_nothing_can_be_replayed_before_something_is_stored(kind, env):
    agent = kind.for_env(gymnasium.make(env), buffer_size=10)
    with pytest.raises(ConfigError, match=f"{kind.__name__}.replay: the buffer is empty"):
        agent.replay(1)


def test_the_step_size_is_logged_and_the_actors_where_it_is_another():
    env = gymnasium.make("Pendulum-v1")
    assert DDPG.for_env(env, buffer_size=10).diagnostics() == {"learning_rate": 1e-3}
    other = DDPG.for_env(env, buffer_size=10, actor_learning_rate=1e-4)
    assert other.diagnostics() == {"learning_rate": 1e-3, "actor_learning_rate": 1e-4}
    assert DQN.for_env(gymnasium.make("CartPole-v1"), buffer_size=10).diagnostics() == {"learning_rate": 1e-4}
