"""Adam and AdamW, on the parameters of a network in one row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rlkit.compiling import njit


def adam(
    theta: Any,
    gradient: Any,
    m: Any,
    v: Any,
    step: int,
    learning_rate: float,
    max_grad_norm: float = math.inf,
    n_decayed: int = 0,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> None:
    """m += (1 - b1)(g - m);  v += (1 - b2)(g^2 - v);  theta -= lr m^ / (sqrt v^ + eps)  (Kingma & Ba 2015).

    With b1 = 0.9, b2 = 0.999, eps = 1e-8 and m^ = m / (1 - b1^step), v^ = v / (1 - b2^step), as torch has them. A
    gradient g longer than `max_grad_norm` is first scaled down to it (Pascanu et al. 2013). The first `n_decayed`
    parameters decay: by g += weight_decay theta once g is scaled, which is L2 regularisation; or `decoupled` from all
    that by theta -= lr weight_decay theta (AdamW: Loshchilov & Hutter 2019, algorithm 2).

    Args:
        theta: parameters, float32 `(n,)`, moved in place; or float64, and so the three that follow.
        gradient: g, float32 `(n,)`.
        m, v: the running means of g and g^2, float32 `(n,)`, at first 0; moved in place.
        step: 1 at the first call, 2 at the second.
        learning_rate: lr.
        max_grad_norm: the longest gradient.
        n_decayed: how many parameters decay; a network's weights, laid before its biases.
        weight_decay: how much.
        decoupled: AdamW's decay instead of L2's.
    """
    kept, pull = (1.0 - learning_rate * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    # all arguments given, because numba compiles anew for each set of those that are left to their defaults
    _adam(theta, gradient, m, v, int(step), float(learning_rate), float(max_grad_norm), int(n_decayed), kept, pull)


@njit(cache=True, error_model="numpy")
def _adam(
    theta: Any,
    gradient: Any,
    m: Any,
    v: Any,
    step: int,
    learning_rate: float,
    max_grad_norm: float,
    n_decayed: int,
    kept: float,
    pull: float,
) -> None:
    """Take the step of `adam`, the first `n_decayed` parameters from kept theta and along g + pull theta."""
    scale = 1.0
    if max_grad_norm < math.inf:
        scale = min(1.0, max_grad_norm / (math.sqrt(np.dot(gradient, gradient)) + 1e-6))
    real = theta.dtype.type
    scale, kept, pull = real(scale), real(kept), real(pull)
    size = real(learning_rate / (1.0 - 0.9**step))
    unbias = real(1.0 / math.sqrt(1.0 - 0.999**step))
    for i in range(n_decayed):
        theta[i] = kept * theta[i] - _step(scale * gradient[i] + pull * theta[i], m, v, i, size, unbias)
    # views, because numba writes fast code only for loops from 0
    theta, gradient, m, v = theta[n_decayed:], gradient[n_decayed:], m[n_decayed:], v[n_decayed:]
    for i in range(len(theta)):
        theta[i] -= _step(scale * gradient[i], m, v, i, size, unbias)


@njit(cache=True, error_model="numpy")
def _step(g: Any, m: Any, v: Any, i: int, size: Any, unbias: Any) -> Any:
    real = m.dtype.type
    m[i] += (real(1.0) - real(0.9)) * (g - m[i])
    v[i] += (real(1.0) - real(0.999)) * (g * g - v[i])
    return size * m[i] / (unbias * math.sqrt(v[i]) + real(1e-8))
