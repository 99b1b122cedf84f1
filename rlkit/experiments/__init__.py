"""Experiments: many runs at once, on this machine or on a cluster, each with a folder of its own."""

from __future__ import annotations

from rlkit.experiments.pool import Outcome, Pool, Tell
from rlkit.experiments.processes import ProcessPool
from rlkit.experiments.seeds import SeedPlan, SeedRun, run_seeds

__all__ = ["Outcome", "Pool", "ProcessPool", "SeedPlan", "SeedRun", "Tell", "run_seeds"]
