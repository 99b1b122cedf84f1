"""Stepping by tables: what every environment with numbered states and actions does alike."""

from __future__ import annotations

import operator
from bisect import bisect
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded

from rlkit.compiled.table import TableDynamics, TableWorld, tabulate
from rlkit.errors import ConfigError

Outcome = tuple[int, float, bool]
"""(next state, reward, terminated)."""

Outcomes = tuple[tuple[float, ...], tuple[Outcome, ...]]
"""The outcomes of one action, and the cumulative probabilities of all but the last."""

OVER: dict[int, Outcomes] = {}
"""The row of a terminal state, and of any while no episode is under way: every action is refused."""

_DRAWS = 256  # uniform numbers drawn at a time
_MOST_COMPILED = 1 << 17  # states times actions


class SteppedByTable(gymnasium.Env[Any, Any]):
    """An environment with `Discrete` states and actions that looks up what its actions do.

    A subclass fills in the outcomes of a state in `_row_of`, says where episodes begin in `_drawn_start` and
    `_chosen_start`, and what tells it from others in `_fingerprint`. `truncated` is True only at `max_steps`, and never
    together with `terminated`; stepping on after either raises `gymnasium.error.ResetNeeded`.

    Args:
        n_states: S.
        n_actions: A.
        max_steps: steps after which an episode is truncated; None for never.
    """

    def __init__(self, n_states: int, n_actions: int, max_steps: int | None) -> None:
        self.observation_space = gymnasium.spaces.Discrete(n_states)
        self.action_space = gymnasium.spaces.Discrete(n_actions)
        self._n_states, self._n_actions = n_states, n_actions
        self._limit = max_steps
        self._rows: dict[int, dict[int, Outcomes]] = {}
        self._row = OVER  # the current state's
        self._shown = False  # whether to render after every step
        self._state = -1
        self._steps = 0
        self._draws: list[float] = []

    @property
    def is_running(self) -> bool:
        """Whether an episode is under way."""
        return bool(self._row)

    @property
    def _fingerprint(self) -> int:
        """A checksum of the dynamics: a saved state of another environment has another one."""
        raise NotImplementedError

    def _row_of(self, state: int) -> dict[int, Outcomes]:
        """Return the outcomes of every action in a state, `OVER` if it is terminal, and keep them in `_rows`."""
        raise NotImplementedError

    def _drawn_start(self, draw: float) -> int:
        """Return the state where an episode begins, for a uniform number in [0, 1)."""
        raise NotImplementedError

    def _chosen_start(self, options: dict[str, Any]) -> int:
        """Return the state that `reset`'s options ask for.

        Raises:
            ConfigError: for other options, or for a state that is terminal or does not exist.
        """
        if set(options) != {"state"}:
            raise ConfigError(f"{type(self).__name__}.reset: options={options!r}, where only 'state' is known")
        state = options["state"]
        if not isinstance(state, int | np.integer) or not 0 <= state < self._n_states or not self._row_of(int(state)):
            name = type(self).__name__
            raise ConfigError(
                f"{name}.reset: state {state!r}, expected one in [0, {self._n_states}) that is not terminal"
            )
        return int(state)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Begin an episode; `options={"state": s}` says where (not in a terminal state).

        Raises:
            ConfigError: for other options, or for a state that is terminal or does not exist.
        """
        if seed is not None:
            super().reset(seed=seed)
            self._draws = []
        state = self._chosen_start(options) if options else self._drawn_start((self._draws or self._draw()).pop())
        try:
            self._row = self._rows[state]
        except KeyError:
            self._row = self._row_of(state)
        self._state, self._steps = state, 0
        if self._shown:
            self.render()
        return state, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Take an action; return next state, reward, terminated, truncated, and an empty info.

        Raises:
            ResetNeeded: no episode is under way.
            ValueError: the action is not an integer in `[0, action_space.n)`.
        """
        try:
            cumulative, outcomes = self._row[action]
        except (KeyError, TypeError):
            cumulative, outcomes = self._look_up(action)
        if cumulative:
            draws = self._draws or self._draw()
            state, reward, terminated = outcomes[bisect(cumulative, draws.pop())]
        else:
            state, reward, terminated = outcomes[0]
        self._state = state
        self._steps = steps = self._steps + 1
        try:
            self._row = self._rows[state]
        except KeyError:
            self._row = self._row_of(state)
        truncated = False
        if steps == self._limit and not terminated:
            truncated, self._row = True, OVER
        if self._shown:
            self.render()
        return state, reward, terminated, truncated, {}

    def compiled(self) -> TableDynamics | None:
        """Return the dynamics for compiled loops; None where they are too large, or every step is to be drawn."""
        if self._shown or self._n_states * self._n_actions > _MOST_COMPILED:
            return None
        return self._compiled

    def enter(self, n_draws: int) -> tuple[TableDynamics, TableWorld]:
        """Hand over to a compiled loop, with at least so many random numbers, until `leave`."""
        drawn = np.array(self._draws[::-1])
        self._before = self.np_random.bit_generator.state, drawn.size
        draws = np.concatenate([drawn, self.np_random.random(max(n_draws - drawn.size, 0))])
        return self._compiled, TableWorld(np.array([self._state, self._steps, 0]), draws)

    def leave(self, world: TableWorld) -> None:
        """Take over from a compiled loop: everything is as if `step` and `reset` had been called."""
        generator, n_drawn = self._before
        self._state, self._steps, used = world.at.tolist()
        self._row = OVER if self._state < 0 or self._steps == self._limit else self._row_of(self._state)
        drawn, more = world.draws[:n_drawn], used - n_drawn
        blocks = max(-(-more // _DRAWS), 0)  # by which `step` would have drawn them
        rewind(self.np_random, generator, max(blocks - 1, 0) * _DRAWS)
        if blocks:
            drawn, used = self.np_random.random(_DRAWS), more - (blocks - 1) * _DRAWS
        self._draws = drawn[used:][::-1].tolist()

    @cached_property
    def _compiled(self) -> TableDynamics:
        rows = [self._row_of(state).get(a) for state in range(self._n_states) for a in range(self._n_actions)]
        return tabulate(rows, self._n_actions, *self._all_starts(), self._limit)

    def _all_starts(self) -> tuple[Any, Any]:
        """Return the states in which episodes begin, and their cumulative probabilities but the last; () if uniform."""
        raise NotImplementedError

    def _draw(self) -> list[float]:
        self._draws = self.np_random.random(_DRAWS)[::-1].tolist()  # the last is the next
        return self._draws

    def _look_up(self, action: Any) -> Outcomes:
        """Find the outcomes of an action that is not plainly an `int`, or say what is wrong."""
        name = type(self).__name__
        if not self._row:
            raise ResetNeeded(
                f"{name}.step: no episode is under way (none begun, or the last step terminated or truncated it); "
                "call reset() first"
            )
        try:
            return self._row[operator.index(action)]
        except (KeyError, TypeError):
            raise ValueError(f"{name}.step: action {action!r} is not an integer in [0, {self._n_actions})") from None

    def get_state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on, as plain numbers, lists and dicts, fit for JSON."""
        return {
            "fingerprint": self._fingerprint,
            "state": self._state,
            "steps": self._steps,
            "running": bool(self._row),
            "generator": self.np_random.bit_generator.state,
            "seed": self.np_random_seed,
            "draws": list(self._draws),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was called, to the bit; the dynamics must be the same.

        Raises:
            ConfigError: `state` is not what `get_state` gives for this environment.
        """
        try:
            if state["fingerprint"] != self._fingerprint:
                raise ValueError("the dynamics are others")
            position, running = int(state["state"]), bool(state["running"])
            generator, draws = state["generator"], [float(draw) for draw in state["draws"]]
            steps, seed = int(state["steps"]), int(state["seed"])
            if not -1 + running <= position < self._n_states:
                raise ValueError(f"state {position} is outside [0, {self._n_states})")
            self.np_random.bit_generator.state = generator
        except (KeyError, TypeError, ValueError) as error:
            name = type(self).__name__
            raise ConfigError(f"{name}.set_state: not a state of this {name}: {error!r}") from error
        self._np_random_seed = seed
        self._state, self._steps, self._draws = position, steps, draws
        self._row = self._row_of(position) if running else OVER


def rewind(generator: np.random.Generator, state: Any, n_draws: int) -> None:
    """Put a generator back into a state that it was in, and from there on by so many uniform numbers."""
    bits: Any = generator.bit_generator
    bits.state = state
    if type(generator.bit_generator) is not np.random.PCG64:
        generator.random(n_draws)
        return
    bits.advance(n_draws)  # which also forgets half a number that is kept for small integers
    bits.state = {**bits.state, "has_uint32": state["has_uint32"], "uinteger": state["uinteger"]}
