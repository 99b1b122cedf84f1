"""The checks of agents let those pass that keep their promises, ours among them, and catch the others by name."""

from __future__ import annotations

import json

import gymnasium
import numpy as np
import pytest

from rlkit import Agent
from rlkit.agents import DQN, TD3, TDC, DoubleQLearning, LinearTD, NeuralTD, SarsaLambda, catalogue
from rlkit.checks import CheckFailed, CheckSkipped, agent_checks, check_agent, parametrize_with_checks, run_checks
from rlkit.checks.state import global_generators
from rlkit.envs import GridWorld
from rlkit.errors import ConfigError
from rlkit.exploration import OrnsteinUhlenbeckNoise
from rlkit.features import TileCoding
from tests.rlkit import helpers
from tests.rlkit.bad_agents import (
    CART,
    CASES,
    GRID,
    PENDULUM,
    BootstrapsFromTheEnd,
    Continuous,
    Forgets,
    HasOneSeed,
    Linear,
    Network,
    Stumbles,
    SwapsTheEnds,
    Table,
)

SMALL = {"network": (16,), "batch_size": 8, "buffer_size": 500, "learning_starts": 16}
OURS = {  # small networks, and a round of learning within a few steps
    "DQN": ("CartPole-v1", SMALL),
    "DDPG": (PENDULUM, SMALL),
    "TD3": (PENDULUM, SMALL),
    "NeuralTD": (GRID, {"network": (16,)}),
    "LSPI": (GRID, {"improve_every": 32, "buffer_size": 500}),
}
LEARNERS = [name for name, kind in catalogue().items() if issubclass(kind, Agent)]


def with_settings(kind, **settings):
    return lambda env, seed: kind.for_env(env, seed=seed, **settings)


def tiled_sarsa(env, seed):
    return SarsaLambda.for_env(env, seed=seed, features=TileCoding.for_env(env, tilings=4, tiles=4))


def off_policy(kind, **settings):
    def make(env, seed):
        n_states, n_actions = int(env.observation_space.n), int(env.action_space.n)
        policy = np.tile(np.eye(n_actions)[0] * 0.6 + 0.1, (n_states, 1))
        behaviour = np.full((n_states, n_actions), 1.0 / n_actions)
        return kind.for_env(env, seed=seed, policy=policy, behaviour=behaviour, **settings)

    return make


VARIANTS = {
    "DQN with all options": (
        with_settings(DQN, **SMALL, double=True, dueling=True, n_steps=3, prioritized=True, target_update_interval=10),
        "CartPole-v1",
    ),
    "TD3 with memories": (
        with_settings(TD3, **SMALL, n_steps=3, normalize_observations=True, noise=OrnsteinUhlenbeckNoise(sigma=0.2)),
        PENDULUM,
    ),
    "Sarsa(lambda) with tiles": (tiled_sarsa, "MountainCar-v0"),
    "TDC off policy": (off_policy(TDC), GRID),
    "NeuralTD off policy": (off_policy(NeuralTD, network=(16,), n_steps=4, lam=0.8, train_freq=2), GRID),
    "LinearTD in an environment with a state": (LinearTD, lambda: GridWorld("S . . #\n. X . G", slip=0.2)),
}


@pytest.fixture(autouse=True)
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("agent", "env"),
    [(Table, GRID), (Linear, CART), (Continuous, PENDULUM), (Network, CART), (helpers.DoubleQLearning, GRID)],
)
def test_agents_that_keep_their_promises_pass(agent, env):
    assert check_agent(agent, env).passed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.agent.__name__)
def test_an_agent_that_breaks_a_promise_is_caught_by_the_name_of_its_check(case):
    report = check_agent(case.agent, case.env, on_fail=None)
    assert {result.name for result in report.failed} == case.failing
    assert not any("\n" in result.message for result in report.failed)


def test_every_check_catches_an_agent():
    assert set().union(*(case.failing for case in CASES)) == {check.__name__ for check in agent_checks()}


@pytest.mark.parametrize("name", LEARNERS)
def test_our_agents_keep_their_promises(name):
    env, settings = OURS.get(name, (GRID, {}))
    assert check_agent(with_settings(catalogue()[name], **settings), env).passed


@pytest.mark.parametrize("name", VARIANTS)
def test_our_agents_keep_their_promises_with_other_hyperparameters_too(name):
    assert check_agent(*VARIANTS[name]).passed


@parametrize_with_checks([(Table, GRID), (DoubleQLearning, GRID)])
def test_the_checks_of_an_agent_can_be_tests(subject, check):
    check(subject)


@parametrize_with_checks(
    [(HasOneSeed, GRID)], expected_failures={"check_seeds_differ": "it explores alike, whatever its seed"}
)
def test_a_check_that_is_expected_to_fail_is_a_test_that_is(subject, check):
    check(subject)


def test_all_broken_promises_are_told_of_at_once():
    with pytest.raises(CheckFailed) as error:
        check_agent(SwapsTheEnds, GRID)
    first, second = str(error.value).splitlines()
    assert first.startswith("check_terminated_transitions_do_not_bootstrap: what it learns from a terminated")
    assert second.startswith("check_truncated_transitions_bootstrap: what it learns from a truncated transition does")
    assert len(error.value.results) == len(agent_checks())


def test_broken_promises_can_be_warned_of():
    with pytest.warns(UserWarning, match=r"check_terminated_transitions_do_not_bootstrap: .*terminal state is 0"):
        report = check_agent(BootstrapsFromTheEnd, GRID, on_fail="warn")
    assert not report.passed


def test_an_expected_failure_is_none():
    why = {"check_seeds_differ": "it explores alike"}
    report = check_agent(HasOneSeed, GRID, expected_failures=why)
    assert report.passed
    assert {r.name: r.message for r in report.results if r.status == "xfail"} == why


def test_a_failure_that_was_expected_and_did_not_come_is_told_of():
    with pytest.warns(UserWarning, match=r"check_seeds_differ: was expected to fail \(no dice\), and passed"):
        report = check_agent(Table, GRID, expected_failures={"check_seeds_differ": "no dice"})
    assert [r.name for r in report.results if r.status == "xpass"] == ["check_seeds_differ"]


def test_a_check_that_there_is_not_cannot_be_expected_to_fail():
    with pytest.raises(ConfigError, match="no check 'check_seed_differs'; did you mean 'check_seeds_differ'"):
        check_agent(Table, GRID, expected_failures={"check_seed_differs": "a slip of the pen"})
    with pytest.raises(ConfigError, match="no check 'seeds'"):
        parametrize_with_checks([(Table, GRID)], expected_failures={"seeds": "a slip of the pen"})


def test_only_three_things_can_be_done_about_failures():
    with pytest.raises(ConfigError, match="on_fail='ignore' is not 'raise', 'warn' or None"):
        check_agent(Table, GRID, on_fail="ignore")


@pytest.mark.parametrize(
    ("make", "message"),
    [(int, "int is not an Agent"), ("Table", "'Table' is neither an Agent class nor a function")],
)
def test_what_is_no_agent_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        check_agent(make, GRID)


def test_a_function_that_makes_no_agent_fails_the_first_check_and_the_others_are_skipped():
    report = check_agent(lambda env, seed: None, GRID, on_fail=None)
    first, *others = report.results
    assert first.message == "make(env, seed) returned a NoneType, expected an Agent"
    assert {other.message for other in others} == {"needs check_builds_from_spaces_config_and_seed"}


def test_an_error_is_told_with_the_line_that_raised_it_and_skips_what_needs_none():
    report = check_agent(Stumbles, GRID, on_fail=None)
    (failed,) = report.failed
    assert failed.message.startswith("acting and learning ended at step ")
    assert ": KeyError: 'end', raised at " in failed.message
    assert "bad_agents.py:" in failed.message
    assert "needs check_acts_and_learns_without_an_error" in {r.message for r in report.results}


def test_an_error_within_numpy_is_told_with_the_line_that_called_it():
    class Misspells(Table):
        def setup(self):
            self.q = np.zeroz((self.observation_space.n, self.action_space.n))

    failed = check_agent(Misspells, GRID, on_fail=None).failed[0]
    assert "has no attribute 'zeroz'" in failed.message
    assert "test_checks.py:" in failed.message


def test_the_report_is_a_table_and_data():
    report = check_agent(Forgets, GRID, on_fail=None)
    lines = str(report).splitlines()
    assert lines[0].startswith(f"Forgets on {GRID}: ")
    assert lines[1].split() == ["check_builds_from_spaces_config_and_seed", "ok"]
    assert any(
        line.endswith("FAILED: after 2048 transitions it says, does and holds what it did at first") for line in lines
    )
    data = json.loads(json.dumps(report.to_dict()))
    assert (data["subject"], data["where"], data["passed"]) == ("Forgets", GRID, False)
    assert len(data["results"]) == len(agent_checks())


def test_checking_leaves_the_global_generators_as_they_were():
    check_agent(Table, GRID)  # imports what it needs
    before = global_generators()
    check_agent(Table, GRID)
    assert global_generators() == before


def test_an_environment_that_was_given_stays_open_and_one_that_was_made_is_closed():
    closed = []

    class Door(gymnasium.Wrapper):
        def close(self):
            closed.append(self.env.spec.id)
            super().close()

    given = Door(gymnasium.make(GRID))
    check_agent(Table, given)
    assert closed == []
    check_agent(Table, lambda: Door(gymnasium.make(GRID)))
    assert closed == [GRID]


def test_a_check_may_have_nothing_to_say():
    def check_first(subject):
        pass

    def check_second(subject):
        raise CheckSkipped("no second thoughts")

    results = run_checks([check_first, check_second], "anything")
    assert [tuple(result) for result in results] == [
        ("check_first", "passed", ""),
        ("check_second", "skipped", "no second thoughts"),
    ]


class Counts(Table):
    """Does what it has done least; nothing in it is random."""

    def setup(self):
        super().setup()
        self.n_done = np.zeros(self.q.shape, int)

    def act(self, observation, *, explore=False):
        return int(self.n_done[observation].argmin()) if explore else self.best(observation)

    def learn(self, observation, action, error):
        self.n_done[observation, action] += 1
        super().learn(observation, action, error)


def what_seeds_said(agent, env):
    report = check_agent(agent, env)
    return next(result.message for result in report.results if result.name == "check_seeds_differ")


def test_where_nothing_can_be_random_seeds_need_not_differ():
    assert what_seeds_said(Counts, GRID) == "nothing in it is random"
    assert what_seeds_said(Table, "rlkit/RandomWalk19-v0") == "there is only one action"
