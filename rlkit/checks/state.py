"""What an agent holds, told apart by attribute: all of it, or only what it has learnt; and the global generators."""

from __future__ import annotations

import contextlib
import json
import random
import struct
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rlkit.agent import Agent
from rlkit.checkpoint import GIVEN
from rlkit.checkpoint.encode import Encoder, has_saved_form
from rlkit.errors import CheckpointError
from rlkit.rollout import Rollout
from rlkit.transition import Batch, Transition, Transitions

State = dict[str, bytes]


def state_of(agent: Agent) -> State:
    """Return all that an agent would save, by attribute, as bytes that are equal where that is, to the bit.

    What has no saved form is left out: another check says so.
    """
    state = {}
    for name, value in attributes_of(agent).items():
        encoder = Encoder()
        try:
            node = encoder.encode(value, name)
        except CheckpointError:
            continue
        told = json.dumps(node).encode()
        state[name] = b"".join([told, *(f"{a.dtype}{a.shape}".encode() + a.tobytes() for a in encoder.arrays)])
    return state


def generators_of(agent: Agent) -> State:
    """Return the part of `state_of` that random numbers come from: NumPy's and torch's generators."""
    torch = sys.modules.get("torch")
    kinds: Any = np.random.Generator if torch is None else np.random.Generator | torch.Generator
    names = {name for name, value in attributes_of(agent).items() if isinstance(value, kinds)}
    return {name: value for name, value in state_of(agent).items() if name in names}


def differing(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    """Return the attributes by which two states differ."""
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]


def attributes_of(agent: Agent) -> dict[str, Any]:
    """Return the attributes that belong to an agent, without what it was made of."""
    return {name: value for name, value in agent.__getstate__().items() if name not in GIVEN}


def numbers_of(agent: Agent) -> State:
    """Return the floats in the attributes that `setup` makes: weights, tables, averages; by attribute.

    Left out is what is no knowledge: replay buffers and stored transitions, optimisers, generators; single numbers,
    such as a share of exploration that falls; and arrays that look like an action, such as the state of a noise.
    """
    made, shape = vars(agent).get("_made", {}), agent.action_space.shape
    found = {}
    for name, value in attributes_of(agent).items():
        noise = shape and isinstance(value, np.ndarray) and value.shape == shape
        if made.get(name, "NoneType") != "NoneType" and not noise and not isinstance(value, float):
            numbers = b"".join(_floats(value, set()))
            if numbers:
                found[name] = numbers
    return found


def _floats(value: Any, above: set[int]) -> Iterator[bytes]:
    torch = sys.modules.get("torch")
    if isinstance(value, float | np.floating):
        yield struct.pack("<d", float(value))
    elif isinstance(value, np.ndarray):
        if value.dtype.kind in "fc":
            yield value.tobytes()
    elif torch is not None and isinstance(value, torch.Tensor):
        if value.dtype.is_floating_point:
            yield value.detach().cpu().double().numpy().tobytes()
    elif id(value) not in above:
        for part in _parts(value, torch):
            yield from _floats(part, above | {id(value)})


def _parts(value: Any, torch: Any) -> list[Any]:
    """Return what an object consists of, if what that consists of may be knowledge."""
    if isinstance(value, Transition | Transitions | Batch | Rollout | np.random.Generator):
        return []
    if torch is not None and isinstance(value, torch.nn.Module):
        return list(value.state_dict().values())
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, list | tuple | deque):
        return list(value)
    if hasattr(value, "state_dict") or not has_saved_form(value):  # a buffer, an optimiser; or code
        return []
    return list(vars(value).values())


def global_generators() -> dict[str, Any]:
    """Return the states of the global generators, by name: Python's, NumPy's, and torch's if it is imported."""
    numpy: Any = np.random.get_state(legacy=False)  # noqa: NPY002 (it is looked at, not used)
    keys = numpy["state"]["key"].tobytes()
    rest = numpy["state"]["pos"], numpy["has_gauss"], numpy["gauss"]
    states: dict[str, Any] = {"random": random.getstate(), "numpy.random": (keys, *rest)}
    if "torch" in sys.modules:
        states["torch"] = sys.modules["torch"].get_rng_state().numpy().tobytes()
    return states


@contextlib.contextmanager
def keeping_global_generators() -> Iterator[None]:
    """Leave the global generators as they were, whatever happens to them meanwhile."""
    torch = sys.modules.get("torch")
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    of_torch = None if torch is None else torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        if torch is not None:
            torch.set_rng_state(of_torch)


def seed_global_generators(seed: int) -> None:
    """Seed them all."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (so that an agent that uses it is found out)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
