from __future__ import annotations

import gymnasium
import numpy as np
import pytest

import rlkit
from rlkit import CheckpointError, ConfigError, FiniteMDP, NotConverged
from rlkit.agents import PolicyIteration, TruncatedPolicyIteration, ValueIteration, catalogue
from rlkit.envs import GridWorld
from rlkit.errors import InvalidModel, RlkitError, SpaceError
from rlkit.policy import Policy
from tests.rlkit.helpers import Drift

PLANNERS = [ValueIteration, PolicyIteration, TruncatedPolicyIteration]


@pytest.mark.parametrize("cls", PLANNERS)
def test_a_planner_acts_optimally_after_planning(cls):
    env = GridWorld.load("zhao-5x5")
    planner = cls.for_env(env, gamma=0.9, tol=1e-6)
    metrics = planner.plan(env.model())
    best = rlkit.bellman.optimal_actions(env.model(), rlkit.bellman.solve(env.model(), 0.9).v, 0.9, tolerance=1e-4)
    assert all(best[state, planner.act(state)] for state in range(25))
    assert metrics["error_bound"] <= 1e-6
    assert metrics["iterations"] >= 1
    # REFERENCE: the first row of v*
    assert planner.solution.v[:5] == pytest.approx([5.832, 5.58, 6.2, 6.48, 5.832], abs=1e-6)


@pytest.mark.parametrize("cls", PLANNERS)
def test_a_plan_for_gymnasiums_own_table_works_in_its_environment(cls):
    env = gymnasium.make("CliffWalking-v1")
    planner = cls.for_env(env, gamma=0.99)
    planner.plan(FiniteMDP.from_gymnasium(env))
    observation, _ = env.reset(seed=0)
    total = 0.0
    for _ in range(13):
        observation, reward, terminated, _, _ = env.step(planner.act(observation))
        total += reward
    assert terminated
    assert total == -13


@pytest.mark.parametrize("cls", PLANNERS)
def test_a_plan_is_saved_and_loaded(tmp_path, cls):
    env = GridWorld.load("zhao-5x5")
    planner = cls.for_env(env, gamma=0.9)
    planner.plan(env.model())
    planner.save(tmp_path / "plan.npz")
    back = cls.load(tmp_path / "plan.npz")
    assert (back.policy == planner.policy).all()
    assert back.config == planner.config
    with pytest.raises(CheckpointError, match="expected a TwoSteps"):
        type("TwoSteps", (cls,), {}).load(tmp_path / "plan.npz")


def test_acting_before_planning_is_an_error_that_says_so():
    with pytest.raises(RlkitError, match="call plan"):
        ValueIteration.for_env(GridWorld.load("zhao-5x5")).act(0)


def test_a_model_of_another_problem_is_refused():
    planner = ValueIteration.for_env(GridWorld.load("zhao-5x5"))
    with pytest.raises(InvalidModel, match=r"\(4, 5\), the spaces have \(25, 5\)"):
        planner.plan(GridWorld.load("zhao-2x2").model())


def test_too_few_iterations_are_an_error_that_carries_the_solution():
    env = GridWorld.load("zhao-5x5")
    with pytest.raises(NotConverged) as caught:
        ValueIteration.for_env(env, gamma=0.99, max_iterations=3).plan(env.model())
    assert caught.value.solution.error_bound > 1e-8


def test_continuous_spaces_are_refused():
    with pytest.raises(SpaceError, match="expected Discrete"):
        ValueIteration.for_env(Drift())


def test_hyperparameters_have_ranges():
    with pytest.raises(ConfigError, match="evaluation_sweeps=0"):
        TruncatedPolicyIteration.for_env(GridWorld.load("zhao-5x5"), evaluation_sweeps=0)


def test_predict_takes_batches():
    env = GridWorld.load("zhao-5x5")
    planner = ValueIteration.for_env(env, gamma=0.9)
    planner.plan(env.model())
    actions, _ = planner.predict(np.arange(25))
    assert (actions == planner.policy).all()


def test_the_catalogue_lists_every_agent_with_a_promise():
    found = catalogue()
    assert set(found) == set(rlkit.agents.__all__) - {"catalogue", "preset", "promises"}
    assert rlkit.agents.promises() == {name: cls.__doc__.splitlines()[0] for name, cls in found.items()}
    assert {"ValueIteration", "LinearTD", "Sarsa", "QLearning"} <= set(found)
    for name, cls in found.items():
        assert issubclass(cls, Policy)
        assert cls.__name__ == name
        assert cls.__doc__
        assert cls.__doc__.splitlines()[0].endswith((".", ","))
