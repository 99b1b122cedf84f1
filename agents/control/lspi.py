"""Least-squares policy iteration, linear or tabular."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.agents.control.base import LinearControl
from rlkit.compiled.control import Greedy
from rlkit.compiled.learners import N_CLIPPED, N_COLLISIONS, N_UPDATES
from rlkit.config import bounded
from rlkit.errors import CheckpointError
from rlkit.transition import Transition
from rlkit.updates import OneStep
from rlkit.updates.lspi import lstdq


class LSPI(LinearControl):
    """Learns the optimal action values by policy iteration on stored transitions, each policy by least squares.

    Lagoudakis & Parr (2003). Every `improve_every` transitions it goes from policy to policy, by LSTDQ on all that is
    stored, until the weights stay: no step size; learning_rate and its power have no effect. Meanwhile it acts at
    random, unless `exploration_final_eps` says otherwise. It always learns step by step, not in a compiled loop.

    Departures: the policy that an improvement begins with is the last one's result; `ridge` keeps the system regular,
    so that what no transition speaks of stays at `initial_value`.

    Attributes:
        n_stored: transitions ever stored; the latest `buffer_size` are kept.
    """

    follows_semi_gradient: ClassVar[bool] = False

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(LinearControl.Config):
        """Hyperparameters of least-squares policy iteration."""

        learning_rate: float = bounded(0.1, above=0, help="without effect: there is no step size")
        learning_rate_power: float = bounded(0.0, at_least=0, up_to=1, help="without effect, alike")
        exploration_final_eps: float = bounded(1.0, at_least=0, up_to=1, help="share of random actions in the end")
        buffer_size: int = bounded(100_000, at_least=1, help="transitions kept; the oldest goes first")
        improve_every: int = bounded(1000, at_least=1, help="transitions between two rounds of policy iteration")
        max_iterations: int = bounded(20, at_least=1, help="policies in a round, at most")
        tolerance: float = bounded(1e-6, at_least=0, help="a round is over when no weight moved by more")
        ridge: float = bounded(1e-6, above=0, help="what is added to the diagonal of the system")

    n_stored: int

    def setup(self) -> None:
        """Make room for transitions."""
        super().setup()
        size, discrete = self.config.buffer_size, isinstance(self.observation_space, spaces.Discrete)
        xs: Any = np.zeros(size, np.int64) if discrete else np.zeros((size, self.features._n_dims))
        self._observations, self._next_observations = xs, xs.copy()
        self._actions, self._rewards, self._terminated = np.zeros(size, np.int64), np.zeros(size), np.zeros(size, bool)
        self.n_stored = 0

    def target(self) -> Greedy:
        """Take max_a q(s', a)."""
        return Greedy(0)

    def rule(self) -> OneStep:
        """Hold the weights; they are not moved step by step."""
        return OneStep(self.w)

    def compiled(self) -> None:
        """Return None: there is no compiled loop."""

    def update(self, t: Transition) -> Mapping[str, float]:
        """Store the transition; when it is time, improve the policy."""
        x, next_x = self.as_input(t.observation), self.as_input(t.next_observation)
        k = self.n_stored % self.config.buffer_size
        action, report = self._checked_action(t.action), self.features.report()
        report.owners = self._owners
        self.features(next_x, action, report)
        for array, value in zip(self._batch(), (x, action, t.reward, next_x, t.terminated), strict=True):
            array[k] = value
        self._counts[N_CLIPPED] += report.n_clipped > 0
        self._counts[N_COLLISIONS] += report.n_collisions
        self._counts[N_UPDATES] += 1
        self.n_stored += 1
        return self.improve() if self.n_stored % self.config.improve_every == 0 else {}

    def improve(self) -> Mapping[str, float]:
        """Go from policy to policy until the weights stay.

        Returns:
            how many policies that took, and by how much a weight moved in the end.
        """
        self._check_stored()
        config, iterations, change = self.config, 0, np.inf
        while change > config.tolerance and iterations < config.max_iterations:
            w = self._weights_of_greedy_policy()
            change = float(np.abs(w - self.w).max())
            self.w[:] = w
            iterations += 1
        return {"policies": float(iterations), "weight_change": change}

    def _batch(self) -> tuple[NDArray[Any], ...]:
        return self._observations, self._actions, self._rewards, self._next_observations, self._terminated

    def _weights_of_greedy_policy(self) -> NDArray[np.float64]:
        config, n = self.config, min(self.n_stored, self.config.buffer_size)
        A = np.diag(np.full(len(self.w), config.ridge))
        b = np.full(len(self.w), config.ridge * config.initial_value)
        room = self.phi(), self.phi(), np.zeros(self.action_space.n)
        batch = tuple(array[:n] for array in self._batch())
        lstdq(self.features.parameters, batch, config.gamma, self.w, room, A, b)
        w: NDArray[np.float64] = np.linalg.solve(A, b)
        return w

    def _check_stored(self) -> None:
        """Check that what is stored exists: compiled code looks it up without looking.

        Raises:
            CheckpointError: it came from a file, and does not.
        """
        states = (self._observations, self._next_observations)
        for numbers, n in (*((xs, self.features.n_states) for xs in states), (self._actions, self.action_space.n)):
            if n is not None and (numbers.min() < 0 or numbers.max() >= n):
                raise CheckpointError(f"{type(self).__name__}: stored transitions have numbers outside of [0, {n})")
