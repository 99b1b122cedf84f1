"""Saying that learning has diverged: who, where, when, and how large the weights were."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from rlkit.errors import Diverged

LIMIT = 1e150
"""How large a TD error, or any number that an agent reports, may be. From here on squares overflow, and with the next
steps the weights do; so it is noticed while the weights can still be told."""


def diverged(agent: Any, env: Any, step: int, what: str, remedy: str = "") -> Diverged:
    """Return the error that says so.

    Args:
        agent, env, step: who learnt where, and how long.
        what: what is not finite.
        remedy: what is left, and what to do.
    """
    norm = weight_norm(agent)
    weights = "" if norm is None else f"; the norm of the weights is {norm:.4g}"
    return Diverged(f"{type(agent).__name__} on {name_of(env)}, step {step}: {what}{weights}{remedy}")


def weight_norm(agent: Any) -> float | None:
    """Return the Euclidean norm of all weights: of `w`, or else of all torch parameters, or else of all float arrays.

    None if there are none.
    """
    values, w = vars(agent), getattr(agent, "w", None)
    torch = sys.modules.get("torch")
    if isinstance(w, np.ndarray):
        return _norm([w])
    modules = [] if torch is None else [value for value in values.values() if isinstance(value, torch.nn.Module)]
    if modules:
        return _norm([p.detach().cpu().numpy() for module in modules for p in module.parameters()])
    arrays = [a for a in values.values() if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    return _norm(arrays) if arrays else None


def weights_are_finite(agent: Any) -> bool:
    """Tell whether `w` and the parameters of all torch modules are finite; an agent with neither is not looked at."""
    w, torch = getattr(agent, "w", None), sys.modules.get("torch")
    if isinstance(w, np.ndarray) and w.dtype.kind == "f":
        return bool(np.isfinite(w).all())
    if torch is None:
        return True
    modules = [value for value in vars(agent).values() if isinstance(value, torch.nn.Module)]
    return all(bool(torch.isfinite(p.detach()).all()) for module in modules for p in module.parameters())


def _norm(arrays: list[Any]) -> float:
    largest = max((float(np.abs(a).max(initial=0.0)) for a in arrays), default=0.0)
    if not 0.0 < largest < math.inf:
        return largest
    return largest * math.sqrt(sum(float(np.square(a / largest).sum()) for a in arrays))  # no square overflows


def name_of(env: Any) -> str:
    """Return the id that an environment was made by, or else its class's name."""
    return env.spec.id if env.spec is not None else type(env.unwrapped).__name__
