"""Run an agent and an environment in the compiled loop, and give both back as if they had stepped one by one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numba
import numpy as np
from gymnasium import Env
from gymnasium.error import ResetNeeded
from gymnasium.wrappers import OrderEnforcing, TimeLimit
from numba.core.errors import NumbaError
from numpy.typing import NDArray

from rlkit.compiled.dynamics import draws_left, observation
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
from rlkit.compiling import saying
from rlkit.errors import RlkitError
from rlkit.rewind import TRANSPARENT
from rlkit.updates.rule import room

_UNLIMITED = 1 << 62
_FEWEST_DRAWS, _MOST_DRAWS = 1 << 8, 1 << 16  # numbers drawn at a time: twice what was used the last time
_EPISODES = 1 << 12  # the most episodes noted at a time
_STRETCH_SECONDS = 0.1  # how long nobody looks whether to stop


class Stretch(NamedTuple):
    """What happened in a call of `CompiledRun.run`.

    Attributes:
        steps: transitions learnt from.
        returns, lengths: of the episodes that ended, float64 and int64 `(N,)`.
        error: the latest TD error.
        diverged: whether it was beyond `rlkit.divergence.LIMIT`, which ended the call.
    """

    steps: int
    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    error: float
    diverged: bool


_COMPILING = threading.Lock()


class CompiledRun:
    """An agent and an environment that both have a compiled form; between calls, both are as stepping would leave them.

    Attributes:
        in_episode: whether an episode is under way, of `length` steps and `total` reward so far.
        error_sum: what the TD errors have been added to, one by one. (-0.0 is what adds nothing to any number.)
    """

    def __init__(self, agent: Any, env: Env[Any, Any], limit: int | None, wrappers: list[Any]) -> None:
        self.agent = agent
        self.env: Any = env.unwrapped
        self.in_episode, self.length, self.total = False, 0, 0.0
        self.error_sum = -0.0
        self._limit = limit
        self._wrappers = wrappers
        self._entry: Callable[..., None] | None = None
        self._entered: Any = None  # the learner that this is for
        self._draws = _FEWEST_DRAWS
        self._piece = 1 << 14

    @classmethod
    def of(cls, agent: Any, env: Any) -> Self | None:
        """Return one, or None where there cannot be one that does what stepping in Python would.

        That is where the agent or the environment has no compiled form, or a subclass redefines in Python what it
        stands for, or a wrapper may change what is seen or paid.
        """
        bare = env.unwrapped
        wrappers = []
        while env is not bare:
            if type(env) not in TRANSPARENT:
                return None
            wrappers.append(env)
            env = env.env
        if not _speaks_for(bare, "step", "reset", by=("compiled", "_row_of")):
            return None
        if not _speaks_for(agent, "act", "update", "as_input", by=("compiled", "learner", "rule")):
            return None
        if agent.compiled() is None or (dynamics := bare.compiled()) is None:
            return None
        limits = [int(layer._max_episode_steps) for layer in wrappers if type(layer) is TimeLimit]
        if limits and not hasattr(dynamics, "limit"):
            return None
        return cls(agent, bare, min(limits) if limits else None, wrappers)

    def begin(self, seed: int | None) -> None:
        """Begin the first episode with a seed, as `Trainer` does; later ones begin by themselves."""
        self.agent.abandon_episode()
        self.env.reset(seed=seed)
        self.in_episode, self.length, self.total = True, 0, 0.0

    def run(self, steps: int | None = None, episodes: int | None = None, *, stop_on_divergence: bool = True) -> Stretch:
        """Learn from so many steps, or until so many episodes have ended, whichever comes first.

        Args:
            steps, episodes: how many; None for any number.
            stop_on_divergence: whether a TD error beyond all bounds ends it.
        """
        at_first = _UNLIMITED if steps is None else steps
        account = np.array(
            [at_first, _UNLIMITED if episodes is None else episodes, self.in_episode, self.length, 0, 0], np.int64
        )
        if not stop_on_divergence:
            account[DIVERGED] = UNWATCHED
        sums = np.array([self.total, self.error_sum, 0.0])
        returns, lengths = [np.empty(0)], [np.empty(0, np.int64)]
        while account[STEPS_LEFT] and account[EPISODES_LEFT] and account[DIVERGED] <= 0:
            some_returns, some_lengths = self._call(account, sums)
            returns.append(some_returns)
            lengths.append(some_lengths)
        self.in_episode, self.length = bool(account[IN_EPISODE]), int(account[LENGTH])
        self.total, self.error_sum = float(sums[RETURN]), float(sums[ERRORS])
        return Stretch(
            at_first - int(account[STEPS_LEFT]),
            np.concatenate(returns),
            np.concatenate(lengths),
            float(sums[ERROR]),
            bool(account[DIVERGED] > 0),
        )

    def stretch(
        self, steps: int | None = None, episodes: int | None = None, *, stop_on_divergence: bool = True
    ) -> Stretch:
        """Do what `run` does for about a tenth of a second at most, so that somebody can look in between."""
        began = time.perf_counter()
        stretch = self.run(
            self._piece if steps is None else min(self._piece, steps), episodes, stop_on_divergence=stop_on_divergence
        )
        if stretch.steps == self._piece:
            pace = _STRETCH_SECONDS / max(time.perf_counter() - began, 1e-9)
            self._piece = max(int(self._piece * min(max(pace, 0.5), 4.0)), 1)
        return stretch

    def observation(self) -> Any:
        """Return the latest observation, as the environment's `step` would: a state's number or a float64 array."""
        seen = self._seen
        return np.array(seen) if isinstance(seen, tuple) else int(seen)

    def _call(
        self, account: NDArray[np.int64], sums: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Run the loop until it comes back; return the returns and lengths of the episodes that ended.

        Raises:
            ResetNeeded: an episode is under way here, and none in the environment.
        """
        if account[IN_EPISODE] and not self.env.is_running:
            raise ResetNeeded(
                f"{type(self.env).__name__}: no episode is under way, where the run was in one: somebody else has "
                "stepped its environment; give a run one of its own"
            )
        most = min(_EPISODES, int(account[EPISODES_LEFT]))
        returns, lengths = np.empty(most), np.empty(most, np.int64)
        learner = self._learner()
        n_draws = min(2 * int(account[STEPS_LEFT]) + 2, self._draws)
        dynamics, world = self.env.enter(n_draws)
        if self._limit is not None:
            own = dynamics.limit
            dynamics = dynamics._replace(limit=self._limit if own < 0 else min(own, self._limit))
        arguments = (dynamics, world, learner, account, sums, returns, lengths)
        try:
            if self._entry is None or self._entered is not learner:  # another may be of other types
                self._entry, self._entered = self._compiled(arguments), learner
            self._entry(*arguments)
        finally:
            self._seen = observation(dynamics, world)
            self._draws = min(max(2 * (n_draws - draws_left(dynamics, world)), _FEWEST_DRAWS), _MOST_DRAWS)
            self.env.leave(world)
            n = int(account[ENDED])
            latest = account[LENGTH] if account[IN_EPISODE] else lengths[n - 1] if n else None
            self._tell_wrappers(in_episode=bool(account[IN_EPISODE]), steps=None if latest is None else int(latest))
        return returns[:n], lengths[:n]

    def _compiled(self, arguments: tuple[Any, ...]) -> Callable[..., None]:
        """Return the loop as compiled for arguments of these types."""
        if not hasattr(loop, "overloads"):  # numba is disabled
            return loop  # type: ignore[no-any-return]
        kinds = tuple(map(numba.typeof, arguments))
        if kinds not in loop.overloads:
            sentence = f"rlkit: compiling {type(self.agent).__name__} on {type(self.env).__name__}, once"
            with _COMPILING, saying(sentence):  # of many threads one compiles, and the others find it done
                try:
                    loop.compile(kinds)
                except NumbaError as error:
                    raise RlkitError(
                        f"{type(self.agent).__name__} on {type(self.env).__name__}: numba cannot compile them into a "
                        "loop, in which nothing may be allocated; with a compiled() that returns None, the agent steps "
                        f"in Python ({type(error).__name__} above)"
                    ) from error
        entry: Callable[..., None] = loop.compile(kinds)
        return entry

    def _tell_wrappers(self, *, in_episode: bool, steps: int | None) -> None:
        """Have the wrappers know what they would have seen: that there was a reset, and how long the episode is."""
        for layer in self._wrappers:
            if isinstance(layer, OrderEnforcing):
                layer._has_reset = layer._has_reset or in_episode
            elif isinstance(layer, TimeLimit) and steps is not None:
                vars(layer)["_elapsed_steps"] = steps

    def _learner(self) -> Any:
        """Return the agent's learner, with room to learn."""
        learner = self.agent.compiled()
        if room(learner.rule) <= 0:
            self.agent.make_room()
            learner = self.agent.compiled()
            if room(learner.rule) <= 0:
                raise RlkitError(f"{type(self.agent).__name__}: its rule has no room left, and make_room() made none")
        return learner


def _speaks_for(thing: Any, *names: str, by: tuple[str, ...]) -> bool:
    """Tell whether compiled code, which `by` make, stands for what the named methods do.

    It does where no subclass, and not the object itself, redefines one of them and none of `by`.
    """
    if not callable(getattr(thing, by[0], None)) or not set(names).isdisjoint(vars(thing)):
        return False
    for kind in type(thing).__mro__:
        if not set(by).isdisjoint(vars(kind)):
            return True
        if not set(names).isdisjoint(vars(kind)):
            return False
    return False
