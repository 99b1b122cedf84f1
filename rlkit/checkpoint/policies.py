"""Policies within a policy: the one that an agent evaluates, or the one that acts for it.

Such a policy is rebuilt by its class, which is looked up by name among the subclasses of `Policy` that the program has
imported already; a file has nothing imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rlkit.errors import CheckpointError
from rlkit.policy import Policy

if TYPE_CHECKING:
    from rlkit.checkpoint.decode import Decoder
    from rlkit.checkpoint.encode import Encoder


def encode(encoder: Encoder, policy: Policy, path: str) -> dict[str, Any]:
    """Return a policy's node."""
    from rlkit.checkpoint import describe

    kind = type(policy)
    return {"policy": kind.__qualname__, "module": kind.__module__, **describe(encoder, policy, path)}


def decode(decoder: Decoder, node: dict[str, Any], template: Any, path: str) -> Policy:
    """Rebuild a policy, or restore it in place where `setup` makes one of the same class, spaces and hyperparameters.

    Raises:
        CheckpointError: its class is not known here, or it does not fit.
    """
    from rlkit.checkpoint import construct, fill

    kind = _class_of(node, path)
    policy = construct(decoder, kind, node, path)
    if type(template) is kind and _alike(template, policy):
        policy = template
    decoder.built[path] = policy
    return fill(decoder, policy, node, path)


def _class_of(node: dict[str, Any], path: str) -> type[Policy]:
    """Find a class that is imported already; a class of that very module and name, or the only one of that name."""
    named = [kind for kind in _subclasses(Policy) if kind.__name__ == node["class"]]
    same = [kind for kind in named if (kind.__module__, kind.__qualname__) == (node["module"], node["policy"])]
    if same:
        return same[-1]  # a notebook's cell that was run again makes another: the latest is meant
    if len(named) == 1:
        return named[0]
    reason = "more than one class has that name" if named else "import it first"
    raise CheckpointError(f"{path}: is a {node['class']} of {node['module']}, which is not known here; {reason}")


def _subclasses(kind: type[Policy]) -> Iterator[type[Policy]]:
    for below in kind.__subclasses__():
        yield below
        yield from _subclasses(below)


def _alike(one: Policy, other: Policy) -> bool:
    names = ("observation_space", "action_space", "config")
    return all(getattr(one, name) == getattr(other, name) for name in names)
