"""Adam, on the parameters of a network in one row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rlkit.compiling import njit

_BETA1, _BETA2, _EPSILON = np.float32(0.9), np.float32(0.999), np.float32(1e-8)
_ONE = np.float32(1.0)


@njit(cache=True, error_model="numpy")
def adam(
    theta: Any, gradient: Any, m: Any, v: Any, step: int, learning_rate: float, max_grad_norm: float = math.inf
) -> None:
    """m += (1 - b1)(g - m);  v += (1 - b2)(g^2 - v);  theta -= lr m^ / (sqrt v^ + eps)  (Kingma & Ba 2015).

    With b1 = 0.9, b2 = 0.999, eps = 1e-8 and m^ = m / (1 - b1^step), v^ = v / (1 - b2^step), as torch has them. A
    gradient g longer than `max_grad_norm` is first scaled down to it (Pascanu et al. 2013).

    Args:
        theta: parameters, float32 `(n,)`, moved in place.
        gradient: g, float32 `(n,)`.
        m, v: the running means of g and g^2, float32 `(n,)`, at first 0; moved in place.
        step: 1 at the first call, 2 at the second.
        learning_rate: lr.
        max_grad_norm: the longest gradient.
    """
    length = math.sqrt(np.dot(gradient, gradient))
    scale = np.float32(min(1.0, max_grad_norm / (length + 1e-6)))
    size = np.float32(learning_rate / (1.0 - 0.9**step))
    unbias = np.float32(1.0 / math.sqrt(1.0 - 0.999**step))
    for i in range(len(theta)):
        g = scale * gradient[i]
        m[i] += (_ONE - _BETA1) * (g - m[i])
        v[i] += (_ONE - _BETA2) * (g * g - v[i])
        theta[i] -= size * m[i] / (unbias * math.sqrt(v[i]) + _EPSILON)
