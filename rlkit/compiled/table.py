"""Environments with numbered states as compiled code steps them: every outcome of every action, in flat arrays.

What they draw is what `rlkit.envs.stepping` draws: one uniform number for a start, and one for a step that has several
outcomes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from rlkit.compiled.dynamics import draws_left, observation, reset, step

STATE, STEPS, CURSOR = 0, 1, 2  # entries of `TableWorld.at`


class TableDynamics(NamedTuple):
    """What can happen: row `state * n_actions + action` has K outcomes. Equal rows of probabilities are kept once.

    Attributes:
        n_actions: A.
        first: where a row's outcomes begin, int64 `(S * A + 1,)`.
        odds: where a row's probabilities begin, int64 `(S * A,)`.
        pay: where a row's rewards begin, int64 `(S * A,)`.
        cumulative: probability of an outcome and those before it in its row, float64, the last of a row inf.
        guide: int64, like `cumulative`: of a row's numbers, the j-th is the outcome of a uniform number j / K.
        rewards: float64.
        following: next states, int32; terminal entries of an episode's end are `-1 - state`.
        starts: states in which episodes begin, int64 `(N,)`.
        start_cumulative: of their probabilities, float64 `(N - 1,)`, or `(0,)` where they are equally likely.
        limit: steps after which an episode is truncated; -1 for never.
    """

    n_actions: int
    first: NDArray[np.int64]
    odds: NDArray[np.int64]
    pay: NDArray[np.int64]
    cumulative: NDArray[np.float64]
    guide: NDArray[np.int64]
    rewards: NDArray[np.float64]
    following: NDArray[np.int32]
    starts: NDArray[np.int64]
    start_cumulative: NDArray[np.float64]
    limit: int


class TableWorld(NamedTuple):
    """What changes.

    Attributes:
        at: current state, steps of the episode, draws used; int64 `(3,)`.
        draws: the environment's next uniform numbers, float64.
    """

    at: NDArray[np.int64]
    draws: NDArray[np.float64]


@observation.of(TableDynamics)
def observe_table(dynamics: Any, world: Any) -> Any:
    """Return the current state."""
    return world.at[STATE]


@draws_left.of(TableDynamics)
def table_draws_left(dynamics: Any, world: Any) -> Any:
    """Count what is left of `draws`."""
    return len(world.draws) - world.at[CURSOR]


@reset.of(TableDynamics)
def reset_table(dynamics: Any, world: Any) -> Any:
    """Draw a start."""
    u = next_draw(world)
    if len(dynamics.start_cumulative) == 0:
        k = int(u * len(dynamics.starts))
    else:
        k = np.searchsorted(dynamics.start_cumulative, u, side="right")
    world.at[STATE] = dynamics.starts[k]
    world.at[STEPS] = 0
    return dynamics.starts[k]


@step.of(TableDynamics)
def step_table(dynamics: Any, world: Any, x: Any, action: Any) -> Any:
    """Draw an outcome, if there are several."""
    row = np.uint64(x) * np.uint64(dynamics.n_actions) + np.uint64(action)
    first = dynamics.first[row]
    n = dynamics.first[row + np.uint64(1)] - first
    k = outcome(dynamics, dynamics.odds[row], n, next_draw(world)) if n > 1 else 0
    following = np.int64(dynamics.following[np.uint64(first + k)])
    terminated = following < 0
    state = -1 - following if terminated else following
    steps = world.at[STEPS] + 1
    world.at[STATE], world.at[STEPS] = state, steps
    return (
        state,
        dynamics.rewards[np.uint64(dynamics.pay[row] + k)],
        terminated,
        steps == dynamics.limit and not terminated,
    )


@register_jitable(forceinline=True)
def next_draw(world: Any) -> Any:
    """Take the next of the environment's numbers."""
    cursor = world.at[CURSOR]
    world.at[CURSOR] = cursor + 1
    return world.draws[np.uint64(cursor)]


@register_jitable(forceinline=True)
def outcome(dynamics: Any, first: Any, n: Any, u: Any) -> Any:
    """Return `bisect(cumulative, u)` within a row; the guide says where to begin."""
    k = dynamics.guide[np.uint64(first + int(u * n))]
    while k > 0 and u < dynamics.cumulative[np.uint64(first + k - 1)]:
        k -= 1
    while u >= dynamics.cumulative[np.uint64(first + k)]:
        k += 1
    return k


def tabulate(rows: list[Any], n_actions: int, starts: Any, start_cumulative: Any, limit: int | None) -> TableDynamics:
    """Flatten an environment's outcomes.

    Args:
        rows: for each state and action (cumulative probabilities of all outcomes but the last, outcomes), an outcome
            being (next state, reward, terminated); None in terminal states.
        n_actions: A.
        starts, start_cumulative: see `TableDynamics`.
        limit: steps of an episode, None for any number.
    """
    first, odds, pay = [0], [], []
    following: list[int] = []
    cumulative: dict[tuple[float, ...], int] = {}
    rewards: dict[tuple[float, ...], int] = {}
    n_odds = n_rewards = 0
    for row in rows:
        chances, outcomes = row or ((), ())
        chances, paid = tuple(chances), tuple(reward for _, reward, _ in outcomes)
        if chances not in cumulative:
            cumulative[chances], n_odds = n_odds, n_odds + len(chances) + 1
        if paid not in rewards:
            rewards[paid], n_rewards = n_rewards, n_rewards + len(paid)
        odds.append(cumulative[chances])
        pay.append(rewards[paid])
        following += [-1 - state if terminated else state for state, _, terminated in outcomes]
        first.append(len(following))
    guides = [np.searchsorted(np.array(c), np.arange(len(c) + 1) / (len(c) + 1), side="right") for c in cumulative]
    return TableDynamics(
        n_actions=n_actions,
        first=np.array(first),
        odds=np.array(odds),
        pay=np.array(pay),
        cumulative=np.concatenate([np.array([*c, np.inf]) for c in cumulative]),
        guide=np.concatenate(guides).astype(np.int64),
        rewards=np.array([r for paid in rewards for r in paid], np.float64),
        following=np.array(following, np.int32),
        starts=np.asarray(starts, np.int64),
        start_cumulative=np.asarray(start_cumulative, np.float64),
        limit=-1 if limit is None else limit,
    )
