"""What no part of the library may do, and what using a part of it must not load."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from numba.core import caching

from rlkit.compiling import njit

ROOT = Path(__file__).resolve().parent.parent
LINKS = (ROOT / "rlkit/envs", ROOT / "rlkit/agents")
SOURCES = sorted(
    path
    for folder in ("rlkit", "envs", "agents")
    for path in (ROOT / folder).rglob("*.py")
    if not any(path.is_relative_to(link) for link in LINKS)
)
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "subprocess", "pty"}
CALLS = {"eval", "exec", "compile", "__import__"}
ATTRIBUTES = {
    ("os", "system"),
    ("os", "popen"),
    ("np", "load"),
    ("numpy", "load"),
    ("torch", "load"),
    ("torch", "save"),
}


def offences(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module] if node.module.split(".")[0] in MODULES else []
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            found.append(f"{node.func.id}(), line {node.lineno}")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if (node.value.id, node.attr) in ATTRIBUTES or (
                node.value.id == "os" and node.attr.startswith(("exec", "spawn"))
            ):
                found.append(f"{node.value.id}.{node.attr}, line {node.lineno}")
        elif isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle"):
            found.append(f"{node.arg}=, line {node.value.lineno}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_pickle_eval_exec_or_shell(path):
    assert offences(path) == []


def test_the_search_finds_what_it_looks_for(tmp_path):
    (tmp_path / "bad.py").write_text(
        "import pickle\nfrom subprocess import run\neval('1')\nimport os\nos.system('x')\n"
    )
    assert len(offences(tmp_path / "bad.py")) == 4


HEAVY = {"torch", "matplotlib", "tensorflow", "stable_baselines3", "pandas"}
TABULAR = """
import sys, rlkit
from rlkit.envs import GridWorld
from rlkit.agents import QLearning, ValueIteration
env = GridWorld("S . .\\n. X .\\n. . G")
agent = QLearning.for_env(env, seed=0)
rlkit.train(agent, env, steps=50, directory={folder!r})
agent.predict(0)
agent.save({folder!r} + "/agent.npz")
QLearning.load({folder!r} + "/agent.npz")
ValueIteration.for_env(env, gamma=0.9).plan(env.model())
"""


@pytest.mark.parametrize("code", ["import sys, rlkit, rlkit.envs, rlkit.agents", TABULAR], ids=["import", "tabular"])
def test_neither_torch_nor_matplotlib_is_loaded_unasked(tmp_path, code):
    code = code.replace("{folder!r}", repr(str(tmp_path / "run")))
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint(sorted({HEAVY} & set(sys.modules)))"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_compiled_functions_work_where_nothing_can_be_cached(monkeypatch):
    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])
    with pytest.raises(RuntimeError, match="cannot cache"):
        numba.njit(cache=True)(_twice)
    assert njit(cache=True)(_twice)(3) == 6


def _twice(number):
    return 2 * number


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_everything_is_compiled_by_the_njit_that_works_everywhere(path):
    text = path.read_text(encoding="utf-8")
    assert path.name == "compiling.py" or not re.search(r"numba\.njit|from numba import .*\bnjit\b", text)
