"""The same learners, one transition at a time: what an agent's `act` and `update` call from Python."""

from __future__ import annotations

from typing import Any

from rlkit.compiled.learners import begin, decide, observe, ratio, recall
from rlkit.compiling import njit


@njit(cache=True)
def act_one(learner: Any, x: Any) -> Any:
    """Take in an observation, and decide."""
    begin(learner, x)
    return decide(learner, x)


@njit(cache=True)
def update_one(learner: Any, x: Any, action: int, reward: float, next_x: Any, terminated: bool, truncated: bool) -> Any:
    """Learn from one transition, whoever acted; return the TD error."""
    recall(learner, x, action)
    rho = ratio(learner, x, action)
    return observe(learner, action, reward, next_x, terminated, truncated, rho)
