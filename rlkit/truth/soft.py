"""The problem of an epsilon-greedy learner: the best that can be done while every action is tried now and then."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from rlkit.errors import ConfigError
from rlkit.mdp import FiniteMDP
from rlkit.truth.problem import model_of


def epsilon_soft(env_or_model: Any, epsilon: float) -> FiniteMDP:
    """Return the MDP in which each action is, with probability epsilon, replaced by a random one.

    Its best policy is the best epsilon-soft one of the given MDP (Sutton & Barto 2018, section 5.4): so
    `exact_values(epsilon_soft(env, 0.1), gamma)` is what Sarsa with that epsilon is after, and `exact_gain` of it what
    differential Sarsa is.

    Args:
        env_or_model: an environment that knows its model, or a model.
        epsilon: share of random actions, in [0, 1].

    Raises:
        ConfigError: epsilon is out of its range.
        InvalidModel: there is no model.
    """
    if not 0.0 <= epsilon <= 1.0:
        raise ConfigError(f"epsilon={epsilon!r} is outside its range [0, 1]")
    mdp = model_of(env_or_model).to_finite_mdp()
    n_actions = mdp.n_actions
    mixing = (1.0 - epsilon) * np.eye(n_actions) + epsilon / n_actions  # [A, A], symmetric
    rows = sp.kron(sp.eye_array(mdp.n_states), mixing, format="csr")
    transitions = sp.csr_array(rows @ mdp.transitions)
    termination = None if mdp.termination is None else mdp.termination @ mixing
    return FiniteMDP(transitions, mdp.rewards @ mixing, mdp.terminal, termination=termination, copy=False)
