"""Bring a mass to rest by DDPG, while its exact distance from the Riccati optimum is watched."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import gymnasium
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rlkit.agents import DDPG
    from rlkit.envs import LinearQuadratic
    from rlkit.truth import Gap

GAMMA = 0.95
MEASUREMENTS = 40


@dataclass(frozen=True, eq=False)
class Steered:
    """What DDPG found.

    Attributes:
        agent: the learner.
        history: `optimality_gap` and the like, and the `step`s when they were measured.
        gap: what its policy costs beyond the optimum, in the end.
        steps: of the environment.
        seconds: how long it learnt.
    """

    agent: DDPG
    history: dict[str, list[float]]
    gap: Gap
    steps: int
    seconds: float


def mass() -> LinearQuadratic:
    """Return a mass on a line, pushed from where and however fast it is until it rests at 0: a double integrator."""
    import rlkit.envs  # noqa: F401  (registers)

    env = gymnasium.make("rlkit/LinearQuadratic-v0")  # by its id, so that `rlkit evaluate` can make it too
    return cast("LinearQuadratic", env.unwrapped)


def steer(steps: int, folder: Path) -> Steered:
    """Train DDPG on the mass."""
    from rlkit.agents import DDPG, preset
    from rlkit.trainer import Trainer
    from rlkit.truth import TruthCallback, optimality_gap

    env = mass()
    agent = DDPG.for_env(env, **{**preset("DDPG", "rlkit/LinearQuadratic-v0"), "gamma": GAMMA}, seed=0)
    watch = TruthCallback(every=max(1, steps // MEASUREMENTS))
    trainer = Trainer(agent, env, callbacks=[watch], directory=folder, log_every=watch.every, progress=False)
    trainer.run(0)
    begun = time.perf_counter()
    trainer.run(steps)
    seconds = time.perf_counter() - begun
    return Steered(agent, watch.history, optimality_gap(agent, env, GAMMA), steps, seconds)


def path_of(policy: DDPG | NDArray[np.float64], start: tuple[float, float], steps: int) -> NDArray[np.float64]:
    """Return where the mass goes, `(steps + 1, 2)`: positions and velocities under a policy, or under u = -K x."""
    env = mass()
    x, _ = env.reset(seed=0, options={"state": start})
    path = [x]
    for _ in range(steps):
        u = np.clip(-policy @ x, -env.max_action, env.max_action) if isinstance(policy, np.ndarray) else policy.act(x)
        x = env.A @ x + env.B @ np.asarray(u, np.float64)
        path.append(x)
    return np.array(path)
