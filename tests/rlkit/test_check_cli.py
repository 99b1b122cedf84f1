"""`rlkit check`: what it understands, what it prints, and its exit code."""

from __future__ import annotations

import json
import sys

import pytest

from rlkit.cli import main

MINE = '''
import gymnasium
import numpy as np

from rlkit import Agent, Planner
from rlkit.agents import QLearning, ValueIteration
from rlkit.envs import GridWorld


class MyAgent(QLearning):
    """Q-learning under another name."""


class Sloppy(QLearning):
    def act(self, observation, *, explore=False):
        return int(np.random.randint(4)) if explore else super().act(observation)


class MyPlanner(ValueIteration):
    """Value iteration under another name."""


class MyGrid(GridWorld):
    def __init__(self, slip=0.1):
        super().__init__("S . G", slip=slip)


class Lies(MyGrid):
    def model(self):
        return GridWorld("S . G", step_reward=-1.0).model()


class NeedsMore(gymnasium.Env):
    def __init__(self, size):
        raise AssertionError("never made")


five = 5
grid = MyGrid()
'''


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "check_me", raising=False)
    (tmp_path / "check_me.py").write_text(MINE)
    yield tmp_path
    sys.modules.pop("check_me", None)


def refusal(capsys, *words):
    """The one line on stderr of a command that has to fail."""
    assert main(["check", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize(
    ("words", "heading"),
    [
        (["check_me:MyAgent"], "check_me:MyAgent on rlkit/RussellNorvig4x3-v0: "),
        (["check_me:MyPlanner", "zhao-2x2"], "check_me:MyPlanner on zhao-2x2: 18 passed\n"),
        (["check_me:MyGrid", "--env-kwargs", "slip=0.2"], "check_me:MyGrid: "),
        (["qlearning", "FrozenLake-v1"], "QLearning on FrozenLake-v1: "),
        (["PolicyIteration"], "PolicyIteration on rlkit/RussellNorvig4x3-v0: 18 passed\n"),
        (["check_me:grid"], "check_me:grid: "),
        (["zhao-2x2"], "zhao-2x2: "),
        (["gymnasium.envs.classic_control:CartPole-v1"], "gymnasium.envs.classic_control:CartPole-v1: "),
    ],
)
def test_agents_planners_and_environments_are_checked(capsys, words, heading):
    assert main(["check", *words]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(heading)
    assert "FAILED" not in printed


def test_a_map_file_is_an_environment(capsys, own_folder):
    (own_folder / "hall.toml").write_text('map = """\nS . G\n"""\nslip = 0.1\n')
    assert main(["check", "hall.toml"]) == 0
    assert capsys.readouterr().out.startswith("hall: ")


def test_a_failed_check_is_printed_and_the_exit_code_is_1(capsys):
    assert main(["check", "check_me:Lies"]) == 1
    printed = capsys.readouterr().out
    assert "check_model_rewards" in printed
    assert "FAILED: from state 0 by action" in printed


def test_json_says_the_same_and_nothing_else(capsys):
    assert main(["check", "check_me:Sloppy", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["subject"] == "check_me:Sloppy"
    assert found["passed"] is False
    statuses = {result["name"]: result["status"] for result in found["results"]}
    assert statuses["check_global_generators_are_untouched"] == "failed"
    assert statuses["check_config_is_frozen"] == "passed"


def test_a_check_that_is_expected_to_fail_may(capsys):
    assert main(["check", "check_me:Lies", "--expect", "check_model_rewards", "check_model_transitions"]) == 0
    assert "fails, as expected: said so on the command line" in capsys.readouterr().out


def test_a_class_that_cannot_be_made_fails_its_first_check(capsys):
    assert main(["check", "check_me:NeedsMore"]) == 1
    assert "check_is_an_environment" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check_me:MyAgnt"], "check_me has no MyAgnt; did you mean 'MyAgent'"),
        (["chek_me:MyAgent"], "there is no module 'chek_me'; did you mean check_me:MyAgent?"),
        (["check_me:five"], "check_me:five: is of type int, expected a subclass of rlkit.Agent, rlkit.Planner or"),
        (["check_me:grid", "--env-kwargs", "slip=0.2"], "check_me:grid: is made already"),
        (["check_me:MINE"], "check_me has no MINE"),
        (["QLerning"], "'QLerning' is not an agent, an environment or MODULE:CLASS; did you mean 'QLearning'"),
        (["QLerning", "zhao-2x2"], "'QLerning' is not MODULE:CLASS or one of rlkit's agents; did you mean 'QLearning'"),
        (["CartPol-v1"], "no environment 'CartPol-v1'; did you mean 'CartPole-v1'"),
        (["QLearning", "CartPol-v1"], "no environment 'CartPol-v1'"),
        (["QLearning", "CartPole-v1"], "CartPole-v1: QLearning: the observation space is Box"),
        (["ValueIteration", "CartPole-v1"], "CartPole-v1: ValueIteration: the observation space is Box"),
        (["check_me:MyGrid", "zhao-2x2"], "is an environment itself, so that 'zhao-2x2' has no part in its check"),
        (["zhao-2x2", "--expect", "check_rewards"], "there is no check 'check_rewards'; did you mean"),
        (["zhao-2x2", "--env-kwargs", "slip"], "--env-kwargs slip: expected name=value"),
        ([], "missing from rlkit check: MODULE:CLASS"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(capsys, words, said):
    assert said.lower() in refusal(capsys, *words).lower()
