"""`--ray` on the command line: the same commands, the same answers, and nothing of Ray's left running."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from rlkit.cli import _blocks, main
from rlkit.distributed import DistributedSolution

pytest.importorskip("ray")


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


def solve_json(capsys, *words):
    assert main(["solve", "sutton-barto-8.1", "--gamma", "0.95", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_blocks_are_solved_by_the_same_command_and_leave_their_values_by_block(capsys, own_folder, local_ray):
    whole = solve_json(capsys)
    found = solve_json(capsys, "--ray", "--blocks", "2", "--out", "mine", "--plot", "mine.svg")
    for key in ("problem", "states", "actions", "gamma", "tol", "shape", "policy"):
        assert found[key] == whole[key]
    assert found["error_bound"] <= 1e-8
    np.testing.assert_allclose(found["values"], whole["values"], atol=2e-8)
    assert (found["blocks"], found["method"]) == (2, "value_iteration in 2 blocks")
    names = ["solution.json", "values.png", "values_0000.npy", "values_0001.npy"]
    assert sorted(path.name for path in (own_folder / "mine").iterdir() if path.suffix != ".csv")[1:] == names
    assert sorted(found["files"]) == ["mine.svg", *(f"mine/{name}" for name in names)]
    assert DistributedSolution.open("mine").values().tolist() == found["values"]


def test_what_is_too_large_for_this_machine_is_never_put_together(capsys, monkeypatch, own_folder, local_ray):
    monkeypatch.setattr(_blocks, "WHOLE_STATES", 10)
    monkeypatch.setattr(DistributedSolution, "values", None)
    assert main(["solve", "sutton-barto-8.1", "--gamma", "0.95", "--ray", "--blocks", "3", "--out", "mine"]) == 0
    printed = capsys.readouterr().out
    assert "value_iteration in 3 blocks" in printed
    assert "v*(start)    0.513342" in printed  # as on one machine
    assert "values" not in json.loads((own_folder / "mine/solution.json").read_text())


def test_an_interrupted_command_goes_on_in_its_folder(own_folder):
    assert _blocks.begun_folder(own_folder) is None
    (own_folder / "block_0000.npz").touch()
    assert _blocks.begun_folder(own_folder) == own_folder


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("FrozenLake-v1 --ray", "FrozenLake-v1 is no grid world"),
        ("zhao-2x2 --blocks 2", "--blocks 2: blocks are solved with --ray"),
        ("zhao-2x2 --ray --gamma 1", "gamma=1.0 is outside the range [0, 1)"),
        ("zhao-2x2 --ray --method policy_iteration", "by value iteration alone"),
        ("zhao-2x2 --ray 127.0.0.1:1 --blocks 3", "no Ray cluster at '127.0.0.1:1'"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(capsys, own_folder, monkeypatch, words, sentence):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    assert main(["solve", *words.split()]) == 2
    assert sentence in capsys.readouterr().err
    assert not any(own_folder.glob("runs/*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "sweep QLearning zhao-2x2 --search learning_rate=0.1:1:log --trials 3 --steps 60 --measurements 2 --ray "
        "--out mine --json",
        "train QLearning zhao-2x2 --steps 100 --seeds 2 --workers 2 --ray --out mine --json",
        "solve zhao-5x5 --ray --blocks 2 --out mine --json",
    ],
)
def test_a_command_starts_its_own_ray_and_ends_it(own_folder, words):
    if words.startswith("sweep"):
        pytest.importorskip("optuna")
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words.split()], env=os.environ, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout[: ran.stdout.rindex("}") + 1])
    started = ran.stdout.splitlines()[-1]
    assert started.split() == ["1", "False"]  # one Ray, which is over
    assert any((own_folder / "mine").iterdir())


SCRIPT = """
import sys, ray
init, calls = ray.init, []
ray.init = lambda *args, **named: calls.append(1) or init(*args, **named)
from rlkit.cli import main
if __name__ == "__main__":
    code = main(sys.argv[1:])
    print(len(calls), ray.is_initialized())
    sys.exit(code)
"""
