"""Hyperparameters as options of a command: a `Config`'s fields become flat options, and options a `Config`'s values.

A field that is a `Config` itself becomes one option for each of its fields, `--actor.layer-norm`; where a field may be
one of several `Config`s, or None, an option of its own name says which, `--noise ornstein-uhlenbeck --noise.sigma 0.5`.
Features are made for an environment, and are said in words: `--features TileCoding tilings=8 tiles=8`.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from rlkit.config import ELSEWHERE, Config

NONE = "none"
FEATURES = "features"


class Option(NamedTuple):
    """One option: the fields that lead to it, what it may be, what it is unless given, and a line about it.

    The path of an option that says which `Config` a field is ends in "".
    """

    path: tuple[str, ...]
    annotation: Any
    default: Any
    help: str

    @property
    def name(self) -> str:
        """What follows the two dashes."""
        return ".".join(part for part in self.path if part).replace("_", "-")


def options_of(config: Config, words: Sequence[str]) -> list[Option]:
    """Return the options of a `Config` whose values are the defaults.

    Args:
        config: the hyperparameters unless others are given.
        words: of the command line, which may choose between several `Config`s for a field.
    """
    return list(_options(config, words, ()))


def values_of(config: Config, given: Mapping[tuple[str, ...], Any], words: Sequence[str]) -> dict[str, Any]:
    """Return all hyperparameters by name, nested ones as `Config`s, where `given` has every option's value by path.

    Raises:
        ConfigError: one of a nested `Config` is out of its range.
    """
    return _values(config, given, words, ())


def limits_of(field: dataclasses.Field[Any], annotation: Any) -> str:
    """Say what a field may be, as far as its type does not: its range, or its choices; "" for anything."""
    if typing.get_origin(annotation) is typing.Literal:
        return f"one of {', '.join(map(str, typing.get_args(annotation)))}"
    limits = field.metadata.get("range")
    return "" if limits is None or str(limits) == "(-inf, inf)" else f"in {limits}"


def configs_of(annotation: Any) -> list[type[Config] | None]:
    """Return the `Config`s that a field may be, None among them if it may; nothing for features, or other values."""
    configs = _configs(annotation)
    return [] if FEATURES in configs else list(configs.values())


def nearest_option(name: str, known: Sequence[str]) -> str | None:
    """Return the option that is meant by a name that is none, whatever the book or library it is from."""
    word = name.replace("-", "_")
    candidates = [ours.replace("_", "-") for ours in ELSEWHERE.get(word, ())]
    near = [ours for ours in candidates if ours in known] or difflib.get_close_matches(name, known, n=1)
    return near[0] if near else None


def _options(config: Config, words: Sequence[str], path: tuple[str, ...]) -> Iterator[Option]:
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        annotation, here, value = hints[field.name], (*path, field.name), getattr(config, field.name)
        configs, about = _configs(annotation), field.metadata.get("help", "")
        if FEATURES in configs:
            yield Option(here, tuple[str, ...], (), f"{about}: KIND [name=value ...]")
            continue
        if not configs:
            help = "; ".join(text for text in (about, limits_of(field, annotation)) if text)
            yield Option(here, annotation, value, help)
            continue
        if len(configs) > 1:
            choices = tuple(configs)
            yield Option((*here, ""), typing.Literal[choices], _choice(configs, value), about)
        nested = _chosen(configs, value, words, here)
        if nested is not None:
            yield from _options(nested, words, here)


def _values(
    config: Config, given: Mapping[tuple[str, ...], Any], words: Sequence[str], path: tuple[str, ...]
) -> dict[str, Any]:
    hints, values = typing.get_type_hints(type(config)), {}
    for field in dataclasses.fields(config):
        here, value = (*path, field.name), getattr(config, field.name)
        configs = _configs(hints[field.name])
        if not configs or FEATURES in configs:
            values[field.name] = given[here]
            continue
        nested = _chosen(configs, value, words, here)
        values[field.name] = nested and type(nested).from_dict(_values(nested, given, words, here))
    return values


def _configs(annotation: Any) -> dict[str, type[Config] | None]:
    """Return the `Config`s that a field may be, by the names that the command line gives them."""
    options = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    configs = [option for option in options if isinstance(option, type) and issubclass(option, Config)]
    found: dict[str, type[Config] | None] = {_kebab(config.__name__): config for config in configs}
    if found and type(None) in options:
        found[NONE] = None
    return found


def _chosen(
    configs: Mapping[str, type[Config] | None], value: Config | None, words: Sequence[str], path: tuple[str, ...]
) -> Config | None:
    """Return the defaults for a field: its value, or those of the kind that the words choose."""
    name = "--" + ".".join(path).replace("_", "-")
    for word, following in pairwise([*words, ""]):
        option, equals, glued = word.replace("_", "-").partition("=")
        if option == name:
            kind = configs.get(glued if equals else following, None if value is None else type(value))
            if kind is None:
                return None
            return value if isinstance(value, kind) and type(value) is kind else kind()
    return value


def _choice(configs: Mapping[str, type[Config] | None], value: Config | None) -> str:
    return next(name for name, kind in configs.items() if kind is (None if value is None else type(value)))


def _kebab(name: str) -> str:
    """`OrnsteinUhlenbeckNoise` becomes `ornstein-uhlenbeck`."""
    parts = re.findall("[A-Z][a-z0-9]*|[A-Z]+(?![a-z])", name)
    return "-".join(parts[:-1] if len(parts) > 1 else parts).lower()


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)
