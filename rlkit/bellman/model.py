"""What a solver asks of a model: the Bellman operator, and a few numbers about it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlkit.config import check_count
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


def check_question(model: Model, gamma: float, tol: float) -> tuple[float, float]:
    """Refuse what no solver can answer; return gamma and tol as plain floats, in which the proofs hold.

    Raises:
        ConfigError: if gamma is not a number in [0, 1], or tol not a positive finite one.
        InvalidModel: if this is no model, or its values could overflow float64.
    """
    gamma = check_discount(gamma)
    if not isinstance(tol, Real) or not 0.0 < tol <= sys.float_info.max:
        raise ConfigError(f"tol={tol!r} is outside its range (0, inf)")
    try:
        largest = model.max_abs_reward
    except AttributeError:
        raise InvalidModel(
            f"a {type(model).__name__} is no model; take env.model(), or FiniteMDP.from_gymnasium(env)"
        ) from None
    if gamma < 1.0 and not largest < 1e300 * (1.0 - gamma):
        raise InvalidModel(f"rewards of {largest:g} at gamma={gamma!r} overflow float64")
    return gamma, float(tol)


def check_discount(gamma: float) -> float:
    """Return a discount as a plain float.

    Raises:
        ConfigError: if it is not a number in [0, 1].
    """
    if not isinstance(gamma, Real) or not 0.0 <= gamma <= 1.0:
        raise ConfigError(f"gamma={gamma!r} is outside its range [0, 1]")
    return float(gamma)


def check_limit(max_iterations: int | None) -> int:
    """Return the number of iterations allowed.

    Raises:
        ConfigError: if it is not a whole number of at least 1.
    """
    return UNLIMITED if max_iterations is None else check_count("max_iterations", max_iterations)


def as_values(v: ArrayLike, n_states: int) -> NDArray[np.float64]:
    """Return state values as a contiguous float64 `(S,)`, not copied where they are, for loops that read unchecked.

    Raises:
        InvalidModel: if they are not S numbers.
    """
    values = as_floats(v, "v", copy=False)
    if values.shape != (n_states,):
        raise InvalidModel(f"v has shape {values.shape}, expected {(n_states,)}")
    return values


def as_finite_values(v: ArrayLike, n_states: int) -> NDArray[np.float64]:
    """Return state values as `as_values` does.

    Raises:
        InvalidModel: if they are not S finite numbers.
    """
    values = as_values(v, n_states)
    if not np.isfinite(values).all():
        s = int(np.argmin(np.isfinite(values)))
        raise InvalidModel(f"v[s={s}] is {values[s]}, expected a finite number")
    return values


def as_floats(values: ArrayLike, name: str, *, copy: bool) -> NDArray[np.float64]:
    """Return numbers as a contiguous float64 array.

    Raises:
        InvalidModel: if they are not an array of real numbers.
    """
    try:
        if np.iscomplexobj(values):
            raise TypeError("they are complex")
        return (np.array if copy else np.asarray)(values, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise InvalidModel(f"{name}: not an array of real numbers ({error})") from None
