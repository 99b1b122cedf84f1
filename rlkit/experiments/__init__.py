"""Experiments: many runs at once, on this machine or on a cluster, each with a folder of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlkit.experiments.pool import Outcome, Pool, Tell
from rlkit.experiments.processes import ProcessPool
from rlkit.experiments.search import Between, OneOf, default_space, search_space
from rlkit.experiments.seeds import SeedPlan, SeedRun, run_seeds
from rlkit.experiments.sweeps import Sweep, Trial, sweep

if TYPE_CHECKING:
    from rlkit.experiments.ray_pool import RayPool

__all__ = [
    "Between",
    "OneOf",
    "Outcome",
    "Pool",
    "ProcessPool",
    "RayPool",
    "SeedPlan",
    "SeedRun",
    "Sweep",
    "Tell",
    "Trial",
    "default_space",
    "run_seeds",
    "search_space",
    "sweep",
]


def __getattr__(name: str) -> Any:
    """Load what runs on Ray when it is first used."""
    if name == "RayPool":
        from rlkit.experiments.ray_pool import RayPool

        return RayPool
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
