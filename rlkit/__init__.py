"""rlkit: a reinforcement-learning gym in which the right answer is known."""

from __future__ import annotations

__version__ = "0.1.0"
