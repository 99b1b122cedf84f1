"""The other libraries that solve finite MDPs from Python, each told the same thing: `max|v - v*| <= tol`.

Everything is seen from the outside, through each library's documented interface. A peer is built (its own model object
made from the instance) outside the clock, then solves on the clock. What tolerance to hand over so that the values are
off by at most `tol` is each peer's own story:

- QuantEcon promises `max|v - v*| < epsilon / 2`, and gives up after 250 iterations unless told otherwise.
- Storm stops when two successive iterates differ by its precision, a residual without the factor gamma / (1 - gamma).
- mdpsolver puts the factor into its stopping rule itself; it starts the next solve from the last one's values unless
  told to start from 0.
- pymdptoolbox stops modified policy iteration by the span of the residual, but leaves out the correction of the values
  that the rule calls for: its values are off by a constant. It is shown with the error it makes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.instances import Instance

Solve = Callable[[float], NDArray[np.float64]]
"""Solves a model that is already built, to the tolerance given."""


@dataclass(frozen=True)
class Contestant:
    """A library and the method of it that is timed.

    Attributes:
        name: as the table shows it.
        package: what has to be importable.
        build: makes the library's own model of an instance at a discount, and returns how to solve it.
    """

    name: str
    package: str
    build: Callable[[Instance, float], Solve]

    @property
    def installed(self) -> bool:
        """Whether the package can be imported."""
        return importlib.util.find_spec(self.package) is not None


def _rlkit(instance: Instance, gamma: float) -> Solve:
    from rlkit import FiniteMDP
    from rlkit.bellman import solve

    model = FiniteMDP(instance.transitions, instance.rewards)
    return lambda tol: solve(model, gamma, tol=tol).v


def _storm(instance: Instance, gamma: float) -> Solve:
    import stormpy
    from stormpy.datastructures import SparseMatrixBuilder
    from stormpy.models import SparseMdp, SparseModelComponents, SparseRewardModel, StateLabeling

    matrix, (n_states, n_actions) = instance.transitions, instance.rewards.shape
    builder = SparseMatrixBuilder[float](
        rows=n_states * n_actions,
        columns=n_states,
        entries=matrix.nnz,
        force_dimensions=True,
        has_custom_row_grouping=True,
        row_groups=n_states,
    )
    start, columns, weights = matrix.indptr.tolist(), matrix.indices.tolist(), matrix.data.tolist()
    for row in range(n_states * n_actions):
        if row % n_actions == 0:
            builder.new_row_group(row)
        for k in range(start[row], start[row + 1]):
            builder.add_next_value(row, columns[k], weights[k])
    labels = StateLabeling(n_states)
    labels.add_label("init")
    labels.add_label_to_state("init", 0)
    reward = SparseRewardModel[float](optional_state_action_reward_vector=instance.rewards.ravel())
    parts = SparseModelComponents[float](
        transition_matrix=builder.build(), state_labeling=labels, reward_models={"r": reward}
    )
    model = SparseMdp[float](parts)
    question = stormpy.parse_property(f'R{{"r"}}max=? [ Cdiscount={gamma!r} ]')

    def solve(tol: float) -> NDArray[np.float64]:
        environment = stormpy.Environment()
        settings = environment.solver().min_max()
        settings.relative_termination_criterion = False
        settings.precision = stormpy.Rational(tol * (1.0 - gamma) / gamma)
        answer = stormpy.model_checking(model, question, environment=environment)
        return np.asarray(answer.get_value_vector(), dtype=np.float64)

    return solve


def _mdpsolver(update: str, instance: Instance, gamma: float) -> Solve:
    import mdpsolver

    matrix, (n_states, n_actions) = instance.transitions, instance.rewards.shape
    start, columns, weights = matrix.indptr.tolist(), matrix.indices.tolist(), matrix.data.tolist()
    by_state = [range(s * n_actions, (s + 1) * n_actions) for s in range(n_states)]
    model = mdpsolver.model()
    model.mdp(
        discount=gamma,
        rewards=instance.rewards.tolist(),
        tranMatProbs=[[weights[start[row] : start[row + 1]] for row in rows] for rows in by_state],
        tranMatColumns=[[columns[start[row] : start[row + 1]] for row in rows] for rows in by_state],
    )
    start_values = [0.0] * n_states

    def solve(tol: float) -> NDArray[np.float64]:
        model.solve(algorithm="vi", update=update, tolerance=tol, initValueVector=start_values, parallel=False)
        return np.asarray(model.getValueVector())

    return solve


def _quantecon(instance: Instance, gamma: float) -> Solve:
    from quantecon.markov import DiscreteDP

    n_states, n_actions = instance.rewards.shape
    states, actions = np.divmod(np.arange(n_states * n_actions), n_actions)
    model = DiscreteDP(instance.rewards.ravel(), instance.transitions, gamma, states, actions)
    return lambda tol: model.solve("modified_policy_iteration", epsilon=2 * tol, max_iter=10**7).v


def _pymdptoolbox(instance: Instance, gamma: float) -> Solve:
    from mdptoolbox.mdp import PolicyIterationModified

    n_actions = instance.rewards.shape[1]
    blocks = [instance.transitions[a::n_actions] for a in range(n_actions)]
    model = PolicyIterationModified(blocks, instance.rewards, gamma)
    start_values = model.V

    def solve(tol: float) -> NDArray[np.float64]:
        model.V, model.epsilon, model.thresh = start_values, tol, tol * (1.0 - gamma) / gamma
        model.run()
        return np.asarray(model.V)

    return solve


RLKIT = Contestant("rlkit", "rlkit", _rlkit)
PEERS = (
    Contestant("Storm", "stormpy", _storm),
    Contestant("mdpsolver vi", "mdpsolver", partial(_mdpsolver, "standard")),
    Contestant("mdpsolver sor", "mdpsolver", partial(_mdpsolver, "sor")),
    Contestant("QuantEcon", "quantecon", _quantecon),
    Contestant("pymdptoolbox", "mdptoolbox", _pymdptoolbox),
)
