"""How far a policy is from the best one of a linear-quadratic problem: what it costs more, and how its gain differs."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlkit.config import check_count
from rlkit.errors import ConfigError

Floats = NDArray[np.float64]

STEPS = 50_000
"""About how many are simulated for a gap: one of 2 % then has a standard error of about 0.03 %."""

_GROUPS = 8  # of independently drawn episodes, whose scatter gives the standard error
_LOST = 1e15  # a state that far out is never brought back: the cost is unbounded
_LINEAR = 1e-6  # of the largest action: float32 rounds a linear policy's by less
_STEP = 1e-2  # to either side of 0: small beside x ~ N(0, I), large beside what float32 rounds


class LinearQuadraticProblem(Protocol):
    """What is asked of an environment: x' = A x + B u + noise N(0, I), with costs x' Q x + u' R u, from x ~ N(0, I).

    `optimum(gamma)` has the best policy's gain K and its expected discounted cost x' P x + constant from x;
    `cost_of(K, gamma)` is the expected discounted cost of u = -K x, inf if it is unbounded.
    """

    A: Floats
    B: Floats
    R: Floats
    noise: float

    def optimum(self, gamma: float) -> Any: ...  # noqa: D102
    def cost_of(self, K: ArrayLike, gamma: float) -> float: ...  # noqa: D102


class Gap(NamedTuple):
    """What a policy costs beyond the optimum, as a share of the optimum: 0.02 is 2 %.

    Attributes:
        gap: J(policy) / J* - 1; inf where the cost is unbounded.
        standard_error: of the gap, from the scatter between groups of episodes; 0 where it is exact.
    """

    gap: float
    standard_error: float


def optimality_gap(policy: Any, env: Any, gamma: float, *, steps: int = STEPS, seed: int = 0) -> Gap:
    """Return what a policy costs beyond the Riccati optimum: exactly if it is linear, else by simulation.

    See `RiccatiYardstick.gap_of` for how.

    Args:
        policy: a gain K `(m, n)`, which is u = -K x; or anything with `predict(observations, deterministic=True)`:
            a policy of ours, or a model of stable-baselines3.
        env: a `LinearQuadraticProblem`, wrapped or not.
        gamma: discount in (0, 1).
        steps: about how many are simulated, in episodes of 1 / (1 - gamma) steps on average.
        seed: of starts, lengths and noise; the same for all who are to be compared.

    Raises:
        ConfigError: the environment is no such problem, gamma is out of range, nothing has a finite cost, everything
            costs nothing, or the policy's actions do not fit.
    """
    return RiccatiYardstick(env, gamma, steps=steps, seed=seed).gap_of(policy)


def gain_error(policy: Any, env: Any, gamma: float) -> float:
    """Return how far a policy's gain at 0 is from the optimal one, `|K - K*| / |K*|` in Frobenius norm.

    Its gain is minus its slope at x = 0, by central differences over +-0.01: whatever it is made of, a kink of its
    network at 0 is averaged over.

    Args:
        policy, env, gamma: as for `optimality_gap`.

    Raises:
        ConfigError: as for `optimality_gap`.
    """
    return RiccatiYardstick(env, gamma).gain_error_of(policy)


class RiccatiYardstick:
    """The optimum of one linear-quadratic problem, prepared so that policies are measured against it, all alike.

    Args:
        env, gamma, steps, seed: as for `optimality_gap`.

    Attributes:
        K: the optimal gain, float64 `(m, n)`.
        cost: the optimal expected cost J*, from x ~ N(0, I).

    Raises:
        ConfigError: as for `optimality_gap`.
    """

    def __init__(self, env: Any, gamma: float, *, steps: int = STEPS, seed: int = 0) -> None:
        if not knows_its_optimum(env):
            raise ConfigError(f"truth: {env} does not know a Riccati optimum: it has no optimum() and cost_of()")
        self._env: LinearQuadraticProblem = getattr(env, "unwrapped", env)
        self._gamma = gamma
        best = self._env.optimum(gamma)
        self.K = best.K
        self.cost = float(np.trace(best.P)) + best.constant
        if not self.cost > 0.0:
            raise ConfigError("truth: the optimal policy costs nothing, so that no cost can be compared with its cost")
        B = self._env.B
        self._curvature = self._env.R + gamma * B.T @ best.P @ B  # [m, m]
        self._seed = check_count("seed", seed, at_least=0)
        each = check_count("steps", steps) * (1.0 - gamma) / _GROUPS
        self._draw_episodes(2 ** max(3, math.ceil(math.log2(each))))

    def errors_of(self, policy: Any) -> dict[str, float]:
        """Return `optimality_gap`, `optimality_gap_se`, its standard error, and `gain_error`."""
        gap = self.gap_of(policy)
        return {
            "optimality_gap": gap.gap,
            "optimality_gap_se": gap.standard_error,
            "gain_error": self.gain_error_of(policy),
        }

    def gain_error_of(self, policy: Any) -> float:
        """Return `|K - K*| / |K*|`, K being minus the policy's slope at 0."""
        n = self.K.shape[1]
        K = self._given_gain(policy)
        if K is None:
            steps = _STEP * np.eye(n)
            up, down = np.split(self._actions(policy, np.concatenate([steps, -steps])), 2)  # [n, m]
            K = (down - up).T / (2 * _STEP)
        return float(np.linalg.norm(K - self.K) / max(np.linalg.norm(self.K), np.finfo(np.float64).tiny))

    def gap_of(self, policy: Any) -> Gap:
        """Return what a policy costs beyond the optimum.

        A policy is linear if it is a gain, or if its actions at all starts, and ten times as far out, are a matrix
        times the state, but for rounding: then the gap is `cost_of(K) / J* - 1`, from a Lyapunov equation. Otherwise
        it is what is lost on the way (Kakade & Langford 2002, lemma 6.1): with M = R + gamma B' P B,

            J(policy) - J* = E sum_t gamma^t (u_t + K* x_t)' M (u_t + K* x_t)

        which is the mean difference between its cost and the optimum's on the same noise, without the noise that the
        two share, and never negative. Episodes are cut nowhere: each ends after a step with probability 1 - gamma,
        which is what discounting means, so that no tail is left out. Starts and lengths are spread evenly (scrambled
        Sobol points), and the same for every policy. Actions are taken as the policy gives them.
        """
        K = self._given_gain(policy)
        K = self._linear_gain(policy) if K is None else K
        if K is not None:
            return Gap(max(self._env.cost_of(K, self._gamma) / self.cost - 1.0, 0.0), 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            lost = self._lost(policy).reshape(_GROUPS, -1).mean(axis=1) / self.cost  # [groups]
        if not np.isfinite(lost).all():
            return Gap(np.inf, 0.0)
        return Gap(float(lost.mean()), float(lost.std(ddof=1) / np.sqrt(_GROUPS)))

    def _draw_episodes(self, each: int) -> None:
        """Draw where every episode begins, `(N, n)`, and how many steps it has, `(N,)`; the longest come first."""
        from scipy.special import ndtri
        from scipy.stats.qmc import Sobol

        n = self.K.shape[1]
        streams = np.random.default_rng(self._seed).spawn(_GROUPS)
        points = np.concatenate([Sobol(n + 1, seed=stream).random(each) for stream in streams])  # [N, n + 1] in [0, 1)
        points = np.clip(points, 1e-12, 1.0 - 1e-12)
        self._starts: Floats = ndtri(points[:, :n])
        lengths = 1 + np.floor(np.log(points[:, n]) / np.log(self._gamma)).astype(np.int64)  # P(length > t) = gamma^t
        self._order = np.argsort(-lengths, kind="stable")
        self._lengths = lengths[self._order]

    def _lost(self, policy: Any) -> Floats:
        """Simulate every episode; return the sum of what each action lost, `(N,)`."""
        A, B, noise, rng = self._env.A, self._env.B, self._env.noise, np.random.default_rng((self._seed, 1))
        x, lost, under_way, t = self._starts[self._order], np.zeros(self._order.size), self._order.size, 0
        while under_way:
            u = self._actions(policy, x)
            off = u + x @ self.K.T  # [under_way, m]
            lost[:under_way] += ((off @ self._curvature) * off).sum(axis=1)
            t += 1
            under_way = int(np.searchsorted(-self._lengths, -t))  # as many have more than t steps
            x = (x @ A.T + u @ B.T)[:under_way]
            if noise:
                x += noise * rng.normal(size=x.shape)
            if not (np.abs(x) < _LOST).all():
                return np.full(lost.size, np.inf)
        of_each = np.empty_like(lost)
        of_each[self._order] = lost
        return of_each

    def _linear_gain(self, policy: Any) -> Floats | None:
        """Return the K of a policy that is u = -K x, None of any other."""
        x = np.concatenate([self._starts, 10.0 * self._starts])
        u = self._actions(policy, x)
        if not np.isfinite(u).all():
            return None
        slope = np.linalg.lstsq(x, u, rcond=None)[0]  # [n, m]
        return -slope.T if np.abs(u - x @ slope).max() <= _LINEAR * np.abs(u).max() else None

    def _given_gain(self, policy: Any) -> Floats | None:
        """Return a policy that is given by its gain as an array, None for any other."""
        if callable(getattr(policy, "predict", None)):
            return None
        K = np.asarray(policy, np.float64)
        if K.shape != self.K.shape:
            raise ConfigError(f"truth: the gain is {K.shape}, expected {self.K.shape}")
        return K

    def _actions(self, policy: Any, x: Floats) -> Floats:
        """Return what a policy does in N states, `(N, m)`."""
        u = np.asarray(policy.predict(x, deterministic=True)[0], np.float64)
        if u.shape != (len(x), len(self.K)):
            expected = (len(x), len(self.K))
            raise ConfigError(f"truth: at {len(x)} states the policy's actions are {u.shape}, expected {expected}")
        return u


def knows_its_optimum(env: Any) -> bool:
    """Tell whether an environment is a `LinearQuadraticProblem`: whether it has `optimum` and `cost_of`."""
    bare = getattr(env, "unwrapped", env)
    return callable(getattr(bare, "optimum", None)) and callable(getattr(bare, "cost_of", None))
