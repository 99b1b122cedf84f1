"""What checks of agents work on: how to make the agent, and a recorded stream of transitions to feed it."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple, cast

import gymnasium
import numpy as np
from gymnasium import spaces

from rlkit.agent import Agent
from rlkit.checks.running import CheckFailed, CheckSkipped, sentence_of
from rlkit.checks.state import State, differing, keeping_global_generators, numbers_of, seed_global_generators, state_of
from rlkit.divergence import name_of
from rlkit.errors import ConfigError, SpaceError
from rlkit.spaces import finder_of_faults, keeper, stack
from rlkit.transition import Transition

STRIDE = 16  # transitions between two looks at whether anything was learnt
SHORTEST, MOST = 64, 2048  # transitions in a stream
LIMITS = (32, 4, 16, 8)  # of episodes' steps, in turn, so that there are truncated ones
N_PROBES = 16
SEED = 0

MakeAgent = type[Agent] | Callable[[Any, int | None], Agent]
MakeEnv = str | gymnasium.Env[Any, Any] | Callable[[], gymnasium.Env[Any, Any]]


class Recording(NamedTuple):
    """What an agent did while it learnt, and whether it learnt anything."""

    transitions: list[Transition]
    has_learnt: bool
    error: Exception | None


class ForeignAgent(Agent):
    """An agent that does nothing and draws nothing, of a class that no other is of."""

    def setup(self) -> None:
        """Hold something."""
        self.weights = np.zeros(3)


class AgentSubject:
    """An agent to be checked: fresh ones of any seed, and transitions that one of them went through.

    The transitions are an agent's own, while it learns; but each reward is drawn from a normal distribution, so that
    there is always something to learn, and episodes are truncated early. There are as many as it takes until something
    is learnt, 64 at least, and a few more if they would end with an episode.

    Args:
        make: a class, or a function of an environment and a seed.
        env: the environment, its id, or a function that makes it.
    """

    def __init__(self, make: MakeAgent, env: MakeEnv) -> None:
        if isinstance(make, type) and not issubclass(make, Agent):
            raise ConfigError(f"check_agent: {make.__name__} is not an Agent")
        if not callable(make):
            raise ConfigError(f"check_agent: {make!r} is neither an Agent class nor a function make(env, seed)")
        self.make = make
        self._given_env = env

    def __str__(self) -> str:
        return str(getattr(self.make, "__name__", type(self.make).__name__))

    @cached_property
    def env(self) -> gymnasium.Env[Any, Any]:
        """The environment; made when first asked for, if it has to be."""
        given = self._given_env
        env = gymnasium.make(given) if isinstance(given, str) else given
        env = env if isinstance(env, gymnasium.Env) else env()
        if not isinstance(env, gymnasium.Env):
            raise SpaceError(f"check_agent: {env!r} is not an environment")
        return env

    @property
    def where(self) -> str:
        """The environment's name."""
        return name_of(self.env)

    def close(self) -> None:
        """Close the environment if it was made here."""
        if not isinstance(self._given_env, gymnasium.Env) and "env" in vars(self):
            vars(self).pop("env").close()

    def new(self, seed: int | None = SEED) -> Agent:
        """Return a fresh agent.

        Raises:
            CheckFailed: what was made is no agent.
        """
        make = self.make
        agent: Any = cast(Any, make).for_env(self.env, seed=seed) if isinstance(make, type) else make(self.env, seed)
        if not isinstance(agent, Agent):
            raise CheckFailed(f"make(env, seed) returned a {type(agent).__name__}, expected an Agent")
        return agent

    def trained(self, seed: int | None = SEED) -> Agent:
        """Return an agent that has learnt from the whole stream, and has an episode under way unless that is over."""
        agent = self.new(seed)
        self.feed(agent, self.stream)
        return agent

    @cached_property
    def learnt(self) -> Agent:
        """An agent that has learnt from the stream, for all checks that only look at what it does: none teaches it."""
        return self.trained()

    @cached_property
    def expected_state(self) -> State:
        """The `settled_state` of an agent that has learnt from the stream, and to which nothing else has happened."""
        return self.settled_state(self.trained())

    @cached_property
    def recording(self) -> Recording:
        """What an agent of seed 0 went through."""
        seen: list[Transition] = []
        try:
            agent, fresh = self.new(), self.new()
            most = max(MOST, getattr(agent.config, "learning_starts", 0) + 4 * STRIDE)
            begin(agent)
            steps = self._steps_of(agent)
            with agent.computing():
                while len(seen) < most:
                    for _ in range(STRIDE):
                        seen.append(next(steps))
                    probes = self._probes_in(seen)
                    if len(seen) >= SHORTEST and self._knowledge(agent, probes) != self._knowledge(fresh, probes):
                        seen += self._until_in_an_episode(steps, seen[-1])
                        return Recording(seen, True, None)
        except Exception as error:
            return Recording(seen, False, error)
        return Recording(seen, False, None)

    @cached_property
    def unrepeatable(self) -> str | None:
        """How two agents of one seed differ after the same, whatever the global generators say; None if they do not."""
        runs = []
        with keeping_global_generators():
            for seed in (1, 2):
                seed_global_generators(seed)
                agent = self.new()
                runs.append((self.feed(agent, self.stream), agent))
        (actions, agent), (other_actions, other) = runs
        for k, (one, two) in enumerate(zip(actions, other_actions, strict=True)):
            if not np.array_equal(one, two):
                return (
                    f"two agents of seed {SEED} did {spelt(one)} and {spelt(two)} at step {k + 1}; draw from self.rng "
                    "alone, and keep in attributes what changes"
                )
        names = differing(state_of(agent), state_of(other))
        return f"two agents of seed {SEED} differ in {', '.join(names)} after the same" if names else None

    @cached_property
    def entangled(self) -> str | None:
        """What of an agent is another if one of another seed learns something else meanwhile; None if nothing is."""
        alone, one, other = self.trained(), self.new(), self.new(SEED + 1)
        begin(one)
        begin(other)
        for transition in self.stream:
            self.feed(one, [transition], going_on=True)
            self.feed(other, [transition._replace(reward=-1.0 - 2.0 * transition.reward)], going_on=True)
        return ", ".join(differing(state_of(alone), state_of(one))) or None

    def twins(self) -> tuple[Agent, Agent]:
        """Return two agents that have learnt the same.

        Raises:
            CheckSkipped: there are none, as `need_repeatability` says.
        """
        self.need_repeatability()
        return self.trained(), self.trained()

    def need_repeatability(self) -> None:
        """Skip the check if two agents of one seed differ, whether others learn meanwhile or not."""
        if self.unrepeatable is not None:
            raise CheckSkipped("needs check_same_seed_gives_the_same_agent")
        if self.entangled is not None:
            raise CheckSkipped("needs check_agents_share_nothing")

    @property
    def stream(self) -> list[Transition]:
        """The recorded transitions.

        Raises:
            CheckSkipped: there was an error, which `check_acts_and_learns_without_an_error` tells of.
        """
        if self.recording.error is not None:
            raise CheckSkipped("needs check_acts_and_learns_without_an_error")
        return self.recording.transitions

    @property
    def learnable_stream(self) -> list[Transition]:
        """The recorded transitions.

        Raises:
            CheckSkipped: nothing was learnt from them, which `check_learns_something` tells of.
        """
        stream = self.stream
        if not self.recording.has_learnt:
            raise CheckSkipped("needs check_learns_something")
        return stream

    @property
    def probes(self) -> list[Any]:
        """Different observations, 16 at most; copies, anew each time."""
        return self._probes_in(self.stream)

    def batch(self) -> Any:
        """Return the probes, stacked.

        Raises:
            CheckSkipped: observations of this kind cannot be.
        """
        space = self.env.observation_space
        if isinstance(space, spaces.Discrete | spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary | spaces.Dict):
            return stack(space, self.probes)
        raise CheckSkipped(f"observations in a {type(space).__name__} space are not stacked")

    def elsewhere(self, transition: Transition, k: int) -> Any:
        """Return another observation than a transition's next, the k-th that there is.

        Raises:
            CheckSkipped: there is only one.
        """
        probes, key = self.probes, key_of(transition.next_observation)
        others = [probe for probe in probes if key_of(probe) != key]
        if not others:
            raise CheckSkipped("the environment has shown one observation only")
        return others[k % len(others)]

    def copy(self, transition: Transition) -> Transition:
        """Return a transition whose arrays are its own."""
        keep, keep_action = keeper(self.env.observation_space), keeper(self.env.action_space)
        return transition._replace(
            observation=keep(transition.observation),
            action=keep_action(transition.action),
            next_observation=keep(transition.next_observation),
        )

    def feed(self, agent: Agent, stream: Iterable[Transition], *, going_on: bool = False) -> list[Any]:
        """Have an agent act on each observation, and learn from what was recorded there; return its actions.

        Args:
            agent: it is told that a run begins, unless it is `going_on`.
            stream: what it is shown, as copies.
            going_on: whether it has gone through what came before.
        """
        if not going_on:
            begin(agent)
        keep, actions = keeper(self.env.action_space), []
        with agent.computing():
            for transition in stream:
                shown = self.copy(transition)
                actions.append(keep(agent.act(shown.observation, explore=True)))
                agent.update(self.copy(transition))
        return actions

    def knowledge(self, agent: Agent) -> dict[str, bytes]:
        """Return what an agent knows: the values that it says the probes have, or else the numbers that it holds.

        If there are none of either, it is what it does.
        """
        return self._knowledge(agent, self.probes)

    def settled_state(self, agent: Agent) -> State:
        """Return all that an agent holds, once it has worked out what it works out only when asked for."""
        agent.act(self.probes[0])
        self.knowledge(agent)
        return state_of(agent)

    def _knowledge(self, agent: Agent, probes: list[Any]) -> dict[str, bytes]:
        values = values_of(agent, self.env.observation_space, probes)
        said = {name: value.tobytes() for name, value in values.items()}
        return said or numbers_of(agent) or {"act": repr([spelt(agent.act(probe)) for probe in probes]).encode()}

    def _until_in_an_episode(self, steps: Iterator[Transition], last: Transition) -> list[Transition]:
        """Return the next transitions until two of one episode are the last ones, if that can be had soon."""
        more, others = [], itertools.islice(steps, STRIDE)
        for transition in others:
            more.append(transition)
            if not any(t.terminated or t.truncated for t in (last, transition)):
                break
            last = transition
        return more

    def _steps_of(self, agent: Agent) -> Iterator[Transition]:
        """Have an agent act and learn, for as long as somebody asks for the next transition."""
        env, dice = self.env, np.random.default_rng(SEED)
        keep, fault = keeper(env.observation_space), finder_of_faults(env.action_space, bounds=True)
        keep_action, spare = keeper(env.action_space), _own(env.action_space)
        observation, length, limits = keep(env.reset(seed=SEED)[0]), 0, itertools.cycle(LIMITS)
        limit = next(limits)
        while True:
            action = keep_action(agent.act(keep(observation), explore=True))
            action = action if fault(action) is None else spare.sample()  # another check tells of it
            seen, _, terminated, truncated, _ = env.step(keep_action(action))
            length += 1
            truncated = bool(truncated) or (length == limit and not terminated)
            reward = float(dice.normal())
            transition = Transition(observation, action, reward, keep(seen), bool(terminated), truncated)
            agent.update(self.copy(transition))
            yield transition
            observation = transition.next_observation
            if terminated or truncated:
                observation, length, limit = keep(env.reset()[0]), 0, next(limits)

    def _probes_in(self, stream: list[Transition]) -> list[Any]:
        keep = keeper(self.env.observation_space)
        different = {key_of(t.observation): t.observation for t in stream[: 4 * N_PROBES]}
        return [keep(probe) for probe in list(different.values())[:N_PROBES]]


def begin(agent: Agent) -> None:
    """Tell an agent, as a trainer would, that a run begins."""
    agent.prepare(MOST)
    agent.abandon_episode()


def values_of(agent: Agent, space: Any, observations: list[Any]) -> dict[str, Any]:
    """Return the values that an agent says observations have, as arrays by name; none where it says nothing."""
    if not isinstance(space, spaces.Discrete | spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary | spaces.Dict):
        return {}
    batch = stack(space, observations)
    said = {"action_values": agent.action_values(batch), "state_values": agent.state_values(batch)}
    return {name: np.asarray(values) for name, values in said.items() if values is not None}


def key_of(value: Any) -> Any:
    """Return something that is equal where values of a space are."""
    if isinstance(value, dict):
        return tuple((name, key_of(part)) for name, part in value.items())
    if isinstance(value, tuple):
        return tuple(map(key_of, value))
    return value.tobytes() if isinstance(value, np.ndarray) else value


def spelt(value: Any) -> str:
    """Return a short form of an action or another value, without NumPy's types."""
    return str(value.tolist() if isinstance(value, np.ndarray | np.generic) else value)


def described(error: Exception) -> str:
    """Return what an error says, for use within a sentence."""
    return sentence_of(error).removesuffix(".")


def _own(space: Any) -> Any:
    """Return a copy of a space whose generator is seeded."""
    own = copy.deepcopy(space)
    own.seed(SEED)
    return own
