"""Gradient-TD: GTD2 and TDC, which converge off policy too, by a second set of weights and step sizes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.features.encoding import add, dot
from rlkit.updates.rule import learn


class GTD2(NamedTuple):
    """Gradient descent on the projected Bellman error, second version.

    Attributes:
        w: weights, float64 `(n_features,)`.
        h: the second weights, which learn the expected TD error from the features, float64 `(n_features,)`; at first 0.
        beta: their step size.
    """

    w: NDArray[np.float64]
    h: NDArray[np.float64]
    beta: float


class TDC(NamedTuple):
    """TD with gradient correction.

    Attributes:
        w, h, beta: as of `GTD2`.
    """

    w: NDArray[np.float64]
    h: NDArray[np.float64]
    beta: float


@learn.of(GTD2)
def gtd2(rule: Any, t: Any) -> Any:
    """w += alpha rho (phi - gamma phi') h.phi;  h += beta rho (delta - h.phi) phi.

    Sutton, Maei, Precup, Bhatnagar, Silver, Szepesvari & Wiewiora (2009), equations 8 and 9; S&B 2018, section 11.7.
    """
    delta = t.reward + t.discount * t.next_value - dot(t.phi, rule.w, t.first)
    expected = dot(t.phi, rule.h, t.first)
    add(t.phi, rule.w, t.first, t.alpha * t.rho * expected)
    add(t.next_phi, rule.w, t.first, -t.alpha * t.rho * t.discount * expected)
    add(t.phi, rule.h, t.first, rule.beta * t.rho * (delta - expected))
    return delta


@learn.of(TDC)
def tdc(rule: Any, t: Any) -> Any:
    """w += alpha rho (delta phi - gamma phi' h.phi);  h += beta rho (delta - h.phi) phi.

    Sutton et al. (2009), equations 8 and 10; S&B 2018, section 11.7.
    """
    delta = t.reward + t.discount * t.next_value - dot(t.phi, rule.w, t.first)
    expected = dot(t.phi, rule.h, t.first)
    add(t.phi, rule.w, t.first, t.alpha * t.rho * delta)
    add(t.next_phi, rule.w, t.first, -t.alpha * t.rho * t.discount * expected)
    add(t.phi, rule.h, t.first, rule.beta * t.rho * (delta - expected))
    return delta
