"""What tabular learners of action values share: their spaces, hyperparameters, step sizes and exploration."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.agent import Agent
from rlkit.config import bounded
from rlkit.errors import SpaceError
from rlkit.exploration import epsilon_greedy, linear_decay


class TabularControl(Agent):
    """Learns a table of action values and acts epsilon-greedily on it.

    Attributes:
        n_updates: transitions learnt from.
        visits: how often each entry was moved, int64 `[S, A]`.

    Raises:
        SpaceError: a space is not `Discrete`, or does not start at 0.
    """

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(Agent.Config):
        """Hyperparameters of tabular control."""

        learning_rate: float = bounded(0.1, above=0, up_to=1, help="step size of the first visit of an entry")
        learning_rate_power: float = bounded(
            0.0, at_least=0, up_to=1, help="the n-th visit's step size is learning_rate / n**power; 0 is constant"
        )
        initial_value: float = bounded(0.0, help="every entry at first; high values make the learner explore")
        epsilon: float = bounded(0.1, at_least=0, up_to=1, help="share of random actions, in the end")
        initial_epsilon: float = bounded(1.0, at_least=0, up_to=1, help="share of random actions at first")
        epsilon_steps: int = bounded(0, at_least=0, help="steps in which it goes from the one to the other, linearly")

    observation_types = (spaces.Discrete,)
    action_types = (spaces.Discrete,)

    n_updates: int
    visits: NDArray[np.int64]

    def setup(self) -> None:
        """Count from zero; a subclass calls this first and then makes its table."""
        for role, space in (("observation", self.observation_space), ("action", self.action_space)):
            if space.start != 0:
                raise SpaceError(f"{type(self).__name__}: the {role} space is {space}, expected one that starts at 0")
        self.n_updates = 0
        self.visits = np.zeros((self.observation_space.n, self.action_space.n), np.int64)  # [S, A]

    def values(self, observation: Any) -> NDArray[np.float64]:
        """Return the action values `[A]` that decide what is done in a state; for N states, `[N, A]`."""
        raise NotImplementedError

    def action_values(self, observations: Any) -> NDArray[np.float64]:
        """Return what the table says about N states, `[N, A]`."""
        return self.values(observations)

    def act(self, observation: int, *, explore: bool = False) -> int:
        """Return the greedy action, the lowest where several are; with `explore`, epsilon-greedy, ties at random."""
        values = self.values(observation)
        return epsilon_greedy(values, self.exploration_rate, self.rng) if explore else int(values.argmax())

    @property
    def exploration_rate(self) -> float:
        """The current share of random actions."""
        config = self.config
        return linear_decay(config.initial_epsilon, config.epsilon, config.epsilon_steps, self.n_updates)

    def step_size(self, observation: int, action: int) -> float:
        """Count a visit of an entry and return its step size.

        With a power in (1/2, 1], Q-learning converges with probability 1 (Watkins & Dayan 1992; Even-Dar & Mansour
        2003 recommend 0.77).
        """
        self.n_updates += 1
        self.visits[observation, action] += 1
        config = self.config
        size: float = config.learning_rate / float(self.visits[observation, action]) ** config.learning_rate_power
        return size
