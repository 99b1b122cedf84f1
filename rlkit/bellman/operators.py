"""One step from values: q, the greedy policy, and every action that is as good."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlkit.bellman.model import Model, as_finite_values, check_discount
from rlkit.errors import ConfigError


def q_from_v(model: Model, v: ArrayLike, gamma: float) -> NDArray[np.float64]:
    """Return q(s, a) = sum_s' p(s' | s, a) (r + gamma v(s')), float64 `(S, A)`; 0 at terminal states (Zhao, eq. 4.2).

    Raises:
        InvalidModel: if v is not `(S,)` finite numbers.
        ConfigError: if gamma is not a number in [0, 1].
    """
    return model.q_from_v(*_checked(model, v, gamma))


def greedy(model: Model, v: ArrayLike, gamma: float) -> NDArray[Any]:
    """Return the best action of every state, integers `(S,)`: the lowest of those that tie exactly; 0 at terminal ones.

    Raises:
        InvalidModel: if v is not `(S,)` finite numbers.
        ConfigError: if gamma is not a number in [0, 1].
    """
    return model.greedy(*_checked(model, v, gamma))


def optimal_actions(model: Model, v: ArrayLike, gamma: float, *, tolerance: float = 1e-8) -> NDArray[np.bool_]:
    """Return which actions are within `tolerance` of the best, bool `(S, A)`; none at terminal states.

    If v is within e of v*, then with `tolerance` = 2 gamma e every optimal action is among them.

    Raises:
        InvalidModel: if v is not `(S,)` finite numbers.
        ConfigError: if gamma is not a number in [0, 1], or tolerance is negative.
    """
    if not tolerance >= 0:
        raise ConfigError(f"tolerance={tolerance!r} is outside its range [0, inf)")
    q = q_from_v(model, v, gamma)
    best: NDArray[np.bool_] = q >= q.max(axis=1, keepdims=True) - tolerance  # [S, A]
    best[model.terminal] = False
    return best


def _checked(model: Model, v: ArrayLike, gamma: float) -> tuple[NDArray[np.float64], float]:
    return as_finite_values(v, model.n_states), check_discount(gamma)
