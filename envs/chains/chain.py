"""`Chain`: a small environment that is given as the list of everything that can happen."""

from __future__ import annotations

import zlib
from bisect import bisect
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rlkit.envs.stepping import OVER, Outcomes, SteppedByTable
from rlkit.mdp import FiniteMDP


class Happenings(NamedTuple):
    """What can happen: K times, `action` in `state` leads to `next_state` with `probability`, and pays `reward`.

    All are arrays `(K,)`, in any order; the probabilities of each state and action sum to 1.
    """

    state: NDArray[np.int64]
    action: NDArray[np.int64]
    next_state: NDArray[np.int64]
    probability: NDArray[np.float64]
    reward: NDArray[np.float64]

    def at(self, index: Any) -> Happenings:
        """Return those at an index, as of an array."""
        return Happenings(
            self.state[index], self.action[index], self.next_state[index], self.probability[index], self.reward[index]
        )


class Chain(SteppedByTable):
    """A finite environment that knows its model, steps by it, and starts as its subclass says.

    Args:
        happenings: everything that can happen.
        terminal: states that end the episode, bool `(S,)`.
        start: the probability that an episode begins in each state, `(S,)`.
        n_actions: A.
        max_steps: steps after which an episode is truncated; None for never.

    Attributes:
        initial_state_distrib: `start`, float64 `(S,)` (gymnasium's name).
        features: the example's own features, float64 `(S, D)`, 0 at terminal states; None where it has none.
    """

    metadata: dict[str, object] = {"render_modes": []}  # noqa: RUF012
    features: NDArray[np.float64] | None = None

    def __init__(
        self,
        happenings: Happenings,
        terminal: NDArray[np.bool_],
        start: NDArray[np.float64],
        *,
        n_actions: int,
        max_steps: int | None = None,
    ) -> None:
        super().__init__(terminal.size, n_actions, max_steps)
        order = np.argsort(happenings.state * n_actions + happenings.action, kind="stable")
        self._happenings = happenings.at(order)
        self._terminal = terminal
        self.initial_state_distrib = start
        self._seen: tuple[dict[Any, Any], dict[Any, Any]] = {}, {}  # cumulative probabilities, outcomes
        self._starts = np.flatnonzero(start).tolist()
        self._cumulative = list(accumulate(start[self._starts].tolist()))[:-1]

    def model(self) -> FiniteMDP:
        """Return the exact model, ready for `rlkit.bellman`; the same object at every call."""
        return self._model

    @cached_property
    def _model(self) -> FiniteMDP:
        it, n_actions, n_states = self._happenings, self._n_actions, self._n_states
        row = it.state * n_actions + it.action  # [K]
        transitions = sp.csr_array((it.probability, (row, it.next_state)), shape=(n_states * n_actions, n_states))
        rewards = np.bincount(row, it.probability * it.reward, n_states * n_actions).reshape(n_states, n_actions)
        return FiniteMDP(transitions, rewards, self._terminal)

    @cached_property
    def _fingerprint(self) -> int:
        checksum = zlib.crc32(repr((type(self).__name__, self._limit)).encode())
        for part in (*self._happenings, self._terminal, self.initial_state_distrib):
            checksum = zlib.crc32(np.ascontiguousarray(part).data, checksum)
        return checksum

    def _row_of(self, state: int) -> dict[int, Outcomes]:
        if state not in self._rows:
            self._rows[state] = OVER if self._terminal[state] else self._outcomes_of(state)
        return self._rows[state]

    def _outcomes_of(self, state: int) -> dict[int, Outcomes]:
        """Return every action's outcomes, with the cumulative probabilities of all but the last."""
        first, last = np.searchsorted(self._happenings.state, [state, state + 1])
        here = self._happenings.at(slice(first, last))
        row = {}
        for action in range(self._n_actions):
            of = here.action == action
            following = here.next_state[of]
            cumulative = tuple(accumulate(here.probability[of].tolist()))[:-1]
            ends = self._terminal[following].tolist()
            outcomes = zip(following.tolist(), here.reward[of].tolist(), ends, strict=True)
            row[action] = _shared(self._seen[0], cumulative), tuple(_shared(self._seen[1], each) for each in outcomes)
        return row

    def _all_starts(self) -> tuple[Any, Any]:
        return self._starts, self._cumulative

    def _drawn_start(self, draw: float) -> int:
        state: int = self._starts[bisect(self._cumulative, draw)]
        return state


def _shared(seen: dict[Any, Any], part: Any) -> Any:
    """Return an equal tuple that was made before, if there is one: few stay in the processor's cache, many do not."""
    return seen.setdefault(part, part)
