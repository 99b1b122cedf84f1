"""TD(0) and TD(lambda), linear."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from rlkit.agents.prediction.base import LinearPrediction
from rlkit.config import bounded
from rlkit.errors import ConfigError
from rlkit.updates.one_step import OneStep
from rlkit.updates.traces import Accumulating, Dutch, Replacing


class LinearTD(LinearPrediction):
    """Learns a policy's state values from the difference between each value and the next.

    Sutton (1988); Sutton & Barto (2018), section 9.3; Zhao (2025), section 8.2. Off policy, each error counts by the
    importance-sampling ratio (S&B, section 11.1), and expected TD may diverge: the truth's log warns.
    """

    def rule(self) -> OneStep:
        """Move the weights by alpha rho delta phi."""
        return OneStep(self.w)


class TDLambda(LinearPrediction):
    """Learns a policy's state values from each TD error, for all states that were seen of late: eligibility traces.

    Accumulating: Sutton (1988), S&B (2018), section 12.2. Replacing, for sparse features: Singh & Sutton (1996), S&B,
    section 12.5. Dutch: true online TD(lambda), van Seijen & Sutton (2014), S&B, section 12.5, on policy only.

    Attributes:
        traces: the arrays of `rlkit.updates.traces`, by name; `traces["z"]` are the traces, float64 `(n_features,)`.
    """

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(LinearPrediction.Config):
        """Hyperparameters of TD(lambda)."""

        lam: float = bounded(
            0.9, at_least=0, up_to=1, help="lambda: how much of a trace is left after a step, by gamma"
        )
        trace: Literal["accumulating", "replacing", "dutch"] = "accumulating"
        trace_cutoff: float = bounded(
            1e-4, at_least=0, below=1, help="traces of sparse features that fall to this are 0; 0 keeps them all"
        )

    def setup(self) -> None:
        """Make traces.

        Raises:
            ConfigError: replacing traces with dense features.
        """
        super().setup()
        if self.config.trace == "replacing" and not self.features.sparse:
            raise ConfigError(
                f"{type(self).__name__}: trace='replacing' with {type(self.features).__name__}, which are dense; "
                "accumulating and dutch traces are for any features"
            )
        self.traces = self.new_traces(self.config.trace_cutoff)
        self._old = np.zeros(1)

    def follow(self, policy: Any, behaviour: Any = None) -> None:
        """Evaluate a policy from now on.

        Raises:
            ConfigError: as for `for_env`; or dutch traces are to learn off policy.
        """
        if behaviour is not None and self.config.trace == "dutch":
            raise ConfigError(f"{type(self).__name__}: trace='dutch' learns on policy only, and a behaviour was given")
        super().follow(policy, behaviour)

    def rule(self) -> Accumulating | Replacing | Dutch:
        """Move the weights by alpha delta z."""
        traces, lam = self.traces_of(self.traces), self.config.lam
        if self.config.trace == "dutch":
            return Dutch(self.w, traces, lam, self._old)
        if self.config.trace == "replacing":
            return Replacing(self.w, traces, lam)
        return Accumulating(self.w, traces, lam)
