"""Finite Markov decision processes, as one sparse matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from rlkit.bellman import kernels
from rlkit.bellman.bounds import UNIT_ROUNDOFF
from rlkit.bellman.model import as_floats, as_values
from rlkit.errors import InvalidModel

if TYPE_CHECKING:
    from rlkit.bellman.model import OnSweep, Sweeps

_NO_TERMINATION = np.zeros(0)


class _Immutable:
    """Attributes are set once, by `self._set(...)`."""

    def _set(self, **attributes: Any) -> None:
        for value in attributes.values():
            for array in (value.data, value.indices, value.indptr) if isinstance(value, sp.csr_array) else (value,):
                if isinstance(array, np.ndarray):
                    array.flags.writeable = False
        self.__dict__.update(attributes)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable: cannot set {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable: cannot delete {name!r}")

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set(**state)  # the arrays of a copy would be writeable


class FiniteMDP(_Immutable):
    """A finite MDP: states 0 to S - 1, actions 0 to A - 1, the same ones everywhere (Puterman 2005, chapter 2).

    Attributes:
        transitions: p(s' | s, a) in row `s * A + a`, float64 CSR `(S * A, S)`. Entries given twice add up.
        rewards: expected reward of (s, a), float64 `(S, A)`; 0 at terminal states.
        terminal: bool `(S,)`. An episode ends on entering a terminal state: the reward of the step that enters counts,
            the state's value is 0, and its own rows and rewards mean nothing.
        termination: probability that (s, a) ends the episode without entering any state, float64 `(S, A)`; such a row
            of `transitions` sums to 1 less that much. None if it never happens.
        n_states, n_actions: S and A.
        n_outcomes: the most outcomes of one (state, action).
        max_abs_reward: the largest |rewards|.
        has_terminal: whether an episode can end: `terminal` or `termination` is not all zero.
        row_defect: bound on how far a row's sum, with `termination`, is from 1 in exact arithmetic.

    Every array is read-only. The model is also an operator (`rlkit.bellman.model.Model`).
    """

    transitions: sp.csr_array
    rewards: NDArray[np.float64]
    terminal: NDArray[np.bool_]
    termination: NDArray[np.float64] | None
    n_states: int
    n_actions: int
    n_outcomes: int
    max_abs_reward: float
    has_terminal: bool
    row_defect: float

    def __init__(
        self,
        transitions: Any,
        rewards: ArrayLike,
        terminal: ArrayLike | None = None,
        *,
        termination: ArrayLike | None = None,
        copy: bool = True,
    ) -> None:
        """Check and take over the arrays described in the class's docstring.

        Args:
            transitions: any scipy sparse matrix; rows must sum to 1 within 1e-8 (1e-6 if float32), and are scaled to
                sum to 1 where rounding alone does not explain the difference.
            rewards: `(S, A)`.
            terminal: `(S,)` bool; None if no state is.
            termination: `(S, A)`; None for never.
            copy: False hands the arrays over: those that fit as they are become this model's own, and read-only.

        Raises:
            InvalidModel: naming the first (state, action) where something is wrong.
        """
        matrix, tolerance = _as_csr(transitions, copy)
        reward = as_floats(rewards, "rewards", copy=copy)  # [S, A]
        n_states = matrix.shape[1]
        if reward.ndim != 2 or reward.size == 0 or reward.shape[0] != n_states:
            raise InvalidModel(
                f"rewards have shape {reward.shape}, expected (n_states={n_states}, n_actions), not empty"
            )
        n_actions = reward.shape[1]
        if matrix.shape[0] != n_states * n_actions:
            raise InvalidModel(
                f"transitions have shape {matrix.shape}, expected {(n_states * n_actions, n_states)}: "
                f"one row per (state, action) of rewards {reward.shape}"
            )
        ends = _as_terminal(terminal, n_states)  # [S]
        vanishing = _as_termination(termination, reward.shape)  # [S, A] or None
        _check_rewards(reward)
        if reward[ends].any():
            reward = reward if reward.flags.writeable else reward.copy()
            reward[ends] = 0.0
        longest, defect = _check_transitions(matrix, ends, vanishing, n_actions, tolerance)
        self._set(
            transitions=matrix,
            rewards=reward,
            terminal=ends,
            termination=vanishing,
            n_states=n_states,
            n_actions=n_actions,
            n_outcomes=longest,
            max_abs_reward=float(max(reward.max(), -reward.min())),
            has_terminal=bool(ends.any()) or vanishing is not None,
            row_defect=defect,
        )

    @classmethod
    def from_arrays(cls, P: Any, R: Any, terminal: ArrayLike | None = None) -> FiniteMDP:
        """Build from arrays in the usual layout, which are copied.

        Args:
            P: p(s' | s, a) at `[a, s, s']`: dense `(A, S, S)`, or a sequence of A sparse (or dense) `(S, S)` matrices.
            R: the reward for leaving s `(S,)`, the expected reward `(S, A)`, or the reward of each transition
                `(A, S, S)` in either form that P can have.
            terminal: `(S,)` bool; None if no state is.

        Raises:
            InvalidModel: naming the first (state, action) where something is wrong.
        """
        blocks = _blocks(P, "P")
        n_actions, n_states = len(blocks), blocks[0].shape[0]
        order = np.arange(n_actions * n_states).reshape(n_actions, n_states).T.ravel()  # row s * A + a of [A * S]
        transitions = sp.csr_array(sp.vstack(blocks, format="csr"))[order]
        return cls(transitions, _expected_rewards(blocks, R), terminal, copy=False)

    @classmethod
    def from_gymnasium(cls, env: Any) -> FiniteMDP:
        """Build from an environment that knows its model.

        Args:
            env: has (unwrapped) a `model()` as rlkit's own environments do, or a table `P[s][a]`, a list of
                (probability, next state, reward, terminated) as gymnasium's toy text environments do.

        States keep their numbers. After a transition marked terminated nothing counts. A state that is entered by such
        transitions alone, and that no episode starts in (`initial_state_distrib`, where there is one), is terminal. A
        state that is entered in both ways (Taxi) keeps its rows; the transitions that end there become `termination`.

        Raises:
            InvalidModel: if there is no model, or it is not an MDP.
        """
        from rlkit.bellman.table import read_table

        bare = getattr(env, "unwrapped", env)
        if callable(getattr(bare, "model", None)):
            mdp: FiniteMDP = bare.model().to_finite_mdp()
            return mdp
        table = getattr(bare, "P", None)
        if table is None:
            raise InvalidModel(f"{bare!r} has neither a transition table P nor a model()")
        return read_table(table, getattr(bare, "initial_state_distrib", None))

    def induced_by(self, policy: ArrayLike) -> MarkovRewardProcess:
        """Return what is left when the policy decides: p_pi(s' | s) and r_pi(s).

        Args:
            policy: `(S,)` integers, or `(S, A)` probabilities.

        Raises:
            InvalidModel: if it is neither.
        """
        choice = as_policy(policy, self.n_states, self.n_actions)
        live = np.flatnonzero(~self.terminal)
        if choice.ndim == 1:
            rows, columns, weights = live, live * self.n_actions + choice[live], np.ones(live.size)
        else:
            rows, actions = np.nonzero(choice * ~self.terminal[:, None])
            columns, weights = rows * self.n_actions + actions, choice[rows, actions]
        picked = sp.csr_array((weights, (rows, columns)), shape=(self.n_states, self.transitions.shape[0]))
        rewards = picked @ self.rewards.ravel()
        roundings = 0 if choice.ndim == 1 else self.n_actions + 1
        return MarkovRewardProcess(sp.csr_array(picked @ self.transitions), rewards, roundings=roundings)

    def mean(self, policy: ArrayLike, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the policy's mean of numbers given per state and action, `(S, A)` to `(S,)`."""
        choice = as_policy(policy, self.n_states, self.n_actions)
        if choice.ndim == 1:
            taken: NDArray[np.float64] = numbers[np.arange(self.n_states), choice]
            return taken
        mean: NDArray[np.float64] = (choice * numbers).sum(axis=1)
        return mean

    @cached_property
    def _operands(self) -> tuple[Any, Any, Any, Any, Any]:
        matrix = self.transitions
        return matrix.indptr, matrix.indices, matrix.data, self.rewards, self.terminal

    def q_from_v(self, v: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
        """Return q(s, a) = r(s, a) + gamma sum_s' p(s' | s, a) v(s'), float64 `(S, A)`; 0 at terminal states."""
        q = np.empty((self.n_states, self.n_actions))  # [S, A]
        kernels.q_from_v(*self._operands, float(gamma), as_values(v, self.n_states), q)
        return q

    def backup(self, v: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
        """Return T v = max_a q(s, a), float64 `(S,)`."""
        out = np.empty(self.n_states)  # [S]
        kernels.backup(*self._operands, float(gamma), as_values(v, self.n_states), out)
        return out

    def greedy(self, v: NDArray[np.float64], gamma: float) -> NDArray[np.int64]:
        """Return the lowest action that maximises q(s, a), int64 `(S,)`; 0 at terminal states."""
        policy = np.empty(self.n_states, dtype=np.int64)  # [S]
        kernels.greedy(*self._operands, float(gamma), as_values(v, self.n_states), policy)
        return policy

    def residual(self, v: NDArray[np.float64], gamma: float) -> tuple[float, float]:
        """Return the least and the largest entry of `T v - v` over the states that are not terminal."""
        low, high = kernels.residual(*self._operands, float(gamma), as_values(v, self.n_states))
        return float(low), float(high)

    def optimal_values(self, gamma: float, *, tol: float, max_sweeps: int, on_sweep: OnSweep | None = None) -> Sweeps:
        """Solve for v* by the fastest method for a general sparse MDP (`rlkit.bellman.sparse`)."""
        from rlkit.bellman import sparse

        return sparse.optimal_values(self, gamma, tol=tol, max_sweeps=max_sweeps, on_sweep=on_sweep)

    def to_finite_mdp(self) -> FiniteMDP:
        """Return itself."""
        return self

    def __repr__(self) -> str:
        return (
            f"FiniteMDP({self.n_states} states, {self.n_actions} actions, {self.transitions.nnz} transitions, "
            f"{int(self.terminal.sum())} terminal states)"
        )


class MarkovRewardProcess(_Immutable):
    """A Markov chain that pays: what an MDP becomes under a policy.

    Attributes:
        transitions: p(s' | s), float64 CSR `(S, S)`; a row sums to less than 1 where the process can end, to 0 at
            terminal states.
        rewards: expected reward for leaving each state, float64 `(S,)`.
        n_states: S.
        roundings: units of roundoff by which its entries may be off themselves, having been computed.
        n_outcomes: the most outcomes of a state, plus `roundings`.
        max_abs_reward: the largest |rewards|.
        has_terminal: whether the process can end.
        row_defect: bound on how far, in exact arithmetic, a row's sum is from 1 (where the process can end: above 1).
    """

    transitions: sp.csr_array
    rewards: NDArray[np.float64]
    n_states: int
    roundings: int
    n_outcomes: int
    max_abs_reward: float
    has_terminal: bool
    row_defect: float

    def __init__(self, transitions: sp.csr_array, rewards: NDArray[np.float64], *, roundings: int = 0) -> None:
        """Take over arrays that are known to be good; `roundings` were made in computing each of their entries."""
        mass = transitions.sum(axis=1)  # [S]
        ends = bool((mass < 1.0 - 1e-8).any())
        n_outcomes = int(np.diff(transitions.indptr).max()) + roundings
        off = float((mass - 1.0 if ends else np.abs(mass - 1.0)).max())
        self._set(
            transitions=transitions,
            rewards=rewards,
            n_states=len(rewards),
            roundings=roundings,
            n_outcomes=n_outcomes,
            max_abs_reward=float(np.abs(rewards).max()),
            has_terminal=ends,
            row_defect=max(off, 0.0) + (n_outcomes + 1) * UNIT_ROUNDOFF,
        )

    def backup(self, v: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
        """Return T_pi v = r_pi + gamma P_pi v, float64 `(S,)`."""
        following: NDArray[np.float64] = self.transitions @ v
        return self.rewards + gamma * following

    def stationary_distribution(self) -> NDArray[np.float64]:
        """Return the distribution d with d = d P, float64 `(S,)`, where there is exactly one.

        States outside the one closed class have probability 0. Solved directly: with one entry of d set to 1 the
        others follow from a nonsingular linear system.

        Raises:
            InvalidModel: if the process can end, or splits into several closed classes.
        """
        members = self._closed_class()
        within = self.transitions[members][:, members]  # [M, M]
        first, rest = within[[0]], within[1:]
        weights = np.ones(members.size)
        if members.size > 1:
            from scipy.sparse.linalg import splu

            system = sp.eye_array(members.size - 1, format="csc") - sp.csc_array(rest[:, 1:].T)
            weights[1:] = splu(system).solve(first[:, 1:].toarray().ravel())
        distribution = np.zeros(self.n_states)  # [S]
        distribution[members] = weights / weights.sum()
        return distribution

    def _closed_class(self) -> NDArray[np.intp]:
        """Return the states of the one class that is never left."""
        from scipy.sparse.csgraph import connected_components

        mass = self.transitions.sum(axis=1)
        if (leaking := np.flatnonzero(mass < 1.0 - 1e-8)).size:
            raise InvalidModel(f"no stationary distribution: the process can end in state {leaking[0]}")
        edges = self.transitions.tocoo()
        real = edges.data > 0
        rows, columns = edges.row[real], edges.col[real]
        graph = sp.csr_array((np.ones(rows.size, dtype=np.int8), (rows, columns)), shape=self.transitions.shape)
        count, label = connected_components(graph, directed=True, connection="strong")
        left = np.zeros(count, dtype=bool)
        left[label[rows[label[rows] != label[columns]]]] = True
        closed = np.flatnonzero(~left)
        if closed.size > 1:
            one, other = (int(np.flatnonzero(label == c)[0]) for c in closed[:2])
            raise InvalidModel(f"the stationary distribution is not unique: states {one} and {other} never meet again")
        return np.flatnonzero(label == closed[0])


def as_policy(policy: ArrayLike, n_states: int, n_actions: int) -> NDArray[Any]:
    """Return a policy as an int64 `(S,)` or float64 `(S, A)` array.

    Raises:
        InvalidModel: naming the first state where it is not a policy.
    """
    try:
        choice = np.asarray(policy)
    except ValueError as error:
        raise InvalidModel(f"policy: not an array ({error})") from None
    if choice.shape == (n_states,) and np.issubdtype(choice.dtype, np.integer):
        if (bad := np.flatnonzero((choice < 0) | (choice >= n_actions))).size:
            raise InvalidModel(f"policy[s={bad[0]}] is {choice[bad[0]]}, expected an action in 0..{n_actions - 1}")
        return choice.astype(np.int64)
    if choice.shape == (n_states, n_actions) and choice.dtype.kind in "fiub":
        choice = choice.astype(np.float64)
        negative = ~((choice >= 0) & (choice < np.inf))
        if negative.any():
            s, a = np.argwhere(negative)[0]
            raise InvalidModel(f"policy[s={s}, a={a}] is {choice[s, a]}, expected a probability")
        total = choice.sum(axis=1)
        if (bad := np.flatnonzero(np.abs(total - 1.0) > 1e-6)).size:
            raise InvalidModel(f"policy[s={bad[0]}] sums to {total[bad[0]]:.9g}, expected 1")
        return np.asarray(choice / total[:, None])
    raise InvalidModel(
        f"a policy is an array of {n_states} actions (integers) or of probabilities {(n_states, n_actions)}, "
        f"this one is {choice.dtype} {choice.shape}"
    )


def _as_csr(transitions: Any, copy: bool) -> tuple[sp.csr_array, float]:
    """Return a float64 CSR array that nobody else can write to, and the tolerance for its row sums."""
    if not _is_sparse(transitions):
        raise InvalidModel("transitions are not a scipy sparse matrix (FiniteMDP.from_arrays takes dense arrays)")
    if not (np.issubdtype(transitions.dtype, np.number) or transitions.dtype == bool) or transitions.dtype.kind == "c":
        raise InvalidModel(f"transitions have dtype {transitions.dtype}, expected real numbers")
    tolerance = 1e-6 if transitions.dtype.itemsize < 8 and transitions.dtype.kind == "f" else 1e-8
    matrix = transitions.tocsr()
    own = np.array if copy and matrix is transitions else np.ascontiguousarray
    parts = own(matrix.data, dtype=np.float64), own(matrix.indices), own(matrix.indptr)
    return sp.csr_array(parts, shape=matrix.shape, copy=False), tolerance


def _as_terminal(terminal: ArrayLike | None, n_states: int) -> NDArray[np.bool_]:
    if terminal is None:
        return np.zeros(n_states, dtype=bool)
    try:
        ends = np.array(terminal)
    except ValueError as error:
        raise InvalidModel(f"terminal: not an array ({error})") from None
    if ends.dtype != bool or ends.shape != (n_states,):
        raise InvalidModel(f"terminal is {ends.dtype} {ends.shape}, expected bool {(n_states,)}")
    return ends


def _as_termination(termination: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    if termination is None:
        return None
    vanishing = as_floats(termination, "termination probabilities", copy=True)
    if vanishing.shape != shape:
        raise InvalidModel(f"termination has shape {vanishing.shape}, expected {shape}")
    return vanishing if vanishing.any() else None


def _check_rewards(rewards: NDArray[np.float64]) -> None:
    if not np.isfinite(rewards.sum()):  # one pass; a finite sum has finite terms
        bad = np.argwhere(~np.isfinite(rewards))
        if bad.size:
            s, a = bad[0]
            raise InvalidModel(f"R[s={s}, a={a}] is {rewards[s, a]}, expected a finite number")


def _check_transitions(
    matrix: sp.csr_array,
    terminal: NDArray[np.bool_],
    termination: NDArray[np.float64] | None,
    n_actions: int,
    tolerance: float,
) -> tuple[int, float]:
    """Return the length of the longest row and the row defect; rows that are off by more than rounding are scaled."""
    vanishing = _NO_TERMINATION if termination is None else termination.ravel()
    arguments = matrix.indptr, matrix.indices, matrix.data, vanishing, terminal, n_actions, tolerance
    verdict, row, detail, longest, worst = kernels.check_rows(*arguments)
    if verdict:
        raise InvalidModel(_explain(matrix, verdict, row, detail, n_actions, termination))
    terms = longest + (termination is not None)
    if worst > 4 * (terms + 2) * UNIT_ROUNDOFF:
        if not matrix.data.flags.writeable:
            matrix.data = matrix.data.copy()
        kernels.normalise_rows(matrix.indptr, matrix.data, vanishing)
        worst = kernels.check_rows(matrix.indptr, matrix.indices, matrix.data, *arguments[3:])[-1]
    return int(longest), float(worst) + max(terms - 1, 0) * UNIT_ROUNDOFF


def _explain(
    matrix: sp.csr_array, verdict: int, row: int, detail: float, n_actions: int, termination: NDArray[np.float64] | None
) -> str:
    s, a = divmod(int(row), n_actions)
    where = f"P[s={s}, a={a}"
    if verdict == 4:
        return f"{where}]: the row pointers of the sparse matrix are out of order"
    if verdict == 3:
        return f"{where}] sums to {detail:.9g}, expected 1"
    if verdict == 1 and detail < 0:
        assert termination is not None
        return f"termination[s={s}, a={a}] is {termination[s, a]:.9g}, expected a probability"
    k = int(detail)
    column = matrix.indices[k]
    if verdict == 2:
        return f"{where}] leads to state {column}, expected one in 0..{matrix.shape[1] - 1}"
    return f"{where}, s'={column}] is {matrix.data[k]:.9g}, expected a probability"


def _is_sparse(value: Any) -> bool:
    return bool(sp.issparse(value))


def _blocks(P: Any, name: str) -> list[sp.csr_array]:
    """Return `(A, S, S)` numbers as A sparse matrices."""
    if _is_sparse(P) or not isinstance(P, Sequence | np.ndarray | Iterable):
        raise InvalidModel(
            f"{name} is {type(P).__name__}, expected an array (A, S, S) or a sequence of A matrices (S, S)"
        )
    try:
        blocks = [sp.csr_array(block if _is_sparse(block) else np.asarray(block)) for block in P]
    except (TypeError, ValueError) as error:
        raise InvalidModel(f"{name} is not an array (A, S, S) or a sequence of A matrices (S, S): {error}") from None
    if not blocks or blocks[0].ndim != 2 or blocks[0].shape[0] == 0:
        raise InvalidModel(f"{name} is empty, or not an array (A, S, S)")
    for a, block in enumerate(blocks):
        if block.shape != (blocks[0].shape[0],) * 2:
            raise InvalidModel(f"{name}[a={a}] has shape {block.shape}, expected {(blocks[0].shape[0],) * 2}")
    return blocks


def _expected_rewards(blocks: list[sp.csr_array], R: Any) -> NDArray[np.float64]:
    """Return the expected reward of each (state, action), `(S, A)`."""
    n_states, n_actions = blocks[0].shape[0], len(blocks)
    sparse_list = not isinstance(R, np.ndarray) and isinstance(R, Sequence) and any(map(_is_sparse, R))
    rewards = None if sparse_list else as_floats(R, "rewards", copy=True)
    if rewards is not None and rewards.shape == (n_states,):
        return np.repeat(rewards[:, None], n_actions, axis=1)  # [S, A]
    if rewards is not None and rewards.shape == (n_states, n_actions):
        return rewards
    if sparse_list or (rewards is not None and rewards.shape == (n_actions, n_states, n_states)):
        per_step = _blocks(R if rewards is None else rewards, "R")
        if len(per_step) == n_actions and per_step[0].shape == blocks[0].shape:
            each = [(p * r).sum(axis=1) for p, r in zip(blocks, per_step, strict=True)]
            return np.stack(each, axis=1)  # [S, A]
    shape = "other" if rewards is None else rewards.shape
    raise InvalidModel(
        f"R has shape {shape}, expected {(n_states,)}, {(n_states, n_actions)} or {(n_actions, n_states, n_states)}"
    )
