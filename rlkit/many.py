"""Many runs of one experiment, each with a seed of its own, in as many threads as there are cores."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from rlkit.agent import Agent
from rlkit.callbacks import Callback, Episode
from rlkit.compiled.run import CompiledRun
from rlkit.config import check_count
from rlkit.divergence import diverged
from rlkit.errors import ConfigError
from rlkit.trainer import Trainer
from rlkit.transition import Transition

Make = Callable[[int], tuple[Agent, gymnasium.Env[Any, Any]]]
Record = Callable[[Any], ArrayLike]

ENDLESS = 1 << 62  # steps of a run that ends by episodes


class Runs(NamedTuple):
    """What came of N runs, in the order of their seeds.

    Attributes:
        returns: of the episodes that ended, undiscounted: float64 `(N, episodes)`; where `steps` were asked for, a list
            of N arrays.
        lengths: their steps, int64, alike.
        records: what `record` returned, `(N, n_records, ...)`; `(N, 0)` without it.
        agents: the N agents, as they are in the end.
    """

    returns: NDArray[np.float64] | list[NDArray[np.float64]]
    lengths: NDArray[np.int64] | list[NDArray[np.int64]]
    records: NDArray[Any]
    agents: list[Any]


def train_many(
    make: Make,
    seeds: Iterable[int],
    *,
    steps: int | None = None,
    episodes: int | None = None,
    record: Record | None = None,
    every: int | None = None,
    threads: int | None = None,
    progress: bool | None = None,
    stop_on_divergence: bool = True,
) -> Runs:
    """Train one agent for each seed, as `train` would; the result is the same, to the bit, in any number of threads.

    Where agent and environment have a compiled loop, all threads run at once; other Python code takes turns.

    Args:
        make: makes an agent and an environment from a seed, new ones at every call. The environment's first reset
            takes the agent's seed.
        seeds: one for each run, such as `range(100)`.
        steps, episodes: how long each run is; one of the two. Without `steps` there is no end for a schedule to know
            of, so `exploration_fraction` needs them.
        record: what to note of an agent: a number, or an array of one shape. It must not change the agent.
        every: it is noted before the first step, and after every so many episodes, or steps, whichever measures a run.
        threads: how many runs at once; None: as many as the cores that this process may use.
        progress: show a progress bar once two seconds have passed. None: if the standard error is a terminal.
        stop_on_divergence: whether a TD error that is not finite raises; False goes on with whatever numbers come.

    Raises:
        ConfigError: not just one of `steps` and `episodes`, or of `record` and `every`, a number that is not a whole
            one of at least 1, or an agent or environment that `make` returns for two seeds.
        Diverged: as for `Trainer`.
        Exception: whatever the first run that fails raises; the others are given up.
    """
    _check_one("steps", steps, "episodes", episodes)
    if (record is None) != (every is None):
        raise ConfigError("train_many: record says what to note and every how often, so they come together")
    for name, number in (("steps", steps), ("episodes", episodes), ("every", every), ("threads", threads)):
        if number is not None:
            check_count(name, number)
    if not isinstance(seeds, Iterable):
        raise ConfigError(f"train_many: seeds={seeds!r}, expected one for each run, such as range({seeds})")
    plan = _Plan(make, steps, episodes, record, every, stop_on_divergence)
    return plan.gathered(_in_threads(plan.run, list(seeds), threads or cores(), plan, progress))


class _Result(NamedTuple):
    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    records: list[NDArray[Any]]
    agent: Any


class _Plan:
    """What all runs have in common, and how far they are together."""

    def __init__(
        self,
        make: Make,
        steps: int | None,
        episodes: int | None,
        record: Record | None,
        every: int | None,
        stop_on_divergence: bool,
    ) -> None:
        self.make, self.record, self.every = make, record, every
        self.steps, self.episodes = steps, episodes
        self.length: int = steps or episodes or 0
        self.stop_on_divergence = stop_on_divergence
        self.given_up = threading.Event()
        self.done: dict[int, int] = {}  # by seed's place, in `length`'s unit
        self._making = threading.Lock()
        self._made_before: weakref.WeakSet[Any] = weakref.WeakSet()

    def run(self, place: int, seed: int) -> _Result:
        """Do one run."""
        agent, env = self._made(seed)
        total = ENDLESS if self.steps is None else self.steps
        if self.steps is None and getattr(agent.config, "exploration_fraction", False):
            raise ConfigError(
                f"train_many: {type(agent).__name__} explores less over a share of its run (exploration_fraction), "
                "whose length only steps=... tells"
            )
        compiled = CompiledRun.of(agent, env)
        if compiled is None:
            return self._step_by_step(agent, env, place, total)
        agent.prepare(total)
        return self._compiled(compiled, agent, env, place)

    def noted(self, agent: Any) -> list[NDArray[Any]]:
        """Return a record of an agent, in a list; empty if none is wanted."""
        return [] if self.record is None else [np.array(self.record(agent))]

    def gathered(self, results: list[_Result]) -> Runs:
        """Put the runs together."""
        returns: Any = [result.returns for result in results]
        lengths: Any = [result.lengths for result in results]
        if self.episodes is not None:
            returns = np.array(returns).reshape(len(results), self.episodes)
            lengths = np.array(lengths, np.int64).reshape(len(results), self.episodes)
        records = np.array([result.records for result in results]) if results else np.empty((0, 0))
        return Runs(returns, lengths, records, [result.agent for result in results])

    def _made(self, seed: int) -> tuple[Agent, gymnasium.Env[Any, Any]]:
        with self._making:
            made: Any = self.make(seed)
            if not (isinstance(made, tuple) and [hasattr(thing, "unwrapped") for thing in made] == [False, True]):
                raise ConfigError(f"train_many: make({seed}) returned {made!r}, expected a pair (agent, environment)")
            agent, env = made
            for what, thing in (("agent", agent), ("environment", env.unwrapped)):
                if thing in self._made_before:
                    raise ConfigError(f"train_many: make(seed) returned an {what} again, expected a new one each time")
                self._made_before.add(thing)
        return agent, env

    def _compiled(self, run: CompiledRun, agent: Any, env: gymnasium.Env[Any, Any], place: int) -> _Result:
        records = self.noted(agent)
        returns, lengths = [np.empty(0)], [np.empty(0, np.int64)]
        step = done = 0
        run.begin(agent.seed)
        while done < self.length and not self.given_up.is_set():
            piece = (
                self.length - done if self.every is None else min(self.every - done % self.every, self.length - done)
            )
            limits = (piece, None) if self.episodes is None else (None, piece)
            stretch = run.stretch(*limits, stop_on_divergence=self.stop_on_divergence)
            step += stretch.steps
            returns.append(stretch.returns)
            lengths.append(stretch.lengths)
            if stretch.diverged:
                raise diverged(agent, env, step, f"td_error is {stretch.error:g}")
            progress = stretch.steps if self.episodes is None else len(stretch.returns)
            done += progress
            self.done[place] = done
            if progress and self.every and done % self.every == 0:
                records += self.noted(agent)
        return _Result(np.concatenate(returns), np.concatenate(lengths), records, agent)

    def _step_by_step(self, agent: Agent, env: gymnasium.Env[Any, Any], place: int, total: int) -> _Result:
        watcher = _Watcher(self, place)
        Trainer(agent, env, callbacks=[watcher], progress=False, truth=False).run(total)
        returns, lengths = np.array(watcher.returns, np.float64), np.array(watcher.lengths, np.int64)
        return _Result(returns, lengths, watcher.records, agent)


class _Watcher(Callback):
    """Notes what a run that is stepped in Python does, and ends it."""

    def __init__(self, plan: _Plan, place: int) -> None:
        self.plan, self.place = plan, place
        self.returns: list[float] = []
        self.lengths: list[int] = []
        self.records: list[NDArray[Any]] = []

    def on_start(self, trainer: Trainer) -> None:
        self.records += self.plan.noted(trainer.agent)

    def on_step(self, trainer: Trainer, transition: Transition, metrics: Mapping[str, Any]) -> None:  # noqa: ARG002
        if self.plan.given_up.is_set():
            trainer.stop()
        if self.plan.episodes is None:
            self._at(trainer, trainer.step)

    def on_episode(self, trainer: Trainer, episode: Episode) -> None:
        self.returns.append(episode.reward)
        self.lengths.append(episode.length)
        if self.plan.episodes is not None:
            self._at(trainer, episode.number)
            if episode.number == self.plan.episodes:
                trainer.stop()

    def _at(self, trainer: Trainer, done: int) -> None:
        self.plan.done[self.place] = done
        if self.plan.every and done % self.plan.every == 0:
            self.records += self.plan.noted(trainer.agent)


def _in_threads(
    run: Callable[[int, int], _Result], seeds: list[int], threads: int, plan: _Plan, progress: bool | None
) -> list[_Result]:
    """Do the runs; if one fails, or somebody interrupts, give up the others at once."""
    unit = "step" if plan.episodes is None else "episode"
    hidden = None if progress is None else not progress
    with (
        ThreadPoolExecutor(threads, thread_name_prefix="rlkit") as pool,
        tqdm(total=len(seeds) * plan.length, delay=2, disable=hidden, unit=unit, file=sys.stderr) as bar,
    ):
        try:
            futures = [pool.submit(run, place, seed) for place, seed in enumerate(seeds)]
            pending = set(futures)
            while pending:
                done, pending = wait(pending, timeout=0.2, return_when=FIRST_EXCEPTION)
                bar.update(sum(plan.done.copy().values()) - bar.n)
                _raise_first(futures, seeds, done)
        except BaseException:
            plan.given_up.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [future.result() for future in futures]


def _raise_first(futures: list[Future[_Result]], seeds: list[int], done: set[Future[_Result]]) -> None:
    for future, seed in zip(futures, seeds, strict=True):
        if future in done and (error := future.exception()) is not None:
            error.add_note(f"in train_many, seed {seed}")
            raise error


def _check_one(left: str, its: int | None, right: str, others: int | None) -> None:
    if (its is None) == (others is None):
        raise ConfigError(f"train_many: {left}={its!r} and {right}={others!r}, expected just one of the two")


def cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else (os.cpu_count() or 1)
