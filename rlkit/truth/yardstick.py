"""The exact answer to one problem, prepared so that learners are measured against it in microseconds."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from rlkit.bellman import optimal_actions, policy_evaluation, policy_iteration
from rlkit.errors import InvalidModel
from rlkit.truth.gain import evaluate, exact_gain
from rlkit.truth.linear import range_of
from rlkit.truth.measures import max_error, optimal_share, policy_regret, rmsve
from rlkit.truth.problem import model_of, moves_of_any_action, policy_array, reachable, start_distribution
from rlkit.truth.values import on_policy_distribution

Floats = NDArray[np.float64]

_LONGEST = 1e12  # expected steps of an episode, beyond which it counts as endless
_DENSE = 100  # states up to which a full matrix is the faster one


class Yardstick:
    """The exact values of a policy or, without one, of the best; and how far from them anything is.

    States that no episode can come to, whatever is done, and terminal ones do not count.

    Args:
        env_or_model: an environment that knows its model, or a model.
        gamma: discount in [0, 1].
        policy: whose values are asked for, as for `exact_values`; None for the best policy's.
        start: where episodes begin, `(S,)`; None for the environment's own, or uniform.
        d: how states are weighted, `(S,)`; None for `on_policy_distribution` of the policy or, without one, for the
            discounted visits of the best (a goal that can be stayed on is all of its stationary distribution).

    Attributes:
        v: the exact values, float64 `(S,)`: v* or v_pi.
        q: the exact action values, float64 `(S, A)`: q* or q_pi.
        best: which actions maximise q, bool `(S, A)`: without a policy, the optimal ones.
        d: float64 `(S,)`.
        live: the L states that count, integers.

    Raises:
        InvalidModel: there is no model, or gamma = 1 and the values are not finite.
        NotConverged: float64 cannot resolve the values to 1e-8.
    """

    def __init__(
        self,
        env_or_model: Any,
        gamma: float,
        *,
        policy: Any = None,
        start: ArrayLike | None = None,
        d: ArrayLike | None = None,
    ) -> None:
        self.mdp = model_of(env_or_model).to_finite_mdp()
        self.gamma = gamma
        self.policy = None if policy is None else policy_array(policy, self.mdp.n_states)
        self.start = start_distribution(env_or_model, start)  # [S]
        if self.policy is None:
            solution = policy_iteration(self.mdp, gamma)
            acting, decay = solution.policy, gamma
        else:
            solution = policy_evaluation(self.mdp, self.policy, gamma)
            acting, decay = self.policy, 1.0
        self.v, self.q = solution.v, solution.q
        self.best = optimal_actions(self.mdp, self.v, gamma, tolerance=2 * gamma * solution.error_bound + 1e-9)
        self.d = on_policy_distribution(self.mdp, acting, gamma=decay, start=self.start) if d is None else np.asarray(d)
        self._begin()

    def _begin(self) -> None:
        self.live = np.flatnonzero(reachable(moves_of_any_action(self.mdp), self.start) & ~self.mdp.terminal)
        self._judged: tuple[NDArray[Any], dict[str, float]] | None = None  # the last policy, and its errors
        self._basis: Floats | None = None

    def value_errors(self, values: Floats) -> dict[str, float]:
        """Return `rmsve` and `max_error` of state values `(S,)`."""
        v, exact, d = values[self.live], self.v[self.live], self.d[self.live]
        return {"rmsve": rmsve(v, exact, d), "max_error": max_error(v, exact)}

    def look_at(self, Phi: ArrayLike) -> None:
        """Prepare for values that are linear in features `(S, D)`: `bellman_errors` then has `mspbe`."""
        features = np.asarray(Phi, np.float64)[self.live]
        self._basis = range_of(np.sqrt(self.d[self.live])[:, None] * features)  # [L, rank]

    def bellman_errors(self, values: Floats) -> dict[str, float]:
        """Return `msbe` of state values `(S,)` and, after `look_at`, `mspbe`: only where there is a policy."""
        system, rewards, root = self._bellman
        error = root * (rewards - system @ values[self.live])  # [L]: of T v - v
        errors = {"msbe": float(error @ error)}
        if self._basis is not None:
            projected = error @ self._basis
            errors["mspbe"] = float(projected @ projected)
        return errors

    def action_value_errors(self, q: Floats) -> dict[str, float]:
        """Return `max_q_error`, the largest |q - q*| of action values `(S, A)`."""
        return {"max_q_error": max_error(q[self.live], self.q[self.live])}

    def policy_errors(self, actions: NDArray[Any]) -> dict[str, float]:
        """Return `policy_regret` and `optimal_actions` of a policy, `(S,)` actions.

        They are its loss from the start, against v, and the share of the states in which its action is among `best`.
        The regret is left out where it is not finite: gamma is 1, and the policy may never end.
        """
        chosen = actions[self.live]
        if self._judged is not None and np.array_equal(chosen, self._judged[0]):  # a policy changes ever more seldom
            return self._judged[1]
        self._judged = chosen, self._policy_errors(chosen)
        return self._judged[1]

    def _policy_errors(self, chosen: NDArray[Any]) -> dict[str, float]:
        share = optimal_share(chosen, self.best[self.live])
        values = self._values_of(chosen)
        if values is None:
            return {"optimal_actions": share}
        regret = policy_regret(values, self.v[self.live], self.start[self.live])
        return {"policy_regret": regret, "optimal_actions": share}

    def _values_of(self, actions: NDArray[Any]) -> Floats | None:
        """Return the values of a policy, `(L,)` actions, in the states that count (at gamma = 1: that it comes to)."""
        rows = np.arange(self.live.size) * self.mdp.n_actions + actions
        system, r = self._system[rows], self._rewards[rows]  # (I - gamma P) v = r
        if self.gamma < 1.0:
            return _solve(system, r)
        seen = np.flatnonzero(reachable(system, self.start[self.live]))
        try:
            solved = _solve(system[seen][:, seen], np.column_stack([r[seen], np.ones(seen.size)]))
        except RuntimeError:  # SuperLU: exactly singular
            return None
        steps = solved[:, 1]
        if not (np.isfinite(solved).all() and steps.min() > 0 and steps.max() < _LONGEST):
            return None
        values = np.zeros(self.live.size)
        values[seen] = solved[:, 0]
        return values

    @cached_property
    def _bellman(self) -> tuple[Any, Floats, Floats]:
        """I - gamma P and r of the policy among the states that count, `(L, L)` and `(L,)`, and sqrt(d), `(L,)`."""
        assert self.policy is not None
        process = self.mdp.induced_by(self.policy)
        P = process.transitions[self.live][:, self.live]
        system = sp.eye_array(self.live.size, format="csr") - self.gamma * P
        small = self.live.size <= _DENSE
        return system.toarray() if small else system, process.rewards[self.live], np.sqrt(self.d[self.live])

    @cached_property
    def _system(self) -> sp.csr_array:
        """I - gamma P among the states that count: a row for each of them and each action, `(L * A, L)`."""
        n_actions, n_live = self.mdp.n_actions, self.live.size
        rows = (self.live[:, None] * n_actions + np.arange(n_actions)).ravel()
        own = sp.csr_array((np.ones(rows.size), np.repeat(np.arange(n_live), n_actions), np.arange(rows.size + 1)))
        return sp.csr_array(own - self.gamma * self.mdp.transitions[rows][:, self.live])

    @cached_property
    def _rewards(self) -> Floats:
        rewards: Floats = self.mdp.rewards[self.live].ravel()
        return rewards


class GainYardstick(Yardstick):
    """The exact average reward of a policy or, without one, the best; and how far from it anything is.

    For problems that never end (see `rlkit.truth.exact_gain`). Differential values are right up to a constant: what
    they are off by on average, weighted by `d`, does not count.

    Args:
        env_or_model, policy, start: as for `Yardstick`.

    Attributes:
        gain: the exact average reward of a step.
        v, q: the exact differential values, float64 `(S,)` and `(S, A)`.
        best, d, live: as for `Yardstick`; `d` is the stationary distribution of the policy.

    Raises:
        InvalidModel: there is no model, it can end, or an average reward depends on where one starts.
        NotConverged: float64 cannot resolve the average reward to 1e-8.
    """

    def __init__(self, env_or_model: Any, *, policy: Any = None, start: ArrayLike | None = None) -> None:
        self.mdp = model_of(env_or_model).to_finite_mdp()
        self.gamma = 1.0
        self.policy = None if policy is None else policy_array(policy, self.mdp.n_states)
        self.start = start_distribution(env_or_model, start)  # [S]
        found = exact_gain(self.mdp, self.policy)
        self.gain, self.v, self.d = found.gain, found.values, found.d
        self.q = self.mdp.q_from_v(self.v, 1.0) - self.gain
        self.best = self.q >= self.q.max(axis=1, keepdims=True) - 1e-9
        self._begin()

    def gain_errors(self, average_reward: float) -> dict[str, float]:
        """Return `average_reward_error` of an estimate."""
        return {"average_reward_error": abs(average_reward - self.gain)}

    def value_errors(self, values: Floats) -> dict[str, float]:
        """Return `rmsve` and `max_error` of differential values `(S,)`, up to a constant."""
        return super().value_errors(values - self.d @ (values - self.v))

    def action_value_errors(self, q: Floats) -> dict[str, float]:
        """Return `max_q_error` of differential action values `(S, A)`, up to a constant."""
        return super().action_value_errors(q - self.d @ (q.max(axis=1) - self.v))

    def _policy_errors(self, chosen: NDArray[Any]) -> dict[str, float]:
        """Return `policy_regret`, the average reward that is lost, and `optimal_actions`."""
        share = {"optimal_actions": optimal_share(chosen, self.best[self.live])}
        actions = np.zeros(self.mdp.n_states, np.int64)
        actions[self.live] = chosen
        try:
            return {"policy_regret": self.gain - evaluate(self.mdp.induced_by(actions))[0], **share}
        except InvalidModel:  # several recurrent classes
            return share


def _solve(system: sp.csr_array, r: Floats) -> Floats:
    """Solve by sparse LU: it starts no threads, which on a busy machine cost more than they save."""
    from scipy.sparse.linalg import splu

    transposed = sp.csc_array((system.data, system.indices, system.indptr), shape=system.shape)  # the same numbers
    return np.asarray(splu(transposed).solve(r, trans="T"))  # type: ignore[call-overload]
