"""Planners and learners: `import rlkit.agents`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if __name__ == "agents":
    raise ImportError("import rlkit.agents, not agents")

if TYPE_CHECKING:
    from rlkit.agents.double_q_learning import DoubleQLearning
    from rlkit.agents.planners import PolicyIteration, TruncatedPolicyIteration, ValueIteration
    from rlkit.agents.prediction.n_step import NStepTD
    from rlkit.agents.prediction.td import LinearTD
    from rlkit.agents.q_learning import QLearning

_HOME = {
    "DoubleQLearning": "rlkit.agents.double_q_learning",
    "LinearTD": "rlkit.agents.prediction.td",
    "NStepTD": "rlkit.agents.prediction.n_step",
    "PolicyIteration": "rlkit.agents.planners",
    "QLearning": "rlkit.agents.q_learning",
    "TruncatedPolicyIteration": "rlkit.agents.planners",
    "ValueIteration": "rlkit.agents.planners",
}

__all__ = [
    "DoubleQLearning",
    "LinearTD",
    "NStepTD",
    "PolicyIteration",
    "QLearning",
    "TruncatedPolicyIteration",
    "ValueIteration",
    "catalogue",
]


def catalogue() -> dict[str, type]:
    """Return every planner and learner by name; the first line of its docstring is its promise."""
    return {name: getattr(importlib.import_module(home), name) for name, home in sorted(_HOME.items())}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'rlkit.agents' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
