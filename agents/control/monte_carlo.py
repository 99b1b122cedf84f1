"""Monte Carlo control, linear or tabular."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rlkit.agents.control.base import LinearControl
from rlkit.compiled.control import ExpectedSarsa, ExploringStarts
from rlkit.compiled.learners import NONE, PENDING
from rlkit.config import bounded
from rlkit.transition import Transition
from rlkit.updates.forward_view import LambdaReturn

_FIRST_ROOM = 256  # transitions


class MonteCarloControl(LinearControl):
    """Learns the action values of what it does from the returns that followed every visit, when an episode has ended.

    Sutton & Barto (2018), sections 5.3 and 5.4. With a table and `learning_rate=1, learning_rate_power=1`, an action's
    value is the mean of its returns. Exploring starts are two things: `exploring_starts=True` draws the first action of
    every episode from all alike, and the environment has to begin episodes everywhere, as a `GridWorld` without `S`
    does. Then no other exploration is needed: `exploration_final_eps=0`.

    Departures: every visit counts, not only the first; the return of an episode that was truncated is completed by the
    mean action value of where it was cut. An episode takes memory as it grows; so there has to be an end, and a policy
    without exploration may never find it: give the environment a limit of steps.
    """

    follows_semi_gradient: ClassVar[bool] = False

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(LinearControl.Config):
        """Hyperparameters of Monte Carlo control."""

        exploring_starts: bool = bounded(False, help="draw the first action of every episode from all alike")

    def setup(self) -> None:
        """Remember nothing yet."""
        super().setup()
        self._episode: dict[str, NDArray[Any]] | None = None
        self._n_held = np.zeros(1, np.int64)
        if self.config.exploring_starts:
            self._counts[PENDING] = self.rng.integers(self.action_space.n)

    def target(self) -> ExpectedSarsa | ExploringStarts:
        """Take sum_a pi(a | s') q(s', a) where an episode was truncated, pi being the exploring policy."""
        return ExploringStarts(0) if self.config.exploring_starts else ExpectedSarsa(0)

    def rule(self) -> LambdaReturn:
        """Move the weights by alpha (G - q(s, a)) phi(s, a), when the episode has ended."""
        if self._episode is None:
            self._episode = self.new_memory(_FIRST_ROOM)
        return LambdaReturn(self.w, 1.0, self.memory_of(self._episode, self._n_held), self._n_held)

    def update(self, t: Transition) -> Mapping[str, float]:
        """Remember the transition; if it is the last of its episode, learn from them all."""
        if self._episode is not None and self._n_held[0] == len(self._episode["first"]):
            self.make_room()
        return super().update(t)

    def abandon_episode(self) -> None:
        """Let go of the episode so far; the next one may have a random first action, too."""
        begun = self._n_held[0] > 0 or self._counts[PENDING] == NONE
        first = self._counts[PENDING]
        super().abandon_episode()
        if self.config.exploring_starts:
            self._counts[PENDING] = self.rng.integers(self._n_actions) if begun else first

    def make_room(self) -> None:
        """Double the room for an episode."""
        old = self._episode or self.new_memory(0)
        size = len(old["first"])
        self._episode = self.new_memory(max(2 * size, _FIRST_ROOM))
        for name, array in old.items():
            self._episode[name][:size] = array
        self._bound = None
