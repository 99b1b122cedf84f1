"""What wrappers around an environment remember from one episode to the next."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Hashable, Iterator
from typing import Any, cast

import gymnasium
import numpy as np

from rlkit.checkpoint.archive import is_plain
from rlkit.checkpoint.encode import callable_code, has_saved_form
from rlkit.errors import CheckpointError, warn

OURS = frozenset({"env", "_observation_space", "_action_space", "_metadata", "_cached_spec", "_saved_kwargs"})
KNOWN = {  # of gymnasium's wrappers these remember; the others begin anew with each episode, or only report
    "NormalizeObservation": ("obs_rms", "_update_running_mean"),
    "NormalizeReward": ("return_rms", "discounted_reward", "accumulated_reward", "_update_running_mean", "_prev_dones"),
}
ONLY_REPORT = ("stable_baselines3.common.monitor",)
DEEPEST = 10  # levels of containers
LOST = object()  # stands for what has no copy


def memories(env: Any) -> list[dict[str, Any]]:
    """Return what an environment's wrappers remember, the outermost first, as plain data of its own.

    That is what their attributes hold of numbers, text, arrays, generators, and containers and plain objects of those.
    A wrapper with `get_state` and `set_state` is asked instead.
    """
    return [{"wrapper": type(layer).__name__, **_memory(layer)} for layer in wrappers(env)]


def remember(env: Any, saved: list[dict[str, Any]]) -> None:
    """Let wrappers remember what those of a run did.

    Raises:
        CheckpointError: the wrappers are others.
    """
    layers = list(wrappers(env))
    then, now = [memory["wrapper"] for memory in saved], [type(layer).__name__ for layer in layers]
    if then != now:
        raise CheckpointError(f"{env}: the run's environment had the wrappers {then}, and this one has {now}")
    for layer, memory in zip(layers, saved, strict=True):
        if "own" in memory:
            layer.set_state(memory["own"])
            continue
        for name, value in memory["attributes"].items():
            vars(layer)[name] = _put(vars(layer).get(name), value)
        if memory["lost"]:
            warn(
                f"{type(layer).__name__}.{memory['lost'][0]}: was not saved with the run; if what the wrapper does "
                "depends on it, give the wrapper get_state() and set_state(state)"
            )


def wrappers(env: Any) -> Iterator[Any]:
    """Yield an environment's wrappers, the outermost first."""
    while env is not env.unwrapped:
        yield env
        env = env.env


@functools.cache
def _known(kind: Any) -> tuple[str, ...] | None:
    """Return what of a wrapper's attributes is memory; None where all may be."""
    known = kind.__module__.startswith(("gymnasium.", *ONLY_REPORT))
    return KNOWN.get(kind.__name__, ()) if known else None


def _memory(layer: Any) -> dict[str, Any]:
    known = _known(cast(Hashable, type(layer)))
    if known == ():
        return {"attributes": {}, "lost": []}
    if known is None and callable(getattr(layer, "get_state", None)) and callable(getattr(layer, "set_state", None)):
        return {"own": layer.get_state()}
    attributes = {name: value for name, value in vars(layer).items() if name not in OURS}
    if known is not None:
        attributes = {name: value for name, value in attributes.items() if name in known}
    copies = {name: _copy(value) for name, value in attributes.items() if not _is_equipment(value)}
    lost = sorted(name for name, value in copies.items() if value is LOST)
    return {"attributes": {name: value for name, value in copies.items() if value is not LOST}, "lost": lost}


def _is_equipment(value: Any) -> bool:
    """Say whether a value is no memory: code, an environment or a space."""
    return callable_code(value) or isinstance(
        value, type | gymnasium.Env | gymnasium.Space | gymnasium.vector.VectorEnv
    )


def _copy(value: Any, depth: int = 0) -> Any:
    """Return plain data of its own, `LOST` for what is none."""
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return value.copy() if is_plain(value.dtype) else LOST
    if isinstance(value, np.random.Generator):
        return {"generator": value.bit_generator.state}
    if depth == DEEPEST:
        return LOST
    if type(value) in (list, tuple, deque):
        items = [_copy(item, depth + 1) for item in value]
        whole = all(item is not LOST for item in items)
        return {"items": items} if whole else LOST
    if type(value) is dict or has_saved_form(value):
        parts = value if type(value) is dict else vars(value)
        copies = {name: _copy(item, depth + 1) for name, item in parts.items() if type(name) is str}
        whole = len(copies) == len(parts) and all(item is not LOST for item in copies.values())
        return {"parts": copies} if whole else LOST
    return LOST


def _put(now: Any, saved: Any) -> Any:
    """Return what `_copy` copied, in the objects that are there now."""
    if not isinstance(saved, dict):
        return saved
    if "generator" in saved:
        now.bit_generator.state = saved["generator"]
        return now
    if "items" in saved:
        old = [*now, *[None] * len(saved["items"])]
        items = [_put(before, item) for before, item in zip(old, saved["items"], strict=False)]
        return deque(items, now.maxlen) if isinstance(now, deque) else type(now)(items)
    parts = now if type(now) is dict else vars(now)
    values = {name: _put(parts.get(name), item) for name, item in saved["parts"].items()}
    parts.clear()
    parts.update(values)
    return now
