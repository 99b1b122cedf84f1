"""Put the project's own files into pages, so that what a page shows is what there is.

A line of a page that holds nothing but one of these comments becomes what it names:

    <!-- source: rlkit.bellman.operators.greedy -->         a function or class, without its docstring
    <!-- source: rlkit.bellman.operators.greedy, whole -->  with it
    <!-- source: rlkit.bellman.policy_iteration.policy_iteration, from "for " to "policy = " -->   some of its lines
    <!-- file: benchmarks/README.md -->                     a Markdown file, one level of headings as it is
    <!-- example: 01_solve_a_grid -->                       an example: its promise, its picture, its result, its code
    <!-- command: rlkit train --help -->                    what a command prints
    <!-- hyperparameters: LSTD -->                          a table of an agent's, with their ranges
    <!-- checks: agent_checks -->                           a table of what `rlkit.checks` looks at

A name that does not exist stops the build.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import shlex
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from mkdocs.exceptions import PluginError

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 92  # of what a command prints
DIRECTIVE = re.compile(r"^<!-- (source|file|example|command|checks|hyperparameters): (.+?) -->$", re.MULTILINE)
TO_TOOLS = re.compile(r"  # (?:type: ignore|noqa)\b.*")  # comments that no reader needs
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)[^)]+\)")
PICTURES = ROOT / "docs/pictures"
FOLDERS = {"envs": ROOT / "envs", "agents": ROOT / "agents"}


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace every directive of a page."""

    def fill(found: re.Match[str]) -> str:
        kind, what = found.groups()
        try:
            return FILLED[kind](what)
        except (LookupError, AttributeError, OSError) as error:
            raise PluginError(f"{page.file.src_path}: <!-- {kind}: {what} -->: {error}") from error

    return DIRECTIVE.sub(fill, markdown)


def source(what: str) -> str:
    """Return the code of a function, class or method as a Markdown block titled by its file."""
    name, _, how = what.partition(", ")
    file, parts = file_of(name)
    text = file.read_text(encoding="utf-8")
    node: ast.AST = ast.parse(text)
    for part in parts:
        node = next((child for child in ast.iter_child_nodes(node) if getattr(child, "name", None) == part), None)
        if node is None:
            raise LookupError(f"{file.relative_to(ROOT)} has no {'.'.join(parts)}")
    code = code_of(node, text.splitlines(), whole=how == "whole")
    if how not in ("", "whole"):
        code = excerpt(code, how)
    return f'```python title="{file.relative_to(ROOT)}"\n{code}\n```'


def file_of(name: str) -> tuple[Path, list[str]]:
    """Return the file of a dotted name, and what of the name is inside it."""
    first, *parts = name.split(".")
    place, inside = ROOT / first, []
    if first == "rlkit" and parts and parts[0] in FOLDERS:
        place = FOLDERS[parts.pop(0)]
    while parts and not inside:
        if (place / parts[0]).is_dir():
            place /= parts.pop(0)
        elif (place / f"{parts[0]}.py").is_file():
            place, inside = place / f"{parts.pop(0)}.py", parts
        else:
            place, inside = place / "__init__.py", parts
    if not place.is_file() or not inside:
        raise LookupError(f"{name} names nothing in a file")
    return place, inside


def code_of(node: Any, lines: list[str], *, whole: bool) -> str:
    """Return a definition's lines, without what it says to tools, nor its docstring unless `whole` is asked."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    kept = list(range(first, node.end_lineno + 1))
    if not whole and ast.get_docstring(node) is not None and len(node.body) > 1:
        told = node.body[0]
        kept = [number for number in kept if not told.lineno <= number <= told.end_lineno]
    return textwrap.dedent("\n".join(TO_TOOLS.sub("", lines[number - 1]) for number in kept)).strip("\n")


def excerpt(code: str, how: str) -> str:
    """Return the lines from the first that begins with one text to the next that begins with another."""
    asked = re.fullmatch('from "(.+)" to "(.+)"', how)
    if asked is None:
        raise LookupError(f"{how!r} is neither whole nor from ... to ...")
    lines = code.splitlines()
    begins = [next((n for n, line in enumerate(lines) if line.strip().startswith(asked[1])), None)]
    if begins[0] is not None:
        rest = range(begins[0], len(lines))
        begins.append(next((n for n in rest if lines[n].strip().startswith(asked[2])), None))
    if None in begins:
        raise LookupError(f"no line begins with {asked[len(begins)]!r}")
    return textwrap.dedent("\n".join(lines[begins[0] : begins[1] + 1]))


def file(path: str) -> str:
    """Return a Markdown file; its links to other files become those files' names."""
    return LINK.sub(r"`\1`", (ROOT / path).read_text(encoding="utf-8"))


def example(name: str) -> str:
    """Return an example's promise, picture, result and code."""
    path = ROOT / f"examples/{name}.py"
    code = path.read_text(encoding="utf-8")
    promise = ast.get_docstring(ast.parse(code)) or ""
    body = code.split('"""\n', 1)[1].strip("\n")
    result = json.loads((PICTURES / "results.json").read_text(encoding="utf-8"))[name]
    drawn = [PICTURES / f"{name}.webp", *sorted(PICTURES.glob(f"{name}-[0-9].webp"))]
    pictures = [f"![{promise.splitlines()[0]}](pictures/{file.name}){{ .picture loading=lazy }}" for file in drawn]
    shown = textwrap.indent(f'```python title="examples/{name}.py"\n{body}\n```', "    ")
    return "\n\n".join([promise, *pictures, f"It prints `{result}`.", f'??? example "The code"\n\n{shown}\n'])


def command(line: str) -> str:
    """Return what a command of ours prints."""
    from rlkit.cli import main

    program, *arguments = shlex.split(line)
    if program != "rlkit":
        raise LookupError("only rlkit's own commands are shown")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), mock.patch.dict(os.environ, COLUMNS=str(WIDTH)):
        code = main(arguments)
    if code != 0:
        raise LookupError("the command fails")
    lines = []
    for line in printed.getvalue().splitlines():  # tables are indented, and stay as they are
        lines += [line] if len(line) <= WIDTH or line.startswith(" ") else textwrap.wrap(line, WIDTH)
    return "\n".join(["```text", *lines, "```"])


def checks(which: str) -> str:
    """Return a table of checks with the first sentence of what each says it looks at."""
    import rlkit.checks

    rows = ["| check | |", "|---|---|"]
    for check in getattr(rlkit.checks, which)():
        promise = (check.__doc__ or "").partition("\n")[0].replace("|", "\\|")
        rows.append(f"| `{check.__name__}` | {promise} |")
    return "\n".join(rows)


def hyperparameters(name: str) -> str:
    """Return a table of an agent's hyperparameters."""
    from rlkit.agents import catalogue
    from rlkit.cli.agents import _rows

    rows = ["| hyperparameter | default | |", "|---|---|---|"]
    for row, about in _rows(catalogue()[name].Config, None, ""):
        field, _, default = row.partition(" = ")
        rows.append(f"| `{field}` | `{default}` | {about.replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


FILLED: dict[str, Callable[[str], str]] = {
    each.__name__: each for each in (source, file, example, command, checks, hyperparameters)
}
