"""From Python objects to a JSON tree and plain arrays.

The tree's nodes: `null`, booleans, strings, integers of 64 bits and finite floats stand for themselves, a JSON list for
a list; everything else is an object with one telling key (`{"tuple": [...]}`, `{"array": 3}`, ...). An object met again
is `{"ref": <the path of the first>}`. `rlkit.checkpoint.decode` is the way back, node by node.
"""

from __future__ import annotations

import bisect
import enum
import math
import struct
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.checkpoint.archive import is_plain
from rlkit.config import Config
from rlkit.errors import CheckpointError
from rlkit.policy import Policy
from rlkit.transition import Batch, Transition

IMMUTABLE = {tuple, frozenset, bytes}  # two equal ones are as good as one
PYTHON_CLASS = 1 << 9  # in a type's flags
DEEPEST = 100  # levels of nesting
PACKED = 16  # numbers in a row from which on they are stored as an array
TUPLES: dict[str, type[Any]] = {"Transition": Transition, "Batch": Batch}
NAMES: dict[type, str] = {kind: name for name, kind in TUPLES.items()}


class Encoder:
    """Walks objects by their attributes and members; `arrays` collects what does not go into the tree.

    Raises:
        CheckpointError: something has no saved form; the message says where it is and what it is.
    """

    def __init__(self) -> None:
        self.arrays: list[NDArray[Any]] = []
        self.paths: list[str | None] = []  # where each array is found; None for bounds of spaces
        self._paths: dict[int, str] = {}  # of what was met, by identity
        self._met: list[Any] = []  # keeps it alive, so that identities stay unique
        self._above: set[int] = set()  # what contains the current object
        self._claims: list[tuple[int, int, str]] = []  # memory met: first address, end, path; disjoint, ascending

    def encode(self, value: Any, path: str) -> Any:
        """Return the node of `value`, which is found at `path`."""
        if value is None or type(value) in (bool, str):
            return value
        if type(value) is int:
            return value if -(2**63) <= value < 2**63 else {"int": hex(value)}
        if type(value) is float:
            return value if math.isfinite(value) else {"float": struct.pack(">d", value).hex()}
        if isinstance(value, np.generic):
            return self._scalar(value, path)
        if id(value) in self._paths:
            if id(value) in self._above:
                raise CheckpointError(f"{path}: contains itself (at {self._paths[id(value)]})")
            return {"ref": self._paths[id(value)]}
        if len(self._above) >= DEEPEST:
            raise CheckpointError(f"{path}: is nested more than {DEEPEST} deep")
        if type(value) not in IMMUTABLE:
            self._paths[id(value)] = path
        self._met.append(value)
        self._above.add(id(value))
        node = self._container(value, path)
        self._above.discard(id(value))
        return node

    def alias(self, value: Any, path: str) -> None:
        """Let later meetings of `value` refer to `path`, because its content is saved there already."""
        self._paths.setdefault(id(value), path)
        self._met.append(value)

    def claim(self, low: int, high: int, path: str) -> None:
        """Note whose memory the addresses from `low` to before `high` are.

        Raises:
            CheckpointError: part of it is another's.
        """
        at = bisect.bisect(self._claims, (low, high, path))
        for start, end, other in self._claims[max(at - 1, 0) : at + 1]:
            if low < end and start < high:
                raise CheckpointError(
                    f"{path}: shares memory with {other}; keep one of them, and make the other from it where it is used"
                )
        if low < high:
            self._claims.insert(at, (low, high, path))

    def _container(self, value: Any, path: str) -> Any:
        kind = type(value)
        if kind in (list, tuple, deque, set, frozenset):
            return self._sequence(value, path)
        if kind in NAMES:
            return {"named": NAMES[kind], "items": [self.encode(v, f"{path}.{n}") for n, v in value._asdict().items()]}
        if kind is dict:
            return self._dict(value, path)
        if kind is bytes:
            return {"bytes": self.store(np.frombuffer(value, np.uint8), path)}
        if kind is np.ndarray or kind is np.memmap:
            return self._array(value, path)
        if isinstance(value, np.random.Generator):
            state = self.encode(value.bit_generator.state, path)
            return {"generator": type(value.bit_generator).__name__, "state": state}
        if isinstance(value, Policy):
            from rlkit.checkpoint import policies

            return policies.encode(self, value, path)
        if isinstance(value, Config):
            return {"config": kind.__name__, "values": self.encode(value.to_dict(), path)}
        if isinstance(value, gymnasium.Space):
            before = len(self.arrays)
            node = {"space": kind.__name__, "parts": self.encode(_space_parts(value, path), path)}
            self.paths[before:] = [None] * (len(self.arrays) - before)
            return node
        if "torch" in sys.modules:
            from rlkit.checkpoint import torch_objects

            node = torch_objects.encode(self, value, path)
            if node is not None:
                return node
        return self._object(value, path)

    def _sequence(self, value: Any, path: str) -> Any:
        name = type(value).__name__
        items = list(value)
        packed = _pack(items)
        body: Any
        if packed is not None:
            body = {"packed": self.store(packed, path)}
        else:
            body = [self.encode(item, f"{path}[{index}]") for index, item in enumerate(items)]
        if isinstance(value, deque):
            return {"deque": body, "maxlen": value.maxlen}
        return body if name == "list" and packed is None else {name: body}

    def _dict(self, value: Mapping[Any, Any], path: str) -> Any:
        if all(type(key) is str for key in value):
            return {"dict": {key: self.encode(item, f"{path}[{key!r}]") for key, item in value.items()}}
        keys = [self.encode(key, f"{path}.keys[{index}]") for index, key in enumerate(value)]
        items = [self.encode(item, f"{path}[{key!r}]") for key, item in value.items()]
        return {"keys": keys, "items": items}

    def _scalar(self, value: np.generic, path: str) -> Any:
        array = np.array([value])
        if not is_plain(array.dtype):
            raise CheckpointError(f"{path}: a scalar of dtype {array.dtype} has no saved form")
        return {"scalar": array.dtype.str, "bytes": array.tobytes().hex()}

    def _array(self, value: NDArray[Any], path: str) -> Any:
        if not is_plain(value.dtype):
            raise CheckpointError(f"{path}: an array of dtype {value.dtype} has no saved form")
        owner = owner_of(value)
        if not isinstance(owner, np.ndarray):  # a view of a tensor's memory, or of a file's
            return {"borrowed": self.store(value, path)}
        low, high = np.lib.array_utils.byte_bounds(value)
        self.claim(low, high, path)
        return {"array": self.store(value, path)}

    def _object(self, value: Any, path: str) -> Any:
        name, methods = type(value).__name__, ("state_dict", "load_state_dict")
        if not isinstance(value, type) and all(callable(getattr(value, method, None)) for method in methods):
            return {"stateful": name, "state": self.encode(value.state_dict(), path)}
        if not has_saved_form(value):
            raise CheckpointError(f"{path}: {_call(value)} has no saved form")
        return {"object": name, "state": {key: self.encode(v, f"{path}.{key}") for key, v in vars(value).items()}}

    def store(self, array: NDArray[Any], path: str) -> int:
        """Add an array that is found at `path`, and return its number."""
        self.arrays.append(array)
        self.paths.append(path)
        return len(self.arrays) - 1


def owner_of(array: Any) -> Any:
    """Return the object whose memory an array shows: the array itself, or the last of its chain of bases."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return array


def has_saved_form(value: Any) -> bool:
    """Say whether an object is nothing but its attributes: neither code nor a resource."""
    kind = type(value)
    return (
        hasattr(value, "__dict__")
        and not callable_code(value)
        and not isinstance(value, gymnasium.Env)
        and not isinstance(value, type | enum.Enum)
        and kind.__module__.partition(".")[0] not in sys.stdlib_module_names
        and all(base is object or base.__flags__ & PYTHON_CLASS for base in kind.__mro__)  # no hidden state
        and not any(vars(base).get("__slots__") for base in kind.__mro__)
    )


def callable_code(value: Any) -> bool:
    """Say whether a value is a function, method or the like, which no data can stand for."""
    return hasattr(value, "__code__") or hasattr(value, "__func__") or type(value).__name__ in CODE


CODE = {"builtin_function_or_method", "partial", "ufunc", "module", "CPUDispatcher", "generator", "coroutine"}


def _call(value: Any) -> str:
    if callable_code(value):
        name = type(value).__name__
        return f"a {name}" if name in ("method", "generator", "module", "partial") else "a function"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, gymnasium.Env):
        return "an environment"
    kind: type = type(value)
    known = next((base for base in (dict, list, tuple, set, str, int, float) if isinstance(value, base)), None)
    article = "an" if kind.__name__[0] in "AEIOUaeiou" else "a"
    return f"{article} {kind.__name__}" + (f" (a plain {known.__name__} has one)" if known else "")


def _pack(items: Sequence[Any]) -> NDArray[Any] | None:
    """Return numbers of one type as an array, None for anything else; `tolist` is the exact way back."""
    if len(items) < PACKED:
        return None
    kinds = set(map(type, items))
    if kinds == {float}:
        return np.array(items, np.float64)
    if kinds == {bool}:
        return np.array(items, np.bool_)
    if kinds == {int} and min(items) >= -(2**63) and max(items) < 2**63:
        return np.array(items, np.int64)
    return None


def _space_parts(space: gymnasium.Space[Any], path: str) -> dict[str, Any]:
    """Return a space's constructor arguments."""
    if isinstance(space, spaces.Discrete):
        return {"n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.Box):
        return {"low": np.array(space.low), "high": np.array(space.high)}
    if isinstance(space, spaces.MultiDiscrete):
        return {"nvec": np.array(space.nvec), "start": np.array(space.start)}
    if isinstance(space, spaces.MultiBinary):
        return {"n": tuple(space.shape) if len(space.shape) > 1 else int(space.shape[0])}
    if isinstance(space, spaces.Dict):
        return {"spaces": dict(space.spaces)}
    if isinstance(space, spaces.Tuple):
        return {"spaces": list(space.spaces)}
    raise CheckpointError(f"{path}: a {type(space).__name__} space has no saved form")
