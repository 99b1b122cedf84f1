"""What is not rlkit's: an object that the command line names, `MODULE:NAME`, out of a module here or installed."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlkit.cli import UsageError
from rlkit.cli._problems import near

if TYPE_CHECKING:
    from rlkit.agent import Agent


def load(word: str) -> Any:
    """Import what `MODULE:NAME` names; modules in the current folder are found, too.

    Raises:
        UsageError: there is no such module, it cannot be imported, or has nothing of that name; says what is near.
    """
    name, _, attribute = word.partition(":")
    name = name.removesuffix(".py").replace("/", ".")
    if not attribute or not all(part.isidentifier() for part in [*name.split("."), *attribute.split(".")]):
        raise UsageError(f"{word}: expected MODULE:NAME, such as my_agents:MyAgent")
    with _as_word(word, name):
        found: Any = _imported(name)
    for part in attribute.split("."):
        known = [each for each in dir(found) if not each.startswith("_")]
        if not hasattr(found, part):
            raise UsageError(f"{word}: {getattr(found, '__name__', found)} has no {part}{near(part, known)}")
        found = getattr(found, part)
    return found


def load_agent_class(word: str) -> type[Agent]:
    """Import an agent's class, `MODULE:CLASS`.

    Raises:
        UsageError: see `load`; or it is no agent.
    """
    from rlkit.agent import Agent

    found = load(word)
    if not (isinstance(found, type) and issubclass(found, Agent) and found is not Agent):
        raise UsageError(f"{word}: is no subclass of rlkit.Agent")
    return found


def _imported(name: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:  # as `python -m` has it; processes that are started get the same
        sys.path.insert(0, here)
    return importlib.import_module(name)


@contextlib.contextmanager
def _as_word(word: str, name: str) -> Iterator[None]:
    """Turn what goes wrong when a module is imported into one sentence."""
    from rlkit.experiments.pool import sentence_of

    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise UsageError(f"{word}: importing it fails: {error}") from error
        close = difflib.get_close_matches(name, [path.stem for path in Path.cwd().glob("*.py")], n=1)
        hint = f"; did you mean {close[0]}:{word.partition(':')[2]}?" if close else ", here or installed"
        raise UsageError(f"{word}: there is no module {error.name!r}{hint}") from None
    except Exception as error:
        raise UsageError(f"{word}: importing it fails: {sentence_of(error)}") from error
