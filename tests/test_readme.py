"""The README's code runs: every block, in order, as one reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALL = re.compile(r"^pip install -c constraints\.txt \S+(?: \S+)*? && ")


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def run_shell(line: str, folder: Path) -> None:
    scripts = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": scripts + os.pathsep + os.environ["PATH"], "MPLBACKEND": "Agg"}
    done = subprocess.run(["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def run_block(language: str, code: str, folder: Path) -> None:
    if language == "toml":
        name = code.split("\n", 1)[0].removeprefix("# ").strip()
        assert name.endswith(".toml"), "a TOML block starts with a comment that names its file"
        (folder / name).write_text(code, encoding="utf-8")
    elif language == "python":
        script = folder / "block.py"
        script.write_text(code, encoding="utf-8")
        run_shell(f"{sys.executable} block.py", folder)
    elif language == "bash":
        for line in code.splitlines():
            command = INSTALL.sub("", line)
            if command != "pytest":  # this very run
                run_shell(command, folder)
    else:
        pytest.fail(f"a {language} block is not something a reader can run")


RUNNABLE = [(language, code) for language, code in blocks(ROOT / "README.md") if language not in ("text", "toml")]


def test_all_blocks_are_known():
    assert {language for language, _ in blocks(ROOT / "README.md")} == {"bash", "python", "toml"}


@pytest.mark.parametrize(("language", "code"), RUNNABLE, ids=[code.splitlines()[-1][:40] for _, code in RUNNABLE])
def test_every_code_block_of_the_readme_runs(language, code, tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for kind, text in blocks(ROOT / "README.md"):
        if kind == "toml":
            run_block(kind, text, tmp_path)
    run_block(language, code.replace(" && rlkit demo", " && true"), tmp_path)


@pytest.mark.slow
def test_the_readmes_demo_runs(tmp_path):
    run_shell("rlkit demo", tmp_path)


def test_the_readme_states_the_two_commands():
    shell = "".join(code for language, code in blocks(ROOT / "README.md") if language == "bash")
    assert "pip install -c constraints.txt -e . && rlkit demo\n" in shell
    assert 'pip install -c constraints.txt -e ".[test]" && pytest\n' in shell
