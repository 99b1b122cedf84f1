"""From a JSON tree and plain arrays back to Python objects: the inverse of `rlkit.checkpoint.encode`.

Data is rebuilt; objects are not. An object of a class is restored into its template, the one that `setup` made at the
same place; the file only says the class's name, which must be the template's. Policies alone are made anew, of a class
that is a `Policy`, and imported already. So a file can neither bring code nor have anything imported.
"""

# ruff: noqa: ARG002 (the functions of one table take the same arguments)
from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from rlkit.checkpoint.archive import DTYPE
from rlkit.checkpoint.encode import TUPLES, has_saved_form, owner_of
from rlkit.config import Config
from rlkit.errors import CheckpointError

BIT_GENERATORS: tuple[type[np.random.BitGenerator], ...] = (
    np.random.PCG64,
    np.random.PCG64DXSM,
    np.random.MT19937,
    np.random.Philox,
    np.random.SFC64,
)
SPACES: tuple[type[gymnasium.Space[Any]], ...] = (
    spaces.Discrete,
    spaces.Box,
    spaces.MultiDiscrete,
    spaces.MultiBinary,
    spaces.Dict,
    spaces.Tuple,
)
PARTS = {  # of a space, which must be arrays: numbers with a shape would have larger ones made
    spaces.Box: ("low", "high"),
    spaces.MultiDiscrete: ("nvec", "start"),
}
COPIES = 8  # of each array's numbers, at most, on average; a file of ours has one, and is decoded twice at most
POSITIONS = {"MT19937": ("pos", 624), "Philox": ("buffer_pos", 4)}  # NumPy would read memory there, unchecked


class Decoder:
    """Rebuilds what an `Encoder` took apart. `built` maps the paths of what exists so far.

    Arrays are handed out as they are; what is made of them takes memory in proportion to the file's size.
    """

    def __init__(self, arrays: list[np.ndarray[Any, Any]]) -> None:
        self.arrays = arrays
        self.built: dict[str, Any] = {}
        self._left_to_copy = COPIES * (sum(array.nbytes for array in arrays) + 1024)

    def take(self, number: int) -> np.ndarray[Any, Any]:
        """Return an array of which a copy is to be made.

        Raises:
            CheckpointError: it, or others, have been copied over and over.
        """
        array = self.arrays[number]
        self._left_to_copy -= array.nbytes
        if self._left_to_copy < 0:
            raise CheckpointError("refers to the same arrays again and again")
        return array

    def decode(self, node: Any, template: Any, path: str) -> Any:
        """Return what `node` stands for.

        Args:
            node: from the tree.
            template: what `setup` made at the same place; None for nothing.
            path: the place.

        Raises:
            CheckpointError: the node does not suit the template, or is none.
        """
        if node is None or isinstance(node, bool | str | int | float):
            return node
        if isinstance(node, list):
            value: Any = self._items(node, template, path)
        else:
            kind = next(iter(node))
            rebuild = REBUILD.get(kind)
            if rebuild is None:
                raise CheckpointError(f"{path}: unknown kind of node {kind!r}")
            value = rebuild(self, node, template, path)
        self.built[path] = value
        return value

    def expect(self, template: Any, name: str, path: str) -> Any:
        """Return the template, which must be of the class of that name."""
        if type(template).__name__ != name:
            raise CheckpointError(f"{path}: is a {name}, where setup() makes a {type(template).__name__}")
        return template

    def restore_attributes(self, target: Any, own: Mapping[str, Any], state: dict[str, Any], path: str) -> None:
        """Set the attributes of an object; all that it has of its `own` must be there, and none may hide a method."""
        missing = [name for name in own if name not in state]
        if missing:
            raise CheckpointError(f"{path}.{missing[0]}: is not in the file")
        for name, node in state.items():
            at_class = getattr(type(target), name, None)
            if callable(at_class) or hasattr(at_class, "__get__") or name.startswith("__"):
                raise CheckpointError(f"{path}.{name}: is not data")
            vars(target)[name] = self.decode(node, own.get(name), f"{path}.{name}")

    def _items(self, body: Any, template: Any, path: str) -> list[Any]:
        if isinstance(body, dict):
            packed: list[Any] = self.take(body["packed"]).tolist()
            return packed
        old = list(template) if isinstance(template, list | tuple | deque) else []
        old += [None] * (len(body) - len(old))
        return [self.decode(node, old[index], f"{path}[{index}]") for index, node in enumerate(body)]

    def _list(self, node: dict[str, Any], template: Any, path: str) -> Any:
        return self._items(node["list"], template, path)

    def _tuple(self, node: dict[str, Any], template: Any, path: str) -> Any:
        return tuple(self._items(node["tuple"], template, path))

    def _set(self, node: dict[str, Any], template: Any, path: str) -> Any:
        return set(self._items(node["set"], template, path))

    def _frozenset(self, node: dict[str, Any], template: Any, path: str) -> Any:
        return frozenset(self._items(node["frozenset"], template, path))

    def _deque(self, node: dict[str, Any], template: Any, path: str) -> Any:
        return deque(self._items(node["deque"], template, path), node["maxlen"])

    def _named(self, node: dict[str, Any], template: Any, path: str) -> Any:
        kind = TUPLES[node["named"]]
        parts = zip(kind._fields, node["items"], strict=True)
        return kind(*(self.decode(item, getattr(template, n, None), f"{path}.{n}") for n, item in parts))

    def _dict(self, node: dict[str, Any], template: Any, path: str) -> Any:
        old = template if isinstance(template, dict) else {}
        return {key: self.decode(item, old.get(key), f"{path}[{key!r}]") for key, item in node["dict"].items()}

    def _pairs(self, node: dict[str, Any], template: Any, path: str) -> Any:
        old = template if isinstance(template, dict) else {}
        keys = [self.decode(key, None, f"{path}.keys[{index}]") for index, key in enumerate(node["keys"])]
        pairs = zip(keys, node["items"], strict=True)
        return {key: self.decode(item, old.get(key), f"{path}[{key!r}]") for key, item in pairs}

    def _int(self, node: dict[str, Any], template: Any, path: str) -> int:
        return int(node["int"], 16)

    def _float(self, node: dict[str, Any], template: Any, path: str) -> float:
        (value,) = struct.unpack(">d", bytes.fromhex(node["float"]))
        return float(value)

    def _scalar(self, node: dict[str, Any], template: Any, path: str) -> Any:
        if DTYPE.fullmatch(node["scalar"]) is None:
            raise CheckpointError(f"{path}: {node['scalar']!r} is not a plain dtype")
        return np.frombuffer(bytes.fromhex(node["bytes"]), node["scalar"]).reshape(())[()]

    def _bytes(self, node: dict[str, Any], template: Any, path: str) -> bytes:
        data: bytes = self.take(node["bytes"]).tobytes()
        return data

    def _ref(self, node: dict[str, Any], template: Any, path: str) -> Any:
        return self.built[node["ref"]]

    def _array(self, node: dict[str, Any], template: Any, path: str) -> Any:
        array = self.arrays[node["array"]]
        _check_layout(array, template, path)
        return array

    def _borrowed(self, node: dict[str, Any], template: Any, path: str) -> Any:
        if not isinstance(template, np.ndarray) or isinstance(owner_of(template), np.ndarray):
            raise CheckpointError(f"{path}: is a view of memory that setup() does not make")
        array = self.arrays[node["borrowed"]]
        _check_layout(array, template, path)
        template[...] = array
        return template

    def _generator(self, node: dict[str, Any], template: Any, path: str) -> np.random.Generator:
        kind = {kind.__name__: kind for kind in BIT_GENERATORS}[node["generator"]]
        bits = kind(0)
        state = self.decode(node["state"], None, path)
        _check_generator(state, bits.state, path)
        bits.state = state
        return np.random.Generator(bits)

    def _config(self, node: dict[str, Any], template: Any, path: str) -> Any:
        kind: type[Config] = type(self.expect(template, node["config"], path))
        return kind.from_dict(self.decode(node["values"], None, path))

    def _space(self, node: dict[str, Any], template: Any, path: str) -> Any:
        kind: Any = {kind.__name__: kind for kind in SPACES}[node["space"]]
        parts = self.decode(node["parts"], None, path)
        arrays = PARTS.get(kind)
        if arrays and (sorted(parts) != sorted(arrays) or not all(type(parts[name]) is np.ndarray for name in arrays)):
            raise CheckpointError(f"{path}: is not a {kind.__name__} space")
        if kind is spaces.MultiDiscrete:
            return kind(parts["nvec"], dtype=parts["nvec"].dtype.type, start=parts["start"])
        if kind is spaces.Dict:
            return kind(list(parts["spaces"].items()))  # of a dict it would sort the names, and flat vectors with them
        return kind(**parts, dtype=parts["low"].dtype.type) if kind is spaces.Box else kind(**parts)

    def _stateful(self, node: dict[str, Any], template: Any, path: str) -> Any:
        self.expect(template, node["stateful"], path)
        template.load_state_dict(self.decode(node["state"], None, path))
        return template

    def _object(self, node: dict[str, Any], template: Any, path: str) -> Any:
        self.expect(template, node["object"], path)
        if not has_saved_form(template):
            raise CheckpointError(f"{path}: a {node['object']} has no saved form")
        self.built[path] = template
        self.restore_attributes(template, dict(vars(template)), node["state"], path)
        return template

    def _policy(self, node: dict[str, Any], template: Any, path: str) -> Any:
        from rlkit.checkpoint import policies

        return policies.decode(self, node, template, path)

    def _same(self, node: dict[str, Any], template: Any, path: str) -> Any:
        if repr(template) != node["same"]:
            raise CheckpointError(f"{path}: is {node['same']}, where setup() makes {template!r}")
        return template

    def _tensor(self, node: dict[str, Any], template: Any, path: str) -> Any:
        from rlkit.checkpoint import torch_objects

        return torch_objects.decode_tensor(self, node, template, path)

    def _module(self, node: dict[str, Any], template: Any, path: str) -> Any:
        from rlkit.checkpoint import torch_objects

        return torch_objects.decode_module(self, node, template, path)

    def _torch_generator(self, node: dict[str, Any], template: Any, path: str) -> Any:
        from rlkit.checkpoint import torch_objects

        return torch_objects.decode_generator(self, node)


REBUILD: dict[str, Callable[[Decoder, dict[str, Any], Any, str], Any]] = {
    "array": Decoder._array,
    "borrowed": Decoder._borrowed,
    "bytes": Decoder._bytes,
    "config": Decoder._config,
    "deque": Decoder._deque,
    "dict": Decoder._dict,
    "float": Decoder._float,
    "frozenset": Decoder._frozenset,
    "generator": Decoder._generator,
    "int": Decoder._int,
    "keys": Decoder._pairs,
    "list": Decoder._list,
    "module": Decoder._module,
    "named": Decoder._named,
    "object": Decoder._object,
    "policy": Decoder._policy,
    "ref": Decoder._ref,
    "same": Decoder._same,
    "scalar": Decoder._scalar,
    "set": Decoder._set,
    "space": Decoder._space,
    "stateful": Decoder._stateful,
    "tensor": Decoder._tensor,
    "torch_generator": Decoder._torch_generator,
    "tuple": Decoder._tuple,
}


def _check_layout(array: Any, template: Any, path: str) -> None:
    if isinstance(template, np.ndarray) and (array.dtype != template.dtype or array.shape != template.shape):
        raise CheckpointError(
            f"{path}: is {array.dtype} {array.shape}, where setup() makes {template.dtype} {template.shape}"
        )


def _check_generator(state: Any, example: Any, path: str) -> None:
    """Refuse a generator state that NumPy would take but should not: of another layout, or pointing out of bounds."""
    if not _alike(state, example):
        raise CheckpointError(f"{path}: is not the state of a {example['bit_generator']} generator")
    name, last = POSITIONS.get(example["bit_generator"], ("has_uint32", 1))
    position = state.get(name, state["state"].get(name, 0))
    if not 0 <= position <= last:
        raise CheckpointError(f"{path}: {name}={position} is outside [0, {last}]")


def _alike(value: Any, example: Any) -> bool:
    if isinstance(example, dict):
        return (
            isinstance(value, dict)
            and value.keys() == example.keys()
            and all(_alike(value[key], example[key]) for key in example)
        )
    if isinstance(example, np.ndarray):
        return isinstance(value, np.ndarray) and value.dtype == example.dtype and value.shape == example.shape
    return type(value) is type(example) and (not isinstance(example, str) or value == example)
