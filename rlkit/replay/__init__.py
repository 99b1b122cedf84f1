"""Replay buffers: uniform; with n-step returns; prioritised; and packed, one float32 row a transition.

All keep the latest transitions in plain arrays, one row each, and are saved and restored to the bit.
"""

from rlkit.replay.n_step import NStepBatch, NStepReplay
from rlkit.replay.packed import PackedBatch, PackedReplay
from rlkit.replay.prioritized import PrioritizedReplay
from rlkit.replay.uniform import ReplayBuffer

__all__ = ["NStepBatch", "NStepReplay", "PackedBatch", "PackedReplay", "PrioritizedReplay", "ReplayBuffer"]
