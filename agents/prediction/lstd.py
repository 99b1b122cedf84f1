"""LSTD, linear."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rlkit.agents.prediction.base import LinearPrediction
from rlkit.compiled.learners import N_UPDATES
from rlkit.config import bounded
from rlkit.updates.least_squares import LeastSquares


class LSTD(LinearPrediction):
    """Learns a policy's state values by solving for TD's fixed point on all transitions so far: no step size.

    Bradtke & Barto (1996); with lambda Boyan (2002); Sutton & Barto (2018), section 9.8. The weights solve
    `(A + ridge I) w = b + ridge w_0`, w_0 being `initial_value`: what no transition speaks of stays there. They are
    solved for when they are asked for; a transition only adds to A, at a cost of n_active x n_active, and n_features x
    n_features if features are dense. The sums take n_features x n_features numbers. The error that is logged is by the
    weights as last asked for. Of the hyperparameters, learning_rate and its power have no effect; S&B call `ridge`
    epsilon.
    """

    follows_semi_gradient: ClassVar[bool] = False

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(LinearPrediction.Config):
        """Hyperparameters of LSTD."""

        learning_rate: float = bounded(0.1, above=0, help="without effect: there is no step size")
        learning_rate_power: float = bounded(0.0, at_least=0, up_to=1, help="without effect, alike")
        lam: float = bounded(0.0, at_least=0, up_to=1, help="lambda: the weight of later rewards over nearer values")
        ridge: float = bounded(1e-3, at_least=0, help="what is added to the diagonal of A; with 0, A may be singular")

    def setup(self) -> None:
        """Make the sums, and traces."""
        self._solved = np.zeros(1, np.int64)  # the number of updates at which the weights were last solved for
        super().setup()
        n = self.features.n_features
        self._columns = np.zeros((n, n))
        self._b = np.zeros(n)
        self.traces = self.new_traces()

    def rule(self) -> LeastSquares:
        """Add to A and b."""
        return LeastSquares(self._weights, self._columns, self._b, self.traces_of(self.traces), self.config.lam)

    @property
    def w(self) -> NDArray[np.float64]:
        """The weights that solve the system so far, float64 `(n_features,)`; where it is singular, the shortest."""
        if self._solved[0] != self._counts[N_UPDATES]:
            self._solved[0] = self._counts[N_UPDATES]
            ridge = self.config.ridge
            A = self._columns.T + ridge * np.eye(len(self._b))
            b = self._b + ridge * self.config.initial_value
            try:
                self._weights[:] = np.linalg.solve(A, b)
            except np.linalg.LinAlgError:
                self._weights[:] = np.linalg.lstsq(A, b, rcond=None)[0]
        return self._weights

    @w.setter
    def w(self, weights: NDArray[np.float64]) -> None:
        self._weights = weights

    @property
    def A(self) -> NDArray[np.float64]:  # noqa: N802 (the equation calls it so)
        """The sum of z (phi - gamma phi')^T so far, without ridge, float64 `(n_features, n_features)`."""
        return self._columns.T

    @property
    def b(self) -> NDArray[np.float64]:
        """The sum of z r so far, float64 `(n_features,)`."""
        return self._b
