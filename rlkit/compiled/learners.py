"""Learners in compiled code: the four things that a loop asks of one, and what all of them have.

A learner is a NamedTuple of parts: features, a policy, an update rule, and the arrays they write to. `begin` shows it
the first observation of an episode, `decide` asks for an action, `observe` tells what came of it. The same functions
are what an agent's `act` and `update` call, one transition at a time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from rlkit.compiled.kinds import chosen_by_kind

N_UPDATES, PENDING, N_CLIPPED, N_COLLISIONS = 0, 1, 2, 3  # entries of `counts`
NONE = -1  # no action is pending


class Schedule(NamedTuple):
    """Step sizes: learning_rate / n**power, n being the number of updates, or of the visits to an entry of a table.

    Attributes:
        learning_rate: the first.
        power: 0 for a constant.
        visits: int64, `(1,)` for updates in all, else one for each weight.
    """

    learning_rate: float
    power: float
    visits: NDArray[np.int64]


@register_jitable(forceinline=True)
def step_size(schedule: Any, phi: Any, first: Any) -> Any:
    """Count a visit, and return its step size."""
    entry = np.uint64(0)
    if len(schedule.visits) > 1:
        entry = np.uint64(first) + np.uint64(phi[0])
    schedule.visits[entry] += 1
    if schedule.power == 0.0:
        return schedule.learning_rate
    return schedule.learning_rate / float(schedule.visits[entry]) ** schedule.power


@chosen_by_kind
def begin(learner: Any, x: Any) -> None:
    """Take in the observation that the next action is for: an episode's first, or where it was left."""


@chosen_by_kind
def recall(learner: Any, x: Any, action: int) -> None:
    """Be as after `begin` with x and `decide` for an action, which may be another's."""


@chosen_by_kind
def decide(learner: Any, x: Any) -> Any:
    """Return the action to take at x, the observation taken in last."""


@chosen_by_kind
def ratio(learner: Any, x: Any, action: int) -> Any:
    """Return the importance-sampling ratio of an action: its target probability by its behaviour's."""


@chosen_by_kind
def observe(
    learner: Any, action: int, reward: float, next_x: Any, terminated: bool, truncated: bool, rho: float
) -> Any:
    """Learn what came of an action at the observation taken in last; return the TD error."""
