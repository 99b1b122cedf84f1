"""The same learners, one transition at a time: what an agent's `act` and `update` call from Python."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from rlkit.compiled.learners import begin, decide, observe, ratio, recall
from rlkit.compiling import njit
from rlkit.errors import InvalidTransition


def check(x: Any) -> None:
    """Raise InvalidTransition if an observation is a vector that is not finite; a state's number always is."""
    if isinstance(x, np.ndarray):
        _check_vector(x)


def _check_vector(x: Any) -> None:
    for k in range(len(x)):
        if not math.isfinite(x[k]):
            raise InvalidTransition("an observation holds a number that is not finite")


def _check_nothing(x: Any) -> None:
    pass


@overload(check)
def _check(x: Any) -> Any:
    return _check_nothing if isinstance(x, types.Integer) else _check_vector


@njit(cache=True)
def act_one(learner: Any, x: Any) -> Any:
    """Take in an observation, and decide."""
    check(x)
    begin(learner, x)
    return decide(learner, x)


@njit(cache=True)
def update_one(learner: Any, x: Any, action: int, reward: float, next_x: Any, terminated: bool, truncated: bool) -> Any:
    """Learn from one transition, whoever acted; return the TD error."""
    check(x)
    check(next_x)
    recall(learner, x, action)
    rho = ratio(learner, x, action)
    return observe(learner, action, reward, next_x, terminated, truncated, rho)
