"""The command line: `rlkit VERB ...`.

Every module in this folder without a leading underscore is a verb: its function `run` is the command, `run`'s
annotated parameters its options, what it returns the exit code (None is 0), and the module's docstring its line in
`rlkit --help`. To add a verb, add a file.
A verb whose options depend on what else is said has a function `understand(words)` instead, which returns what to call.
Verbs import what they need inside `run`, so that help and errors come at once.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import importlib
import io
import os
import pkgutil
import sys
from collections.abc import Callable, Sequence
from typing import Any

from rlkit.errors import RlkitError

USAGE_ERROR = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: the verb's (0), or 2 after one line on stderr on what is wrong.

    Args:
        arguments: what follows `rlkit`; None for the process's own.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    _make_streams_writable()
    try:
        code = _dispatch(words)
        sys.stdout.flush()
    except RlkitError as error:
        return _refuse(str(error))
    except BrokenPipeError:  # `rlkit ... | head`: nobody reads on
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _refuse(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error))
    except KeyboardInterrupt as stop:
        print(f"rlkit: {str(stop) or 'interrupted'}", file=sys.stderr)
        return INTERRUPTED
    return code


def _make_streams_writable() -> None:
    """Give closed streams somewhere to go, and let names that the terminal's encoding lacks be printed all the same."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # `rlkit ... >&-`
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 (open until the process ends)
        if isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def verbs() -> list[str]:
    """Return the names of all verbs, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


class UsageError(RlkitError):
    """The words on the command line make no command."""


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
    elif words[0] in ("--version", "-V"):
        from rlkit import __version__

        print(f"rlkit {__version__}")
    elif words[0] in verbs():
        return _run(words[0], words[1:])
    else:
        near = difflib.get_close_matches(words[0], verbs(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(verbs())}"
        raise UsageError(f"unknown command {words[0]!r}; {hint}")
    return 0


def _run(verb: str, words: list[str]) -> int:
    """Do what the words say, once all of them are understood; return the exit code."""
    module = importlib.import_module(f"rlkit.cli.{verb}")
    understand = getattr(module, "understand", None)
    ready = bound(module.run, verb, words) if understand is None else understand(words)
    return (0 if ready is None else ready()) or 0


def bound(command: Callable[..., int | None], verb: str, words: list[str]) -> Callable[[], int | None] | None:
    """Bind a command's parameters to what the words say; return None if they asked for help, which was printed.

    Raises:
        UsageError: they make no sense.
    """

    @functools.wraps(command)
    def bind(*values: Any, **named: Any) -> Callable[[], int | None]:
        return functools.partial(command, *values, **named)

    ready: Callable[[], int | None] | None = parsed(bind, verb, words)
    return ready


def parsed(target: Any, verb: str, words: list[str]) -> Any:
    """Let tyro call a function or make a dataclass of what the words say, and turn its complaints into one line.

    Returns:
        what it made; None if the words asked for help, which was printed.

    Raises:
        UsageError: they make no sense.
    """
    import tyro

    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(target, prog=f"rlkit {verb}", args=words)
    except SystemExit as stop:
        if stop.code in (0, None):  # --help
            return None
        raise UsageError(f"{_first_words(complaint.getvalue())} (rlkit {verb} --help tells more)") from None


def _first_words(box: str) -> str:
    """Take the sentence, and the nearest known option, out of the box that tyro draws around its complaints."""
    lines = [line.strip(" │╭╮╰╯") for line in box.splitlines()]
    sections: list[list[str]] = [[]]  # between rules; the first line is the title
    for line in lines[1:]:
        if line.strip("─-"):
            sections[-1].append(line)
        elif sections[-1]:
            sections.append([])
    said, after = " ".join(sections[0]), sections[1] if len(sections) > 1 else []
    said = said.removesuffix("(required)").rstrip(". ")  # which its beginning says
    if len(after) > 1 and after[0].startswith("Perhaps you meant"):
        said += f"; did you mean {after[1].split()[0]}?"
    return said


def _help() -> str:
    """List the verbs with what each is for."""
    lines = [
        "usage: rlkit COMMAND ...",
        "",
        "Solve, draw and learn Markov decision processes whose right answer is known.",
    ]
    lines += ["", "commands:"]
    for verb in verbs():
        about = (importlib.import_module(f"rlkit.cli.{verb}").__doc__ or "").strip().splitlines()[0]
        lines.append(f"  {verb:<10} {about}")
    lines += ["", "rlkit COMMAND --help tells more; rlkit --version tells the version."]
    return "\n".join(lines)


def _refuse(sentence: str) -> int:
    print(f"rlkit: {sentence}", file=sys.stderr)
    return USAGE_ERROR
