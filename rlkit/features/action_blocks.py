"""Action features by blocks: each action has its own copy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rlkit.features.action_encoding import Blocks
from rlkit.features.actions import ActionFeatures, count_actions
from rlkit.features.base import Features
from rlkit.features.registry import register
from rlkit.features.report import FeatureReport


@register
@dataclass(frozen=True, kw_only=True)
class ActionBlocks(ActionFeatures):
    """Every action has its own copy of the features, which are 0 for the other actions (S&B 2018, section 10.1).

    Feature j of action a is number `a * of.n_features + j`.

    Attributes:
        of: features of observations.
    """

    of: Features

    @classmethod
    def for_env(cls, env: Any, features: Features) -> Self:
        """Build from features of observations and an environment's actions.

        Raises:
            SpaceError: the actions are not `Discrete`, or the features are of other observations.
        """
        if hasattr(env, "observation_space"):
            features.check_space(env.observation_space)
        return cls(of=features, n_actions=count_actions(env))

    @property
    def features(self) -> Features:
        """Those of observations."""
        return self.of

    @cached_property
    def parameters(self) -> Blocks:
        """The parameters of each block."""
        return Blocks(self.of.parameters, self.of.n_features)

    @cached_property
    def n_features(self) -> int:
        """How many features there are."""
        return self.n_actions * self.of.n_features

    @property
    def n_states(self) -> int | None:
        """How many states there are; None where observations are vectors."""
        return self.of.n_states

    @property
    def step_scales(self) -> NDArray[np.float64]:
        """Those of the features, once for each action."""
        return np.tile(self.of.step_scales, self.n_actions)

    def __call__(self, observation: Any, action: int, report: FeatureReport | None = None) -> NDArray[Any]:
        """Encode: int64 `(n_encoded,)` active indices if sparse, else float64 `(n_features,)`."""
        first = self._checked_action(action) * self.of.n_features
        encoded = self.of(observation, report)
        if self.sparse:
            encoded += first
            return encoded
        whole = np.zeros(self.n_features)
        whole[first : first + len(encoded)] = encoded
        return whole

    @property
    def _n_dims(self) -> int:
        return self.of.n_dims

    def _checked(self, observation: Any) -> Any:
        return self.of._checked(observation)

    def _every_pair(self) -> NDArray[np.float64]:
        assert self.of.n_states is not None
        found = self.of.transform(np.arange(self.of.n_states))
        states = found.toarray() if self.sparse else found  # [S, D]
        blocks = np.zeros((len(states), self.n_actions, self.n_actions, states.shape[1]))  # [S, A, A, D]
        for action in range(self.n_actions):
            blocks[:, action, action] = states
        return blocks.reshape(len(states) * self.n_actions, self.n_features)
