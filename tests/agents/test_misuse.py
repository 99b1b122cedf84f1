"""What users do to linear agents besides training them: either it works, or an error says that it does not."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from rlkit import Trainer
from rlkit.agents import (
    LSPI,
    LSTD,
    TDC,
    EmphaticTD,
    GradientMonteCarlo,
    LinearTD,
    MonteCarloControl,
    NStepSarsa,
    NStepTD,
    QLearning,
    Sarsa,
    SarsaLambda,
    TDLambda,
    WatkinsQ,
)
from rlkit.compiled.learners import NONE, PENDING
from rlkit.compiled.run import CompiledRun
from rlkit.divergence import weight_norm
from rlkit.envs import BairdStar, GridWorld, MountainCar, RandomWalk
from rlkit.errors import ConfigError, InvalidTransition, RlkitError
from rlkit.features import TileCoding
from rlkit.transition import Transition
from rlkit.updates import learn

MAP = "S . .\n. # .\n. . G"


def grid():
    return GridWorld(MAP, max_steps=50)


@pytest.mark.parametrize("action", [4, -1, 10**9, 1.5, None])
def test_an_action_that_does_not_exist_is_refused_and_nothing_is_learnt(action):
    agent = QLearning.for_env(grid(), seed=0)
    with pytest.raises(InvalidTransition, match=rf"action {action} is not an integer in \[0, 4\)"):
        agent.update(Transition(0, action, 1.0, 1, False, False))
    assert not agent.w.any()
    assert not agent.visits.any()


def test_numpys_integers_are_actions():
    agent = QLearning.for_env(grid(), seed=0)
    agent.update(Transition(0, np.int64(1), 1.0, 1, False, False))
    assert agent.q[0, 1] == 0.1


@pytest.mark.parametrize("w", [np.zeros(3), np.zeros(7, np.float32), np.zeros(7, np.int64), np.zeros(14)[::2]])
def test_weights_of_another_shape_or_type_are_refused(w):
    agent = LinearTD.for_env(RandomWalk(5), seed=0)
    agent.w = w
    with pytest.raises(ConfigError, match=r"w is .*, expected float64 \(7,\) in a row; write to it with agent.w\[:\]"):
        agent.update(Transition(3, 0, 1.0, 4, False, False))


def test_weights_and_other_arrays_may_be_replaced_by_their_like():
    agent = TDC.for_env(RandomWalk(5), seed=0, gamma=0.0)
    agent.update(Transition(3, 0, 1.0, 4, False, False))
    agent.w, agent.h = np.ones(7), np.full(7, 2.0)
    agent.update(Transition(3, 0, 1.0, 4, False, False))
    assert agent.w.tolist() == [1.0] * 7  # no error
    assert agent.h.tolist() == [2.0, 2.0, 2.0, 2.0 - 0.1 * 2.0, 2.0, 2.0, 2.0]


def test_hyperparameters_may_be_replaced():
    agent = LinearTD.for_env(RandomWalk(5), seed=0, learning_rate=0.5)
    agent.update(Transition(3, 0, 1.0, 4, False, False))
    agent.config = dataclasses.replace(agent.config, learning_rate=0.25)
    agent.update(Transition(3, 0, 1.0, 4, False, False))
    assert agent.w[3] == 0.5 + 0.25 * 0.5


def test_policies_may_be_replaced_and_are_checked():
    agent = LinearTD.for_env(BairdStar(), seed=0)
    agent.update(Transition(3, 0, 1.0, 4, False, False))
    agent.target_policy = np.tile([1.0, 0.0], (7, 1))
    assert {agent.act(0, explore=True) for _ in range(20)} == {0}
    agent.behaviour_policy = np.full((1, 2), 0.5)
    with pytest.raises(ConfigError, match=r"the behaviour is float64 \(1, 2\), expected"):
        agent.act(6, explore=True)
    agent.behaviour_policy = np.tile([0.0, 1.0], (7, 1))
    with pytest.raises(ConfigError, match="the behaviour policy never takes action 0"):
        agent.act(6, explore=True)


WITH_MEMORY = [
    (TDLambda, {"trace": trace}) for trace in ("accumulating", "replacing", "dutch")
] + [(EmphaticTD, {"lam": 0.5}), (NStepTD, {}), (GradientMonteCarlo, {})]  # fmt: skip


@pytest.mark.parametrize(("kind", "parameters"), WITH_MEMORY)
def test_an_abandoned_episode_teaches_nothing_more(kind, parameters):
    agent, other = (kind.for_env(RandomWalk(5), seed=0, **parameters) for _ in range(2))
    for state in (3, 4, 3):
        agent.update(Transition(state, 0, 1.0, 7 - state, False, False))
    other.w[:] = agent.w
    agent.abandon_episode()
    for learner in (agent, other):
        learner.update(Transition(2, 0, 1.0, 1, False, False))
        learner.update(Transition(1, 0, 1.0, 0, True, False))
    np.testing.assert_array_equal(agent.w, other.w)


def test_an_abandoned_episode_leaves_what_lstd_has_summed_up():
    agent = LSTD.for_env(RandomWalk(5), seed=0, lam=0.9)
    agent.update(Transition(3, 0, 1.0, 4, False, False))
    A, b = agent.A.copy(), agent.b.copy()
    agent.abandon_episode()
    agent.update(Transition(1, 0, 1.0, 0, True, False))
    change = np.zeros((7, 7))
    change[1, 1] = 1.0
    np.testing.assert_array_equal(agent.A - A, change)
    assert (agent.b - b).tolist() == [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("kind", [Sarsa, SarsaLambda, WatkinsQ, NStepSarsa])
def test_an_abandoned_episode_leaves_no_action_pending(kind):
    agent = kind.for_env(grid(), seed=0)
    agent.update(Transition(0, 1, 1.0, 1, False, False))
    assert agent._counts[PENDING] != NONE
    agent.abandon_episode()
    assert agent._counts[PENDING] == NONE


def test_exploring_starts_go_on_after_an_abandoned_episode():
    starts = set()
    agent = MonteCarloControl.for_env(grid(), seed=0, exploring_starts=True, exploration_final_eps=0.0)
    agent.q[0, 2] = 1.0
    for _ in range(60):
        starts.add(agent.act(0, explore=True))
        agent.update(Transition(0, 2, 0.0, 1, False, False))
        agent.abandon_episode()
    assert starts == {0, 1, 2, 3}


def test_another_trainer_does_not_go_on_with_the_episode_of_the_first():
    agent = TDLambda.for_env(RandomWalk(19), seed=0)
    first = Trainer(agent, RandomWalk(19))
    first.run(4)
    assert first.episodes.length == 4
    Trainer(agent, RandomWalk(19)).run(1)
    assert np.count_nonzero(agent.traces["z"]) == 1


@pytest.mark.parametrize("env", [RandomWalk(5), MountainCar(max_steps=40)])
def test_a_compiled_run_whose_environment_somebody_else_has_ended_is_refused(env):
    agent = LinearTD.for_env(RandomWalk(5), seed=0) if isinstance(env, RandomWalk) else car_learner(env)
    run = CompiledRun.of(agent, env)
    run.begin(0)
    run.run(2)
    over = False
    while not over:
        over = any(env.step(0)[2:4])
    weights = agent.w.copy()
    with pytest.raises(ResetNeeded, match="somebody else has stepped its environment"):
        run.run(100)
    np.testing.assert_array_equal(agent.w, weights)


def car_learner(env):
    return Sarsa.for_env(env, features=TileCoding.for_env(env), seed=0)


def test_a_rule_whose_agent_makes_no_room_is_an_error():
    class Cramped(GradientMonteCarlo):
        def make_room(self):
            self._n_held[0] = len(self._episode["first"])

        def learner(self):
            return super().learner()

    env = RandomWalk(5)
    agent = Cramped.for_env(env, seed=0)
    run = CompiledRun.of(agent, env)
    run.begin(0)
    agent.make_room()
    with pytest.raises(RlkitError, match="its rule has no room left"):
        run.run(100)


def test_a_compiled_run_goes_on_with_other_hyperparameters():
    """Another kind of trace makes the rule, and so the loop, another one."""
    env = RandomWalk(5)
    agent = TDLambda.for_env(env, seed=0)
    run = CompiledRun.of(agent, env)
    run.begin(0)
    run.run(10)
    agent.config = dataclasses.replace(agent.config, trace="dutch")
    run.run(1000)
    assert np.isfinite(agent.w).all()
    assert agent._old[0] != 0.0 or not run.in_episode


def test_a_copy_learns_as_its_original_and_apart_from_it():
    agent = TDLambda.for_env(RandomWalk(5), seed=0)
    agent.update(Transition(3, 0, 1.0, 4, False, False))
    twin = copy.deepcopy(agent)
    agent.update(Transition(4, 0, 1.0, 5, False, False))
    before = agent.w.copy()
    twin.update(Transition(4, 0, 1.0, 5, False, False))
    np.testing.assert_array_equal(twin.w, before)
    np.testing.assert_array_equal(agent.w, before)
    assert twin.act(3, explore=True) == agent.act(3, explore=True)


class Spendthrift(NamedTuple):
    """A rule that makes an array at every step."""

    w: Any


@learn.of(Spendthrift)
def spend(rule, t):
    """Learn nothing."""
    return np.zeros(3).sum()


def test_a_rule_that_allocates_steps_in_python_and_says_so_of_the_compiled_loop():
    class Wasteful(LinearTD):
        def rule(self):
            return Spendthrift(self.w)

    env = RandomWalk(5)
    agent = Wasteful.for_env(env, seed=0)
    assert agent.update(Transition(3, 0, 1.0, 4, False, False)) == {"td_error": 0.0}
    run = CompiledRun.of(agent, env)
    run.begin(0)
    with pytest.raises(RlkitError, match="Wasteful on RandomWalk: numba cannot compile them into a loop, in which"):
        run.run(10)


def test_lspi_counts_collisions():
    env = MountainCar(max_steps=100)
    features = TileCoding.for_env(env, size=64)
    agent = LSPI.for_env(env, features=features, seed=0, improve_every=1000)
    Trainer(agent, env).run(30)
    assert agent.n_collisions > 0


def test_the_norm_of_lstds_weights_is_that_of_its_solution():
    agent = LSTD.for_env(RandomWalk(5), seed=0)
    agent.update(Transition(5, 0, 1.0, 6, True, False))
    assert weight_norm(agent) == pytest.approx(np.linalg.norm(agent.w)) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_observations_that_are_not_finite_are_refused_and_nothing_is_learnt(number):
    env = MountainCar()
    agent = Sarsa.for_env(env, features=TileCoding.for_env(env, tilings=4, tiles=4), seed=0)
    good, bad = np.array([-0.5, 0.0]), np.array([-0.5, number])
    for observation, following in ((good, bad), (bad, good)):
        with pytest.raises(InvalidTransition, match="not finite"):
            agent.update(Transition(observation, 1, -1.0, following, False, False))
    with pytest.raises(InvalidTransition, match="not finite"):
        agent.act(bad, explore=True)
    assert not agent.w.any()
    assert agent.visits.sum() == 0
