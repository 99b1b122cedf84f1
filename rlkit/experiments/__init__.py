"""Experiments: many runs at once, on this machine or on a cluster, each with a folder of its own."""

from __future__ import annotations

from rlkit.experiments.pool import Outcome, Pool, Tell
from rlkit.experiments.processes import ProcessPool

__all__ = ["Outcome", "Pool", "ProcessPool", "Tell"]
