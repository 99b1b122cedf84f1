"""Policies within agents: evaluated, saved and loaded with them, whatever their class, as long as it is imported."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from gymnasium import spaces

from rlkit import Agent, CheckpointError, Policy, Trainer, checkpoint
from rlkit.agents.control.sarsa import Sarsa
from rlkit.agents.prediction.td import LinearTD
from rlkit.envs import GridWorld, MountainCar
from rlkit.features import TileCoding
from rlkit.truth import exact_values


class Pump(Policy):
    """Pushes in the direction of movement, more or less surely."""

    def setup(self):
        self.sureness = np.array([0.9])

    def act(self, observation, *, explore=False):
        return int(self.probs(observation).argmax())

    def probs(self, observation):
        p = np.full(3, (1 - self.sureness[0]) / 2)
        p[0 if observation[1] < 0 else 2] = self.sureness[0]
        return p


def car():
    return MountainCar(max_steps=200)


def tiles(env):
    return TileCoding.for_env(env, tilings=4, tiles=4)


def evaluating(env, policy, **settings):
    return LinearTD.for_env(env, policy=policy, features=tiles(env), gamma=0.99, learning_rate=0.02, seed=0, **settings)


def trained(env):
    agent = Sarsa.for_env(env, features=tiles(env), gamma=1.0, learning_rate=0.1, seed=1)
    Trainer(agent, env).run(400)
    return agent


@pytest.mark.parametrize("make", [trained, lambda env: Pump.for_env(env)], ids=["an agent", "a user's policy"])
def test_an_agent_is_saved_with_the_policy_that_it_evaluates_and_learns_on_alike(tmp_path, make):
    env = car()
    agent = evaluating(env, make(env))
    Trainer(agent, env).run(100)
    agent.save(tmp_path / "agent.npz")
    again = LinearTD.load(tmp_path / "agent.npz")
    assert type(again.target_policy) is type(agent.target_policy)
    for one in (agent, again):
        Trainer(one, car()).run(300)
    assert np.count_nonzero(agent.w) > 4
    assert again.w.tobytes() == agent.w.tobytes()


def test_one_policy_in_two_places_stays_one(tmp_path):
    env = car()
    agent = evaluating(env, Pump.for_env(env), behaviour=Pump.for_env(env))
    agent.behaviour_policy.sureness[0] = 0.6
    agent.keeps = [agent.target_policy, agent.behaviour_policy]
    agent.save(tmp_path / "agent.npz")
    again = LinearTD.load(tmp_path / "agent.npz")
    assert again.keeps[0] is again.target_policy
    assert again.keeps[1] is again.behaviour_policy
    assert (again.target_policy.sureness[0], again.behaviour_policy.sureness[0]) == (0.9, 0.6)


def test_a_trained_agent_is_a_policy_whose_exact_values_are_known():
    env = GridWorld.load("zhao-5x5")
    agent = Sarsa.for_env(env, gamma=0.9, learning_rate=0.5, exploration_final_eps=0.2, seed=0)
    Trainer(agent, env).run(2000)
    table = np.stack([agent.probs(state) for state in range(25)])
    assert table.min() == pytest.approx(0.04)
    assert table.sum(axis=1) == pytest.approx(1)
    assert np.array_equal(exact_values(env, 0.9, agent), exact_values(env, 0.9, table))
    assert np.array_equal(LinearTD.for_env(env, policy=agent).target_policy, table)


def test_probabilities_are_those_that_actions_are_drawn_by():
    env = GridWorld.load("zhao-5x5")
    for settings in ({"exploration_final_eps": 0.3}, {"temperature": 0.5}):
        agent = Sarsa.for_env(env, seed=0, **settings)
        agent.q[7] = [0.1, 0.7, 0.7, -0.2, 0.0]
        drawn = np.bincount([agent.act(7, explore=True) for _ in range(20_000)], minlength=5) / 20_000
        expected = agent.probs(7)
        assert np.abs(drawn - expected).max() < 4 * 0.5 / np.sqrt(20_000)  # 4 standard errors of the widest
    weights = np.exp(np.array([0.1, 0.7, 0.7, -0.2, 0.0]) / 0.5)
    assert expected == pytest.approx(weights / weights.sum())


def test_a_class_that_is_not_imported_is_named_and_nothing_is_imported(tmp_path):
    (tmp_path / "elsewhere.py").write_text(
        textwrap.dedent("""
            from rlkit import Policy
            class Stranger(Policy):
                def probs(self, observation):
                    return [0.0, 0.0, 1.0]
        """)
    )
    making = textwrap.dedent("""
        import elsewhere
        from rlkit.agents.prediction.td import LinearTD
        from rlkit.envs import MountainCar
        from rlkit.features import TileCoding
        env = MountainCar()
        policy = elsewhere.Stranger.for_env(env)
        LinearTD.for_env(env, policy=policy, features=TileCoding.for_env(env, tilings=2, tiles=2)).save("agent.npz")
    """)
    subprocess.run([sys.executable, "-c", making], cwd=tmp_path, check=True)
    with pytest.raises(CheckpointError, match=r"agent\.target_policy: is a Stranger of elsewhere.*import it first"):
        LinearTD.load(tmp_path / "agent.npz")
    assert "elsewhere" not in sys.modules


def test_two_classes_of_one_name_are_told_apart_by_their_module_and_else_refused(tmp_path):
    def another():
        class Pump(Policy):
            pass

        return Pump

    kept = another(), another()
    env = car()
    evaluating(env, Pump.for_env(env)).save(tmp_path / "agent.npz")
    assert type(LinearTD.load(tmp_path / "agent.npz").target_policy) is Pump
    saved = checkpoint.load(tmp_path / "agent.npz")
    node = saved.policy["state"]["target_policy"]
    node["module"] = "elsewhere"
    with pytest.raises(CheckpointError, match="more than one class has that name"):
        checkpoint.rebuild(LinearTD, saved)
    del kept


@pytest.mark.parametrize("name", ["Policy", "dict", "Popen", "TrainerX"])
def test_a_file_cannot_choose_anything_but_a_policys_class(tmp_path, name):
    env = car()
    evaluating(env, Pump.for_env(env)).save(tmp_path / "agent.npz")
    saved = checkpoint.load(tmp_path / "agent.npz")
    saved.policy["state"]["target_policy"] |= {"class": name, "policy": name, "module": "builtins"}
    with pytest.raises(CheckpointError, match="not known here"):
        checkpoint.rebuild(LinearTD, saved)
    assert json.dumps(saved.policy)  # the file is data through and through


def test_what_has_probabilities_but_is_no_policy_is_refused_when_saving(tmp_path):
    class Loose:
        def probs(self, observation):
            return np.full(3, 1 / 3)

    with pytest.raises(CheckpointError, match=r"agent\.target_policy: a Loose"):
        evaluating(car(), Loose()).save(tmp_path / "agent.npz")


def test_a_policy_that_setup_makes_is_restored_in_place(tmp_path):
    class Pair(Agent):
        def setup(self):
            self.inner = Pump(spaces.Box(-1, 1, (2,)), spaces.Discrete(3), seed=0)
            self.same = self.inner

        def act(self, observation, *, explore=False):
            return self.inner.act(observation)

    pair = Pair(spaces.Box(-1, 1, (2,)), spaces.Discrete(3), seed=0)
    pair.inner.sureness[0] = 0.25
    pair.save(tmp_path / "pair.npz")
    again = Pair.load(tmp_path / "pair.npz")
    assert again.inner is again.same
    assert again.inner.sureness[0] == 0.25
