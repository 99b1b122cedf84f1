"""From a Bellman residual to a proven bound on the error of a value function.

If `low <= (T v)(s) - v(s) <= high` for every state, T being the Bellman optimality operator of an MDP with discount
gamma < 1, then `low / (1 - gamma) <= v*(s) - v(s) <= high / (1 - gamma)` (MacQueen 1966; Porteus 1971; Puterman 2005,
Theorem 6.6.3). Moving v to the middle of that interval halves the bound. Where episodes can end, `T (v + c)` is no
longer `T v + gamma c`: that forbids the move, and puts 0 among the residuals.

Probabilities that sum to 1 only up to rounding make `T (v + c) = T v + gamma (1 + d) c` with |d| <= `defect`: the
contraction is gamma (1 + defect), and the move by c costs another gamma defect |c|.
"""

from __future__ import annotations

import numpy as np

UNIT_ROUNDOFF = 2.0**-53


def rounding_slack(scale: float, n_outcomes: int) -> float:
    """Bound the float64 error of one computed entry of `T v - v`, and of moving it by a constant afterwards.

    A sum of n products, in any order, is off by at most n units of roundoff (Higham 2002, section 3.1); the discount,
    the reward, the subtraction and the move cost one each, the subtraction's being relative to |T v| + |v|.

    Args:
        scale: max|r| + max|v|.
        n_outcomes: the most outcomes that a (state, action) has.
    """
    units = (n_outcomes + 5) * UNIT_ROUNDOFF
    return units / (1.0 - units) * scale


def midrange(
    low: float, high: float, gamma: float, *, terminal: bool, slack: float, defect: float = 0.0
) -> tuple[float, float]:
    """Turn the residuals of v into a correction and a proven bound.

    Args:
        low, high: the least and the largest computed entry of `T v - v` over the states that are not terminal.
        gamma: discount, in [0, 1).
        terminal: whether an episode can end.
        slack: `rounding_slack` of the residuals.
        defect: how far the sum of a row of probabilities can be from 1, in exact arithmetic.

    Returns:
        `(shift, bound)` with `max|v + shift - v*| <= bound`; `shift` is 0 where episodes can end. The bound is inf
        when rounding leaves no contraction.
    """
    inflation = 1.0 + 8 * UNIT_ROUNDOFF
    room = (1.0 - gamma) - gamma * defect  # 1 - the operator's contraction
    if not room > 0.0:
        return 0.0, np.inf
    if terminal:
        return 0.0, inflation * (max(high, -low, 0.0) + slack) / room
    shift = 0.5 * (low + high) / (1.0 - gamma)
    cost_of_shift = (6 * UNIT_ROUNDOFF * (1.0 - gamma) + gamma * defect) * abs(shift)
    return shift, inflation * (0.5 * (high - low) + slack + cost_of_shift) / room


def float_floor(gamma: float, v_max: float) -> float:
    """Return the smallest error that float64 values of magnitude `v_max` can be certified to."""
    return gamma / (1.0 - gamma) * float(np.spacing(v_max))
