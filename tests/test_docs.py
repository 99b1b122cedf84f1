"""The documentation says what is so: its code runs and prints what it is said to, and no public name is missing.

A page's blocks run top to bottom, as one reader would run them: Python in one namespace, `rlkit ...` and `python FILE`
as commands, all in one folder. A block whose title is a file name is that file. A `text` block with the title "output"
is what the block before it prints, "..." standing for anything. A comment on the line before a block says what is
special about it:

    <!-- test: slow -->              over five seconds: runs with -m slow
    <!-- test: needs quantecon -->   runs where that is installed
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import importlib.util
import io
import json
import pkgutil
import re
import runpy
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

import rlkit
from rlkit.cli import main

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
BLOCK = re.compile(
    r"^(?P<marks>(?: *<!-- test: [^\n]+ -->\n)*)(?P<indent> *)```(?P<language>\w*)(?P<options>[^\n]*)\n"
    r"(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
MARK = re.compile(r"<!-- test: (.+?) -->")
FILE = re.compile(r'title="([\w./]+\.(?:py|toml)|output)"')
NOT_OURS = ("pip", "tensorboard", "mkdocs", "ray")  # commands that a test has no business with


class Block(NamedTuple):
    language: str
    title: str
    code: str
    line: int
    marks: list[str]

    @property
    def is_file(self) -> bool:
        return self.title not in ("", "output")

    @property
    def is_slow(self) -> bool:
        return "slow" in self.marks

    def lacks(self) -> list[str]:
        needed = [mark.removeprefix("needs ") for mark in self.marks if mark.startswith("needs ")]
        return [name for name in needed if importlib.util.find_spec(name) is None]


def blocks(page: str) -> list[Block]:
    text, found = (DOCS / page).read_text(encoding="utf-8"), []
    for match in BLOCK.finditer(text):
        title = FILE.search(match["options"])
        code, line = textwrap.dedent(match["code"]), text.count("\n", 0, match.start("code"))
        found.append(Block(match["language"], title[1] if title else "", code, line, MARK.findall(match["marks"])))
    return found


def run_command(words: list[str]) -> None:
    if words[0] == "rlkit":
        assert main(words[1:]) == 0, shlex.join(words)
    elif words[0] == "python":
        before, sys.argv = sys.argv, words[1:]
        try:
            runpy.run_path(words[1], run_name="__main__")
        finally:
            sys.argv = before
    elif words[0] == "pytest":
        done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    else:
        assert words[0] in NOT_OURS, f"{shlex.join(words)} is not something that a test runs"


def run(block: Block, page: str, namespace: dict[str, object]) -> None:
    if block.is_file:
        Path(block.title).write_text(block.code, encoding="utf-8")
    elif block.language == "python":
        exec(compile("\n" * block.line + block.code, str(DOCS / page), "exec"), namespace)
    elif block.language == "bash":
        for line in block.code.replace("\\\n", "").splitlines():
            if words := shlex.split(line, comments=True):
                run_command(words)
    else:
        assert block.language == "text", f"{page}: a {block.language} block without a title is nothing to run"


def walk(page: str, *, slow: bool) -> None:
    """Run a page's blocks in order; without `slow`, those that are not slow."""
    namespace: dict[str, object] = {"__name__": "page"}
    said = ""
    for block in blocks(page):
        if (block.is_slow and not slow) or block.lacks():
            said = "..."
        elif block.title == "output":
            same = doctest.OutputChecker().check_output(block.code, said, doctest.ELLIPSIS)
            assert said == "..." or same, f"{page}, line {block.line}: printed is\n{said}"
        else:
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                run(block, page, namespace)
            said = printed.getvalue()


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """Be in a folder of one's own; forget afterwards what was imported from it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
def test_the_code_of_a_page_runs(page, reader):
    walk(page, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if any(block.is_slow for block in blocks(page))])
def test_the_slow_code_of_a_page_runs_too(page, reader):
    walk(page, slow=True)


@pytest.mark.parametrize("page", [page for page in PAGES if any(block.is_file for block in blocks(page))])
def test_every_file_of_a_page_is_used_by_a_block_of_it(page):
    for file in (block for block in blocks(page) if block.is_file):
        name = re.compile(rf"\b{re.escape(file.title.removesuffix('.py'))}\b")
        assert any(name.search(block.code) for block in blocks(page) if block is not file), file.title


def public_packages() -> list[ModuleType]:
    """Return every package that lists its public names."""
    names = [module.name for module in pkgutil.walk_packages(rlkit.__path__, "rlkit.") if module.ispkg]
    hidden = re.compile(r"\.(cli|drawing|presets)\b")
    packages = [importlib.import_module(name) for name in ["rlkit", *names] if not hidden.search(name)]
    return [package for package in packages if hasattr(package, "__all__")]


def documented() -> dict[str, object]:
    """Return what the reference describes, by the name that it asks for."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS / "reference").glob("*.md"))
    return {name: found_at(name) for name in re.findall(r"^::: (\S+)$", text, re.MULTILINE)}


def found_at(name: str) -> object:
    home, _, last = name.rpartition(".")
    return getattr(importlib.import_module(home), last)


def test_the_reference_describes_every_public_name():
    described = documented()
    wanted = {
        f"{package.__name__}.{name}": getattr(package, name)
        for package in public_packages()
        for name in package.__all__
    }
    objects = list(described.values())
    missing = [
        name
        for name, value in wanted.items()
        if not isinstance(value, ModuleType) and name not in described and not any(value is known for known in objects)
    ]
    assert missing == []


def test_the_reference_describes_things_and_not_modules_of_the_same_name():
    assert [name for name, value in documented().items() if isinstance(value, ModuleType)] == []


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page for page in PAGES if f" {page}\n" not in navigation] == []


def test_every_example_hangs_in_the_gallery_with_a_picture_and_what_it_printed():
    gallery = (DOCS / "gallery.md").read_text(encoding="utf-8")
    results = json.loads((DOCS / "pictures/results.json").read_text(encoding="utf-8"))
    for example in (ROOT / "examples").glob("[0-9][0-9]_*.py"):
        assert f"<!-- example: {example.stem} -->" in gallery
        assert (DOCS / f"pictures/{example.stem}.webp").is_file()
        assert results[example.stem]


def test_the_pictures_are_small():
    pictures = [path for path in DOCS.rglob("*") if path.suffix in (".png", ".webp")]
    assert sum(path.stat().st_size for path in pictures) < 1.5e6
