"""Train a tabular learner while its exact error is watched."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlkit.callbacks import Callback

if TYPE_CHECKING:
    from rlkit.trainer import Trainer
    from rlkit.transition import Transition

MEASUREMENTS = 200


@dataclass(frozen=True, eq=False)
class Learnt:
    """What a learner found.

    Attributes:
        q: action values, float64 `(S, A)`.
        steps: when its error was measured.
        errors: max |q - q*| then.
        seconds: how long it learnt.
    """

    q: NDArray[np.float64]
    steps: list[int]
    errors: list[float]
    seconds: float


class ExactError(Callback):
    """Logs `truth/max_error`, max |q - q*|, every so many steps.

    Args:
        q: the exact action values, `(S, A)`.
        every: steps between measurements.
    """

    def __init__(self, q: NDArray[np.float64], every: int) -> None:
        self.q, self.every = q, every
        self.steps: list[int] = []
        self.errors: list[float] = []

    def on_step(self, trainer: Trainer, transition: Transition, metrics: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Measure, if it is time."""
        if trainer.step % self.every:
            return
        self.steps.append(trainer.step)
        self.errors.append(float(np.abs(action_values(trainer.agent) - self.q).max()))
        trainer.logger.scalar("truth/max_error", self.errors[-1], trainer.step)


def action_values(agent: Any) -> NDArray[np.float64]:
    """Return a tabular agent's action values, the mean over its tables, float64 `(S, A)`."""
    return np.asarray(agent.q if agent.q.ndim == 2 else agent.q.mean(axis=0))


def learn(agent: Any, map: str, gamma: float, steps: int, folder: Path) -> Learnt:
    """Train a tabular agent on a shipped map by trying actions at random; return what it learnt."""
    from rlkit.bellman import solve
    from rlkit.envs import GridWorld
    from rlkit.trainer import Trainer

    env = GridWorld.load(map)
    exact = solve(env.model(), gamma, tol=1e-12)
    watch = ExactError(exact.q, max(1, steps // MEASUREMENTS))
    learner = agent.for_env(env, gamma=gamma, epsilon=1.0, seed=0)
    begun = time.perf_counter()
    Trainer(learner, env, callbacks=[watch], directory=folder, log_every=watch.every, progress=False).run(steps)
    return Learnt(action_values(learner), watch.steps, watch.errors, time.perf_counter() - begun)
