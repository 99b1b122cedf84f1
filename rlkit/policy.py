"""What acts: policies, and planners, which find theirs from a model."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from gymnasium import Env, Space, spaces
from numpy.typing import NDArray

from rlkit.config import Config as BaseConfig
from rlkit.config import check_count
from rlkit.errors import ConfigError, SpaceError
from rlkit.spaces import check_shape, is_batch, unstack

if TYPE_CHECKING:
    from rlkit.bellman import Solution


DEEPEST = 8  # levels of what setup() makes that are looked into


class Policy:
    """Maps observations to actions; the base of everything that can be evaluated, saved and drawn.

    A subclass adds hyperparameters to its `Config`, creates what it holds in `setup`, and says how it acts in `act`.
    `__init__` is final, so that `load` can rebuild any subclass.

    Args:
        observation_space: what it will be shown.
        action_space: what it may do.
        config: hyperparameters; None takes the defaults.
        seed: of `rng`, a whole number; None draws one from the operating system.

    Attributes:
        rng: the generator that all randomness comes from. It differs from the generator that gymnasium makes from the
            same seed, so that an agent's and an environment's draws never run in step.

    Raises:
        SpaceError: a space is of a type that this class has no use for.
        ConfigError: `config` is not of this class, or `seed` is below 0 or no whole number.
    """

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(BaseConfig):
        """No hyperparameters yet."""

    observation_types: ClassVar[tuple[type[Space[Any]], ...]] = (Space,)
    """The types of observation space that this class can handle."""
    action_types: ClassVar[tuple[type[Space[Any]], ...]] = (Space,)
    """The types of action space that this class can handle."""

    alternatives: ClassVar[Mapping[Any, str]] = {}
    """Which classes are there for a type of space that this one cannot handle, `{("action", Box): "DDPG"}`."""

    observation_space: Any  # a Space; Any, so that `.n` and `.shape` need no cast in each agent
    action_space: Any
    config: Any  # an instance of this class's Config
    rng: np.random.Generator

    def __init__(
        self,
        observation_space: Space[Any],
        action_space: Space[Any],
        config: BaseConfig | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        _check_space(self, "observation", observation_space, self.observation_types)
        _check_space(self, "action", action_space, self.action_types)
        config = self.Config() if config is None else config
        if type(config) is not self.Config:
            raise ConfigError(f"config is a {type(config).__qualname__}, expected a {self.Config.__qualname__}")
        self.observation_space = observation_space
        self.action_space = action_space
        self.config = config
        self.seed = None if seed is None else check_count("seed", seed, at_least=0)
        self.rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(0x726C6B69,)))
        self._torch_generator: Any = None
        self.setup()
        self._made = {**made_by_setup(vars(self)), **layouts_within(vars(self))}

    def __init_subclass__(cls, *, rebuilt: bool = True, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if rebuilt and "__init__" in vars(cls):  # what no file can rebuild may say how it is made
            raise TypeError(f"{cls.__name__}: __init__ is final; create what is learnt in setup()")
        config = vars(cls).get("Config")
        if config is not None and "__dataclass_fields__" not in vars(config):
            raise TypeError(f"{cls.__name__}.Config lacks its decorator @dataclass(frozen=True, kw_only=True)")

    @classmethod
    def for_env(cls, env: Env[Any, Any], *, seed: int | None = None, **hyperparameters: Any) -> Self:
        """Build one for an environment's spaces: `QLearning.for_env(env, gamma=0.9, seed=0)`.

        Of a vector of environments, the spaces of a single one count.

        Raises:
            ConfigError: a hyperparameter that does not exist, is of the wrong type, or out of its range.
            SpaceError: the environment's spaces do not suit this class, or it has none.
        """
        if not (hasattr(env, "observation_space") and hasattr(env, "action_space")):
            raise SpaceError(f"{cls.__name__}.for_env: {env!r} is not an environment (gymnasium.make makes one)")
        observation_space = getattr(env, "single_observation_space", env.observation_space)
        action_space = getattr(env, "single_action_space", env.action_space)
        try:
            config = cls.Config.from_dict(hyperparameters)
        except ConfigError as error:  # a class without a Config of its own has another's name in the message
            raise ConfigError(f"{cls.__name__}: {str(error).removeprefix(f'{cls.Config.__qualname__}: ')}") from None
        return cls(observation_space, action_space, config, seed=seed)

    def setup(self) -> None:
        """Create what is learnt or computed, as plain attributes (see `rlkit.checkpoint` for what can be saved)."""

    def act(self, observation: Any, *, explore: bool = False) -> Any:
        """Return the action for one observation; with `explore`, the one to learn from.

        Args:
            observation: a member of `observation_space`.
            explore: whether to try things out. Without it the action is the best known, and always the same.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it acts: define act()")

    def probs(self, observation: Any) -> NDArray[np.float64]:
        """Return the probability of each of the A actions at one observation, float64 `(A,)`.

        Here `act`, without exploring, takes one action for sure. A policy that draws its actions says so instead, as
        learners of action values do for their exploration: it can then be evaluated, and importance ratios made.

        Raises:
            SpaceError: the actions are not `Discrete`.
        """
        space = self.action_space
        if not isinstance(space, spaces.Discrete):
            raise SpaceError(f"{type(self).__name__}.probs: the action space is {space}, expected Discrete")
        one_hot = np.zeros(int(space.n))
        one_hot[int(self.act(observation)) - int(space.start)] = 1.0
        return one_hot

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,  # noqa: ARG002 (part of the convention)
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Act in stable-baselines3's calling convention, on one observation or a batch, so that its tools work.

        Args:
            observation: one observation, or a batch of them, stacked along a new first axis.
            state: returned as it came; no policy here is recurrent.
            episode_start: ignored, for the same reason.
            deterministic: False explores.

        Returns:
            `(action, state)`, the action stacked like the observation was.

        Raises:
            InvalidTransition: the observation is of another shape than those of its space.
        """
        check_shape(f"{type(self).__name__}.predict", self.observation_space, observation)
        if not is_batch(self.observation_space, observation):
            return np.asarray(self.act(observation, explore=not deterministic))[()], state
        actions = [self.act(one, explore=not deterministic) for one in unstack(self.observation_space, observation)]
        return np.asarray(actions), state

    @property
    def torch_generator(self) -> Any:
        """A `torch.Generator` on the CPU, made from `rng` when first asked for."""
        if self._torch_generator is None:
            import torch

            self._torch_generator = torch.Generator().manual_seed(int(self.rng.integers(2**63)))
        return self._torch_generator

    def save(self, path: str | Path) -> None:
        """Save everything that makes this object what it is: spaces, hyperparameters, attributes, generators.

        Raises:
            CheckpointError: an attribute has no saved form (the message names it), or the file cannot be written.
        """
        from rlkit import checkpoint

        checkpoint.save(path, self)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Rebuild what `save` saved; no code from the file is ever run.

        Reading takes memory in proportion to the file, and networks that the file cannot hold are not made; an agent of
        your own whose `setup` fills large arrays gets them as large as the file's spaces and hyperparameters ask for.

        Args:
            path: a file, a run's checkpoint (`RUN/checkpoints/best.npz` is the one that was evaluated best), or a run's
                folder, whose newest checkpoint is then taken.

        Raises:
            CheckpointError: not a checkpoint, damaged, or of another class.
        """
        from rlkit import checkpoint, run

        found = run.RunFolder(path).newest() if Path(path).is_dir() else checkpoint.load(path)
        return checkpoint.rebuild(cls, found)

    def __repr__(self) -> str:
        """Name the class and the hyperparameters that differ from its defaults: `DDPG(gamma=0.98)`."""
        config = vars(self).get("config")
        return f"{type(self).__name__}({config.brief() if isinstance(config, BaseConfig) else ''})"

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes that belong to this object, and not to whoever trains it."""
        return {name: value for name, value in vars(self).items() if name != "_trainer"}


class Planner(Policy):
    """Finds its policy from a model, and never sees an environment.

    Attributes:
        solution: what the last `plan` found; None before it. It is not saved: keep what `act` needs elsewhere.
    """

    solution: Solution | None = None

    def plan(self, model: Any) -> dict[str, float]:
        """Solve a model (`env.model()` or a `FiniteMDP`); afterwards `act` works.

        Returns:
            numbers to log.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it plans: define plan()")

    def __getstate__(self) -> dict[str, Any]:
        """Return what can be saved: everything but the solution, which holds on to the model."""
        return {name: value for name, value in super().__getstate__().items() if name != "solution"}


def made_by_setup(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Describe what an attribute must still be when it is saved: an array's dtype and shape, else the class."""
    return {name: _layout(value) or type(value).__name__ for name, value in attributes.items()}


def layouts_within(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Describe the dtypes and shapes of the arrays within attributes, by their paths, such as `moments[0]`."""
    found: dict[str, str] = {}
    for name, value in attributes.items():
        if _layout(value) is None:
            _describe_within(value, name, found, frozenset())
    return found


def _layout(value: Any) -> str | None:
    if isinstance(value, np.ndarray) or type(value).__name__ == "Tensor":
        return f"{value.dtype} {tuple(value.shape)}"
    return None


def _describe_within(value: Any, path: str, found: dict[str, str], above: frozenset[int]) -> None:
    """Describe the arrays in a container or plain object."""
    if len(above) == DEEPEST or id(value) in above:
        return
    for where, part in _parts(value, path):
        if (layout := _layout(part)) is not None:
            found[where] = layout
        else:
            _describe_within(part, where, found, above | {id(value)})


def _parts(value: Any, path: str) -> Iterable[tuple[str, Any]]:
    if type(value) in (list, tuple, deque):
        return [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    if type(value) is dict:
        return [(f"{path}[{key!r}]", item) for key, item in value.items()]
    if type(value).__module__ == "builtins" or hasattr(value, "state_dict") or not hasattr(value, "__dict__"):
        return ()
    from rlkit.checkpoint.encode import has_saved_form

    plain = not isinstance(value, BaseConfig | Policy) and has_saved_form(value)
    return [(f"{path}.{name}", item) for name, item in vars(value).items()] if plain else ()


def _check_space(policy: Policy, role: str, space: Any, types: tuple[type[Space[Any]], ...]) -> None:
    if not isinstance(space, types):
        expected = " or ".join(kind.__name__ for kind in types)
        others = policy.alternatives.get((role, type(space)))
        hint = f"; for {type(space).__name__} there are {others}" if others else ""
        raise SpaceError(f"{type(policy).__name__}: the {role} space is {space}, expected {expected}{hint}")
