"""Solvers of the Bellman equations of finite MDPs, with proven error bounds.

One algorithm a file: `value_iteration`, `policy_iteration`, `truncated_policy_iteration`, `policy_evaluation`,
`soft_value_iteration`, and `episodic` for all of them at discount 1; `bounds` is the theory that proves their answers,
`model` what they ask of a model, and `sparse` the fast way for a `FiniteMDP`.
"""

from rlkit.bellman.logging import BellmanLogger
from rlkit.bellman.model import Model, Sweeps
from rlkit.bellman.operators import greedy, optimal_actions, q_from_v
from rlkit.bellman.policy_evaluation import policy_evaluation
from rlkit.bellman.policy_iteration import policy_iteration
from rlkit.bellman.soft_value_iteration import soft_value_iteration
from rlkit.bellman.solution import Callback, Progress, Solution
from rlkit.bellman.solve import solve
from rlkit.bellman.truncated_policy_iteration import truncated_policy_iteration
from rlkit.bellman.value_iteration import value_iteration

__all__ = [
    "BellmanLogger",
    "Callback",
    "Model",
    "Progress",
    "Solution",
    "Sweeps",
    "greedy",
    "optimal_actions",
    "policy_evaluation",
    "policy_iteration",
    "q_from_v",
    "soft_value_iteration",
    "solve",
    "truncated_policy_iteration",
    "value_iteration",
]
