"""From a Bellman residual to a proven bound on the error of a value function.

If `low <= (T v)(s) - v(s) <= high` for every state, T being the Bellman optimality operator of an MDP with discount
gamma < 1, then `low / (1 - gamma) <= v*(s) - v(s) <= high / (1 - gamma)` (MacQueen 1966; Porteus 1971; Puterman 2005,
Theorem 6.6.3). Moving v to the middle of that interval halves the bound; terminal states, whose value is 0 whatever
happens, forbid the move, and put 0 among the residuals.
"""

from __future__ import annotations

import numpy as np

UNIT_ROUNDOFF = 2.0**-53


def rounding_slack(scale: float, n_outcomes: int) -> float:
    """Bound the float64 error of one computed entry of `T v - v`.

    Args:
        scale: the largest magnitude that enters it, max|r| + gamma max|v|.
        n_outcomes: the most outcomes that a (state, action) has.
    """
    return (n_outcomes + 3) * UNIT_ROUNDOFF * scale


def midrange(low: float, high: float, gamma: float, *, terminal: bool, slack: float) -> tuple[float, float]:
    """Turn the residuals of v into a correction and a proven bound.

    Args:
        low, high: the least and the largest computed entry of `T v - v` over the states that are not terminal.
        gamma: discount, in [0, 1).
        terminal: whether the MDP has terminal states.
        slack: `rounding_slack` of the residuals.

    Returns:
        `(shift, bound)` with `max|v + shift - v*| <= bound`; `shift` is 0 where there are terminal states.
    """
    if terminal:
        return 0.0, (max(high, -low, 0.0) + slack) / (1.0 - gamma)
    shift = 0.5 * (low + high) / (1.0 - gamma)
    rounding = 2 * UNIT_ROUNDOFF * abs(shift)
    return shift, (0.5 * (high - low) + slack) / (1.0 - gamma) + rounding


def float_floor(gamma: float, v_max: float) -> float:
    """Return the smallest error that float64 values of magnitude `v_max` can be certified to."""
    return gamma / (1.0 - gamma) * float(np.spacing(v_max))
