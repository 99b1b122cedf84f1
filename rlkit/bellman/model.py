"""What a solver asks of a model: the Bellman operator, and a few numbers about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import ConfigError, InvalidModel

if TYPE_CHECKING:
    from rlkit.mdp import FiniteMDP

UNLIMITED = 2**62
"""The sweeps a solver may use when its caller sets no limit."""

OnSweep = Callable[[int, NDArray[np.float64], float, float], object]
"""`on_sweep(iteration, v, low, high)`: the values, and the range of `T v - v`, seen by one full sweep."""


class Sweeps(NamedTuple):
    """What a model's own fastest method found.

    Attributes:
        v: float64 `(S,)`.
        error_bound: proven bound on `max|v - v*|`, rounding included, from one last synchronous sweep.
        iterations: full sweeps, or as many updates as that many sweeps make.
        v_max: max |v|.
    """

    v: NDArray[np.float64]
    error_bound: float
    iterations: int
    v_max: float


class Model(Protocol):
    """A finite MDP as an operator; `rlkit.FiniteMDP` and the grid worlds' matrix-free model implement it.

    `T` is the Bellman optimality operator, `(T v)(s) = max_a sum_s' p(s'|s, a) (r + gamma v(s'))`, 0 at terminal
    states. Values are float64 `(S,)`.
    """

    @property
    def n_states(self) -> int:
        """S, terminal states included."""
        ...

    @property
    def n_actions(self) -> int:
        """A."""
        ...

    @property
    def n_outcomes(self) -> int:
        """The most outcomes of one (state, action)."""
        ...

    @property
    def max_abs_reward(self) -> float:
        """The largest |expected reward| of a (state, action)."""
        ...

    @property
    def terminal(self) -> NDArray[np.bool_]:
        """Which states end the episode, bool `(S,)`."""
        ...

    @property
    def has_terminal(self) -> bool:
        """Whether an episode can end at all; if not, adding c to v adds gamma c to T v."""
        ...

    def q_from_v(self, v: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
        """Return q `(S, A)`, the expected reward plus gamma times the expected v; 0 at terminal states."""
        ...

    def backup(self, v: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
        """Return T v `(S,)`: one synchronous sweep."""
        ...

    def greedy(self, v: NDArray[np.float64], gamma: float) -> NDArray[np.integer[Any]]:
        """Return the lowest maximising action of every state, an integer array `(S,)`; 0 at terminal states."""
        ...

    def residual(self, v: NDArray[np.float64], gamma: float) -> tuple[float, float]:
        """Return the least and the largest entry of `T v - v` over the states that are not terminal."""
        ...

    def optimal_values(self, gamma: float, *, tol: float, max_sweeps: int, on_sweep: OnSweep | None = None) -> Sweeps:
        """Solve for v*, gamma < 1, by the fastest method this model has.

        Stops when the proven bound is at most `tol`, when `max_sweeps` are used up, or when float64 can do no better.
        """
        ...

    def to_finite_mdp(self) -> FiniteMDP:
        """Return the model as one sparse matrix."""
        ...


def check_question(model: Model, gamma: float, tol: float) -> None:
    """Refuse what no solver can answer.

    Raises:
        ConfigError: if gamma is outside [0, 1], or tol is not a positive finite number.
        InvalidModel: if the values could overflow float64.
    """
    if not 0.0 <= gamma <= 1.0:
        raise ConfigError(f"gamma={gamma!r} is outside its range [0, 1]")
    if not 0.0 < tol < np.inf:
        raise ConfigError(f"tol={tol!r} is outside its range (0, inf)")
    if gamma < 1.0 and not model.max_abs_reward < 1e300 * (1.0 - gamma):
        raise InvalidModel(f"rewards of {model.max_abs_reward:g} at gamma={gamma!r} overflow float64")


def check_limit(max_iterations: int | None) -> int:
    """Return the number of iterations allowed.

    Raises:
        ConfigError: if it is not a positive whole number.
    """
    if max_iterations is None:
        return UNLIMITED
    if isinstance(max_iterations, bool) or not isinstance(max_iterations, int | np.integer) or max_iterations < 1:
        raise ConfigError(f"max_iterations={max_iterations!r} is not a positive whole number")
    return int(max_iterations)
