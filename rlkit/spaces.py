"""gymnasium's spaces: batches of observations, and quick checks of what passes through the training loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from gymnasium import Space, spaces
from numpy.typing import NDArray

from rlkit.errors import InvalidTransition, SpaceError


def is_batch(space: Space[Any], observation: Any) -> bool:
    """Tell a batch of observations, stacked along a new first axis, from one observation of `space`."""
    if isinstance(space, spaces.Dict):
        name, part = next(iter(space.spaces.items()))
        return is_batch(part, observation[name])
    if isinstance(space, spaces.Discrete):
        return np.ndim(observation) == 1
    if space.shape is None:
        return False
    return np.ndim(observation) == len(space.shape) + 1


def check_shape(where: str, space: Space[Any], observation: Any) -> None:
    """Check that something is of the shape of one observation of a `Box`, or of a batch; other spaces pass.

    Raises:
        InvalidTransition: it is not; `where` begins the message.
    """
    if isinstance(space, spaces.Box):
        shape = np.shape(observation)
        if space.shape not in (shape, shape[1:]):
            raise InvalidTransition(f"{where}: the observation is of shape {shape}, expected {space.shape} or a batch")


def unstack(space: Space[Any], batch: Any) -> Iterable[Any]:
    """Yield the observations of a batch one by one, as the environment would have given them."""
    if isinstance(space, spaces.Dict):
        parts = {name: list(unstack(part, batch[name])) for name, part in space.spaces.items()}
        return [dict(zip(parts, members, strict=True)) for members in zip(*parts.values(), strict=True)]
    if isinstance(space, spaces.Discrete):
        states: list[int] = np.asarray(batch).tolist()
        return states
    return list(batch)


def flat_size(space: Space[Any]) -> int:
    """Return how many numbers `flattener` makes of a member of a `Box`, or of a `Dict` of such.

    Raises:
        SpaceError: the space holds something else than boxes.
    """
    return sum(math.prod(box.shape) for _, box in _boxes(space))


def flattener(space: Space[Any]) -> Callable[[Any], NDArray[np.float32]]:
    """Return a quick function that makes one vector, float32 `(O,)`, of a member of a `Box`, or of a `Dict` of such.

    A goal task's observation becomes its parts one after the other, in the order of `space.spaces`. What is flat and
    float32 already is returned as it is, not copied.

    Raises:
        SpaceError: the space holds something else than boxes.
    """
    if isinstance(space, spaces.Box):
        return lambda value: np.asarray(value, np.float32).reshape(-1)
    parts = _boxes(space)
    if all(len(path) == 1 and len(box.shape) == 1 for path, box in parts):
        names = [path[0] for path, _ in parts]
        return lambda value: np.concatenate([value[name] for name in names], dtype=np.float32)
    return lambda value: np.concatenate([np.ravel(_part(value, path)) for path, _ in parts], dtype=np.float32)


def batch_flattener(space: Space[Any]) -> Callable[[Any], NDArray[np.float32]]:
    """Return the same for N members stacked along a new first axis, a `Dict`'s part by part: float32 `(N, O)`.

    Raises:
        SpaceError: the space holds something else than boxes.
    """
    parts = _boxes(space)

    def rows(value: Any, box: spaces.Box) -> NDArray[np.float32]:
        array = np.asarray(value, np.float32)
        return array.reshape(len(array), math.prod(box.shape))

    if isinstance(space, spaces.Box):
        return lambda batch: rows(batch, space)
    return lambda batch: np.concatenate([rows(_part(batch, path), box) for path, box in parts], axis=1)


def _boxes(space: Space[Any], path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], spaces.Box]]:
    """Return the boxes that a space consists of, each with the names that lead to it."""
    if isinstance(space, spaces.Box):
        return [(path, space)]
    if not isinstance(space, spaces.Dict) or not space.spaces:
        where = f" at {'.'.join(path)!r}" if path else ""
        raise SpaceError(f"the space{where} is {space}, expected a Box, or a Dict of Boxes")
    return [found for name, part in space.spaces.items() for found in _boxes(part, (*path, name))]


def _part(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value[name]
    return value


def stack(space: Space[Any], members: Sequence[Any]) -> Any:
    """Stack N observations along a new first axis, those of a `Dict` part by part: what `unstack` takes apart."""
    if isinstance(space, spaces.Dict):
        return {name: stack(part, [member[name] for member in members]) for name, part in space.spaces.items()}
    return np.array(members)


def copied(batch: Any) -> Any:
    """Return a batch as arrays of our own."""
    if isinstance(batch, dict):
        return {name: copied(part) for name, part in batch.items()}
    return np.array(batch)


def put(batch: Any, rows: NDArray[np.bool_], members: Any) -> None:
    """Write a smaller batch into those rows of a larger one."""
    if isinstance(batch, dict):
        for name, part in batch.items():
            put(part, rows, members[name])
    else:
        batch[rows] = members


def finder_of_faults(space: Space[Any], *, bounds: bool) -> Callable[[Any], str | None]:
    """Return a quick function that says what is wrong with a value, None where nothing is.

    Args:
        space: where the value should be.
        bounds: whether a value outside a `Box`'s bounds is a fault. Environments round, and many declare bounds that
            they exceed a little, so observations are only required to be finite and of the right shape.
    """
    if isinstance(space, spaces.Discrete):
        return _faults_of_discrete(space)
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        return _faults_of_box(space, space.shape, bounds)
    if isinstance(space, spaces.Dict):
        return _faults_of_parts({name: finder_of_faults(part, bounds=bounds) for name, part in space.spaces.items()})
    return lambda value: None if space.contains(value) else f"is {_brief(value)}, which is not in {space}"


def finder_of_batch_faults(space: Space[Any], n: int, *, bounds: bool) -> Callable[[Any], str | None]:
    """Return the same for a batch: n values of `space` along a new first axis, those of a `Dict` part by part.

    What a space of another kind than `Discrete`, `Box` or `Dict` says of single values is not asked.
    """
    if isinstance(space, spaces.Discrete):
        return _faults_of_states(space, n)
    if isinstance(space, spaces.Box):
        return _faults_of_box(space, (n, *space.shape), bounds, "are")
    if isinstance(space, spaces.Dict):
        parts = space.spaces.items()
        return _faults_of_parts({name: finder_of_batch_faults(part, n, bounds=bounds) for name, part in parts})
    return lambda batch: None if len(batch) == n else f"are {len(batch)}, expected {n}"


def _faults_of_discrete(space: spaces.Discrete) -> Callable[[Any], str | None]:
    low, high = int(space.start), int(space.start + space.n)

    def fault(value: Any) -> str | None:
        if type(value) is int:
            return None if low <= value < high else f"is {value}, which is not in {space}"
        return None if space.contains(value) else f"is {value!r}, which is not in {space}"

    return fault


def _faults_of_states(space: spaces.Discrete, n: int) -> Callable[[Any], str | None]:
    low, high = int(space.start), int(space.start + space.n)

    def fault(value: Any) -> str | None:
        if type(value) is not np.ndarray or value.shape != (n,) or value.dtype.kind not in "iu":
            return f"are {_brief(value)}, expected {n} whole numbers"
        outside = (value < low) | (value >= high)
        return f"hold {value[outside][0]}, which is not in {space}" if outside.any() else None

    return fault


def _faults_of_box(
    space: spaces.Box, shape: tuple[int, ...], bounds: bool, verb: str = "is"
) -> Callable[[Any], str | None]:
    low, high = space.low, space.high
    limited = bounds and bool(np.isfinite(low).any() or np.isfinite(high).any())
    enclosed = limited and bool(np.isfinite(low).all() and np.isfinite(high).all())  # then inside means finite, too
    isfinite = np.isfinite

    def fault(value: Any) -> str | None:
        if type(value) is not np.ndarray or value.shape != shape or value.dtype.kind not in "fiub":
            return f"{verb} {_brief(value)}, expected an array of shape {shape}"
        # `0 in b.tobytes()` says whether any of the booleans b is false, in a quarter of the time of `b.all()`
        if enclosed and 0 not in ((value >= low) & (value <= high)).tobytes():
            return None
        if 0 in isfinite(value).tobytes():
            return f"{verb} {_brief(value)}, which is not finite"
        if limited and 0 in ((value >= low) & (value <= high)).tobytes():
            return f"{verb} {_brief(value)}, which is outside {space}"
        return None

    return fault


def _faults_of_parts(faults: dict[str, Callable[[Any], str | None]]) -> Callable[[Any], str | None]:
    def fault(value: Any) -> str | None:
        if not isinstance(value, dict) or value.keys() != faults.keys():
            return f"is {_brief(value)}, expected a dict of {', '.join(faults)}"
        for name, fault_of_part in faults.items():
            if (found := fault_of_part(value[name])) is not None:
                return f"at {name!r} {found}"
        return None

    return fault


def keeper(space: Space[Any]) -> Callable[[Any], Any]:
    """Return a function that makes a value of a space ours, should its owner write to it in the next step."""
    if isinstance(space, spaces.Discrete):
        return lambda value: value
    if isinstance(space, spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary):
        return lambda value: value.copy() if type(value) is np.ndarray else value
    if isinstance(space, spaces.Dict):
        keepers = {name: keeper(part) for name, part in space.spaces.items()}
        return lambda value: {name: keep(value[name]) for name, keep in keepers.items()}
    return copy.deepcopy


def _brief(value: Any) -> str:
    shape = f" of shape {value.shape}" if isinstance(value, np.ndarray) else ""
    text = " ".join(str(value).split())
    return f"{text if len(text) <= 60 else text[:57] + '...'}{shape}"
