"""Where linear TD ends up, whether it gets there, and how bad that can be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from rlkit.bellman.model import check_discount
from rlkit.config import check_count
from rlkit.errors import ConfigError, InvalidModel

Floats = NDArray[np.float64]

_ROUNDING = 1e-9
"""Parts of |A| that an eigenvalue may be off, and still count as 0."""


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """The linear system A w = b of expected TD, `w <- w + alpha (b - A w)`.

    Attributes:
        A: `(D, D)`.
        b: `(D,)`.
    """

    A: Floats
    b: Floats

    @cached_property
    def w(self) -> Floats:
        """The weights A^-1 b, `(D,)`; the shortest that solve it where A is singular.

        Raises:
            InvalidModel: if no weights do.
        """
        if not self.has_solution:
            raise InvalidModel("TD has no fixed point here: A is singular, and b is not in its range")
        return self._shortest

    @property
    def has_solution(self) -> bool:
        """Whether any weights solve the system; where A is regular they do."""
        left = np.abs(self.A @ self._shortest - self.b).max()
        return bool(left <= 1e-6 * np.abs(self.b).max())

    @cached_property
    def _shortest(self) -> Floats:
        w: Floats = np.linalg.lstsq(self.A, self.b, rcond=None)[0].astype(np.float64, copy=False)
        return w

    @cached_property
    def least_real_part(self) -> float:
        """The least real part of A's eigenvalues: below 0, expected TD diverges, however small its steps."""
        return float(np.linalg.eigvals(self.A).real.min())

    @cached_property
    def least_symmetric(self) -> float:
        """The least eigenvalue of (A + A^T) / 2: above 0 A is positive definite, and every eigenvalue's real part is.

        On-policy, with a discount and independent features, it always is (Tsitsiklis & Van Roy 1997; S&B 2018, 9.4).
        """
        return float(np.linalg.eigvalsh((self.A + self.A.T) / 2).min())

    @property
    def is_stable(self) -> bool:
        """Whether expected TD with small enough steps converges (stays, along the null space of a singular A)."""
        return self.least_real_part >= -_ROUNDING * float(np.abs(self.A).max())

    def warning(self) -> str | None:
        """Say that expected TD diverges, in a sentence; None if it does not."""
        if self.is_stable:
            return None
        return (
            f"expected TD diverges with these features and this weighting of states, whatever the step size: A has an "
            f"eigenvalue with real part {self.least_real_part:.3g}, below 0; learn on-policy, or by a gradient-TD or "
            f"emphatic method"
        )


def td_fixed_point(
    transitions: Any,
    rewards: ArrayLike,
    Phi: ArrayLike,
    d: ArrayLike,
    gamma: float,
    lam: float = 0.0,
    *,
    n_steps: int = 1,
) -> FixedPoint:
    """Return the system whose solution w is where linear TD(lambda), or n-step TD, ends up.

    Tsitsiklis & Van Roy (1997); with lambda = 0, S&B (2018), equations 9.10 to 9.12.
    `A = Phi^T D (I - gamma lambda P)^-1 (I - gamma P) Phi` and `b = Phi^T D (I - gamma lambda P)^-1 r`; of n steps,
    `A = Phi^T D (I - (gamma P)^n) Phi` and `b = Phi^T D (I + gamma P + ... + (gamma P)^(n-1)) r`.

    Args:
        transitions: P `(S, S)` of the policy that is evaluated, dense or sparse (`FiniteMDP.induced_by(policy)`).
        rewards: r `(S,)`.
        Phi: features `(S, D)`, 0 at terminal states.
        d: how the states are weighted `(S,)`: `on_policy_distribution` of the policy that acts, or an emphasis.
        gamma: discount in [0, 1].
        lam: lambda in [0, 1].
        n_steps: n, at least 1; above 1 with a lambda of 0 only.

    Raises:
        ConfigError: for a gamma, lambda or n out of its range.
    """
    gamma, n_steps = check_discount(gamma), check_count("n_steps", n_steps)
    if not 0.0 <= lam <= 1.0:
        raise ConfigError(f"lam={lam!r} is outside its range [0, 1]")
    if lam > 0.0 and n_steps > 1:
        raise ConfigError(f"n_steps={n_steps} and lam={lam:g}: one of them, not both")
    from scipy.sparse.linalg import splu

    P, r, features = sp.csr_array(transitions), np.asarray(rewards, np.float64), np.asarray(Phi, np.float64)
    change = np.column_stack([features - gamma * (P @ features), r])  # [S, D + 1]: (I - gamma P) Phi, and r
    if lam > 0.0:
        traced = sp.csc_array(sp.eye_array(r.size, format="csc") - gamma * lam * P)
        change = splu(traced).solve(change)
    one_step = change
    for _ in range(n_steps - 1):  # I - X^n = (I + X + ... + X^(n-1)) (I - X), as Horner's rule
        change = one_step + gamma * (P @ change)
    system = (features * np.asarray(d)[:, None]).T @ change  # [D, D + 1]
    return FixedPoint(system[:, :-1], system[:, -1])


def emphasis(transitions: Any, d: ArrayLike, gamma: float, lam: float = 0.0) -> Floats:
    """Return how emphatic TD(lambda) weighs the states, `m^T = d^T (I - gamma P)^-1 (I - gamma lambda P)`, `(S,)`.

    Sutton, Mahmood & White (2016), section 4, with interest 1. With it in place of d, the A of `td_fixed_point` is
    positive definite off-policy too, for independent features. It does not sum to 1.

    Args:
        transitions: P `(S, S)` of the policy that is evaluated.
        d: the on-policy distribution of the policy that acts, `(S,)`.
        gamma: discount; below 1 unless episodes end.
        lam: lambda in [0, 1].

    Raises:
        InvalidModel: there is none: gamma is 1, and episodes may never end.
    """
    from scipy.sparse.linalg import splu

    P = sp.csc_array(transitions)
    eye = sp.eye_array(P.shape[0], format="csc")
    try:
        followed = splu(sp.csc_array((eye - gamma * P).T)).solve(np.asarray(d, np.float64))  # (I - gamma P^T)^-1 d
    except RuntimeError:  # SuperLU: exactly singular
        followed = np.full(P.shape[0], np.inf)
    if not (np.isfinite(followed).all() and np.abs(followed).max() < 1e12):
        raise InvalidModel(f"the emphasis is infinite: gamma={gamma:g}, and episodes may never end")
    return np.asarray((eye - gamma * lam * P).T @ followed)


def error_bound(best: float, gamma: float, lam: float = 0.0, *, n_steps: int = 1) -> float:
    """Return the proven bound on ||v_TD - v_pi||_d of the fixed point: `best / sqrt(1 - kappa^2)`.

    `kappa = gamma (1 - lambda) / (1 - gamma lambda)`, or gamma^n for n steps, is the factor by which the operator T of
    the fixed point contracts in ||.||_d (Tsitsiklis & Van Roy 1997). As v_pi - Pi v_pi is orthogonal to the features,
    `||v_pi - v||^2 = best^2 + ||Pi T v_pi - Pi T v||^2 <= best^2 + kappa^2 ||v_pi - v||^2`: the standard bound for a
    projected contraction (Yu & Bertsekas 2010, "Error bounds for approximations from projected linear equations"). It
    implies the two that are quoted most, being never larger: `best (1 - gamma lambda) / (1 - gamma)` (Tsitsiklis & Van
    Roy 1997, Theorem 1), and, of the squared norm, `best^2 (1 - gamma lambda) / (1 - gamma)` (S&B 2018, equations 9.14
    and 12.8).

    It holds on policy: where no state is left for others of more weight than it gets, `d P <= d`, as for the stationary
    distribution, and for the expected visits of episodes that end. Off policy there is no bound: the error may be any
    multiple of the least one (Kolter 2011, "The fixed points of off-policy TD").

    Args:
        best: the least error that the features allow, `best_representable(...).error`, in the same norm.
        gamma: discount in [0, 1]; at 1 there is no bound (inf) unless lambda is 1.
        lam: lambda in [0, 1].
        n_steps: n, at least 1.
    """
    if lam == 1.0:
        return best
    kappa = (gamma * (1.0 - lam) / (1.0 - gamma * lam)) ** n_steps
    return best / float(np.sqrt(1.0 - kappa**2)) if kappa < 1.0 else np.inf
