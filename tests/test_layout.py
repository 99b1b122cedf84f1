"""The three import layers stay what the folder listing shows."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def sources(folder: str) -> list[Path]:
    linked = (ROOT / "rlkit/envs", ROOT / "rlkit/agents")
    return [p for p in (ROOT / folder).rglob("*.py") if not any(p.is_relative_to(link) for link in linked)]


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize("folder", ["envs", "agents"])
def test_the_upper_layers_do_not_import_each_other(folder):
    other = "rlkit.agents" if folder == "envs" else "rlkit.envs"
    guilty = {str(p.relative_to(ROOT)): n for p in sources(folder) for n in imported(p) if within(n, other)}
    assert guilty == {}


def test_the_kit_knows_no_environment_and_no_agent():
    roof = (
        ROOT / "rlkit/cli",
        ROOT / "rlkit/__init__.py",
    )  # the roof on top, and the page that registers and re-exports
    guilty = {
        str(p.relative_to(ROOT)): n
        for p in sources("rlkit")
        for n in imported(p)
        if (within(n, "rlkit.envs") or within(n, "rlkit.agents")) and not any(p.is_relative_to(r) for r in roof)
    }
    assert guilty == {}


@pytest.mark.parametrize("folder", ["envs", "agents"])
def test_importing_a_folder_by_its_bare_name_says_what_to_import(folder):
    done = subprocess.run([sys.executable, "-c", f"import {folder}"], cwd=ROOT, capture_output=True, text=True)
    assert f"import rlkit.{folder}, not {folder}" in done.stderr


@pytest.mark.parametrize("folder", ["envs", "agents"])
def test_the_tools_links_point_to_the_folders(folder):
    assert (ROOT / "rlkit" / folder).is_symlink()
    assert (ROOT / "rlkit" / folder).resolve() == ROOT / folder
