"""Random walks between two ends (Sutton & Barto 2018, Examples 6.2, 7.1 and 9.1)."""

from __future__ import annotations

import numpy as np

from rlkit.config import check_count
from rlkit.envs.chains.chain import Chain, Happenings
from rlkit.errors import ConfigError


class RandomWalk(Chain):
    """A walk to the left or right, as likely, until it leaves the line at one of its ends.

    It jumps by 1 to `reach` states, each as likely. States 1 to `n_states` are the line's, numbered as in the book; 0
    and `n_states + 1` are the terminal ends, where every jump beyond stops. There is one action: to go on. It begins in
    the middle (of an even number, left of it).

    Example 6.2 has 5 states and pays 0 and 1 at the ends, so that its values are 1/6, 2/6, ... 5/6; Example 7.1 has 19
    and pays -1 and 1; Example 9.1 has 1000, pays -1 and 1, and jumps by up to 100.

    Args:
        n_states: states that are not terminal, at least 1.
        reach: the longest jump, at least 1.
        left_reward: for leaving on the left; every other step pays 0.
        right_reward: for leaving on the right.
        max_steps: steps after which an episode is truncated; None for never.
    """

    def __init__(
        self,
        n_states: int = 19,
        *,
        reach: int = 1,
        left_reward: float = -1.0,
        right_reward: float = 1.0,
        max_steps: int | None = None,
    ) -> None:
        n_states, reach = check_count("n_states", n_states), check_count("reach", reach)
        if not np.isfinite([left_reward, right_reward]).all():
            raise ConfigError(f"RandomWalk: rewards {left_reward} and {right_reward}, expected finite numbers")
        right = n_states + 1
        jumps = np.concatenate([np.arange(-reach, 0), np.arange(1, reach + 1)])  # [J]
        state, jump = (part.ravel() for part in np.meshgrid(np.arange(1, right), jumps, indexing="ij"))
        following = np.clip(state + jump, 0, right)
        pairs, count = np.unique(np.stack([state, following]), axis=1, return_counts=True)
        state, following = pairs
        reward = np.select([following == 0, following == right], [float(left_reward), float(right_reward)], 0.0)
        happenings = Happenings(state, np.zeros_like(state), following, count / jumps.size, reward)
        terminal = np.isin(np.arange(right + 1), [0, right])
        start = np.zeros(right + 1)
        start[(n_states + 1) // 2] = 1.0
        super().__init__(happenings, terminal, start, n_actions=1, max_steps=max_steps)
