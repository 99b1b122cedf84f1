"""The right answer, and how far from it a learner is: exact values, distributions, errors, fixed points.

`values` says what is right, `measures` how wrong something is, `fixed_point` where linear TD ends up; `yardstick` has
all of it ready for one problem, and `callback` logs it while an agent learns (`truth/...`). `linear_quadratic` measures
policies of continuous control against the Riccati optimum.
"""

from rlkit.truth.callback import TruthCallback, errors_of
from rlkit.truth.fixed_point import FixedPoint, emphasis, error_bound, td_fixed_point
from rlkit.truth.gain import Gain, exact_gain
from rlkit.truth.linear import LinearErrors
from rlkit.truth.linear_quadratic import Gap, LinearQuadraticProblem, RiccatiYardstick, gain_error, optimality_gap
from rlkit.truth.measures import (
    Projection,
    best_representable,
    max_error,
    msbe,
    mspbe,
    optimal_share,
    policy_regret,
    rmsve,
)
from rlkit.truth.problem import start_distribution
from rlkit.truth.soft import epsilon_soft
from rlkit.truth.values import exact_values, on_policy_distribution
from rlkit.truth.yardstick import GainYardstick, Yardstick

__all__ = [
    "FixedPoint",
    "Gain",
    "GainYardstick",
    "Gap",
    "LinearErrors",
    "LinearQuadraticProblem",
    "Projection",
    "RiccatiYardstick",
    "TruthCallback",
    "Yardstick",
    "best_representable",
    "emphasis",
    "epsilon_soft",
    "error_bound",
    "errors_of",
    "exact_gain",
    "exact_values",
    "gain_error",
    "max_error",
    "msbe",
    "mspbe",
    "on_policy_distribution",
    "optimal_share",
    "optimality_gap",
    "policy_regret",
    "rmsve",
    "start_distribution",
    "td_fixed_point",
]
