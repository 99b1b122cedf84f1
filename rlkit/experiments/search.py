"""Where a sweep looks: ranges and choices of hyperparameters, as they are said, as they are checked, and by default."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from rlkit.config import Config, Range
from rlkit.errors import ConfigError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

DECADE = 10.0
ON_GRID = 1e-8  # steps by which a value may lie beside the grid, for rounding; Optuna's own
DISCOUNTS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
USUAL = {
    "exploration_final_eps": (0.01, 0.2),
    "exploration_fraction": (0.05, 0.5),
    "lam": (0.0, 1.0),
    "n_steps": (1, 8),
    "sigma": (0.05, 0.5),
}
"""Ranges that the literature searches, by a hyperparameter's name; they count where they hold its default."""

LEFT_ALONE = frozenset(
    {
        "buffer_size",
        "dt",
        "exploration_initial_eps",
        "final_sigma",
        "fraction",
        "gradient_steps",
        "improve_every",
        "initial_value",
        "last_layer",
        "learning_rate_power",
        "learning_starts",
        "max_grad_norm",
        "max_iterations",
        "policy_delay",
        "priority_alpha",
        "priority_beta",
        "ridge",
        "target_noise_clip",
        "target_policy_noise",
        "temperature",
        "theta",
        "tolerance",
        "trace_cutoff",
        "train_freq",
        "weight_decay",
    }
)
"""Hyperparameters that a sweep does not look at unless it is told to: they rarely matter much, or cost time."""


@dataclass(frozen=True)
class Between:
    """All numbers from `low` to `high`, both included; whole ones where the hyperparameter is.

    Args:
        low, high: the ends.
        log: whether to look at their magnitude, so that each decade gets as much attention.
        step: the distance between two of them; None for any number, or any whole one.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __str__(self) -> str:
        end = ":log" if self.log else "" if self.step is None else f":{self.step!r}"
        return f"{self.low!r}:{self.high!r}{end}"


@dataclass(frozen=True)
class OneOf:
    """One of several values; a single one stays as it is."""

    choices: tuple[Any, ...]

    def __str__(self) -> str:
        return ",".join(str(label_of(choice)) for choice in self.choices)


Dimension: TypeAlias = Between | OneOf


def search_space(config: Config, said: Mapping[str, Any]) -> dict[str, Dimension]:
    """Understand where to look, and check that an agent can have every end of it.

    Args:
        config: the hyperparameters, those that are searched included.
        said: by a hyperparameter's name, `critic.layer_norm` for one of a nested `Config`: a `Between` or `OneOf`; a
            text, `"1e-4:1e-2:log"`, `"1:9:2"` or `"32,64,128"`; a list of values; a single value; or a table with
            `low` and `high`, and `log` or `step`.

    Raises:
        ConfigError: a name that is no hyperparameter's, what is no range, or one beyond the hyperparameter's own.
    """
    if not said:
        raise ConfigError("search: nothing to look for; name a hyperparameter and its range")
    space = {}
    for name, words in said.items():
        name = name.replace("-", "_")
        space[name] = _checked(config, name, _understood(name, words))
    return space


def default_space(config: Config, *, gamma: bool = True) -> dict[str, Dimension]:
    """Return where to look unless anything else is said, from each hyperparameter's own range and value.

    A decade either way of what is positive and has no upper end (learning rates), half and twice the batch, what the
    literature searches of a few others, and all of a closed range; `LEFT_ALONE` stays as it is.

    Args:
        config: the values to look around.
        gamma: whether the discount is searched, too; not where it is part of the question.

    Raises:
        ConfigError: nothing is left to look for.
    """
    space = dict(_defaults(config, ""))
    if not gamma:
        space.pop("gamma", None)
    if not space:
        raise ConfigError(f"search: {type(config).__qualname__} has no range to look in; say where to look")
    return space


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """Return hyperparameters with others in place of some, by name, `noise.sigma` for a nested one.

    Raises:
        ConfigError: a name that is no hyperparameter's, or a value that it cannot have.
    """
    for name, value in values.items():
        config = _with_value(config, name, name.split("."), value)
    return config


def value_of(config: Config, name: str) -> Any:
    """Return a hyperparameter by its name, `noise.sigma` for a nested one, as plain JSON has it."""
    found: Any = config.to_dict()
    for part in name.split("."):
        found = found[part]
    return found


def holds(dimension: Dimension, value: Any) -> bool:
    """Tell whether a value, as plain JSON has it, is one that is looked at."""
    if isinstance(dimension, OneOf):
        return any(label_of(value) == label_of(choice) for choice in dimension.choices)
    if not _is_number(value) or (isinstance(dimension.low, int) and not isinstance(value, int)):
        return False
    steps = 0.0 if dimension.step is None else (value - dimension.low) / dimension.step
    return bool(dimension.low <= value <= dimension.high and abs(steps - round(steps)) < ON_GRID)


def label_of(choice: Any) -> Any:
    """Return a choice as Optuna keeps it: a plain value as it is, others as JSON."""
    return choice if choice is None or isinstance(choice, bool | int | float | str) else json.dumps(_listed(choice))


def chosen(dimension: Dimension, label: Any) -> Any:
    """Return the value that Optuna's number or label stands for."""
    if isinstance(dimension, Between):
        return label
    return next(choice for choice in dimension.choices if label_of(choice) == label)


def distribution_of(dimension: Dimension) -> BaseDistribution:
    """Return a dimension as Optuna has it."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(dimension, OneOf):
        return CategoricalDistribution([label_of(choice) for choice in dimension.choices])
    if isinstance(dimension.low, int):
        return IntDistribution(dimension.low, int(dimension.high), log=dimension.log, step=int(dimension.step or 1))
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)


def values_on_grid(name: str, dimension: Dimension) -> list[Any]:
    """Return all values of a dimension, as Optuna keeps them.

    Raises:
        ConfigError: there is no end to them.
    """
    if isinstance(dimension, OneOf):
        return [label_of(choice) for choice in dimension.choices]
    step = dimension.step if dimension.step is not None else 1 if isinstance(dimension.low, int) else None
    if step is None or dimension.log:
        raise ConfigError(f"search: {name}={dimension}: a grid takes a list of values, or a range with a step")
    count = math.floor((dimension.high - dimension.low) / step + 1e-9) + 1
    return [dimension.low + place * step for place in range(count)]


def plain(dimension: Dimension) -> Any:
    """Return a dimension as TOML and JSON have it, which `search_space` understands."""
    return str(dimension) if isinstance(dimension, Between) else [_listed(choice) for choice in dimension.choices]


def _understood(name: str, words: Any) -> Dimension:
    if isinstance(words, Between | OneOf):
        return words
    if isinstance(words, str):
        return _from_text(name, words)
    if isinstance(words, Mapping) and {"low", "high"} <= words.keys() <= {"low", "high", "log", "step"}:
        return Between(**words)
    return OneOf(tuple(words) if isinstance(words, list | tuple) else (words,))


def _from_text(name: str, text: str) -> Dimension:
    parts = text.split(":")
    if len(parts) == 1 or any(bracket in text for bracket in "[{"):
        return OneOf(tuple(read_value(part) for part in _split(text)))
    ends, kind = [read_value(part) for part in parts[:2]], parts[2:]
    step = None if not kind or kind == ["log"] else read_value(kind[0])
    if len(kind) > 1 or not all(_is_number(end) for end in ends) or not (step is None or _is_number(step)):
        raise ConfigError(f"search: {name}={text}: expected low:high, low:high:log, low:high:step or a list a,b,c")
    return Between(ends[0], ends[1], log=kind == ["log"], step=step)


def _split(text: str) -> list[str]:
    """Split at the commas that are in no bracket."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def read_value(text: str) -> Any:
    """Return a value that is said in a text: JSON as it is, None and truths as Python has them too, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False, "None": None, "none": None}.get(text, text)


def _checked(config: Config, name: str, dimension: Dimension) -> Dimension:
    """Return a dimension whose ends are numbers of the hyperparameter's kind, once they are known to be allowed."""
    annotation = _annotation(config, name, name.split("."))
    if isinstance(dimension, Between):
        dimension = _checked_range(name, dimension, annotation)
        ends: Sequence[Any] = (dimension.low, dimension.high)
    else:
        dimension = OneOf(tuple(_whole(choice) if annotation is int else choice for choice in dimension.choices))
        ends = dimension.choices
        labels = [label_of(choice) for choice in ends]
        if not ends or any(label in labels[:place] for place, label in enumerate(labels)):
            raise ConfigError(f"search: {name}={dimension}: expected one value or several different ones")
    for end in ends:
        try:
            with_values(config, {name: end})
        except ConfigError as error:
            raise ConfigError(f"search: {error}") from None
    return dimension


def _checked_range(name: str, dimension: Between, annotation: Any) -> Between:
    options = _options(annotation)
    if float not in options and int not in options:
        raise ConfigError(f"search: {name}={dimension}: it is no number; list its values")
    convert = float if float in options else _whole
    low, high = convert(dimension.low), convert(dimension.high)
    step = None if dimension.step is None else convert(dimension.step)
    numbers = [low, high, *([] if step is None else [step])]
    if float not in options and not all(isinstance(number, int) for number in numbers):
        raise ConfigError(f"search: {name}={dimension}: expected whole numbers")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(f"search: {name}={dimension}: expected finite ends, the lower one first")
    if dimension.log and (low <= 0 or step is not None):
        raise ConfigError(f"search: {name}={dimension}: on a log scale both ends are above 0, and there is no step")
    if step is not None and not 0 < step <= high - low:
        raise ConfigError(f"search: {name}={dimension}: the step does not fit between the ends")
    return Between(low, high, dimension.log, step)


def _annotation(config: Any, name: str, path: Sequence[str]) -> Any:
    """Return the annotation of a hyperparameter.

    Raises:
        ConfigError: there is none of that name.
    """
    if not isinstance(config, Config):
        raise ConfigError(f"search: {name}: there is no {path[0]} to search in {config!r}")
    if path[0] not in type(config).__dataclass_fields__:
        try:
            type(config).from_dict({path[0]: None})  # which knows the nearest name
        except ConfigError as error:
            raise ConfigError(f"search: {error}") from None
    if len(path) > 1:
        return _annotation(getattr(config, path[0]), name, path[1:])
    return typing.get_type_hints(type(config))[path[0]]


def _with_value(config: Any, name: str, path: Sequence[str], value: Any) -> Any:
    if not isinstance(config, Config):
        raise ConfigError(f"{name}: there is no {path[0]} in {config!r}")
    if len(path) == 1:
        given = config.to_dict() if path[0] in type(config).__dataclass_fields__ else {}
        return type(config).from_dict({**given, path[0]: _listed(value)})
    nested = _with_value(getattr(config, path[0], None), name, path[1:], value)
    return dataclasses.replace(config, **{path[0]: nested})


def _defaults(config: Config, prefix: str) -> Iterator[tuple[str, Dimension]]:
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), prefix + field.name
        if field.name == "noise" and isinstance(value, Config):
            yield from _defaults(value, f"{name}.")
        elif field.name not in LEFT_ALONE and hints[field.name] in (int, float):
            dimension = _around(field.name, value, field.metadata.get("range") or Range())
            if isinstance(dimension, Between):  # of whose range the ends may be whole though the numbers are not
                dimension = _checked_range(name, dimension, hints[field.name])
            if dimension is not None:
                yield name, dimension


def _around(name: str, value: Any, limits: Range) -> Dimension | None:
    """Return where to look for a number that is now `value`; None for nowhere."""
    if name == "gamma":
        return OneOf(DISCOUNTS) if 0.9 in limits else None
    if name == "batch_size":
        return OneOf(tuple(size for size in (value // 2, value, 2 * value) if size in limits and size > 0))
    if name == "target_update_interval":
        return Between(max(1, value // 20), value, log=True) if value > 1 else None
    low, high = USUAL.get(name, (math.inf, -math.inf))
    if low <= value <= high and low in limits and high in limits:
        return Between(low, high)
    return None if name in USUAL and name != "n_steps" else _of_range(value, limits)


def _of_range(value: Any, limits: Range) -> Dimension | None:
    """Look at all of a closed range, and at a decade either way of what is positive in another."""
    upper = math.inf if limits.up_to is None else limits.up_to
    if isinstance(value, int):
        low, high = max(1, value // 4), min(4 * value, upper)
        return Between(low, int(high), log=True) if value > 1 and low in limits and low < high else None
    if limits.at_least is not None and limits.up_to is not None:
        return Between(limits.at_least, limits.up_to) if limits.at_least < limits.up_to else None
    low, high = value / DECADE, min(value * DECADE, upper)
    inside = value > 0 and value < upper and low in limits and high in limits
    return Between(float(f"{low:.6g}"), float(f"{high:.6g}"), log=True) if inside else None


def _options(annotation: Any) -> tuple[Any, ...]:
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if union else (annotation,)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: Any) -> Any:
    """Return 1e4 as 10000; anything that is no whole number as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _listed(value: Any) -> Any:
    """Return tuples as lists, within lists and tables as well."""
    if isinstance(value, Mapping):
        return {name: _listed(item) for name, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value
