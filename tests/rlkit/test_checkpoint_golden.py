"""Checkpoints of every format ever written are read for ever; `tests/golden/make.py` says how they were made."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from rlkit.checkpoint import VERSION

GOLDEN = Path(__file__).parent.parent / "golden"
spec = importlib.util.spec_from_file_location("make_golden", GOLDEN / "make.py")
make_golden = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_golden)
FILES = sorted(GOLDEN.glob("*/*.npz"))


def expected_of(path):
    return json.loads((path.parent / "expected.json").read_text())["families"][path.stem]


def test_there_are_files_of_every_format():
    assert {path.parent.name for path in FILES} == {str(version) for version in range(1, VERSION + 1)}
    assert sum(path.stat().st_size for path in FILES) < 100_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_an_agent_of_every_format_says_what_it_said(path):
    world, make = make_golden.FAMILIES[path.stem]
    agent = type(make(world())).load(path)
    found, expected = make_golden.answers(agent), expected_of(path)
    assert found["random"] == expected["random"]
    assert found["values"] == pytest.approx(expected["values"], rel=1e-5, abs=1e-7)  # networks round as their machine
    for one, other in zip(found["actions"], expected["actions"], strict=True):
        assert one == pytest.approx(other, rel=1e-5, abs=1e-7)


@pytest.mark.filterwarnings("ignore:SyncVectorEnv. has no get_state")  # whose state format 1 did not hold at first
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_run_of_every_format_goes_on(tmp_path, path):
    (tmp_path / "checkpoints").mkdir()
    shutil.copy(path, tmp_path / f"checkpoints/step_{make_golden.STEPS:012d}.npz")
    trainer = make_golden.trainer_of(path.stem, tmp_path)
    trainer.resume()
    assert (trainer.step, trainer.episodes.count) == tuple(expected_of(path)[name] for name in ("step", "episodes"))
    trainer.run(10)
    assert trainer.step == make_golden.STEPS + 10
