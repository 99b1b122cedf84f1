"""From a saved name back to a class: only to those listed here, never by importing what a file names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from rlkit.config import Config
from rlkit.errors import ConfigError

AnyConfig = TypeVar("AnyConfig", bound=Config)

_KINDS: dict[str, type[Config]] = {}


def register(cls: type[AnyConfig]) -> type[AnyConfig]:
    """List a class of features, so that `Features.from_dict` rebuilds it; a decorator, for a user's classes too.

    Raises:
        ConfigError: another class has this name.
    """
    known = _KINDS.setdefault(cls.__name__, cls)
    if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ConfigError(f"features: there is a kind {cls.__name__!r} already, in {known.__module__}")
    _KINDS[cls.__name__] = cls
    return cls


def rebuild(cls: type[AnyConfig], values: Mapping[str, Any]) -> AnyConfig:
    """Build what `to_dict` described: `values["kind"]` names the class, which must be `cls` or a subclass.

    Raises:
        ConfigError: no such class is listed, or its hyperparameters are wrong.
    """
    fields = {name: value for name, value in values.items() if name != "kind"}
    kind = values.get("kind", cls.__name__)
    found = _KINDS.get(kind) if isinstance(kind, str) else None
    if found is None or not issubclass(found, cls):
        known = ", ".join(sorted(name for name, each in _KINDS.items() if issubclass(each, cls)))
        raise ConfigError(f"{cls.__name__}: unknown kind {kind!r}; known: {known}")
    return Config.from_dict.__func__(found, fields)  # type: ignore[attr-defined, no-any-return]
