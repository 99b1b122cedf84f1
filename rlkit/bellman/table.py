"""gymnasium's transition tables, `P[s][a] = [(probability, next state, reward, terminated), ...]`, read as an MDP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from rlkit.bellman.model import as_floats
from rlkit.errors import InvalidModel
from rlkit.mdp import FiniteMDP


def read_table(table: Any, start: ArrayLike | None) -> FiniteMDP:
    """Read a transition table; `FiniteMDP.from_gymnasium` says how `terminated` is understood.

    Args:
        table: mapping or sequence of mappings or sequences of outcome lists.
        start: probability that an episode starts in each state, `(S,)`; None if it is not known.

    Raises:
        InvalidModel: naming the first (state, action) where something is wrong.
    """
    n_states, n_actions, outcomes = _flatten(table)
    row, probability, landing, reward, ended = outcomes
    state = row // n_actions
    terminal = _terminal_states(state, landing, ended, probability > 0, n_states, start)

    gone = ended & ~terminal[landing]  # the transition ends the episode in a state that can also be passed through
    termination = np.bincount(row[gone], probability[gone], n_states * n_actions)
    stays = ~gone & ~terminal[state]
    transitions = sp.csr_array(
        sp.coo_array((probability[stays], (row[stays], landing[stays])), shape=(n_states * n_actions, n_states))
    )  # entries given twice add up
    rewards = np.bincount(row, probability * reward, n_states * n_actions)
    termination[np.repeat(terminal, n_actions)] = 0.0
    shape = n_states, n_actions
    return FiniteMDP(transitions, rewards.reshape(shape), terminal, termination=termination.reshape(shape), copy=False)


def _flatten(table: Any) -> tuple[int, int, tuple[NDArray[Any], ...]]:
    """Return S, A, and the outcomes as columns: row s * A + a, probability, next state, reward, terminated."""
    try:
        n_states = len(table)
        n_actions = len(table[0]) if n_states else 0
        counts = [len(table[s]) for s in range(n_states)]
    except (KeyError, TypeError) as error:
        raise InvalidModel(f"P is not a table of states 0, 1, ... and their actions: {error!r}") from None
    if n_actions == 0:
        raise InvalidModel("the transition table P is empty")
    rows: list[tuple[int, float, float, float, bool]] = []
    for s in range(n_states):
        if counts[s] != n_actions:
            raise InvalidModel(f"P[s={s}] has {counts[s]} actions, expected {n_actions} as in state 0")
        for a in range(n_actions):
            for outcome in _outcomes(table, s, a):
                probability, landing, reward, ended = outcome
                if not (0 <= landing < n_states and landing == int(landing)):
                    raise InvalidModel(
                        f"P[s={s}, a={a}] leads to state {landing:.10g}, expected one in 0..{n_states - 1}"
                    )
                if not probability >= 0:
                    raise InvalidModel(f"P[s={s}, a={a}, s'={landing:.10g}] is {probability}, expected a probability")
                rows.append((s * n_actions + a, probability, landing, reward, ended))
    kinds = (np.int64, np.float64, np.int64, np.float64, np.bool_)
    columns = zip(*rows, strict=True) if rows else ((),) * 5
    return n_states, n_actions, tuple(np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True))


def _outcomes(table: Any, s: int, a: int) -> Any:
    try:
        return [(float(p), float(landing), float(reward), bool(ended)) for p, landing, reward, ended in table[s][a]]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        known = "" if not isinstance(table[s], Mapping) else f"; actions given: {list(table[s])}"
        raise InvalidModel(
            f"P[s={s}, a={a}] is not a list of (probability, next state, reward, terminated): {error!r}{known}"
        ) from None


def _terminal_states(
    state: NDArray[np.int64],
    landing: NDArray[np.int64],
    ended: NDArray[np.bool_],
    possible: NDArray[np.bool_],
    n_states: int,
    start: ArrayLike | None,
) -> NDArray[np.bool_]:
    """Return which states only ever end an episode: entered as its end, never from elsewhere in its course."""
    terminal = np.zeros(n_states, dtype=bool)  # [S]
    terminal[landing[ended & possible]] = True
    terminal[landing[~ended & possible & (landing != state)]] = False
    if start is not None:
        begins = as_floats(start, "initial_state_distrib", copy=False)
        if begins.shape != (n_states,):
            raise InvalidModel(f"initial_state_distrib has shape {begins.shape}, expected {(n_states,)}")
        terminal[begins > 0] = False
    return terminal
