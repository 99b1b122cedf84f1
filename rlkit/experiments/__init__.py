"""Experiments: many runs at once, on this machine or on a cluster, each with a folder of its own."""

from __future__ import annotations

from rlkit.experiments.pool import Outcome, Pool, Tell

__all__ = ["Outcome", "Pool", "Tell"]
