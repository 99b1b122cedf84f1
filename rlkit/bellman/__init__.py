"""Solvers of the Bellman equations of finite MDPs, with proven error bounds."""

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
