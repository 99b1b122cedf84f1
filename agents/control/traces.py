"""What learners with eligibility traces share."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from rlkit.agents.control.base import LinearControl
from rlkit.config import bounded
from rlkit.errors import ConfigError
from rlkit.updates import Accumulating, Replacing


class ControlWithTraces(LinearControl):
    """Learns action values with a trace for each weight."""

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(LinearControl.Config):
        """Hyperparameters of eligibility traces."""

        lam: float = bounded(
            0.9, at_least=0, up_to=1, help="lambda: what is left of a trace after a step, besides gamma"
        )
        trace: Literal["accumulating", "replacing"] = "replacing"
        trace_cutoff: float = bounded(
            1e-4, at_least=0, below=1, help="a trace of sparse features that is no larger ends"
        )

    def setup(self) -> None:
        """Make traces, all 0.

        Raises:
            ConfigError: replacing traces with dense features.
        """
        super().setup()
        if self.config.trace == "replacing" and not self.features.sparse:
            raise ConfigError(
                f"{type(self).__name__}: trace='replacing' with {type(self.features.features).__name__}, which are "
                "dense; trace='accumulating' is for any features"
            )
        self._traces = self.new_traces(self.config.trace_cutoff)

    def rule(self) -> Any:
        """Move the weights by alpha delta z."""
        kind: Any = Replacing if self.config.trace == "replacing" else Accumulating
        return kind(self.w, self.traces_of(self._traces), self.config.lam)
