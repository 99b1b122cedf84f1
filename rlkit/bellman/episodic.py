"""Discount 1: episodes that end (stochastic shortest paths; Bertsekas and Tsitsiklis 1991; Puterman 2005, chapter 7).

Without discount, values are finite only if nothing can be collected, or lost, for ever. What can go on for ever is an
*end component* (`rlkit.bellman.end_components`), and it decides:

- none: every policy ends.
- all rewards 0 (FrozenLake, mazes): staying is worth 0. The component becomes one state, with all its ways out and
  the choice to stay, worth 0; values and policy are carried back.
- rewards below 0 on average, whatever is done (a cost a step): who stays loses without limit, so that the best
  policies end.
- rewards above 0 on average: the values are infinite; refused. As is an average of 0 from rewards of both signs, where
  the values depend on where the episode is cut off.

**The bound.** Given v, let `adv(s, a) = q(s, a) - v(s)`. Suppose some w > 0 and d >= 0 satisfy
`adv(s, a) + d (sum_s' p(s'|s, a) w(s') - w(s)) <= 0` for every choice. Then `v + d w` is at least its own Bellman
backup, and so at least the value of every policy that ends: `v* <= v + d w`. If a policy that ends has `adv >= -e`, and
on its choices `sum p w - w <= -k`, then likewise `v* >= v - (e / k) w`. Such a w is the largest expected number of
steps under the choices that are nearly optimal (`adv >= -theta`): those have no end component when theta is small, and
for the others adv itself is negative enough. w need not be exact: the inequalities are checked, rounding included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from rlkit.bellman.bounds import UNIT_ROUNDOFF, rounding_slack
from rlkit.bellman.end_components import Choices, end_components, way_to
from rlkit.bellman.model import Model
from rlkit.bellman.policy_evaluation import solve_linear
from rlkit.bellman.solution import Callback, Reporter, Solution, accept
from rlkit.errors import InvalidModel

if TYPE_CHECKING:
    from rlkit.mdp import FiniteMDP

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_THETAS = (1e-9, 1e-6, 1e-4, 1e-2, 1.0, np.inf)
"""How far below the best a choice may be and still count as nearly optimal, as parts of max|r| + max|v|."""


@dataclass(frozen=True, eq=False)
class Episodes:
    """An MDP made ready for discount 1: components that pay nothing are one state each, and all others lose.

    Attributes:
        choices: of the X states that are left.
        ending: the choices of a policy that ends, and soon, int64 `(X,)`.
        home: which of them each state of the MDP belongs to, -1 for terminal ones, int64 `(S,)`.
        original: the choices before components became states.
        idle: which of `original` stay inside a component that pays nothing.
        live: the states of the MDP that `original` numbers from 0.
        n_actions: A.
    """

    choices: Choices
    ending: Rows
    home: NDArray[np.int64]
    original: Choices
    idle: Bools
    live: NDArray[np.intp]
    n_actions: int

    def values(self, v: Floats) -> Floats:
        """Carry values back to the MDP's states, `(S,)`."""
        values = np.zeros(self.home.size)
        values[self.live] = v[self.home[self.live]]
        return values

    def policy(self, rows: Rows) -> NDArray[np.int64]:
        """Carry a choice for each state back to an action for each of the MDP's, `(S,)`; 0 at terminal ones.

        Inside a component that pays nothing the policy heads for the state whose choice leads out; if it is best to
        stay, for any of the component's own.
        """
        policy = np.zeros(self.home.size, dtype=np.int64)  # [S]
        source = self.choices.source[rows]
        leaving = source[source >= 0]
        exits = np.searchsorted(self.live, leaving // self.n_actions)
        way = way_to(self.original, self.idle, exits)
        idling = np.flatnonzero(way == -2)
        first_idle = np.flatnonzero(self.idle)[::-1]
        rest = np.full(way.size, -2, dtype=np.int64)
        rest[self.original.owner[first_idle]] = first_idle
        way[idling] = rest[idling]
        moving = way >= 0
        policy[self.live[moving]] = self.original.source[way[moving]] % self.n_actions
        policy[leaving // self.n_actions] = leaving % self.n_actions
        return policy

    def starting_values(self, start: Floats | None, *, from_policy: bool) -> Floats:
        """Return values to start from, `(X,)`: those given, those of a policy that ends, or 0."""
        v = np.zeros(self.choices.n_states)
        if start is not None:
            v[self.home[self.live]] = start[self.live]
        elif from_policy:
            v = _evaluate_rows(self.choices, self.ending)
        return v


def policy_iteration(model: Model, *, tol: float, limit: int, callback: Callback | None) -> Solution:
    """Solve by policy iteration among policies that end, with direct solves (see the module's docstring).

    Raises:
        InvalidModel: if the values are not finite; names a state.
        NotConverged: if `tol` was not reached.
    """
    mdp = model.to_finite_mdp()
    episodes = prepare(mdp)
    choices = episodes.choices
    report = Reporter(callback)
    rows = episodes.ending
    total = -np.inf
    for iteration in range(1, limit + 1):
        v = _evaluate_rows(choices, rows)
        q = choices.q(v)
        best = choices.best(q)
        report(iteration, episodes.values(v), float(np.abs(best - v).max(initial=0.0)), np.inf)
        better = best > q[rows] + 2 * choices.slack(v)
        if not better.any() or not v.sum() > total:
            break
        total = v.sum()
        rows = np.where(better, choices.first(q == best[choices.owner]), rows)
    return _finish(model, episodes, v, certify(choices, v, rows), rows, "policy_iteration", iteration, tol)


def value_iteration(
    model: Model,
    *,
    start: Floats | None,
    tol: float,
    limit: int,
    callback: Callback | None,
    evaluation_sweeps: int = 1,
) -> Solution:
    """Solve by v <- T v, or, with more `evaluation_sweeps`, by truncated policy iteration.

    Without a discount no contraction is known beforehand: the bound is computed when the residual has become small, and
    again whenever it has shrunk by as much as was still missing.

    Args:
        model: S states, A actions.
        start: the first v, `(S,)`; None for 0 (with more sweeps: for the values of a policy that ends).

    Raises:
        InvalidModel: if the values are not finite; names a state.
        NotConverged: if `tol` was not reached.
    """
    method = "value_iteration" if evaluation_sweeps == 1 else "truncated_policy_iteration"
    episodes = prepare(model.to_finite_mdp())
    choices, report, patience = episodes.choices, Reporter(callback), _Patience()
    v = episodes.starting_values(start, from_policy=evaluation_sweeps > 1)
    bound, wanted = np.inf, 0.1 * tol
    for iteration in range(1, limit + 1):
        q = choices.q(v)
        best = choices.best(q)
        residual = float(np.abs(best - v).max(initial=0.0))
        resolved = residual <= choices.slack(best)
        hopeless = resolved or iteration == limit or patience.lost(residual, best)
        if residual <= wanted or hopeless:
            bound = certify(choices, best, choices.first(q == best[choices.owner]))
            wanted = 0.5 * residual * min(1.0, tol / max(bound, tol))
        report(iteration, episodes.values(best), residual, bound)
        if bound <= tol or hopeless:
            break
        v = best
        if evaluation_sweeps > 1:
            rows = choices.first(q == best[choices.owner])
            process, rewards = choices.matrix[rows], choices.rewards[rows]
            for _ in range(evaluation_sweeps - 1):
                v = rewards + process @ v
    return _finish(model, episodes, best, bound, choices.first(q == best[choices.owner]), method, iteration, tol)


class _Patience:
    """Says when a residual, which T never lets grow, has stood still for longer than v still has to go."""

    def __init__(self) -> None:
        self.least, self.waited = np.inf, 0

    def lost(self, residual: float, v: Floats) -> bool:
        if residual < 0.999 * self.least:
            self.least, self.waited = residual, 0
        self.waited += 1
        return self.waited > 10_000 + 4 * float(np.abs(v).max()) / residual


def evaluate(mdp: FiniteMDP, policy: ArrayLike) -> tuple[Floats, float]:
    """Return the values of a policy at discount 1, `(S,)`, and a proven bound on their error.

    Raises:
        InvalidModel: if they are not finite; names a state.
    """
    from rlkit.mdp import FiniteMDP

    process = mdp.induced_by(policy)
    vanishing = None if mdp.termination is None else mdp.mean(policy, mdp.termination)[:, None]
    chain = FiniteMDP(process.transitions, process.rewards[:, None], mdp.terminal, termination=vanishing)  # A = 1
    episodes = prepare(chain, roundings=process.roundings)
    v = _evaluate_rows(episodes.choices, episodes.ending)
    return episodes.values(v), certify(episodes.choices, v, episodes.ending)


def _finish(
    model: Model, episodes: Episodes, v: Floats, bound: float, rows: Rows, method: str, iterations: int, tol: float
) -> Solution:
    """Take, among the choices that tie up to rounding, the lowest, and carry all back to the MDP's states."""
    choices = episodes.choices
    q = choices.q(v)
    tied = q >= choices.best(q)[choices.owner] - 2 * choices.slack(v)  # [K]
    if bound <= tol and not end_components(choices, tied)[1].any():
        rows = choices.first(tied)
    solution = Solution(episodes.values(v), bound, 1.0, method, iterations, model, episodes.policy(rows))
    return accept(solution, tol)


def certify(choices: Choices, v: Floats, rows: Rows) -> float:
    """Return a proven bound on `max|v - v*|`, as the module's docstring derives it; inf if none is found.

    Args:
        choices: without an end component that pays 0 or more on average.
        v: `(X,)`.
        rows: the choices of a policy, `(X,)`.
    """
    if choices.n_states == 0:
        return 0.0
    advantage = choices.q(v) - v[choices.owner]  # [K]
    slack = choices.slack(v)
    scale = float(np.abs(choices.rewards).max() + np.abs(v).max())
    for theta in _THETAS:
        near = advantage >= -theta * scale  # [K]
        near[rows] = True
        if end_components(choices, near)[1].any():
            break  # and so will every larger theta have
        weights = _longest_episodes(choices.restricted(near))  # [X]
        fuzz = rounding_slack(float(weights.max()), choices.terms)
        drift = choices.matrix @ weights - weights[choices.owner] + fuzz  # [K], at least what it is exactly
        step = -float(drift[near].max())
        if not step > 0.0:
            continue
        above = (max(float(advantage.max()), 0.0) + slack) / step
        below = (max(-float(advantage[rows].min()), 0.0) + slack) / step
        if np.all(advantage[~near] + slack + above * drift[~near] <= 0.0):
            return (1.0 + 16 * UNIT_ROUNDOFF) * max(above, below) * float(weights.max())
    return np.inf


def _longest_episodes(choices: Choices) -> Floats:
    """Return about the largest expected number of steps, over all policies, from every state, `(X,)`.

    The choices have no end component. Policy iteration with reward 1 a step, until no choice takes w up by more than
    half a step in expectation: `P w <= w - 1 / 2`.
    """
    steps = Choices(
        choices.owner, choices.matrix, np.ones(choices.owner.size), choices.ends, choices.source, choices.terms
    )
    rows = steps.starts
    for _ in range(200):
        w = _evaluate_rows(steps, rows)
        q = steps.q(w)
        best = steps.best(q)
        better = best > q[rows] + 0.5
        if not better.any():
            break
        rows = np.where(better, steps.first(q == best[steps.owner]), rows)
    return w


def _evaluate_rows(choices: Choices, rows: Rows) -> Floats:
    """Return the values of the policy that takes these choices, which must end, `(X,)`."""
    try:
        v = solve_linear(choices.matrix[rows], choices.rewards[rows], 1.0)
    except RuntimeError:  # SuperLU: exactly singular
        v = np.array([np.nan])
    if not np.isfinite(v).all():
        raise InvalidModel("gamma=1: episodes end so seldom that float64 cannot tell it from never")
    return v


def prepare(mdp: FiniteMDP, *, roundings: int = 0) -> Episodes:
    """Find out whether an MDP has finite values at discount 1, and bring it into a form where every best policy ends.

    Args:
        mdp: S states, A actions.
        roundings: units of roundoff that its own numbers are off by.

    Raises:
        InvalidModel: if it has not, or if that cannot be told; names a state.
    """
    live = np.flatnonzero(~mdp.terminal)
    source = (live[:, None] * mdp.n_actions + np.arange(mdp.n_actions)).ravel()  # [X * A]
    matrix = mdp.transitions[source]
    ends = matrix @ mdp.terminal.astype(np.float64) > 0
    if mdp.termination is not None:
        ends |= mdp.termination.ravel()[source] > 0
    matrix = matrix[:, live]
    matrix.eliminate_zeros()
    owner = np.repeat(np.arange(live.size), mdp.n_actions)
    original = Choices(owner, matrix, mdp.rewards.ravel()[source], ends, source, mdp.n_outcomes + roundings)

    component, idle = end_components(original, original.rewards == 0)
    choices, where = _collapse(original, component, idle)
    home = np.full(mdp.n_states, -1, dtype=np.int64)  # [S]
    home[live] = where
    _refuse_gains(choices, home)
    ending = way_to(choices, np.ones(choices.owner.size, dtype=bool))
    lost = np.flatnonzero(ending == -2)
    if lost.size:
        raise InvalidModel(f"gamma=1: {_name(home, lost[0])} can never reach a terminal state, and loses for ever")
    return Episodes(choices, ending, home, original, idle, live, mdp.n_actions)


def _collapse(original: Choices, component: NDArray[np.int64], idle: Bools) -> tuple[Choices, NDArray[np.int64]]:
    """Make each component one state, with its ways out and a last choice: to stay, worth 0.

    Returns:
        The choices of the states that are left, and which of them each of the original states became, `(X,)`.
    """
    label, lowest = np.unique(component, return_index=True)
    if not idle.any():
        return original, np.arange(original.n_states)
    lowest = lowest[label >= 0]  # the lowest member of each component
    representative = np.where(component >= 0, lowest[component], np.arange(original.n_states))
    left, where = np.unique(representative, return_inverse=True)

    kept = original.restricted(~idle)
    n_stays = lowest.size
    moved = sp.csr_array(
        (kept.matrix.data, where[kept.matrix.indices], kept.matrix.indptr), shape=(kept.owner.size, left.size)
    )
    matrix = sp.csr_array(sp.vstack([moved, sp.csr_array((n_stays, left.size))], format="csr"))
    owner = np.concatenate([where[kept.owner], where[lowest]])
    order = np.argsort(owner, kind="stable")
    merged = matrix[order]
    merged.sum_duplicates()
    return (
        Choices(
            owner[order],
            merged,
            np.concatenate([kept.rewards, np.zeros(n_stays)])[order],
            np.concatenate([kept.ends, np.ones(n_stays, dtype=bool)])[order],
            np.concatenate([kept.source, np.full(n_stays, -1)])[order],
            original.terms + 1,
        ),
        where,
    )


def _refuse_gains(choices: Choices, home: NDArray[np.int64]) -> None:
    """Raise `InvalidModel` unless whoever goes on for ever loses for ever.

    The largest average reward g of an end component satisfies `min(T h - h) <= g <= max(T h - h)` for every h
    (Puterman 2005, Theorem 8.5.5); h is improved by damped value iteration until the sign is plain.
    """
    component, inside = end_components(choices, np.ones(choices.owner.size, dtype=bool))
    if not inside.any() or choices.rewards[inside].max() <= 0:  # pays 0 in all: would be one state by now
        return
    members = np.flatnonzero(component >= 0)
    number = np.cumsum(component >= 0) - 1
    rows = np.flatnonzero(inside)
    within = Choices(
        number[choices.owner[rows]],
        choices.matrix[rows][:, members],
        choices.rewards[rows],
        choices.ends[rows],
        choices.source[rows],
        choices.terms,
    )
    order = np.argsort(component[members], kind="stable")
    starts = np.flatnonzero(np.diff(component[members][order], prepend=-1))
    h = np.zeros(members.size)
    for _ in range(10_000):
        change = within.best(within.q(h)) - h
        low, high = np.minimum.reduceat(change[order], starts), np.maximum.reduceat(change[order], starts)
        slack = within.slack(h)
        if (low > slack).any():
            state = members[order[starts[np.argmax(low)]]]
            raise InvalidModel(
                f"gamma=1: the values are infinite: {_name(home, state)} is one of several states among which reward "
                f"can be collected for ever"
            )
        if (high < -slack).all():
            return
        h += 0.5 * change
    state = members[order[starts[np.argmax(high)]]]
    raise InvalidModel(
        f"gamma=1: {_name(home, state)} is one of several states among which one can go on for ever, for rewards of "
        f"both signs that average about 0: the sum has no definite value"
    )


def _name(home: NDArray[np.int64], state: int) -> str:
    return f"state {int(np.flatnonzero(home == state)[0])}"
