"""Run an agent and an environment in the compiled loop, and give both back as if they had stepped one by one."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from gymnasium import Env
from numpy.typing import NDArray

from rlkit.compiled.loop import (
    DIVERGED,
    ENDED,
    EPISODES_LEFT,
    ERROR,
    ERRORS,
    IN_EPISODE,
    LENGTH,
    RETURN,
    STEPS_LEFT,
    loop,
)
from rlkit.features.encoding import direct

_UNLIMITED = 1 << 62
_DRAWS = 1 << 16  # the most numbers drawn at a time
_EPISODES = 1 << 12  # the most episodes noted at a time


class Stretch(NamedTuple):
    """What happened in a call of `CompiledRun.run`.

    Attributes:
        steps: transitions learnt from.
        returns, lengths: of the episodes that ended, float64 and int64 `(N,)`.
        error_sum: sum of the TD errors, in order.
        error: the latest TD error.
        diverged: whether it was not finite, which ended the call.
    """

    steps: int
    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    error_sum: float
    error: float
    diverged: bool


class CompiledRun:
    """An agent and an environment that both have a compiled form; between calls, both are as stepping would leave them.

    Attributes:
        in_episode: whether an episode is under way, of `length` steps and `total` reward so far.
    """

    def __init__(self, agent: Any, env: Env[Any, Any]) -> None:
        self.agent = agent
        self.env: Any = env.unwrapped
        self.in_episode, self.length, self.total = False, 0, 0.0
        self._entry: Callable[..., None] | None = None
        self._block = 1024

    @classmethod
    def of(cls, agent: Any, env: Env[Any, Any]) -> Self | None:
        """Return one, or None where the agent or the environment has no compiled form, or a wrapper is in between."""
        bare: Any = env.unwrapped
        if env is not bare or not callable(getattr(bare, "compiled", None)):
            return None
        if not callable(getattr(agent, "compiled", None)) or agent.compiled() is None or bare.compiled() is None:
            return None
        return cls(agent, env)

    def run(self, steps: int | None = None, episodes: int | None = None) -> Stretch:
        """Learn from so many steps, or until so many episodes have ended, whichever comes first."""
        account = np.array([steps or _UNLIMITED, episodes or _UNLIMITED, self.in_episode, self.length, 0, 0], np.int64)
        sums = np.array([self.total, 0.0, 0.0])
        returns: list[NDArray[np.float64]] = []
        lengths: list[NDArray[np.int64]] = []
        room = min(_EPISODES, int(account[EPISODES_LEFT]))
        while account[STEPS_LEFT] and account[EPISODES_LEFT] and not account[DIVERGED]:
            some_returns, some_lengths = np.empty(room), np.empty(room, np.int64)
            dynamics, world = self.env.enter(self._draws(account))
            try:
                learner = self.agent.compiled()
                self._call(dynamics, world, learner, account, sums, some_returns, some_lengths)
            finally:
                self.env.leave(world, in_episode=bool(account[IN_EPISODE]))
            n = int(account[ENDED])
            returns.append(some_returns[:n])
            lengths.append(some_lengths[:n])
        self.in_episode, self.length, self.total = bool(account[IN_EPISODE]), int(account[LENGTH]), float(sums[RETURN])
        return Stretch(
            (steps or _UNLIMITED) - int(account[STEPS_LEFT]),
            np.concatenate(returns),
            np.concatenate(lengths),
            float(sums[ERRORS]),
            float(sums[ERROR]),
            bool(account[DIVERGED]),
        )

    def _draws(self, account: NDArray[np.int64]) -> int:
        """Return how many random numbers to have ready: more at every call, up to what can be needed."""
        self._block = min(2 * self._block, _DRAWS)
        return min(2 * int(account[STEPS_LEFT]) + 2, self._block)

    def _call(self, *arguments: Any) -> None:
        if self._entry is None:
            with saying(f"rlkit: compiling {type(self.agent).__name__} on {type(self.env).__name__}, once"):
                self._entry = direct(loop, *arguments)
        self._entry(*arguments)


class saying:  # noqa: N801 (used like a function)
    """Within, say a sentence on the standard error if it takes more than a second."""

    def __init__(self, sentence: str) -> None:
        self._timer = threading.Timer(1.0, lambda: print(sentence, file=sys.stderr))

    def __enter__(self) -> None:
        self._timer.daemon = True
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
