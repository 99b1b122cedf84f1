"""Experiments: many runs at once, on this machine or on a cluster, each with a folder of its own."""

from __future__ import annotations

from rlkit.experiments.pool import Outcome, Pool, Tell
from rlkit.experiments.processes import ProcessPool
from rlkit.experiments.search import Between, OneOf, default_space, search_space
from rlkit.experiments.seeds import SeedPlan, SeedRun, run_seeds
from rlkit.experiments.sweeps import Sweep, Trial, sweep

__all__ = [
    "Between",
    "OneOf",
    "Outcome",
    "Pool",
    "ProcessPool",
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
