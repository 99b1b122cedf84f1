"""Hundreds of short runs in one compiled loop: a rule around another, which notes errors and begins anew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import rlkit
from examples.gallery import copies
from rlkit.truth import exact_values
from rlkit.updates import learn
from rlkit.updates.rule import room


class Repeated(NamedTuple):
    """A rule that notes the error of its values after every episode, and begins anew after so many.

    Attributes:
        rule: the rule that learns.
        w: its weights, float64 `(D,)`.
        start: the weight that each begins with.
        triangle: float64 `(K, D + 1)`; its product with (w, 1) is as long as the root mean squared error.
        errors: float64 `(runs, episodes)`.
        at: the run and the episode, int64 `(2,)`.
    """

    rule: Any
    w: NDArray[np.float64]
    start: float
    triangle: NDArray[np.float64]
    errors: NDArray[np.float64]
    at: NDArray[np.int64]


@learn.of(Repeated)
def learn_repeatedly(repeated: Any, t: Any) -> Any:
    """Learn as the rule does; when the episode has ended, note the error."""
    delta = learn(repeated.rule, t)
    if t.ended:
        triangle, w, at, total = repeated.triangle, repeated.w, repeated.at, 0.0
        for i in range(triangle.shape[0]):
            part = triangle[i, len(w)]
            for j in range(len(w)):
                part += triangle[i, j] * w[j]
            total += part * part
        repeated.errors[at[0], at[1]] = math.sqrt(total)
        at[1] += 1
        if at[1] == repeated.errors.shape[1]:
            at[0], at[1] = at[0] + 1, 0
            w[:] = repeated.start
    return delta


@room.of(Repeated)
def room_of_rule(repeated: Any) -> Any:
    """Return how much room the rule has."""
    return room(repeated.rule)


def errors(
    kind: Any, env_id: str, settings: Sequence[dict[str, Any]], runs: int, episodes: int, features: Any = None
) -> NDArray[np.float64]:
    """Return the RMS errors over all states after each episode, `[settings, runs, episodes]`, of undiscounted values.

    Args:
        kind: the agent's class.
        env_id: an environment of one action, whose episodes end.
        settings: hyperparameters; each setting runs in a thread, through the same episodes where actions are no choice.
        runs: how many times each begins anew.
        episodes: after how many.
        features: of the states; None for a table.
    """
    new_env = copies(env_id)
    env = new_env()
    live = ~env.model().terminal
    exact = exact_values(env, 1.0, np.zeros(live.size, np.int64))[live]
    Phi = np.eye(live.size) if features is None else features.matrix(env)
    triangle = np.linalg.qr(np.column_stack([Phi[live], -exact]) / math.sqrt(live.sum()), mode="r")

    class Repeating(kind):  # type: ignore[misc]
        def setup(self) -> None:
            super().setup()
            self.errors, self.at = np.zeros((runs, episodes)), np.zeros(2, np.int64)

        def rule(self) -> Repeated:
            return Repeated(super().rule(), self.w, self.config.initial_value, triangle, self.errors, self.at)

    def make(seed: int) -> tuple[Any, Any]:
        env = new_env()
        return Repeating.for_env(env, gamma=1.0, features=features, seed=0, **settings[seed]), env

    done = rlkit.train_many(make, range(len(settings)), episodes=runs * episodes)
    return np.array([agent.errors for agent in done.agents])
