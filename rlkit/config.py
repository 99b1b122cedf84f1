"""Hyperparameters: frozen dataclasses whose fields carry, document and enforce their own ranges."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from rlkit.errors import ConfigError

ELSEWHERE = {
    "epsilon": ("exploration_final_eps", "ridge"),
    "eps": ("exploration_final_eps",),
    "alpha": ("learning_rate",),
    "lr": ("learning_rate",),
    "step_size": ("learning_rate",),
    "discount": ("gamma",),
    "discount_factor": ("gamma",),
    "lambda": ("lam",),
    "lambda_": ("lam",),
    "lambd": ("lam",),
    "trace_decay": ("lam",),
    "n": ("n_steps",),
    "net_arch": ("network",),
    "hidden": ("network",),
    "hidden_sizes": ("network",),
}
"""Books' and other libraries' names of hyperparameters, and ours, of which the first that a class has is meant."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """An interval of finite numbers, open (`above`, `below`) or closed (`at_least`, `up_to`) at each end."""

    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    up_to: float | None = None

    def __contains__(self, value: float) -> bool:
        return (
            abs(value) <= sys.float_info.max  # false for NaN, infinities and integers that no float can hold
            and (self.above is None or value > self.above)
            and (self.at_least is None or value >= self.at_least)
            and (self.below is None or value < self.below)
            and (self.up_to is None or value <= self.up_to)
        )

    def __str__(self) -> str:
        low = (
            f"({self.above:g}"
            if self.above is not None
            else "(-inf"
            if self.at_least is None
            else f"[{self.at_least:g}"
        )
        high = f"{self.below:g})" if self.below is not None else "inf)" if self.up_to is None else f"{self.up_to:g}]"
        return f"{low}, {high}"


def bounded(
    default: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    up_to: float | None = None,
    help: str = "",
) -> Any:
    """Declare a dataclass field with a default and the range that `Config` enforces.

    Args:
        default: the value used when none is given; of a tuple, the range limits every entry.
        above, at_least: the lower end, excluded or included.
        below, up_to: the upper end, excluded or included.
        help: one line for the command line's `--help`.
    """
    limits = Range(above=above, at_least=at_least, below=below, up_to=up_to)
    return field(default=default, metadata={"range": limits, "help": help})


def described(default: Any, help: str) -> Any:
    """Declare a dataclass field with a default and one line about it, where there is no range to enforce."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True, kw_only=True)
class Config:
    """A frozen set of hyperparameters; construction checks every field's type and range.

    Raises:
        ConfigError: naming the field, its value and what was expected.
    """

    def __post_init__(self) -> None:
        for spec, annotation in _fields(type(self)):  # type: ignore[arg-type]  # a class can be hashed
            value = getattr(self, spec.name)
            if isinstance(value, np.generic):  # a hyperparameter computed with NumPy is a plain number
                value = value.item()
                object.__setattr__(self, spec.name, value)
            if annotation is float and type(value) is int and abs(value) <= sys.float_info.max:  # `gamma=1` means 1.0
                value = float(value)
                object.__setattr__(self, spec.name, value)
            if not _fits(value, annotation):
                raise ConfigError(f"{self._title()}: {spec.name}={value!r} is not {_spell(annotation)}")
            limits = spec.metadata.get("range")
            entries = value if isinstance(value, tuple) else () if value is None else (value,)
            if limits is not None and any(entry not in limits for entry in entries):
                raise ConfigError(f"{self._title()}: {spec.name}={value!r} is outside its range {limits}")

    @classmethod
    def _title(cls) -> str:
        return cls.__qualname__

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from a mapping of field names (what `to_dict` gave, or keywords); unknown names are refused.

        Raises:
            ConfigError: for an unknown name (with the nearest known one), a wrong type, or a value out of range.
        """
        known = {spec.name: annotation for spec, annotation in _fields(cls)}  # type: ignore[arg-type]
        for name in values:
            if name not in known:
                near = [ours for ours in ELSEWHERE.get(name, ()) if ours in known]
                near = near or difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
                raise ConfigError(f"{cls._title()}: unknown hyperparameter {name!r}; {hint}")
        return cls(**{name: _revive(value, known[name]) for name, value in values.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON-ready values: tuples as lists, nested configs as dicts.

        Of a field that may be one of several configs, the dict says under `"kind"` which it is.
        """
        fields = _fields(type(self))  # type: ignore[arg-type]  # a class can be hashed
        return {spec.name: _plain(getattr(self, spec.name), annotation) for spec, annotation in fields}

    def brief(self) -> str:
        """Return the fields that differ from their defaults, as a call would give them: `gamma=0.98, tau=0.1`."""
        return ", ".join(f"{name}={_in_brief(value)}" for name, value in vars(self).items() if self._is_given(name))

    def _is_given(self, name: str) -> bool:
        spec = type(self).__dataclass_fields__.get(name)
        return spec is not None and bool(getattr(self, name) != spec.default)


@functools.cache
def _fields(cls: type) -> tuple[tuple[dataclasses.Field[Any], Any], ...]:
    hints = typing.get_type_hints(cls)
    return tuple((spec, hints[spec.name]) for spec in dataclasses.fields(cls))


def _fits(value: Any, annotation: Any) -> bool:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any:
        return True
    if _is_union(annotation):
        return any(_fits(value, option) for option in arguments)
    if origin is typing.Literal:
        return any(type(value) is type(option) and value == option for option in arguments)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return all(_fits(item, arguments[0]) for item in value)
        return len(value) == len(arguments) and all(map(_fits, value, arguments))
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, origin or annotation)


def _spell(annotation: Any) -> str:
    if typing.get_origin(annotation) is typing.Literal:
        return f"one of {', '.join(map(repr, typing.get_args(annotation)))}"
    return "of type " + _type(annotation)


def _type(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def _in_brief(value: Any) -> str:
    return f"{type(value).__name__}({value.brief()})" if isinstance(value, Config) else repr(value)


def _plain(value: Any, annotation: Any) -> Any:
    if isinstance(value, Config):
        configs = _configs_in(annotation)
        named = type(value) in configs and _has_to_be_named(configs)  # another subclass could not be told by its name
        return {"kind": type(value).__name__, **value.to_dict()} if named else value.to_dict()
    if isinstance(value, tuple | list):
        each = _annotation_of_each(annotation)
        return [_plain(item, each) for item in value]
    return value


def _revive(value: Any, annotation: Any) -> Any:
    """Undo `_plain`: lists back to tuples, dicts back to the nested config that the annotation or they name."""
    if isinstance(value, list):
        each = _annotation_of_each(annotation)
        return tuple(_revive(item, each) for item in value)
    configs = _configs_in(annotation)
    if not isinstance(value, Mapping) or not configs:
        return value
    if _has_to_be_named(configs) and "kind" in value:
        return _named(value["kind"], configs).from_dict({name: value[name] for name in value if name != "kind"})
    return _meant_by(value, configs).from_dict(value)


def _options(annotation: Any) -> tuple[Any, ...]:
    return typing.get_args(annotation) if _is_union(annotation) else (annotation,)


def _configs_in(annotation: Any) -> list[type[Config]]:
    return [option for option in _options(annotation) if isinstance(option, type) and issubclass(option, Config)]


def _annotation_of_each(annotation: Any) -> Any:
    inner = next((typing.get_args(option) for option in _options(annotation) if typing.get_origin(option) is tuple), ())
    return inner[0] if len(inner) == 2 and inner[1] is Ellipsis else Any


def _has_to_be_named(configs: list[type[Config]]) -> bool:
    """Whether only a name tells them apart: a kind among the fields does too, and a `to_dict` that adds one."""
    return len(configs) > 1 and not any(
        "kind" in config.__dataclass_fields__ or config.to_dict is not Config.to_dict for config in configs
    )


def _named(kind: Any, configs: list[type[Config]]) -> type[Config]:
    for config in configs:
        if config.__name__ == kind:
            return config
    known = {config.__name__: config for config in configs}
    near = difflib.get_close_matches(str(kind), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    raise ConfigError(f"unknown kind {kind!r}; {hint}")


def _meant_by(values: Mapping[str, Any], configs: list[type[Config]]) -> type[Config]:
    """Choose the first config that has all of the names, and no other if there is one; else simply the first."""
    names = {config: {spec.name for spec in dataclasses.fields(config)} for config in configs}
    exact = [config for config in configs if names[config] == values.keys()]
    fitting = [config for config in configs if names[config] >= values.keys()]
    return [*exact, *fitting, *configs][0]


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def check_count(name: str, count: int, *, at_least: int = 1) -> int:
    """Return a whole number, a plain int.

    Raises:
        ConfigError: if it is none, or is below `at_least`.
    """
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < at_least:
        raise ConfigError(f"{name}={count!r} is not a whole number of at least {at_least}")
    return int(count)
