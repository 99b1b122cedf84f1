"""Train learners on a grid world while their exact error is watched."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rlkit.agent import Agent
    from rlkit.agents import NeuralTD
    from rlkit.logger import Logger
    from rlkit.truth import Yardstick

MEASUREMENTS = 200
PARALLEL = 256  # grid worlds that the neural learner has


@dataclass(frozen=True, eq=False)
class Learnt:
    """What a learner found.

    Attributes:
        agent: the learner.
        history: the exact errors, by name, and the `step`s when they were measured.
        lines: `best_rmsve`, the least error that its features allow, and `td_rmsve`, that of the TD fixed point.
        steps: of the environment.
        seconds: how long it learnt, compiling left out.
    """

    agent: Agent
    history: dict[str, list[float]]
    lines: dict[str, float]
    steps: int
    seconds: float

    @property
    def errors(self) -> dict[str, float]:
        """The exact errors in the end."""
        return {name: column[-1] for name, column in self.history.items()}

    @property
    def values(self) -> NDArray[np.float64]:
        """The value of every state, float64 `(S,)`."""
        values = self.agent.state_values(np.arange(self.agent.observation_space.n))
        assert values is not None
        return values


def learn(make: Callable[[], tuple[Agent, Any]], steps: int, folder: Path) -> Learnt:
    """Train an agent in its environment, in the compiled loop; both are made twice, the first ones to compile for."""
    from rlkit.trainer import WORTH_COMPILING, Trainer
    from rlkit.truth import TruthCallback

    Trainer(*make(), log_every=WORTH_COMPILING, progress=False).run(min(steps, WORTH_COMPILING))
    agent, env = make()
    watch = TruthCallback(every=max(1, steps // MEASUREMENTS))
    trainer = Trainer(agent, env, callbacks=[watch], directory=folder, log_every=watch.every, progress=False)
    trainer.run(0)
    watch.measure(trainer)
    begun = time.perf_counter()
    trainer.run(steps)
    return Learnt(agent, watch.history, watch.lines, steps, time.perf_counter() - begun)


def learn_in_parallel(make: Callable[[], NeuralTD], map: str, updates: int, folder: Path) -> Learnt:
    """Train a neural network on a batch of grid worlds, one update a step; its own features are its last hidden layer.

    The errors are measured, and logged, by hand: the trainer is for single environments.
    """
    import torch

    from rlkit.envs import GridWorld
    from rlkit.logger import Logger
    from rlkit.truth.callback import yardstick_of
    from rlkit.truth.linear_quadratic import RiccatiYardstick

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for layers this small, waiting for a second thread takes longer than the work
    agent, env = make(), GridWorld.load(map)
    truth = yardstick_of(agent, env)
    assert not isinstance(truth, RiccatiYardstick)
    _update(make(), map, 2, truth, None)  # compiles
    with Logger(folder) as log:
        begun = time.perf_counter()
        history = _update(agent, map, updates, truth, log)
        seconds = time.perf_counter() - begun
        lines = _lines_of(agent, env, truth)
        log.scalars({f"truth/{name}": error for name, error in lines.items()}, updates * PARALLEL)
    torch.set_num_threads(threads)
    return Learnt(agent, history, lines, updates * PARALLEL, seconds)


def _update(agent: NeuralTD, map: str, updates: int, truth: Yardstick, log: Logger | None) -> dict[str, list[float]]:
    """Step and learn; return the exact errors on the way."""
    from gymnasium.vector import AutoresetMode

    from rlkit.envs import GridWorldVectorEnv
    from rlkit.transition import Transitions
    from rlkit.truth.callback import errors_of

    envs = GridWorldVectorEnv(map, PARALLEL, autoreset_mode=AutoresetMode.SAME_STEP)
    history: dict[str, list[float]] = {}
    seen, _ = envs.reset(seed=agent.seed)
    for update in range(1, updates + 1):
        actions = agent.act_batch(seen)
        following, reward, terminated, truncated, _ = envs.step(actions)
        agent.update_batch(Transitions(seen, actions, reward, following, terminated, truncated))
        seen = following
        if log is not None and (update % max(1, updates // MEASUREMENTS) == 0 or update == updates):
            errors = errors_of(agent, truth)
            log.scalars({f"truth/{name}": error for name, error in errors.items()}, update * PARALLEL)
            for name, number in {"step": update * PARALLEL, **errors}.items():
                history.setdefault(name, []).append(number)
    return history


def _lines_of(agent: NeuralTD, env: Any, truth: Yardstick) -> dict[str, float]:
    """What linear TD could do with the features that the network has learnt."""
    from rlkit.truth import best_representable, rmsve, td_fixed_point

    Phi = agent.encoder(env).matrix(env)  # [S, D]
    assert truth.policy is not None
    process = truth.mdp.induced_by(truth.policy)
    w = td_fixed_point(process.transitions, process.rewards, Phi, truth.d, truth.gamma).w
    return {
        "best_rmsve": best_representable(Phi, truth.v, truth.d).error,
        "td_rmsve": rmsve(Phi @ w, truth.v, truth.d),
    }
