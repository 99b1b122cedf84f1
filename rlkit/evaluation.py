"""How well a policy does, measured in an environment of its own."""

from __future__ import annotations

from typing import Any

import gymnasium

from rlkit.callbacks import Callback, Episode
from rlkit.config import check_count
from rlkit.policy import Policy
from rlkit.trainer import Trainer


def evaluate(
    policy: Policy, env: gymnasium.Env[Any, Any], *, episodes: int = 10, seed: int | None = 0, max_steps: int = 100_000
) -> list[Episode]:
    """Return what a policy gets in whole episodes, acting as best it can.

    Args:
        policy: what acts.
        env: where; not the one it is being trained in, whose episode would be lost.
        episodes: how many.
        seed: of the first reset, so that policies are compared on the same draws.
        max_steps: end an episode that has not ended by itself after so many steps.

    Raises:
        ConfigError: `episodes` or `max_steps` is not a whole number of at least 1.
    """
    check_count("episodes", episodes)
    check_count("max_steps", max_steps)
    finished = []
    for number in range(1, episodes + 1):
        observation, _ = env.reset(seed=seed if number == 1 else None)
        total, length, ended = 0.0, 0, False
        while not ended and length < max_steps:
            observation, reward, terminated, truncated, _ = env.step(policy.act(observation))
            total, length, ended = total + float(reward), length + 1, terminated or truncated
        finished.append(Episode(total, length, number))
    return finished


class Evaluation(Callback):
    """Evaluates the agent while it learns, and logs SB3's `eval/mean_reward` and `eval/mean_ep_length`.

    Args:
        env: an environment of its own, like the one trained in.
        every: steps between evaluations.
        episodes: episodes an evaluation, always from the same seed.

    Raises:
        ConfigError: `every` or `episodes` is not a whole number of at least 1.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], *, every: int = 10_000, episodes: int = 10) -> None:
        self.env = env
        self.every: int = check_count("every", every)
        self.episodes = check_count("episodes", episodes)

    def on_every(self, trainer: Trainer) -> None:
        """Evaluate."""
        finished = evaluate(trainer.agent, self.env, episodes=self.episodes)
        trainer.logger.scalar("eval/mean_reward", sum(e.reward for e in finished) / len(finished), trainer.step)
        trainer.logger.scalar("eval/mean_ep_length", sum(e.length for e in finished) / len(finished), trainer.step)
