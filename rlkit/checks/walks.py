"""Walks through environments: the same actions again and again, so that what comes back can be compared."""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import gymnasium
import numpy as np

Env = gymnasium.Env[Any, Any]
Meddle = Callable[[Any, Any], None]
"""Is shown the observation that has just come back, and the action that led there (None after a reset)."""


class Seen(NamedTuple):
    """What came back from a step, or from a reset, whose action is None."""

    action: Any
    observation: Any
    reward: Any
    terminated: Any
    truncated: Any

    @property
    def is_over(self) -> bool:
        """Whether the episode ended here."""
        return bool(self.terminated or self.truncated)


def random_actions(env: Env, steps: int, *, seed: int = 0) -> list[Any]:
    """Return actions drawn from the space, whose own generator is left alone."""
    space = copy.deepcopy(env.action_space)
    space.seed(seed)
    return [space.sample() for _ in range(steps)]


def walk(env: Env, actions: Sequence[Any], *, seed: int | None = 0, meddle: Meddle | None = None) -> list[Seen]:
    """Reset an environment and take all actions, in as many episodes as that makes; return copies of what came back.

    The environment gets actions of its own: those that are given stay as they are.
    """
    return [_begin(env, seed, meddle), *go_on(env, actions, over=False, meddle=meddle)]


def go_on(env: Env, actions: Sequence[Any], *, over: bool, meddle: Meddle | None = None) -> list[Seen]:
    """Take all actions from where an environment is, beginning an episode, unseeded, whenever one is over."""
    seen: list[Seen] = []
    for given in actions:
        if over:
            seen.append(_begin(env, None, meddle))
        action = copy.deepcopy(given)
        observation, reward, terminated, truncated, _ = env.step(action)
        seen.append(Seen(given, copy.deepcopy(observation), reward, terminated, truncated))
        over = seen[-1].is_over
        if meddle is not None:
            meddle(observation, action)
    return seen


def _begin(env: Env, seed: int | None, meddle: Meddle | None) -> Seen:
    observation, _ = env.reset(seed=seed)
    kept = copy.deepcopy(observation)
    if meddle is not None:
        meddle(observation, None)
    return Seen(None, kept, 0.0, False, False)


def difference(seen: Sequence[Seen], expected: Sequence[Seen]) -> str | None:
    """Say where two walks by the same actions part: `after step 3 the reward is 1.0, and was 0.0`; None: nowhere."""
    steps = 0
    for now, was in zip(seen, expected, strict=False):
        steps += now.action is not None
        for part in ("observation", "reward", "terminated", "truncated"):
            left, right = getattr(now, part), getattr(was, part)
            if not identical(left, right):
                where = f"after step {steps}" if steps else "after the reset"
                return f"{where} the {part} is {brief(left)}, and was {brief(right)}"
    return None if len(seen) == len(expected) else "an episode ends at another step"


def identical(left: Any, right: Any) -> bool:
    """Tell whether two values are the same to the bit, NaN and all, in arrays, dicts, tuples and lists too."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(identical(left[key], right[key]) for key in left)
    if isinstance(left, tuple | list) and isinstance(right, tuple | list):
        return len(left) == len(right) and all(map(identical, left, right))
    one, other = np.asarray(left), np.asarray(right)
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind in "fc"))


def arrays_in(value: Any) -> Iterator[np.ndarray[Any, Any]]:
    """Yield the arrays that a value consists of."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from arrays_in(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from arrays_in(part)


def overwrite(value: Any) -> None:
    """Write other numbers into all arrays of a value that can be written to."""
    for array in arrays_in(value):
        if array.flags.writeable and array.dtype.kind in "fiub":
            array[...] = 1 if array.dtype.kind == "b" else 77


@contextmanager
def global_generators(seed: int) -> Iterator[Callable[[], str | None]]:
    """Seed the global generators of Python, NumPy and, where it is imported, torch; put them back afterwards.

    Yields:
        a function that names the first of them that has moved since, None if none has.
    """
    kept = _global_states()
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (it is the global one that is meant)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    begun = _global_states()

    def moved() -> str | None:
        now = _global_states()  # torch may have been imported meanwhile
        return next((name for name, state in begun.items() if not identical(now[name], state)), None)

    try:
        yield moved
    finally:
        random.setstate(kept["random"])
        np.random.set_state(kept["numpy.random"])  # noqa: NPY002
        if "torch" in kept:
            sys.modules["torch"].set_rng_state(sys.modules["torch"].from_numpy(kept["torch"]))


def _global_states() -> dict[str, Any]:
    states: dict[str, Any] = {"random": random.getstate(), "numpy.random": np.random.get_state()}  # noqa: NPY002
    if "torch" in sys.modules:
        states["torch"] = sys.modules["torch"].get_rng_state().numpy().copy()
    return states


def brief(value: Any) -> str:
    """Return a value on one line, and not a long one."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
