"""The words of a command line, before tyro reads them: what it would misread is settled, what nobody knows refused."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

from rlkit.cli import UsageError

ITS_OWN = "environment"  # what --preset means with nothing behind it
LOCAL = "local"  # what --ray does


def settle_preset(words: list[str]) -> list[str]:
    """Give `--preset` without a name the one that means the environment's own."""
    settled: list[str] = []
    for word, following in pairwise([*words, "--"]):
        settled.append(word)
        if word == "--preset" and following.startswith("-"):
            settled.append(ITS_OWN)
    return settled


def settle_ray(words: list[str]) -> list[str]:
    """Give `--ray` without an address the one that means this machine."""
    settled: list[str] = []
    for word, following in pairwise([*words, "--"]):
        settled.append(word)
        if word == "--ray" and not re.fullmatch(rf"auto|{LOCAL}|ray://.+|[^:]+:\d+", following):
            settled.append(LOCAL)
    return settled


def spell_out(words: Sequence[str], counts: Sequence[str]) -> list[str]:
    """Write what counts are said as `1e4` with all its digits.

    Raises:
        UsageError: one is no whole number.
    """
    settled = list(words)
    for place, word in enumerate(words):
        if not word.startswith("--") or name_in(word) not in counts:
            continue
        option, equals, said = word.partition("=")
        if not equals:
            if place + 1 == len(words) or words[place + 1].startswith("--"):
                continue  # the value is missing, as tyro will say
            said = words[place + 1]
        settled[place + (not equals)] = f"{option}={_digits(option, said)}" if equals else _digits(option, said)
    return settled


def _digits(option: str, said: str) -> str:
    if said == "None":
        return said
    try:
        return str(int(said))
    except ValueError:
        pass
    try:
        number = float(said)
    except ValueError:
        number = math.nan
    if not number.is_integer():
        raise UsageError(f"{option} {said}: expected a whole number")
    return str(int(number))


def value_of(words: Sequence[str], option: str) -> str | None:
    for word, following in pairwise([*words, ""]):
        if word == option:
            return following
        if word.startswith(f"{option}="):
            return word.removeprefix(f"{option}=")
    return None


def check_names(words: Sequence[str], known: Sequence[str]) -> None:
    from rlkit.cli._hyperparameters import nearest_option

    for word in words:
        name = name_in(word)
        if word.startswith("--") and name not in (*known, "help") and not (name[:3] == "no-" and name[3:] in known):
            near = nearest_option(name, known)
            of, _, field = name.rpartition(".")
            kind = value_of(words, f"--{of}") if of in known else None
            if kind is not None and not (near or "").startswith(f"{of}."):
                raise UsageError(f"--{name}: {of} {kind} has no {field}")
            hint = f"did you mean --{near}?" if near else "rlkit train AGENT --help lists them"
            raise UsageError(f"unknown option {word.split('=')[0]}; {hint}")


def name_in(word: str) -> str:
    return word.removeprefix("--").split("=")[0].replace("_", "-")
