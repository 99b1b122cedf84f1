"""What linear learners share, whether they predict or control: features, step sizes, and one rule at two speeds."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.agent import Agent
from rlkit.checkpoint.allowance import take
from rlkit.compiled.entries import act_one, update_one
from rlkit.compiled.learners import N_CLIPPED, N_COLLISIONS, NONE, PENDING, Schedule
from rlkit.compiled.randomness import new_stream
from rlkit.compiling import saying
from rlkit.config import bounded, described
from rlkit.errors import CheckpointError, ConfigError, InvalidTransition, SpaceError
from rlkit.features import Features, OneHot
from rlkit.features.encoding import direct
from rlkit.transition import Transition
from rlkit.updates.memory import Memory, new_memory
from rlkit.updates.rule import forget
from rlkit.updates.traces import Traces, as_traces

# what learners are made of, besides weights and visits, for which `compiled` looks itself
_INGREDIENTS = frozenset({"config", "target_policy", "behaviour_policy", "h", "traces", "memory"})


class LinearAgent(Agent):
    """Learns weights of features by a rule of `rlkit.updates`, from one transition at a time or in a compiled loop.

    A subclass says in `rule` how the weights move, and in `learner` what is to be learnt.

    Attributes:
        features: what the values are linear in.
        w: weights, float64 `(n_weights,)`; write to them with `agent.w[:] = ...`.
        visits: int64, updates in all, `(1,)`, or of each entry of a table, `(n_weights,)`.
    """

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(Agent.Config):
        """Hyperparameters of linear learning."""

        learning_rate: float = bounded(0.1, above=0, help="step size at first")
        learning_rate_power: float = bounded(
            0.0, at_least=0, up_to=1, help="the n-th step size is learning_rate / n**power; 0 is constant"
        )
        initial_value: float = bounded(0.0, help="every weight at first")
        features: Features | None = described(None, "what values are linear in; None: a table, a weight for each state")

    observation_types = (spaces.Discrete, spaces.Box)
    action_types = (spaces.Discrete,)

    features: Any
    w: NDArray[np.float64]
    visits: NDArray[np.int64]
    _bound: tuple[Any, Any, Any] | None  # two arrays, and the learner that was made with them
    _entries: tuple[Any, Any] | None  # its functions for single steps

    def setup(self) -> None:
        """Make weights, counts and random numbers."""
        for role, space in (("observation", self.observation_space), ("action", self.action_space)):
            if isinstance(space, spaces.Discrete) and space.start != 0:
                raise SpaceError(f"{type(self).__name__}: the {role} space is {space}, expected one that starts at 0")
        self._derive()
        take(8 * self.features.n_features, f"{self.features.n_features:,} weights")
        self.w = np.full(self.features.n_features, self.config.initial_value)
        self.visits = np.zeros(self.features.n_features if self.is_table else 1, np.int64)
        self._counts = np.array([0, NONE, 0, 0])
        self._owners = self.features.report().owners
        self._stream = new_stream(self.rng)

    @property
    def is_table(self) -> bool:
        """Whether every state has its own weight."""
        return self.config.features is None

    def make_features(self) -> Any:
        """Return what encodes: here features of observations."""
        return self.observation_features()

    def observation_features(self) -> Features:
        """Return the features that were given, or a table's.

        Raises:
            SpaceError: they do not suit the observations, or none were given and the observations have no numbers.
        """
        features: Features | None = self.config.features
        space = self.observation_space
        if features is not None:
            features.check_space(space)
            return features
        if not isinstance(space, spaces.Discrete):
            raise SpaceError(
                f"{type(self).__name__}: the observation space is {space}; a table needs numbered states, so give it "
                "features, such as rlkit.features.TileCoding.for_env(env)"
            )
        return OneHot(n=int(space.n))

    def rule(self) -> Any:
        """Return the update rule, a NamedTuple of `rlkit.updates` that holds `self.w`."""
        raise NotImplementedError(f"{type(self).__name__} does not say how its weights move: define rule()")

    def learner(self) -> Any:
        """Return the learner (`rlkit.compiled.learners`) that shares this agent's arrays."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it learns: define learner()")

    def compiled(self) -> Any:
        """Return the learner for a compiled loop, None where there is none.

        Raises:
            ConfigError: somebody has brought an array of another dtype or shape than `setup` made.
        """
        own = vars(self)
        bound = self._bound
        if bound is None or bound[0] is not own["visits"] or bound[1] is not own.get("w"):
            self._check_arrays()  # which a checkpoint, or somebody, has brought
            bound, self._entries = (own["visits"], own.get("w"), self.learner()), None
            self._bound = bound
        return bound[2]

    def update(self, t: Transition) -> Mapping[str, float]:
        """Learn from one transition.

        Raises:
            InvalidTransition: an observation or the action does not exist.
        """
        learner, _, update = self._parts()
        x, next_x, action = self.as_input(t.observation), self.as_input(t.next_observation), t.action
        if type(action) is not int or not 0 <= action < self._n_actions:  # compiled code looks it up without looking
            action = self._checked_action(action)
        return {"td_error": update(learner, x, action, t.reward, next_x, t.terminated, t.truncated)}

    def abandon_episode(self) -> None:
        """Let go of traces, of transitions not learnt from yet, and of the action chosen for what came next."""
        forget(LinearAgent.compiled(self).rule)
        self._counts[PENDING] = NONE

    def as_input(self, observation: Any) -> Any:
        """Return an observation as the features take it: an int, or a float64 array."""
        return self.features._checked(observation)

    def schedule(self) -> Schedule:
        """Return the step sizes."""
        return Schedule(self.config.learning_rate, self.config.learning_rate_power, self.visits)

    def phi(self) -> NDArray[Any]:
        """Return room for one encoded observation."""
        return np.zeros(*self.features._row)

    def make_room(self) -> None:
        """Make room for more transitions, where the rule remembers an episode and has none left; here it has."""

    def new_traces(self, cutoff: float = 0.0) -> dict[str, Any]:
        """Return traces that are all 0, in the form in which an attribute keeps them; `traces_of` is the way back."""
        return {"z": np.zeros(len(self.w)), "cutoff": cutoff}

    def traces_of(self, kept: dict[str, Any]) -> Traces:
        """Return the traces that an attribute keeps as a rule takes them.

        Raises:
            CheckpointError: they came from a file, and are not this agent's.
        """
        z: Any = kept.get("z")
        cutoff = kept.get("cutoff")
        if not _is_like(z, np.zeros(len(self.w))) or not isinstance(cutoff, float):
            raise CheckpointError(f"{type(self).__name__}: the traces are not {len(self.w)} numbers and a cutoff")
        return as_traces(z, sparse=self.features.sparse, cutoff=cutoff)

    def new_memory(self, size: int) -> dict[str, NDArray[Any]]:
        """Return room for so many transitions, in the form in which an attribute keeps it; `memory_of` is back."""
        return new_memory(size, self.phi())._asdict()

    def memory_of(self, kept: dict[str, NDArray[Any]], places: NDArray[np.int64], spare: int = 0) -> Memory:
        """Return the transitions that an attribute keeps as a rule takes them.

        Args:
            kept: what `new_memory` returned.
            places: numbers that have to be in [0, size - spare], size being how many transitions there is room for.
            spare: see there.

        Raises:
            CheckpointError: they came from a file, and are not this agent's, or point out of its weights.
        """
        size = np.size(kept.get("first", 0))
        expected = self.new_memory(size)
        if kept.keys() != expected.keys() or not all(_is_like(kept[name], expected[name]) for name in expected):
            raise CheckpointError(f"{type(self).__name__}: the transitions remembered are not {size} of this agent's")
        phi, first = kept["phi"], kept["first"]
        last = phi + first[:, None] if self.features.sparse else first[:, None] + np.arange(phi.shape[1])
        if (
            first.min() < 0
            or last.min() < 0
            or last.max() >= self.w.size
            or places.min() < 0
            or places.max() > size - spare
        ):
            raise CheckpointError(f"{type(self).__name__}: the transitions remembered are not of these features")
        return Memory(**kept)

    @property
    def n_clipped(self) -> int:
        """How many observations were outside the features' bounds, and clipped."""
        return int(self._counts[N_CLIPPED])

    @property
    def n_collisions(self) -> int:
        """How often a tile shared its feature with another, where tiles are hashed."""
        return int(self._counts[N_COLLISIONS])

    def _derive(self) -> None:
        """Make what follows from the spaces and hyperparameters, and is not saved."""
        self.features = self.make_features()
        self._bound = None
        self._entries = None
        self._n_actions = int(self.action_space.n)

    def _checked_action(self, action: Any) -> int:
        """Return an action as a plain int, or say what is wrong."""
        try:
            number = operator.index(action)
        except TypeError:
            number = -1
        if not 0 <= number < self._n_actions:
            raise InvalidTransition(
                f"{type(self).__name__}: action {action!r} is not an integer in [0, {self._n_actions})"
            )
        return number

    def _check_arrays(self) -> None:
        """Check that every array is as `setup` made it: compiled code does not look where one ends."""
        own = vars(self)
        for name, made in own.get("_made", {}).items():
            array = own.get(name)
            if name == "target_policy" or " (" not in made or not isinstance(array, np.ndarray):
                continue  # `learner` looks at policies
            if f"{array.dtype} {array.shape}" != made or not array.flags.c_contiguous:
                raise ConfigError(
                    f"{type(self).__name__}: {name} is {array.dtype} {array.shape}, expected {made} in a row; "
                    f"write to it with agent.{name}[:] = ..."
                )

    def _parts(self) -> tuple[Any, Callable[..., int], Callable[..., float]]:
        """Return the learner, and its functions for single steps."""
        learner = LinearAgent.compiled(self)
        if self._entries is None:
            x = np.zeros(self.features._n_dims) if self.features.n_states is None else 0
            with saying(f"rlkit: compiling {type(self).__name__}'s single steps, once"):
                act = direct(act_one, learner, x)
                self._entries = act, direct(update_one, learner, x, 0, 0.0, x, False, False)
        return (learner, *self._entries)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _INGREDIENTS:
            vars(self)["_bound"] = None

    def __getstate__(self) -> dict[str, Any]:
        derived = ("_bound", "_entries", "_n_actions", "features")
        return {name: value for name, value in super().__getstate__().items() if name not in derived}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Be a copy (`copy.deepcopy`, or from another process) of the agent that `__getstate__` was asked of."""
        vars(self).update(state)
        self._derive()


def _is_like(array: Any, expected: NDArray[Any]) -> bool:
    return isinstance(array, np.ndarray) and array.dtype == expected.dtype and array.shape == expected.shape
