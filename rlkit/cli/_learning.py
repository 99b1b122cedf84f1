"""Train a tabular learner while its exact error is watched."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    steps: list[float]
    errors: list[float]
    seconds: float


def learn(agent: Any, map: str, gamma: float, steps: int, folder: Path) -> Learnt:
    """Train a tabular agent on a shipped map by trying actions at random; return what it learnt."""
    from rlkit.envs import GridWorld
    from rlkit.trainer import Trainer
    from rlkit.truth import TruthCallback

    env = GridWorld.load(map)
    watch = TruthCallback(every=max(1, steps // MEASUREMENTS))
    learner = agent.for_env(env, gamma=gamma, exploration_final_eps=1.0, seed=0)
    begun = time.perf_counter()
    Trainer(learner, env, callbacks=[watch], directory=folder, log_every=watch.every, progress=False).run(steps)
    seconds = time.perf_counter() - begun
    q = learner.action_values(np.arange(env.observation_space.n))
    return Learnt(q, watch.history["step"], watch.history["max_q_error"], seconds)
