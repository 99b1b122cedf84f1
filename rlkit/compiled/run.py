"""Run an agent and an environment in the compiled loop, and give both back as if they had stepped one by one."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
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
    UNWATCHED,
    loop,
)
from rlkit.features.encoding import direct
from rlkit.updates.rule import room

_UNLIMITED = 1 << 62
_DRAWS = 1 << 16  # the most numbers drawn at a time
_EPISODES = 1 << 12  # the most episodes noted at a time
_STRETCH_SECONDS = 0.1  # how long nobody looks whether to stop


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
        self._piece = 1 << 14

    @classmethod
    def of(cls, agent: Any, env: Any) -> Self | None:
        """Return one, or None where the agent or the environment has no compiled form, or a wrapper is in between."""
        bare = env.unwrapped
        if env is not bare or not callable(getattr(bare, "compiled", None)):
            return None
        if not callable(getattr(agent, "compiled", None)) or agent.compiled() is None or bare.compiled() is None:
            return None
        return cls(agent, env)

    def begin(self, seed: int | None) -> None:
        """Begin the first episode with a seed, as `Trainer` does; later ones begin by themselves."""
        self.env.reset(seed=seed)
        self.in_episode, self.length, self.total = True, 0, 0.0

    def run(self, steps: int | None = None, episodes: int | None = None, *, stop_on_divergence: bool = True) -> Stretch:
        """Learn from so many steps, or until so many episodes have ended, whichever comes first.

        Args:
            steps, episodes: how many; None for any number.
            stop_on_divergence: whether a TD error that is not finite ends it.
        """
        at_first = _UNLIMITED if steps is None else steps
        account = np.array(
            [at_first, _UNLIMITED if episodes is None else episodes, self.in_episode, self.length, 0, 0], np.int64
        )
        if not stop_on_divergence:
            account[DIVERGED] = UNWATCHED
        sums = np.array([self.total, 0.0, 0.0])
        returns, lengths = [np.empty(0)], [np.empty(0, np.int64)]
        most = min(_EPISODES, int(account[EPISODES_LEFT]))
        while account[STEPS_LEFT] and account[EPISODES_LEFT] and account[DIVERGED] <= 0:
            some_returns, some_lengths = np.empty(most), np.empty(most, np.int64)
            learner = self._learner()
            dynamics, world = self.env.enter(self._draws(account))
            try:
                self._call(dynamics, world, learner, account, sums, some_returns, some_lengths)
            finally:
                self.env.leave(world, in_episode=bool(account[IN_EPISODE]))
            n = int(account[ENDED])
            returns.append(some_returns[:n])
            lengths.append(some_lengths[:n])
        self.in_episode, self.length, self.total = bool(account[IN_EPISODE]), int(account[LENGTH]), float(sums[RETURN])
        return Stretch(
            at_first - int(account[STEPS_LEFT]),
            np.concatenate(returns),
            np.concatenate(lengths),
            float(sums[ERRORS]),
            float(sums[ERROR]),
            bool(account[DIVERGED] > 0),
        )

    def stretches(
        self, steps: int | None = None, episodes: int | None = None, *, stop_on_divergence: bool = True
    ) -> Iterator[Stretch]:
        """Do what `run` does in stretches of about a tenth of a second, so that somebody can look in between."""
        steps_left = _UNLIMITED if steps is None else steps
        while steps_left and episodes != 0:
            began = time.perf_counter()
            stretch = self.run(min(self._piece, steps_left), episodes, stop_on_divergence=stop_on_divergence)
            pace = _STRETCH_SECONDS / max(time.perf_counter() - began, 1e-9)
            self._piece = max(int(self._piece * min(max(pace, 0.5), 4.0)), 1)
            steps_left -= stretch.steps
            episodes = None if episodes is None else episodes - len(stretch.returns)
            yield stretch
            if stretch.diverged:
                return

    def _learner(self) -> Any:
        """Return the agent's learner, with room to learn."""
        learner = self.agent.compiled()
        if room(learner.rule) <= 0:
            self.agent.make_room()
            learner = self.agent.compiled()
        return learner

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
