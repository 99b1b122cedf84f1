"""Checkpoints: everything that makes a policy or a run what it is, in one file, without pickle.

What can be saved: None, booleans, numbers (NumPy's too), strings, bytes; lists, tuples, sets, dicts and deques of what
can be saved, shared references included; NumPy arrays of plain dtype and generators; gymnasium spaces, `Config`s,
`Transition`s; torch tensors, modules, optimisers and generators; objects with `state_dict` and `load_state_dict`;
objects that are nothing but their attributes, if `setup` makes them; and policies, such as the one that an agent
evaluates, if their class is imported where they are loaded. An array or tensor that `setup` makes keeps its shape and
dtype.
Anything else is refused when saving, by its path.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

import rlkit
from rlkit.checkpoint import archive
from rlkit.checkpoint.allowance import allowing
from rlkit.checkpoint.decode import Decoder
from rlkit.checkpoint.encode import Encoder
from rlkit.config import Config
from rlkit.errors import CheckpointError, ConfigError, Diverged, SpaceError, warn
from rlkit.policy import Policy, layouts_within, made_by_setup

FORMAT, VERSION = "rlkit checkpoint", 1
GIVEN = ("observation_space", "action_space", "config", "seed", "_made")  # not among what is learnt
TEMPLATED = ("object", "module", "stateful", "config", "borrowed")  # nodes that are restored into what setup() makes
AnyPolicy = TypeVar("AnyPolicy", bound=Policy)

__all__ = ["Checkpoint", "load", "reading", "rebuild", "restore", "save"]


class Checkpoint(NamedTuple):
    """A checkpoint as read: nodes of a policy and, if it is a run's, of its trainer, with what decodes them."""

    path: Path
    policy: dict[str, Any]
    trainer: dict[str, Any] | None
    decoder: Decoder


def save(path: str | Path, policy: Policy, trainer: Mapping[str, Any] | None = None) -> None:
    """Save a policy and, if given, the state of its trainer: whatever happens, `path` holds a whole file.

    Raises:
        CheckpointError: something has no saved form (the message names it), or the file cannot be written.
        Diverged: a trained policy's array or tensor holds a number that is not finite.
    """
    encoder = Encoder()
    tree = {
        "format": FORMAT,
        "version": VERSION,
        "rlkit": rlkit.__version__,
        "policy": describe(encoder, policy, "agent"),
    }
    if trainer is not None:
        _check_finite(encoder)
        tree["trainer"] = {name: encoder.encode(value, f"trainer.{name}") for name, value in trainer.items()}
    archive.write(Path(path), tree, encoder.arrays)


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint; nothing is rebuilt yet.

    Raises:
        CheckpointError: not a checkpoint of a version that this rlkit knows, or damaged.
    """
    path = Path(path)
    tree, arrays = archive.read(path)
    if not isinstance(tree, dict) or tree.get("format") != FORMAT or not isinstance(tree.get("policy"), dict):
        raise CheckpointError(f"{path}: is not a checkpoint")
    if tree.get("version") != VERSION:
        raise CheckpointError(f"{path}: is of format version {tree.get('version')}, and this rlkit reads {VERSION}")
    return Checkpoint(path, tree["policy"], tree.get("trainer"), Decoder(arrays))


def rebuild(cls: type[AnyPolicy], checkpoint: Checkpoint) -> AnyPolicy:
    """Make the policy that was saved, which must be of this very class.

    Raises:
        CheckpointError: it is of another class, or does not fit this one.
    """
    with reading(checkpoint.path), allowing(checkpoint.path.stat().st_size):
        _check_class(cls, checkpoint)
        policy = construct(checkpoint.decoder, cls, checkpoint.policy, "agent")
    return restore(policy, checkpoint)


def restore(policy: AnyPolicy, checkpoint: Checkpoint) -> AnyPolicy:
    """Bring a policy of the same class, spaces and hyperparameters to the state that was saved.

    Raises:
        CheckpointError: the file is another policy's.
    """
    with reading(checkpoint.path), allowing(checkpoint.path.stat().st_size):
        _check_class(type(policy), checkpoint)
        decode, saved = checkpoint.decoder.decode, checkpoint.policy
        for role in ("observation_space", "action_space"):
            space = decode(saved[role], None, f"agent.{role}")
            own = getattr(policy, role)
            if space != own or repr(space) != repr(own):  # Dicts are equal whatever the order of their parts
                raise CheckpointError(f"agent.{role}: is {space}, expected {own}")
        config = _moved(
            type(policy).Config.from_dict(decode(saved["config"], None, "agent.config")), policy.config, checkpoint.path
        )
        if config != policy.config:
            was, now = config.to_dict(), policy.config.to_dict()
            others = [f"{name} is {was[name]!r}, expected {now[name]!r}" for name in now if was[name] != now[name]]
            raise CheckpointError(f"agent.config: {'; '.join(others)}")
        fill(checkpoint.decoder, policy, saved, "agent")
    return policy


def describe(encoder: Encoder, policy: Policy, path: str) -> dict[str, Any]:
    """Return what `construct` and `fill` make a policy of again."""
    spaces = {  # first, so that what refers to them comes later
        "observation_space": encoder.encode(policy.observation_space, f"{path}.observation_space"),
        "action_space": encoder.encode(policy.action_space, f"{path}.action_space"),
    }
    attributes = _attributes(policy)
    _check_config(policy.config, f"{path}.config")
    state = {name: encoder.encode(value, f"{path}.{name}") for name, value in attributes.items()}
    _check_restorable(attributes, state, vars(policy)["_made"], path)
    _check_layouts(layouts_within(attributes), vars(policy)["_made"], path)
    return {
        "class": type(policy).__name__,
        **spaces,
        "config": encoder.encode(policy.config.to_dict(), f"{path}.config"),
        "seed": encoder.encode(policy.seed, f"{path}.seed"),
        "state": state,
    }


def construct(decoder: Decoder, cls: type[AnyPolicy], node: dict[str, Any], path: str) -> AnyPolicy:
    """Make a policy of the spaces, hyperparameters and seed that were saved."""
    observation_space, action_space, config, seed = _arguments(decoder, cls, node, path)
    return cls(observation_space, action_space, config, seed=seed)


def fill(decoder: Decoder, policy: AnyPolicy, node: dict[str, Any], path: str) -> AnyPolicy:
    """Bring a policy's attributes to what was saved."""
    decoder.restore_attributes(policy, _templates(policy), node["state"], path)
    policy.seed = decoder.decode(node["seed"], None, f"{path}.seed")
    return policy


def _arguments(decoder: Decoder, cls: type[Policy], node: dict[str, Any], path: str) -> tuple[Any, Any, Any, Any]:
    spaces = (decoder.decode(node[role], None, f"{path}.{role}") for role in ("observation_space", "action_space"))
    config = _for_this_machine(cls.Config.from_dict(decoder.decode(node["config"], None, f"{path}.config")))
    return *spaces, config, decoder.decode(node["seed"], None, f"{path}.seed")


def _for_this_machine(config: Config) -> Config:
    """Return hyperparameters with the CPU in place of a device that is not there."""
    name = getattr(config, "device", None)
    if not isinstance(name, str) or name == "cpu":
        return config
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError):  # torch says the latter where it was built without the device
        return dataclasses.replace(config, device="cpu")  # type: ignore[call-arg]
    return config


def _moved(saved: Config, own: Config, path: Path) -> Config:
    """Return hyperparameters that were saved, on the device of a policy's own."""
    was, now = (getattr(config, "device", None) for config in (saved, own))
    if was == now or not isinstance(was, str) or not isinstance(now, str):
        return saved
    warn(f"{path}: was saved on device {was!r}, and is used on {now!r}; rounding may differ")
    return dataclasses.replace(saved, device=now)  # type: ignore[call-arg]


def _check_restorable(attributes: dict[str, Any], state: dict[str, Any], made: dict[str, str], path: str) -> None:
    """Refuse to write what `restore` would refuse to read."""
    for name, now in made_by_setup(attributes).items():
        before, node = made.get(name), state[name]
        array = isinstance(node, dict) and ("array" in node or "tensor" in node)
        if array and before not in (None, now, "NoneType"):
            raise CheckpointError(
                f"{path}.{name}: is {now}, and setup() makes {before}; an array keeps shape and dtype"
            )
        if isinstance(node, dict) and next(iter(node), None) in TEMPLATED and before != now:
            raise CheckpointError(
                f"{path}.{name}: a {now} can only be restored if setup() makes one, or if it is a rlkit.Policy"
            )


def _check_layouts(layouts: dict[str, str], made: dict[str, str], path: str) -> None:
    for name, now in layouts.items():
        if made.get(name, now) != now:
            raise CheckpointError(
                f"{path}.{name}: is {now}, and setup() makes {made[name]}; an array keeps shape and dtype"
            )


def _check_config(config: Config, path: str) -> None:
    """Refuse to write numbers that another class than theirs would be made of."""
    for name, again in vars(type(config).from_dict(config.to_dict())).items():
        kind = type(getattr(config, name))
        if issubclass(kind, Config) and type(again) is not kind:
            raise CheckpointError(
                f"{path}.{name}: a {kind.__name__} would come back as a {type(again).__name__}; give the agent a "
                f"Config of its own, whose {name} is annotated with {kind.__name__}"
            )


def _check_finite(encoder: Encoder) -> None:
    for path, array in zip(encoder.paths, encoder.arrays, strict=True):
        if path is not None and array.dtype.kind in "fc" and not np.isfinite(array).all():
            raise Diverged(f"{path} holds a number that is not finite")


def _attributes(policy: Policy) -> dict[str, Any]:
    return {name: value for name, value in policy.__getstate__().items() if name not in GIVEN}


def _templates(policy: Policy) -> dict[str, Any]:
    """Return what a policy's attributes are restored into: nothing where `setup` made nothing, so sizes may differ."""
    made = vars(policy)["_made"]
    return {name: None if made.get(name) == "NoneType" else value for name, value in _attributes(policy).items()}


def _check_class(cls: type[Policy], checkpoint: Checkpoint) -> None:
    if checkpoint.policy["class"] != cls.__name__:
        raise CheckpointError(f"is a {checkpoint.policy['class']}'s, expected a {cls.__name__}'s")


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a file that is not what it should be provokes into a `CheckpointError` that names the file."""
    try:
        yield
    except (CheckpointError, ConfigError, SpaceError) as error:
        raise CheckpointError(f"{path}: {error}") from None
    except Warning:  # which somebody has made errors
        raise
    except Exception as error:
        raise CheckpointError(f"{path}: does not fit ({type(error).__name__}: {error})") from error
