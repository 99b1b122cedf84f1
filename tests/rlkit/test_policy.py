from __future__ import annotations

import random
from dataclasses import dataclass

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import rlkit
from rlkit import Agent, ConfigError, Policy, bounded
from rlkit.agents import QLearning
from rlkit.envs import GridWorld
from rlkit.errors import InvalidTransition, SpaceError
from tests.rlkit.helpers import Corridor, DoubleQLearning, Drift


class Linear(Policy):
    """Acts linearly; its action is noisy when it explores."""

    def setup(self):
        self.gain = np.array([[1.0, 2.0], [0.5, -1.0]])

    def act(self, observation, *, explore=False):
        noise = self.rng.normal(size=2) if explore else 0.0
        return np.clip(self.gain @ observation + noise, -1, 1)


def test_for_env_takes_hyperparameters_by_name():
    agent = DoubleQLearning.for_env(Corridor(), gamma=0.5, epsilon=np.float64(0.25), learning_rate=1, seed=3)
    assert (agent.config.gamma, agent.config.epsilon, agent.config.learning_rate) == (0.5, 0.25, 1.0)
    assert type(agent.config.epsilon) is float
    assert agent.seed == 3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"gamma": 1.5}, "gamma=1.5"), ({"epsilom": 0.1}, "did you mean 'epsilon'"), ({"gamma": "a"}, "gamma='a'")],
)
def test_a_wrong_hyperparameter_is_named(wrong, message):
    with pytest.raises(ConfigError, match=message):
        DoubleQLearning.for_env(Corridor(), **wrong)


@pytest.mark.parametrize(
    ("kind", "name", "ours"),
    [
        ("QLearning", "epsilon", "exploration_final_eps"),
        ("QLearning", "alpha", "learning_rate"),
        ("TDLambda", "lambda", "lam"),
        ("NStepTD", "n", "n_steps"),
        ("LSTD", "epsilon", "ridge"),
    ],
)
def test_the_books_name_of_a_hyperparameter_leads_to_ours(kind, name, ours):
    with pytest.raises(ConfigError, match=f"^{kind}: unknown hyperparameter '{name}'; did you mean '{ours}'"):
        getattr(rlkit.agents, kind).for_env(GridWorld("SG"), **{name: 0.1})


def test_a_choice_that_is_none_is_answered_with_the_choices():
    with pytest.raises(ConfigError, match="trace='dutchy' is not one of 'accumulating', 'replacing', 'dutch'"):
        rlkit.agents.TDLambda.for_env(GridWorld("SG"), trace="dutchy")


def test_an_agent_for_a_vector_of_environments_is_one_for_a_single_one():
    env = gymnasium.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync")
    agent = Linear.for_env(env)
    assert (agent.observation_space, agent.action_space) == (env.single_observation_space, env.single_action_space)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 2, 4), ()])
def test_observations_of_another_shape_are_refused(shape):
    agent = Linear.for_env(gymnasium.make("CartPole-v1"))
    with pytest.raises(InvalidTransition, match=r"expected \(4,\) or a batch"):
        agent.predict(np.zeros(shape))


def test_another_classs_config_is_refused():
    env = Corridor()
    with pytest.raises(ConfigError, match=r"expected a DoubleQLearning\.Config"):
        DoubleQLearning(env.observation_space, env.action_space, QLearning.Config())


def test_an_init_of_ones_own_is_refused_when_the_class_is_made():
    with pytest.raises(TypeError, match="create what is learnt in setup"):

        class Own(Agent):
            def __init__(self):
                pass


def test_a_config_without_its_decorator_is_refused_when_the_class_is_made():
    with pytest.raises(TypeError, match="lacks its decorator"):

        class Bare(Agent):
            class Config(Agent.Config):
                rate: float = bounded(0.1, above=0)


def test_spaces_that_a_class_has_no_use_for_are_refused():
    with pytest.raises(SpaceError, match=r"QLearning: the action space is Box.*expected Discrete"):
        QLearning.for_env(Drift())


@pytest.mark.parametrize("env", ["CartPole-v1", None, GridWorld])
def test_what_is_no_environment_is_refused(env):
    with pytest.raises(SpaceError, match=r"QLearning\.for_env: .* is not an environment"):
        QLearning.for_env(env)


@pytest.mark.parametrize("seed", [-1, 1.5, "7", True])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    with pytest.raises(ConfigError, match="seed="):
        QLearning.for_env(GridWorld("S G"), seed=seed)


def test_the_same_seed_makes_the_same_agent_and_another_makes_another():
    first, second, third = (DoubleQLearning.for_env(Corridor(), seed=seed).rng.random(4) for seed in (1, 1, 2))
    assert (first == second).all()
    assert (first != third).all()


def test_an_agent_and_an_environment_with_the_same_seed_do_not_draw_the_same_numbers():
    env = Corridor()
    env.reset(seed=7)
    agent = DoubleQLearning.for_env(env, seed=7)
    assert agent.rng.random() != env.np_random.random()


def test_global_generators_are_left_alone():
    random.seed(0)
    before = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    agent = DoubleQLearning.for_env(Corridor(), seed=0, epsilon=1)
    [agent.act(0, explore=True) for _ in range(10)]
    assert random.getstate() == before[0]
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002


def test_predict_takes_one_state_or_a_batch_of_them():
    agent = DoubleQLearning.for_env(Corridor())
    agent.q[0, 3, 1] = 1
    action, state = agent.predict(3, deterministic=True)
    assert (action, state) == (1, None)
    assert action.shape == ()
    actions, state = agent.predict(np.array([0, 3, 5]), ("kept",), np.ones(3, bool), deterministic=True)
    assert actions.tolist() == [0, 1, 0]
    assert state == ("kept",)


def test_predict_takes_one_vector_or_a_batch_of_them():
    policy = Linear.for_env(Drift(), seed=0)
    single, _ = policy.predict(np.array([0.1, 0.2]), deterministic=True)
    batch, _ = policy.predict(np.array([[0.1, 0.2], [0.0, 0.1]]), deterministic=True)
    assert single.tolist() == [0.5, -0.15000000000000002]
    assert batch.shape == (2, 2)
    assert (batch[0] == single).all()


def test_predict_takes_dictionaries():
    class Goal(Policy):
        def act(self, observation, *, explore=False):
            return int(observation["goal"] - observation["at"][0] > 0)

    space = spaces.Dict({"at": spaces.Box(0, 9, (1,)), "goal": spaces.Discrete(9)})
    policy = Goal(space, spaces.Discrete(2))
    assert policy.predict({"at": np.array([3.0]), "goal": 5})[0] == 1
    batch = {"at": np.array([[3.0], [7.0]]), "goal": np.array([5, 5])}
    assert policy.predict(batch)[0].tolist() == [1, 0]


def test_predict_explores_unless_deterministic():
    policy = Linear.for_env(Drift(), seed=0)
    observation = np.zeros(2)
    still = [policy.predict(observation, deterministic=True)[0].tolist() for _ in range(3)]
    moving = [policy.predict(observation)[0].tolist() for _ in range(3)]
    assert still == [[0.0, 0.0]] * 3
    assert moving[0] != moving[1]


def test_a_subclass_of_a_subclass_keeps_its_hyperparameters():
    class Slow(DoubleQLearning):
        @dataclass(frozen=True, kw_only=True)
        class Config(DoubleQLearning.Config):
            patience: int = bounded(3, at_least=1)

    agent = Slow.for_env(gymnasium.make("FrozenLake-v1"), epsilon=0.5)
    assert (agent.config.patience, agent.config.epsilon, agent.q.shape) == (3, 0.5, (2, 16, 4))


def test_a_policy_that_says_no_more_takes_its_action_for_sure():
    class Third(Policy):
        def act(self, observation, *, explore=False):
            return 4 if not explore else int(self.rng.integers(2, 6))

    policy = Third(spaces.Box(0, 1, (2,)), spaces.Discrete(4, start=2))
    assert policy.probs(np.zeros(2)).tolist() == [0, 0, 1, 0]


def test_continuous_actions_have_no_probabilities():
    policy = Linear(spaces.Box(-1, 1, (2,)), spaces.Box(-1, 1, (2,)))
    with pytest.raises(SpaceError, match=r"Linear\.probs: the action space is Box"):
        policy.probs(np.zeros(2))


def test_a_policy_is_shown_with_the_hyperparameters_that_differ_from_its_defaults():
    env = gymnasium.make("FrozenLake-v1")
    assert repr(DoubleQLearning.for_env(env)) == "DoubleQLearning()"
    assert repr(DoubleQLearning.for_env(env, gamma=0.5)) == "DoubleQLearning(gamma=0.5)"
