"""What a solver returns, and what it reports on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.bellman.bounds import float_floor
from rlkit.bellman.model import Model
from rlkit.errors import NotConverged


class Progress(NamedTuple):
    """What a solver's callback gets after each iteration.

    Attributes:
        iteration: from 1.
        v: the iterate, float64 `(S,)`; read it, or copy it, before the callback returns.
        residual: max|T v - v| of the iterate that this iteration started from.
        contraction: residual divided by the one before, nan at first; value iteration's is at most gamma.
        error_bound: proven bound on the error so far.
    """

    iteration: int
    v: NDArray[np.float64]
    residual: float
    contraction: float
    error_bound: float


Callback = Callable[[Progress], object]


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """Values with a proven error bound, and what follows from them.

    Attributes:
        v: state values, float64 `(S,)`; 0 at terminal states.
        error_bound: proven bound on `max|v - v*|`, rounding included (`policy_evaluation`: on `max|v - v_pi|`).
        gamma: the discount.
        method: the name of the solver.
        iterations: how many of its iterations it took (for a model's own fast method: sweeps).
        model: what was solved.
    """

    v: NDArray[np.float64]
    error_bound: float
    gamma: float
    method: str
    iterations: int
    model: Model
    _policy: NDArray[Any] | None = field(default=None)

    @cached_property
    def q(self) -> NDArray[np.float64]:
        """Action values of v, float64 `(S, A)`, computed when first asked for; off by gamma times v's error at most."""
        return self.model.q_from_v(self.v, self.gamma)

    @cached_property
    def policy(self) -> NDArray[Any]:
        """The best action of every state, integers `(S,)`; the lowest where several tie.

        At gamma = 1 it is the policy that attains v (a merely greedy one might never end); from
        `soft_value_iteration` and `policy_evaluation` it is the policy that v belongs to.
        """
        return self.model.greedy(self.v, self.gamma) if self._policy is None else self._policy

    def __repr__(self) -> str:
        return (
            f"Solution({self.v.size} states, gamma={self.gamma!r}, method={self.method!r}, "
            f"iterations={self.iterations}, error_bound={self.error_bound:.3g})"
        )


def accept(solution: Solution, tol: float) -> Solution:
    """Return the solution if its bound is at most `tol`.

    Raises:
        NotConverged: otherwise, carrying the solution.
    """
    if solution.error_bound <= tol:
        return solution
    raise NotConverged(_why(solution, tol), solution)


def _why(solution: Solution, tol: float) -> str:
    reached = (
        f"{solution.method} stopped after {solution.iterations} iterations with a proven error bound of "
        f"{solution.error_bound:.3g}, above tol={tol:g}"
    )
    if solution.gamma < 1.0 and solution.v.size:
        floor = float_floor(solution.gamma, float(np.abs(solution.v).max()))
        if tol < floor <= solution.error_bound:
            return f"tol={tol:g} is below {floor:.3g}, the least error that float64 can resolve here; {reached}"
    return reached


class Reporter:
    """Turns each iteration's residual range into a `Progress` for the callback, if there is one."""

    def __init__(self, callback: Callback | None) -> None:
        self.callback = callback
        self.before = np.nan

    def __call__(self, iteration: int, v: NDArray[np.float64], residual: float, error_bound: float) -> None:
        """Report one iteration."""
        if self.callback is not None:
            contraction = residual / self.before if self.before > 0 else np.nan
            self.callback(Progress(iteration, v, residual, contraction, error_bound))
            self.before = residual
