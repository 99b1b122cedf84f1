"""`check_env`: good environments pass, and each promise that is broken is caught by its name."""

from __future__ import annotations

import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

import rlkit.envs  # noqa: F401  (registers)
from rlkit.checks import CheckFailed, check_env, env_checks
from rlkit.checks.environment_subject import EnvironmentSubject
from rlkit.checks.frequencies import first_unlikely
from rlkit.checks.running import name_of, run_check
from rlkit.checks.walks import difference, global_generators, identical, walk
from rlkit.envs import AccessControl, BairdStar, BoyanChain, LinearQuadratic, MountainCar, RandomWalk
from rlkit.errors import SpaceError
from tests.rlkit import bad_environments
from tests.rlkit.bad_environments import BAD, Drift, Grid, Plain

CHECKS = {name_of(check): check for check in env_checks()}
OURS = [name for name in gymnasium.registry if name.startswith("rlkit/")]


def made_by_gymnasium(cls):
    return gymnasium.make(EnvSpec(f"{cls.__name__}-v0", entry_point=cls))


def said(bad, check):
    """What a single check says of a bad environment."""
    env = made_by_gymnasium(bad) if check == "check_pictures_change_nothing" else bad
    return run_check(CHECKS[check], EnvironmentSubject(env))[0]


@pytest.mark.parametrize("name", OURS)
def test_rlkits_own_environments_pass(name):
    assert check_env(name).passed


@pytest.mark.parametrize("name", ["FrozenLake-v1", "CliffWalking-v1", "CartPole-v1", "Pendulum-v1"])
def test_gymnasiums_own_environments_pass(name):
    assert check_env(name).passed


@pytest.mark.parametrize(
    "make",
    [
        Grid,
        lambda: LinearQuadratic(noise=0.1),
        lambda: RandomWalk(9, reach=4),
        BairdStar,
        BoyanChain,
        AccessControl,
        lambda: MountainCar(max_steps=100),
        lambda: made_by_gymnasium(Drift),
        Plain,
        Drift(),
    ],
)
def test_good_environments_pass_however_they_are_given(make):
    assert check_env(make).passed


@pytest.mark.parametrize("check", CHECKS)
def test_each_check_has_a_bad_environment(check):
    assert BAD[check]


@pytest.mark.parametrize(("check", "bad"), [(check, bad) for check, them in BAD.items() for bad in them])
@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # gymnasium's wrappers see some of it, too
def test_a_broken_promise_is_caught_by_the_check_of_its_name(check, bad):
    result = said(bad, check)
    assert result.status == "failed"
    assert "\n" not in result.message
    assert not result.message[0].isupper()
    assert not result.message.endswith(".")


@pytest.mark.parametrize(
    ("bad", "check", "words"),
    [
        ("ReturnsItsBuffer", "check_observations_stay_as_they_were", "return a copy"),
        ("DrawsGlobally", "check_global_generators_are_left_alone", "draw from self.np_random"),
        ("SeedsGlobally", "check_global_generators_are_left_alone", "the global generator of numpy.random moves"),
        ("CannotBeSaved", "check_state_round_trip", "how"),
        ("DoesWhatItsModelRulesOut", "check_model_transitions", "which has probability 0 in the model"),
        ("SlipsMoreThanItSays", "check_model_transitions", "taken together, the steps do not follow the model"),
        ("SlipsMuchMoreThanItSays", "check_model_transitions", "the model's probability is 0."),
        ("PaysLessThanItSays", "check_model_rewards", "the model's expected reward is -0."),
        ("EndsElsewhere", "check_model_ends", "the model does not say that it can end"),
        ("DoesNotEnd", "check_model_ends", "terminated is False"),
        ("BeginsElsewhere", "check_model_starts", "0 begin in state 1, whose initial_state_distrib is 0.2"),
    ],
)
def test_the_sentence_says_what_is_amiss(bad, check, words):
    assert words in said(getattr(bad_environments, bad), check).message


def test_what_fails_is_raised_with_a_line_for_each_check():
    with pytest.raises(CheckFailed, match=r"check_ends_are_bools: terminated is [01], expected True or False"):
        check_env(bad_environments.EndsInNumbers)


def test_what_is_expected_to_fail_may():
    expected = {"check_ends_are_bools": "numbers say it", "check_gymnasiums_own": "the same"}
    report = check_env(bad_environments.EndsInNumbers, expected_failures=expected, on_fail=None)
    statuses = {result.name: result.status for result in report.results}
    assert statuses["check_ends_are_bools"] == "xfail"
    assert report.passed


def test_no_environment_is_refused():
    with pytest.raises(SpaceError, match="3 is no environment"):
        check_env(3)


def test_an_environment_that_cannot_be_made_fails_and_the_rest_is_skipped():
    report = check_env(gymnasium.Env, on_fail=None)
    assert [result.name for result in report.failed] == ["check_is_an_environment"]
    assert {result.status for result in report.results[1:]} == {"skipped"}


def test_global_generators_are_put_back():
    before = np.random.get_state()  # noqa: NPY002
    check_env(bad_environments.DrawsGlobally, on_fail=None)
    check_env(bad_environments.SeedsGlobally, on_fail=None)
    assert identical(np.random.get_state(), before)  # noqa: NPY002


def test_a_moved_global_generator_is_named():
    with global_generators(3) as moved:
        assert moved() is None
        np.random.random()  # noqa: NPY002
        assert moved() == "numpy.random"


def test_importing_torch_does_not_move_its_generator(monkeypatch):
    pytest.importorskip("torch")
    with monkeypatch.context() as patched:
        torch = sys.modules["torch"]
        patched.delitem(sys.modules, "torch")
        with global_generators(0) as moved:
            sys.modules["torch"] = torch
            assert moved() is None


def test_walks_that_part_say_where():
    env = Drift()
    actions = [np.zeros(2, np.float32)] * 3
    one, other = walk(env, actions), walk(env, actions)
    assert difference(one, other) is None
    other[2] = other[2]._replace(reward=7.0)
    assert difference(one, other) == f"after step 2 the reward is {one[2].reward!r}, and was 7.0"


def counts(draws, probabilities):
    return first_unlikely([(0, np.array(draws), np.array(probabilities))])


def test_the_least_likely_count_is_named():
    # 30 of 30 heads of a fair coin: two tails of 2^-30 each, times two outcomes, below 10^-6 / 2.
    found = counts([1] * 30, [0.5, 0.5])
    assert found is not None
    assert (found.outcome, found.times, found.tries, found.probability) in ((1, 30, 30, 0.5), (0, 0, 30, 0.5))
    assert counts([1] * 20, [0.5, 0.5]) is None  # 4 * 2^-20 is 3.8 * 10^-6


def test_small_differences_everywhere_add_up():
    # 50 coins of 60:40, each thrown 500 times and said to be fair: 4.5 standard deviations each would not be sure.
    rng = np.random.default_rng(0)
    rows = [(i, (rng.random(500) < 0.56).astype(int), np.array([0.5, 0.5])) for i in range(50)]
    found = first_unlikely(rows)
    assert found is not None
    assert found.outcome is None or found.times > 250
    assert all(first_unlikely([row]) is None for row in rows[:10])


def test_right_predictions_are_hardly_ever_called_unlikely(monkeypatch):
    # At a level of 0.2 at most 20 % of 400 right predictions may be; 4 standard deviations of that are 32.
    monkeypatch.setattr("rlkit.checks.frequencies.SURE", 0.2)
    rng, wrong = np.random.default_rng(1), 0
    for _ in range(400):
        p = rng.dirichlet(np.ones(5), size=8)
        rows = [(i, rng.choice(5, size=200, p=each), each) for i, each in enumerate(p)]
        wrong += first_unlikely(rows) is not None
    assert wrong <= 80 + 32
