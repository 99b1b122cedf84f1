"""rlkit: a reinforcement-learning gym in which the right answer is known.

Importing it registers its environments with gymnasium (`gymnasium.make("rlkit/GridWorld-v0")`). Everything else is
loaded when first used, so that the import needs neither torch nor matplotlib.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rlkit import envs
from rlkit.config import Config, bounded
from rlkit.errors import (
    CheckpointError,
    ConfigError,
    Diverged,
    InvalidModel,
    InvalidTransition,
    MapError,
    NotConverged,
    RlkitError,
    SpaceError,
)

if TYPE_CHECKING:
    from rlkit import agents, bellman, checks, distributed, experiments, features, plotting, report, sb3, truth
    from rlkit.agent import Agent, ReplayAgent
    from rlkit.callbacks import Callback
    from rlkit.checks import check_agent, check_env, check_planner
    from rlkit.experiments import run_seeds
    from rlkit.many import Runs, train_many
    from rlkit.mdp import FiniteMDP, MarkovRewardProcess
    from rlkit.policy import Planner, Policy
    from rlkit.trainer import Trainer, train
    from rlkit.transition import Transition
    from rlkit.vector_trainer import VectorTrainer

__version__ = "0.1.0"

_HOME = {
    "Agent": "rlkit.agent",
    "Callback": "rlkit.callbacks",
    "FiniteMDP": "rlkit.mdp",
    "MarkovRewardProcess": "rlkit.mdp",
    "Planner": "rlkit.policy",
    "Policy": "rlkit.policy",
    "ReplayAgent": "rlkit.agent",
    "Runs": "rlkit.many",
    "Trainer": "rlkit.trainer",
    "Transition": "rlkit.transition",
    "VectorTrainer": "rlkit.vector_trainer",
    "check_agent": "rlkit.checks",
    "check_env": "rlkit.checks",
    "check_planner": "rlkit.checks",
    "run_seeds": "rlkit.experiments",
    "train": "rlkit.trainer",
    "train_many": "rlkit.many",
}
_SUBPACKAGES = (
    "agents",
    "bellman",
    "checks",
    "distributed",
    "experiments",
    "features",
    "plotting",
    "report",
    "sb3",
    "truth",
)

__all__ = [
    "Agent",
    "Callback",
    "CheckpointError",
    "Config",
    "ConfigError",
    "Diverged",
    "FiniteMDP",
    "InvalidModel",
    "InvalidTransition",
    "MapError",
    "MarkovRewardProcess",
    "NotConverged",
    "Planner",
    "Policy",
    "ReplayAgent",
    "RlkitError",
    "Runs",
    "SpaceError",
    "Trainer",
    "Transition",
    "VectorTrainer",
    "agents",
    "bellman",
    "bounded",
    "check_agent",
    "check_env",
    "check_planner",
    "checks",
    "distributed",
    "envs",
    "experiments",
    "features",
    "plotting",
    "report",
    "run_seeds",
    "sb3",
    "train",
    "train_many",
    "truth",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    elif name in _SUBPACKAGES:
        value = importlib.import_module(f"rlkit.{name}")
    else:
        raise AttributeError(f"module 'rlkit' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
