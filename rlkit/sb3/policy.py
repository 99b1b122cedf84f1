"""A trained SB3 model as one of our policies."""

from __future__ import annotations

from rlkit.policy import Policy


class SB3Policy(Policy):
    """A trained SB3 model as one of our policies."""
