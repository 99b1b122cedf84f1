"""One feature for each state: the tabular case of linear learning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from rlkit.config import bounded
from rlkit.features.base import Features
from rlkit.features.coordinates import count_states
from rlkit.features.encoding import encoder
from rlkit.features.registry import register


class OneHotParameters(NamedTuple):
    """What `encode_one_hot` needs."""

    n: int


@encoder(OneHotParameters)
def encode_one_hot(parameters: Any, x: Any, out: Any) -> int:  # noqa: ARG001
    """Write the state's own number."""
    out[0] = x
    return 0


@register
@dataclass(frozen=True, kw_only=True)
class OneHot(Features):
    """Feature s is 1 in state s, and 0 elsewhere: a linear function of it is a table (S&B 2018, section 9.4)."""

    n: int = bounded(1, at_least=1, help="number of states")

    @classmethod
    def for_env(cls, env: Any) -> Self:
        """Build for a finite environment or model.

        Raises:
            SpaceError: its states are not numbered.
        """
        return cls(n=count_states(env))

    @property
    def n_features(self) -> int:
        """How many features there are."""
        return self.n

    @property
    def n_active(self) -> int:
        """One feature is active."""
        return 1

    @property
    def sparse(self) -> bool:
        """Encoded as an active index."""
        return True

    @property
    def n_states(self) -> int:
        """How many states there are."""
        return self.n

    @property
    def n_dims(self) -> int:
        """States have no coordinates here; their number counts as one."""
        return 1

    @property
    def formula(self) -> OneHotParameters:
        """The parameters of `encode_one_hot`."""
        return OneHotParameters(self.n)

    @property
    def parameters(self) -> OneHotParameters:
        """The formula; no table is faster."""
        return self.formula
