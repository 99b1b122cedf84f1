"""Linear-quadratic control: a linear system, noise, and a quadratic cost; Riccati's equation gives the best policy."""

from __future__ import annotations

import zlib
from functools import cached_property
from typing import Any, NamedTuple, Self

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import ArrayLike, NDArray

from rlkit.config import check_count
from rlkit.errors import ConfigError

Floats = NDArray[np.float64]


class Riccati(NamedTuple):
    """The best policy u = -K x among all, and its expected discounted cost x' P x + `constant` from x.

    Attributes:
        P: float64 `(n, n)`.
        K: float64 `(m, n)`.
        constant: what the noise costs, gamma / (1 - gamma) tr(P W).
    """

    P: Floats
    K: Floats
    constant: float


class LinearQuadratic(gymnasium.Env[Floats, Floats]):
    """x' = A x + B u + w, with w ~ N(0, noise^2 I), and the reward -(x' Q x + u' R u) for x and u before the step.

    Episodes begin at x ~ N(0, I), never terminate, and are truncated at `max_steps`. The optimum is that without bounds
    on actions: actions beyond `max_action` are refused, so give it room.

    Source: Bertsekas (2012), Dynamic Programming and Optimal Control, volume II, on discounted linear-quadratic cost.

    Args:
        A, B: the system, `(n, n)` and `(n, m)`.
        Q, R: the cost: symmetric `(n, n)`, positive semidefinite, and `(m, m)`, positive definite; None: 0.1 I and
            0.01 I, so that values are of a size that networks begin with.
        noise: standard deviation of each of w's numbers, at least 0.
        max_action: the largest size of each of u's numbers.
        max_steps: steps after which an episode is truncated; None for never. Few, so that most of what a learner sees
            is what counts: where it begins, and the way from there.

    Raises:
        ConfigError: matrices do not fit each other, are not finite, or are no such cost; or a number is out of range.
    """

    metadata: dict[str, object] = {"render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        A: ArrayLike = ((1.0, 0.1), (0.0, 1.0)),
        B: ArrayLike = ((0.005,), (0.1,)),
        Q: ArrayLike | None = None,
        R: ArrayLike | None = None,
        *,
        noise: float = 0.0,
        max_action: float = 10.0,
        max_steps: int | None = 25,
    ) -> None:
        self.A, self.B = _matrix("A", A), _matrix("B", B)
        n, m = self.B.shape
        self.Q = 0.1 * np.eye(n) if Q is None else _matrix("Q", Q)
        self.R = 0.01 * np.eye(m) if R is None else _matrix("R", R)
        self._check()
        self.noise = _number("noise", noise, above=None)
        self.max_action = _number("max_action", max_action, above=0.0)
        self._limit = None if max_steps is None else check_count("max_steps", max_steps)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (n,), np.float64)
        self.action_space = gymnasium.spaces.Box(-self.max_action, self.max_action, (m,), np.float64)
        self._x: Floats | None = None  # None while no episode is under way
        self._steps = 0

    @classmethod
    def random(cls, n_states: int, n_actions: int, *, seed: int, **rules: Any) -> Self:
        """Make a random system: a stable or slightly unstable A (spectral radius 1.05), which any B can steer.

        Args:
            n_states, n_actions: n and m.
            seed: the same one gives the same system.
            rules: as for `LinearQuadratic`.
        """
        n, m = check_count("n_states", n_states), check_count("n_actions", n_actions)
        rng = np.random.default_rng(check_count("seed", seed, at_least=0))
        A = rng.normal(size=(n, n))
        A *= 1.05 / np.abs(np.linalg.eigvals(A)).max()
        return cls(A, rng.normal(size=(n, m)) / np.sqrt(n), **rules)

    def optimum(self, gamma: float) -> Riccati:
        """Solve the discounted problem exactly.

        With sqrt(gamma) A and sqrt(gamma) B in place of A and B it is the undiscounted one, whose equation
        P = Q + A'P A - A'P B (R + B'P B)^-1 B'P A scipy solves; the best gain is K = gamma (R + gamma B'P B)^-1 B'P A.

        Raises:
            ConfigError: gamma is outside (0, 1), or no policy has a finite cost.
        """
        from scipy.linalg import solve_discrete_are

        root = np.sqrt(_discount(gamma))
        try:
            P = solve_discrete_are(root * self.A, root * self.B, self.Q, self.R)
        except np.linalg.LinAlgError as error:
            raise ConfigError(f"LinearQuadratic: no policy has a finite cost at gamma {gamma}: {error}") from None
        K = gamma * np.linalg.solve(self.R + gamma * self.B.T @ P @ self.B, self.B.T @ P @ self.A)
        return Riccati(P, np.asarray(K, np.float64), self._noise_cost(P, gamma))

    def cost_of(self, K: ArrayLike, gamma: float) -> float:
        """Return the expected discounted cost of the policy u = -K x from where episodes begin; inf if it is unbounded.

        P_K = Q + K'R K + gamma (A - B K)'P_K (A - B K) is a Lyapunov equation, and x ~ N(0, I) costs tr(P_K).

        Raises:
            ConfigError: K is not `(m, n)`, or gamma is outside (0, 1).
        """
        from scipy.linalg import solve_discrete_lyapunov

        gain = _matrix("K", K)
        if gain.shape != self.B.T.shape:
            raise ConfigError(f"LinearQuadratic: K is {gain.shape}, expected {self.B.T.shape}")
        closed = np.sqrt(_discount(gamma)) * (self.A - self.B @ gain)
        if not np.abs(np.linalg.eigvals(closed)).max() < 1.0:
            return np.inf
        P = solve_discrete_lyapunov(closed.T, self.Q + gain.T @ self.R @ gain)
        return float(np.trace(P)) + self._noise_cost(P, gamma)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Floats, dict[str, Any]]:
        """Begin an episode; `options={"state": x}` says where.

        Raises:
            ConfigError: for other options, or a state that is not n finite numbers.
        """
        super().reset(seed=seed)
        self._x, self._steps = self._chosen(options) if options else self.np_random.normal(size=len(self.A)), 0
        return self._x.copy(), {}

    def step(self, action: ArrayLike) -> tuple[Floats, float, bool, bool, dict[str, Any]]:
        """Apply u; return next observation, reward, False, truncated, and an empty info.

        Raises:
            ResetNeeded: no episode is under way.
            ValueError: the action is not m finite numbers within the bounds.
        """
        if self._x is None:
            raise ResetNeeded("LinearQuadratic.step: no episode is under way; call reset() first")
        u = np.asarray(action, np.float64)
        if u.shape != self.action_space.shape or not (np.abs(u) <= self.max_action).all():
            raise ValueError(f"LinearQuadratic.step: action {action!r} is not in {self.action_space}")
        x = self._x
        reward = -float(x @ self.Q @ x + u @ self.R @ u)
        self._x = following = self.A @ x + self.B @ u
        if self.noise:
            following += self.noise * self.np_random.normal(size=len(x))
        self._steps += 1
        truncated = self._steps == self._limit
        if truncated:
            self._x = None
        return following.copy(), reward, False, truncated, {}

    def get_state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on, as plain numbers, lists and dicts, fit for JSON."""
        return {
            "fingerprint": self._fingerprint,
            "x": None if self._x is None else self._x.tolist(),
            "steps": self._steps,
            "generator": self.np_random.bit_generator.state,
            "seed": self.np_random_seed,
        }

    def render(self) -> None:
        """Refuse: there is nothing to look at.

        Raises:
            ConfigError: always.
        """
        raise ConfigError("LinearQuadratic.render: a linear system draws nothing; look at its observations instead")

    def __repr__(self) -> str:
        """Name the numbers that it has: `LinearQuadratic(n_states=2, n_actions=1)`."""
        n, m = self.B.shape
        return f"LinearQuadratic(n_states={n}, n_actions={m})"

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was called, to the bit; the system must be the same.

        Raises:
            ConfigError: `state` is not what `get_state` gives for this environment.
        """
        try:
            if state["fingerprint"] != self._fingerprint:
                raise ValueError("the system is another")
            x = None if state["x"] is None else self._chosen({"state": state["x"]})
            steps, seed = int(state["steps"]), int(state["seed"])
            self.np_random.bit_generator.state = state["generator"]
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise ConfigError(f"LinearQuadratic.set_state: not a state of this system: {error!r}") from error
        self._x, self._steps, self._np_random_seed = x, steps, seed

    @cached_property
    def _fingerprint(self) -> int:
        checksum = zlib.crc32(repr((self.noise, self.max_action, self._limit)).encode())
        for matrix in (self.A, self.B, self.Q, self.R):
            checksum = zlib.crc32(np.ascontiguousarray(matrix).data, checksum)
        return checksum

    def _noise_cost(self, P: Floats, gamma: float) -> float:
        return float(gamma / (1.0 - gamma) * self.noise**2 * np.trace(P))

    def _chosen(self, options: dict[str, Any]) -> Floats:
        if set(options) != {"state"}:
            raise ConfigError(f"LinearQuadratic.reset: options={options!r}, where only 'state' is known")
        try:
            x = np.array(options["state"], np.float64)
        except (TypeError, ValueError):
            x = np.empty(0)
        if x.shape != (len(self.A),) or not np.isfinite(x).all():
            raise ConfigError(
                f"LinearQuadratic.reset: state {options['state']!r}, expected {len(self.A)} finite numbers"
            )
        return x

    def _check(self) -> None:
        n, m = self.B.shape
        for name, matrix, shape in (("A", self.A, (n, n)), ("Q", self.Q, (n, n)), ("R", self.R, (m, m))):
            if matrix.shape != shape:
                raise ConfigError(f"LinearQuadratic: {name} is {matrix.shape}, expected {shape}, as B is {(n, m)}")
        for name, matrix, least in (("Q", self.Q, -1e-12), ("R", self.R, 1e-12)):
            if not np.allclose(matrix, matrix.T) or np.linalg.eigvalsh(matrix).min() < least:
                kind = "positive semidefinite" if least < 0 else "positive definite"
                raise ConfigError(f"LinearQuadratic: {name} is not symmetric and {kind}")


def random_system(
    *, n_states: int = 4, n_actions: int = 2, seed: int = 0, max_action: float = 5.0, **rules: Any
) -> LinearQuadratic:
    """Return `LinearQuadratic.random`, for gymnasium's registry: `rlkit/RandomLinearQuadratic-v0`.

    On the first three systems of this size the best policy, cut off at `max_action`, costs 0.02 % more at most.
    """
    return LinearQuadratic.random(n_states, n_actions, seed=seed, max_action=max_action, **rules)


def _matrix(name: str, given: ArrayLike) -> Floats:
    try:
        matrix = np.array(given, np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise ConfigError(f"LinearQuadratic: {name} is {given!r}, expected a matrix of finite numbers")
    return matrix


def _number(name: str, given: float, above: float | None) -> float:
    number = float(given)
    if not (np.isfinite(number) and (number >= 0.0 if above is None else number > above)):
        expected = "at least 0" if above is None else f"above {above:g}"
        raise ConfigError(f"LinearQuadratic: {name}={given!r} is not a finite number {expected}")
    return number


def _discount(gamma: float) -> float:
    if not 0.0 < gamma < 1.0:
        raise ConfigError(f"LinearQuadratic: gamma={gamma!r} is outside (0, 1)")
    return gamma
