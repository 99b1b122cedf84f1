"""What the exact answers need of an environment: its model, where episodes begin, and what can be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from rlkit.bellman.model import as_floats
from rlkit.errors import InvalidModel
from rlkit.mdp import FiniteMDP

if TYPE_CHECKING:
    from rlkit.bellman import Model


def model_of(env_or_model: Any) -> Model:
    """Return the exact model of an environment that knows it; a model is returned as it is.

    Raises:
        InvalidModel: if the environment has neither a `model()` nor a transition table `P`.
    """
    bare = getattr(env_or_model, "unwrapped", env_or_model)
    model: Model
    if callable(getattr(bare, "model", None)):
        model = bare.model()
    elif callable(getattr(bare, "to_finite_mdp", None)):
        model = bare
    else:
        model = FiniteMDP.from_gymnasium(bare)
    return model


def start_distribution(env_or_model: Any, start: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return the probability that an episode begins in each state, float64 `(S,)`.

    It is `start` if that is given, else the environment's `initial_state_distrib` (gymnasium's name), else uniform over
    the states that are not terminal.

    Raises:
        InvalidModel: if it is not a distribution over the states.
    """
    bare = getattr(env_or_model, "unwrapped", env_or_model)
    given = getattr(bare, "initial_state_distrib", None) if start is None else start
    model = model_of(env_or_model)
    h = (~model.terminal).astype(np.float64) if given is None else as_floats(given, "start", copy=True)  # [S]
    if h.shape != (model.n_states,) or not (h >= 0).all():
        raise InvalidModel(f"start has shape {h.shape}, expected probabilities of {model.n_states} states")
    if given is not None and not abs(h.sum() - 1.0) <= 1e-6:
        raise InvalidModel(f"start sums to {h.sum():.9g}, expected 1")
    return np.asarray(h / h.sum())


def policy_array(policy: Any, n_states: int) -> NDArray[Any]:
    """Return a policy as an array: one that is given so, or the `probs(state)` of every state."""
    probs = getattr(policy, "probs", None)
    return np.stack([probs(state) for state in range(n_states)]) if callable(probs) else np.asarray(policy)


def reachable(transitions: sp.csr_array, start: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which states a chain `(S, S)` can come to, those it starts in included, bool `(S,)`."""
    from scipy.sparse.csgraph import breadth_first_order

    n, begin = start.size, np.flatnonzero(start > 0)
    indices = np.concatenate([transitions.indices, begin])
    indptr = np.append(transitions.indptr, indices.size)  # an extra state after the last leads to where it starts
    graph = sp.csr_array((np.append(transitions.data, np.ones(begin.size)), indices, indptr), shape=(n + 1, n + 1))
    graph.eliminate_zeros()
    order: Any = breadth_first_order(graph, n, return_predecessors=False)
    found = np.zeros(n + 1, dtype=bool)
    found[order] = True
    return found[:n]


def moves_of_any_action(mdp: FiniteMDP) -> sp.csr_array:
    """Return a matrix `(S, S)` that is positive where some action leads, with empty rows at terminal states."""
    live = np.flatnonzero(~mdp.terminal)
    rows = (live[:, None] * mdp.n_actions + np.arange(mdp.n_actions)).ravel()
    chooser = sp.csr_array(
        (np.ones(rows.size), (rows // mdp.n_actions, rows)), (mdp.n_states, mdp.transitions.shape[0])
    )
    return sp.csr_array(chooser @ mdp.transitions)
