"""Learners of action values: updates worked out by hand, exploration, and the mountain car's published figures."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import rlkit
from rlkit.agents import (
    LSPI,
    DifferentialSarsa,
    DoubleQLearning,
    ExpectedSarsa,
    MonteCarloControl,
    NStepSarsa,
    QLearning,
    Sarsa,
    SarsaLambda,
    WatkinsQ,
)
from rlkit.compiled.exploration import EpsilonGreedy, Softmax, choose, expectation
from rlkit.compiled.learners import PENDING, begin, decide, observe, recall
from rlkit.envs import GridWorld, MountainCar
from rlkit.errors import ConfigError
from rlkit.features import Fourier, TileCoding

CAR = json.loads((Path(__file__).parents[1] / "reference/td.json").read_text())["mountain_car"]
LAMBDA = CAR["fig12_10_11_first50_best(alpha*8,steps,se; 8 runs; max 5000 steps)"]
STATES, ACTIONS = gymnasium.spaces.Discrete(4), gymnasium.spaces.Discrete(2)


def agent_of(kind, **hyperparameters):
    """Make one with a table of 4 states and 2 actions; greedy, gamma and step size 1/2, q(2, .) = (4, 8)."""
    settings = {"learning_rate": 0.5, "exploration_final_eps": 0.0, "gamma": 0.5} | hyperparameters
    agent = kind(STATES, ACTIONS, kind.Config(**settings), seed=0)
    agent.q[..., 2, :] = 4.0, 8.0
    return agent


def tell(agent, x, action, reward, next_x, *, terminated=False, truncated=False):
    """Tell it of a transition, as `update` does but without numba's compiler; return the error."""
    learner = agent.learner()
    recall(learner, x, action)
    return observe(learner, action, reward, next_x, terminated, truncated, 1.0)


# -- updates by hand ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Sarsa, QLearning, ExpectedSarsa])
def test_the_target_is_the_reward_and_the_discounted_value_of_the_next_action(kind):
    agent = agent_of(kind)
    assert tell(agent, 0, 1, 1.0, 2) == 1.0 + 0.5 * 8.0
    assert agent.q[0].tolist() == [0.0, 2.5]


def test_expected_sarsa_takes_the_mean_over_its_policy():
    greedy_and_random = agent_of(ExpectedSarsa, exploration_final_eps=0.5)
    assert tell(greedy_and_random, 0, 1, 0.0, 2) == 0.5 * (0.5 * 8.0 + 0.5 * 6.0)
    softmax = agent_of(ExpectedSarsa, temperature=2.0)
    p = 1.0 / (1.0 + np.exp(-2.0))  # of action 1
    assert tell(softmax, 0, 1, 0.0, 2) == pytest.approx(0.5 * (8.0 * p + 4.0 * (1.0 - p)))


def test_sarsa_takes_the_action_next_that_it_learnt_from():
    agent = agent_of(Sarsa, exploration_final_eps=1.0)
    for _ in range(20):
        agent.q[:] = 0.0
        agent.q[2] = 4.0, 8.0
        error = tell(agent, 0, 1, 0.0, 2)
        learner = agent.learner()
        begin(learner, 2)
        assert error == 0.5 * agent.q[2, decide(learner, 2)]


def test_double_q_learning_chooses_by_one_table_and_values_by_the_other():
    for seed in range(8):
        agent = DoubleQLearning(STATES, ACTIONS, DoubleQLearning.Config(learning_rate=0.5, gamma=0.5), seed=seed)
        agent.q[0, 2], agent.q[1, 2] = (4.0, 8.0), (3.0, -1.0)
        error = tell(agent, 0, 0, 1.0, 2)
        moved = int(agent.q[1, 0, 0] != 0.0)
        assert error == (1.0 + 0.5 * 4.0 if moved else 1.0 + 0.5 * -1.0)
        assert (agent.q[moved, 0, 0], agent.q[1 - moved, 0, 0]) == (0.5 * error, 0.0)


ONE_STEP = [Sarsa, ExpectedSarsa, QLearning, DoubleQLearning, SarsaLambda, WatkinsQ, NStepSarsa, MonteCarloControl]


@pytest.mark.parametrize("kind", ONE_STEP)
def test_a_truncated_episode_bootstraps_and_a_terminated_one_does_not(kind):
    for terminated, target in ((True, 1.0), (False, 1.0 + 0.5 * 8.0)):
        agent = agent_of(kind)
        tell(agent, 0, 1, 1.0, 2, terminated=terminated, truncated=not terminated)
        assert agent.q[..., 0, 1].max() == 0.5 * target
        assert agent.learner().counts[PENDING] == -1


@pytest.mark.parametrize(
    ("trace", "expected"),
    # two visits of (0, 1), rewards 1 and 0: delta = 1, then q(1, 0) = 0 enters it: delta = 0 - 0.5 = -0.5. Traces are
    # 1, then 1 + 0.25, or 1 again; w = 0.5, then 0.5 - 0.25 z.
    [("accumulating", 0.5 - 0.25 * 1.25), ("replacing", 0.5 - 0.25 * 1.0)],
)
def test_a_second_visit_adds_to_a_trace_or_renews_it(trace, expected):
    agent = agent_of(SarsaLambda, lam=0.5, trace=trace)
    assert tell(agent, 0, 1, 1.0, 3) == 1.0
    assert agent._traces["z"].max() == 0.25
    assert tell(agent, 0, 1, 0.0, 3) == -0.5
    assert agent.q[0, 1] == expected


def test_an_error_reaches_back_along_the_traces_until_the_episode_ends():
    agent = agent_of(SarsaLambda, lam=0.5)
    tell(agent, 0, 0, 0.0, 1)
    tell(agent, 1, 1, 0.0, 3)
    tell(agent, 3, 0, 1.0, 3, terminated=True)
    assert (agent.q[3, 0], agent.q[1, 1], agent.q[0, 0]) == (0.5, 0.5 / 4, 0.5 / 16)
    assert not agent._traces["z"].any()


def test_a_trace_at_the_cutoff_ends():
    agent = agent_of(SarsaLambda, lam=0.5, trace_cutoff=1 / 16)
    tell(agent, 0, 0, 0.0, 1)
    assert agent._traces["z"].max() == 0.25
    tell(agent, 1, 1, 0.0, 3)
    tell(agent, 3, 0, 1.0, 3)
    assert (agent.q[3, 0], agent.q[1, 1], agent.q[0, 0]) == (0.5, 0.125, 0.0)


def test_watkinss_traces_end_where_the_next_action_is_not_greedy():
    agent = agent_of(WatkinsQ, exploration_final_eps=1.0, lam=1.0)
    kept = []
    for _ in range(20):
        agent._traces["z"][:] = 0.0
        tell(agent, 0, 1, 0.0, 2)
        kept.append(agent._traces["z"].any() == (agent._counts[PENDING] == 1))
    assert all(kept)
    agent._traces["z"][:] = 0.0
    tell(agent, 0, 1, 0.0, 3)  # where all actions are alike
    assert agent._traces["z"].any()


def test_n_step_sarsa_learns_n_steps_later():
    agent = agent_of(NStepSarsa, n_steps=2)
    tell(agent, 0, 0, 1.0, 1)
    assert agent.q[0, 0] == 0.0
    assert tell(agent, 1, 1, 2.0, 2) == 1.0 + 0.5 * 2.0 + 0.25 * 8.0
    assert agent.q[0, 0] == 2.0


def test_differential_sarsa_subtracts_the_average_and_moves_it():
    agent = agent_of(DifferentialSarsa, gamma=1.0, average_reward_rate=0.25)
    assert tell(agent, 0, 1, 4.0, 2) == 12.0
    assert agent.average_reward == 3.0
    assert tell(agent, 1, 1, 4.0, 3) == 1.0
    assert agent.average_reward == 3.25


def test_differential_sarsa_has_no_discount():
    with pytest.raises(ConfigError, match=r"gamma=0\.9 is outside its range \[1, 1\]"):
        DifferentialSarsa.Config(gamma=0.9)


def test_monte_carlo_control_takes_the_mean_of_all_returns():
    agent = agent_of(MonteCarloControl, learning_rate=1.0, learning_rate_power=1.0)
    for reward, before in ((4.0, 0.0), (8.0, 3.5)):  # (0, 0) is visited twice: returns 1 + reward / 2, and reward
        tell(agent, 0, 0, 1.0, 0)
        assert agent.q[0, 0] == before
        tell(agent, 0, 0, reward, 1, terminated=True)
    assert agent.q[0, 0] == np.mean([1.0 + 0.5 * 4.0, 4.0, 1.0 + 0.5 * 8.0, 8.0])


def test_exploring_starts_begin_with_any_action_and_go_on_greedily():
    agent = MonteCarloControl(
        STATES, ACTIONS, MonteCarloControl.Config(exploring_starts=True, exploration_final_eps=0.0), seed=0
    )
    agent.q[:, 1] = 1.0
    firsts = []
    for _ in range(200):
        learner = agent.learner()
        begin(learner, 0)
        firsts.append(decide(learner, 0))
        begin(learner, 1)
        assert decide(learner, 1) == 1
        tell(agent, 1, 1, 0.0, 0, terminated=True)
    assert 70 < sum(firsts) < 130  # binomial: 100 +- 7


def test_lspi_solves_the_least_squares_system_of_what_it_has_seen():
    agent = LSPI(STATES, ACTIONS, LSPI.Config(gamma=0.5, improve_every=100), seed=0)
    for x, action, reward, next_x, terminated in [(0, 0, 1.0, 1, False), (0, 0, 3.0, 1, False), (1, 1, 4.0, 2, True)]:
        agent.update(rlkit.Transition(x, action, reward, next_x, terminated, False))
    metrics = agent.improve()
    # q(1, 1) = 4; q(0, 0) = mean(1, 3) + 0.5 * 4; what was never tried stays at 0
    assert agent.q[:2].ravel() == pytest.approx([4.0, 0.0, 0.0, 4.0], abs=1e-5)
    assert (metrics["policies"], metrics["weight_change"]) == (3.0, 0.0)


# -- exploration -------------------------------------------------------------------------------------------------------


def shares(policy, q, n=20_000):
    stream = np.array([1], np.uint64)
    with np.errstate(over="ignore"):
        return np.bincount([choose(policy, np.array(q), 0, stream) for _ in range(n)], minlength=len(q)) / n


def test_epsilon_greedy_explores_as_often_as_it_should_and_breaks_ties_evenly():
    # binomial: the standard deviation of a share is below sqrt(0.25 / 20,000) = 0.0035
    found = shares(EpsilonGreedy(0.2, 0.2, np.zeros(1)), [0.0, 1.0, 0.5, 0.0])
    assert np.abs(found - [0.05, 0.85, 0.05, 0.05]).max() < 0.014
    found = shares(EpsilonGreedy(0.0, 0.0, np.zeros(1)), [1.0, 0.0, 1.0])
    assert found[1] == 0.0
    assert abs(found[0] - 0.5) < 0.014


def test_softmax_is_proportional_to_the_exponentials_of_values():
    q = np.array([0.0, 1.0, 2.0])
    weights = np.exp(q / 2.0)
    assert np.abs(shares(Softmax(2.0), q) - weights / weights.sum()).max() < 0.014
    assert expectation(Softmax(2.0), q, 0) == pytest.approx(q @ weights / weights.sum())
    assert expectation(Softmax(1e-3), np.array([0.0, 1e6]), 0) == 1e6  # nothing overflows


@pytest.mark.parametrize("policy", [{"exploration_final_eps": 0.3}, {"temperature": 2.0}])
def test_the_probabilities_of_actions_are_those_it_acts_by(policy):
    agent = agent_of(QLearning, **policy)
    assert np.abs(shares(agent.policy(), agent.q[2]) - agent.probs(2)).max() < 0.014


def test_replacing_traces_of_dense_features_are_refused():
    env = GridWorld.load("zhao-5x5")
    with pytest.raises(ConfigError, match="'replacing' with Fourier, which are dense"):
        SarsaLambda.for_env(env, features=Fourier.for_env(env, order=1))


def test_dense_and_sparse_features_of_the_same_states_learn_the_same():
    rng = np.random.default_rng(0)
    for trace in ("accumulating", "dutch"):
        sparse = agent_of(SarsaLambda, trace=trace, trace_cutoff=0.0)
        dense = SarsaLambda(
            STATES,
            ACTIONS,
            SarsaLambda.Config(**{**vars(sparse.config), "features": rlkit.features.FeatureTable.of(np.eye(4))}),
            seed=0,
        )
        dense.w[:] = sparse.w
        for _ in range(30):
            x, action, next_x = rng.integers(4), rng.integers(2), rng.integers(4)
            reward, terminated = rng.normal(), rng.random() < 0.1
            for agent in (sparse, dense):
                tell(agent, int(x), int(action), reward, int(next_x), terminated=bool(terminated))
        assert dense.w == pytest.approx(sparse.w, abs=1e-12)


# -- mountain car ------------------------------------------------------------------------------------------------------


def car_runs(kind, alpha, n, episodes, max_steps=None, **hyperparameters):
    def made(seed):
        env = MountainCar(max_steps=max_steps)
        tiles = TileCoding.for_env(env, tiles=(8, 8), tilings=8)
        settings = {"gamma": 1.0, "exploration_final_eps": 0.0, "learning_rate": alpha / 8} | hyperparameters
        return kind.for_env(env, seed=seed, features=tiles, **settings), env

    return rlkit.train_many(made, range(n), episodes=episodes, progress=False).lengths


@pytest.mark.parametrize(("alpha", "first50", "last"), [("0.1", 7.9, 23.9), ("0.5", 5.0, 27.2)])
def test_sarsa_on_the_mountain_car_learns_as_fast_as_published(alpha, first50, last):
    n, published = 24, CAR[f"fig10_2_sarsa_alpha{alpha}/8"]
    lengths = car_runs(Sarsa, float(alpha), n, 500)
    # Standard deviations of a run over seeds 0-99; the figures have errors of their own: 100 runs at least.
    within = 4 * np.sqrt(1 / n + 1 / 100)
    assert abs(lengths[:, :50].mean() - published["first50"]) < within * first50
    assert abs(lengths[:, 480:].mean() - published["ep500"]) < within * last


@pytest.mark.parametrize(("n_steps", "deviation"), [("1", 5.3), ("4", 9.9), ("8", 20.9)])
def test_n_step_sarsa_on_the_mountain_car_learns_as_fast_as_published(n_steps, deviation):
    n, published = 40, CAR["fig10_4_first50_minima"][n_steps]
    lengths = car_runs(NStepSarsa, published["alpha"], n, 50, n_steps=int(n_steps))
    assert abs(lengths.mean() - published["steps"]) < 4 * deviation * np.sqrt(1 / n + 1 / 100)  # over seeds 0-99


@pytest.mark.parametrize(
    ("trace", "lam", "deviation"),
    [
        ("accumulating", "0.68", 7.3),
        ("replacing", "0.68", 6.7),
        ("replacing", "0.92", 14.0),
        ("true_online", "0.68", 5.5),
        ("true_online", "0.92", 17.9),
        pytest.param("accumulating", "0.92", 18.5, marks=pytest.mark.slow),
        pytest.param("replacing", "0.96", 17.4, marks=pytest.mark.slow),
        pytest.param("true_online", "0.98", 35.9, marks=pytest.mark.slow),
    ],
)
def test_sarsa_lambda_on_the_mountain_car_learns_as_fast_as_published(trace, lam, deviation):
    n, (alpha, steps, _) = 40, LAMBDA[f"{trace}_lam{lam}"]
    kind = {"true_online": "dutch"}.get(trace, trace)
    lengths = car_runs(SarsaLambda, alpha, n, 50, max_steps=5000, lam=float(lam), trace=kind)
    # Standard deviations of a run over seeds 0-99; the figures are of 8 runs, the best of several step sizes.
    assert abs(lengths.mean() - steps) < 4 * deviation * np.sqrt(1 / n + 1 / 8)
