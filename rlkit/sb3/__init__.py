"""With stable-baselines3 (SB3), both ways: its callbacks watch our runs, and its trained models are our policies.

The third way needs nothing from here: every policy of ours has SB3's `predict`, so that its `evaluate_policy` takes it.
Importing this imports SB3, and so torch.
"""

from rlkit.sb3.callback import SB3Callback
from rlkit.sb3.model import Model
from rlkit.sb3.policy import SB3Policy
from rlkit.sb3.replay import load_replay_buffer, save_replay_buffer

__all__ = ["Model", "SB3Callback", "SB3Policy", "load_replay_buffer", "save_replay_buffer"]
