"""Finite MDPs in exact rational arithmetic: what the solvers' bounds are held against."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import scipy.sparse as sp

from rlkit.mdp import FiniteMDP

ZERO, ONE = Fraction(0), Fraction(1)


class ExactMDP:
    """The numbers of a `FiniteMDP` as fractions, exactly as stored."""

    def __init__(self, mdp):
        self.n_states, self.n_actions = mdp.n_states, mdp.n_actions
        self.terminal = mdp.terminal.tolist()
        self.r = [[Fraction(x) for x in row] for row in mdp.rewards.tolist()]
        self.p = [[{} for _ in range(mdp.n_actions)] for _ in range(mdp.n_states)]
        rows = mdp.transitions.tocoo()
        for row, s2, x in zip(rows.row.tolist(), rows.col.tolist(), rows.data.tolist(), strict=True):
            s, a = divmod(row, mdp.n_actions)
            self.p[s][a][s2] = self.p[s][a].get(s2, ZERO) + Fraction(x)

    def q(self, s, a, v, gamma):
        return self.r[s][a] + gamma * sum((p * v[s2] for s2, p in self.p[s][a].items()), ZERO)

    def values(self, policy, gamma, zero=()):
        """Solve v = r_pi + gamma P_pi v exactly; terminal states, and those in `zero`, are worth 0."""
        live = [s for s in range(self.n_states) if not self.terminal[s] and s not in zero]
        place = {s: i for i, s in enumerate(live)}
        rows = []
        for s in live:
            row = [ZERO] * len(live) + [ZERO]
            row[place[s]] += ONE
            for a, weight in enumerate(policy[s]):
                row[-1] += weight * self.r[s][a]
                for s2, p in self.p[s][a].items():
                    if s2 in place:
                        row[place[s2]] -= gamma * weight * p
            rows.append(row)
        solved = eliminate(rows)
        v = [ZERO] * self.n_states
        for s, i in place.items():
            v[s] = solved[i]
        return v

    def deterministic(self, actions):
        return [[ONE if a == b else ZERO for b in range(self.n_actions)] for a in actions]

    def optimal(self, gamma):
        """Policy iteration, exactly; gamma < 1."""
        actions = [0] * self.n_states
        while True:
            v = self.values(self.deterministic(actions), gamma)
            improved = list(actions)
            for s in range(self.n_states):
                if not self.terminal[s]:
                    q = [self.q(s, a, v, gamma) for a in range(self.n_actions)]
                    if max(q) > q[actions[s]]:
                        improved[s] = q.index(max(q))
            if improved == actions:
                return v
            actions = improved

    def undiscounted(self):
        """Enumerate all policies at gamma = 1: return v*, or None where it is infinite or not defined."""
        best = [None] * self.n_states
        for actions in product(range(self.n_actions), repeat=self.n_states):
            policy = self.deterministic(actions)
            zero = set()
            losing = False
            for members in self.recurrent(actions):
                gain = self.gain(actions, members)
                if gain > 0 or (gain == 0 and any(self.r[s][actions[s]] != 0 for s in members)):
                    return None
                losing |= gain < 0
                zero |= set(members) if gain == 0 else set()
            if not losing:
                v = self.values(policy, ONE, zero)
                best = [x if b is None or x > b else b for x, b in zip(v, best, strict=True)]
        return None if None in best else best

    def recurrent(self, actions):
        """Return the closed classes, of states that are not terminal, that never end."""
        reach = {s: self.reachable(s, actions) for s in range(self.n_states) if not self.terminal[s]}
        classes = {frozenset(r) for s, r in reach.items() if all(s in reach.get(t, ()) for t in r)}
        return [
            sorted(c)
            for c in classes
            if all(not self.terminal[s] and sum(self.p[s][actions[s]].values()) == 1 for s in c)
        ]

    def reachable(self, s, actions):
        seen, left = {s}, [s]
        while left:
            t = left.pop()
            if not self.terminal[t]:
                for t2, p in self.p[t][actions[t]].items():
                    if p > 0 and t2 not in seen:
                        seen.add(t2)
                        left.append(t2)
        return seen

    def gain(self, actions, members):
        """The average reward of a closed class."""
        n = len(members)
        rows = [[ONE] * n + [ONE]]
        for t in members[1:]:
            rows.append([self.p[s][actions[s]].get(t, ZERO) - (ONE if s == t else ZERO) for s in members] + [ZERO])
        return sum(d * self.r[s][actions[s]] for d, s in zip(eliminate(rows), members, strict=True))


def eliminate(rows):
    """Solve a nonsingular system given as augmented rows."""
    rows = [list(row) for row in rows]
    n = len(rows)
    for i in range(n):
        pivot = next(k for k in range(i, n) if rows[k][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [x / rows[i][i] for x in rows[i]]
        for k in range(n):
            if k != i and rows[k][i] != 0:
                factor = rows[k][i]
                rows[k] = [x - factor * y for x, y in zip(rows[k], rows[i], strict=True)]
    return [row[-1] for row in rows]


def error(v, exact):
    """max|v - exact|, exactly."""
    return max((abs(Fraction(float(x)) - y) for x, y in zip(v, exact, strict=True)), default=ZERO)


def random_mdp(seed, *, dyadic=False):
    """A small MDP of many shapes: sparse rows, repeated entries, terminal states, endings, rewards of any size.

    With `dyadic`, probabilities are quarters and rewards small whole numbers, so that ties and gains are exact.
    """
    rng = np.random.default_rng(seed)
    n_states, n_actions = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    terminal = rng.random(n_states) < rng.choice([0.0, 0.3])
    ending = rng.random() < 0.3
    data, indices, indptr, termination = [], [], [0], np.zeros((n_states, n_actions))
    for row in range(n_states * n_actions):
        n = int(rng.integers(1, 4))
        weights = np.diff(np.sort(rng.integers(0, 5, n - 1)), prepend=0, append=4) / 4 if dyadic else rng.random(n)
        weights = weights / weights.sum()
        if ending and rng.random() < 0.4:
            gone = 0.25 * rng.integers(0, 5)
            termination.ravel()[row] = gone
            weights = weights * (1 - gone)
        data += weights.tolist()
        indices += rng.integers(0, n_states, n).tolist()
        indptr.append(len(data))
    shape = n_states, n_actions
    scale = 10.0 ** rng.integers(-3, 4)
    if dyadic:
        rewards = rng.integers(*rng.choice([(-2, 1), (-1, 1), (-2, 2), (0, 2)]), shape)
    else:
        rewards = scale * rng.normal(size=shape)
    matrix = sp.csr_array((data, indices, indptr), shape=(n_states * n_actions, n_states))
    return FiniteMDP(matrix, rewards, terminal, termination=termination)
