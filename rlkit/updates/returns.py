"""Truncated lambda-returns of several trajectories side by side, and the gradient of their errors."""

from __future__ import annotations

from typing import Any

from rlkit.compiling import njit


@njit(cache=True)
def return_errors(
    values: Any,
    bootstraps: Any,
    here: Any,
    following: Any,
    reward: Any,
    discount: Any,
    ended: Any,
    rho: Any,
    n_steps: int,
    lam: float,
    errors: Any,
) -> tuple[float, float]:
    """Write G - v(s) of the first T of K = T + n - 1 steps, G being the lambda-return of at most n steps.

    G_t = r + gamma ((1 - lambda) v(s') + lambda (rho' G_t+1 + (1 - rho') v(s'))), which bootstraps, with v(s') alone,
    after n steps and where an episode ends: S&B 2018, equations 12.9 (the horizon) and 12.22 (off policy). With lambda
    = 1 these are n-step returns (7.13), with n = 1 those of TD(0).

    Args:
        values: v of M points, which are numbered, `(M,)`.
        bootstraps: the same by the network that values what comes next, `(M,)`.
        here, following: which point each s and each s' is, int64 `(K, N)`; column by column, row after row.
        reward: r, float64 `(K, N)`.
        discount: gamma, or 0 where s' is terminal, float64 `(K, N)`.
        ended: whether an episode ends with the step, bool `(K, N)`.
        rho: importance-sampling ratio of the step's action, float64 `(K, N)`.
        n_steps: n.
        lam: lambda.
        errors: float64 `(T, N)`, to be written.

    Returns:
        the mean of rho (G - v(s)), and that of rho (G - v(s))^2 / 2.
    """
    total, squares = 0.0, 0.0
    for t in range(errors.shape[0]):
        for i in range(errors.shape[1]):
            target = 0.0
            for k in range(t + n_steps - 1, t - 1, -1):
                after = bootstraps[following[k, i]]
                if k == t + n_steps - 1 or ended[k, i]:
                    target = reward[k, i] + discount[k, i] * after
                else:
                    ahead = rho[k + 1, i] * target + (1.0 - rho[k + 1, i]) * after
                    target = reward[k, i] + discount[k, i] * ((1.0 - lam) * after + lam * ahead)
            error = target - values[here[t, i]]
            errors[t, i] = error
            total += rho[t, i] * error
            squares += rho[t, i] * error * error
    return total / errors.size, squares / (2.0 * errors.size)


@njit(cache=True)
def semi_gradient(errors: Any, here: Any, rho: Any, gradient: Any) -> None:
    """Write the derivative of mean(rho (G - v(s))^2) / 2 by the value of each point, float64 `(M,)`, G held fixed."""
    gradient[:] = 0.0
    for t in range(errors.shape[0]):
        for i in range(errors.shape[1]):
            gradient[here[t, i]] -= rho[t, i] * errors[t, i] / errors.size


@njit(cache=True)
def residual_gradient(errors: Any, here: Any, following: Any, discount: Any, rho: Any, gradient: Any) -> None:
    """Write the derivative of mean(rho (r + gamma v(s') - v(s))^2) / 2, v(s') not held fixed (Baird 1995)."""
    semi_gradient(errors, here, rho, gradient)
    for t in range(errors.shape[0]):
        for i in range(errors.shape[1]):
            gradient[following[t, i]] += rho[t, i] * discount[t, i] * errors[t, i] / errors.size


@njit(cache=True)
def choose_by_table(cumulative: Any, states: Any, draws: Any, actions: Any) -> None:
    """Draw an action in every state: how many of its cumulative probabilities, `(S, A - 1)`, are not above the draw."""
    for i in range(len(states)):
        action = 0
        while action < cumulative.shape[1] and draws[i] >= cumulative[states[i], action]:
            action += 1
        actions[i] = action
