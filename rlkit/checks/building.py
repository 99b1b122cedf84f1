"""Checks of how an agent is made: of spaces, hyperparameters and a seed, and of nothing else."""

from __future__ import annotations

import dataclasses
import inspect
import json
import random
import typing
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np

from rlkit.agent import Agent
from rlkit.checks.agent_subject import AgentSubject, ForeignAgent, described, spelt
from rlkit.checks.running import CheckFailed, CheckSkipped
from rlkit.checks.state import (
    attributes_of,
    differing,
    generators_of,
    global_generators,
    keeping_global_generators,
    numbers_of,
    seed_global_generators,
    state_of,
)
from rlkit.config import Config

SEEDS = (0, 1, 2, 3)
ODD_SEED = 3_141_592_653  # that nobody takes by chance


def check_builds_from_spaces_config_and_seed(subject: AgentSubject) -> None:
    """Spaces, hyperparameters and a seed are all that it is made of, so that `load` can make it again.

    It takes any seed, a NumPy integer and None too.
    """
    env, agent = subject.env, subject.new()
    for role in ("observation_space", "action_space"):
        own, its = getattr(agent, role), getattr(env, role)
        if own != its:
            raise CheckFailed(f"its {role} is {own}, expected the environment's, {its}")
    for seed in (7, np.int64(7), None):
        made = subject.new(seed)  # type: ignore[arg-type]  # a NumPy integer has to do
        if made.seed != seed:
            raise CheckFailed(f"asked for seed {seed}, an agent of seed {made.seed} was made")
    observation, _ = env.reset(seed=0)
    try:
        again = type(agent)(agent.observation_space, agent.action_space, again_from_json(agent.config), seed=0)
        again.act(observation)
    except Exception as error:
        raise CheckFailed(
            f"made of its spaces, hyperparameters and seed alone, it does not act: {described(error)}"
        ) from error


def check_acts_and_learns_without_an_error(subject: AgentSubject) -> None:
    """It acts in the environment and learns from what happens, as far as other checks follow it."""
    error = subject.recording.error
    if error is not None:
        step = len(subject.recording.transitions)
        raise CheckFailed(f"acting and learning ended at step {step + 1}: {described(error)}") from error


def check_config_is_frozen(subject: AgentSubject) -> None:
    """Learning writes nothing to its hyperparameters, which can be saved as JSON."""
    agent = subject.new()
    config, before = agent.config, agent.config.to_dict()
    again = again_from_json(config)
    if again != config:
        names = [name for name, value in vars(config).items() if getattr(again, name) != value]
        raise CheckFailed(f"its hyperparameter {', '.join(names)} is another when read back from JSON")
    subject.feed(agent, subject.stream)
    if agent.config is not config:
        raise CheckFailed("learning puts another Config in the place of its own; count and decay in attributes")
    after = config.to_dict()
    for name, value in before.items():
        if after[name] != value:
            raise CheckFailed(
                f"learning changes its hyperparameter {name} from {value!r} to {after[name]!r}; "
                "keep what changes in an attribute"
            )


def check_hyperparameters_have_ranges(subject: AgentSubject) -> None:
    """Every number among its hyperparameters is declared by `bounded`, which enforces its range."""
    kind = type(subject.new().config)
    hints = typing.get_type_hints(kind)
    for spec in dataclasses.fields(kind):
        if _is_number(hints[spec.name]) and "range" not in spec.metadata:
            raise CheckFailed(
                f"its hyperparameter {spec.name} has no range; declare it as "
                f"{spec.name}: ... = bounded({spec.default!r}, at_least=..., up_to=...)"
            )
    for name, value in _without_annotation(kind):
        raise CheckFailed(
            f"its Config's {name} = {value!r} is no hyperparameter, as it has no type; declare it as "
            f"{name}: {type(value).__name__} = {value!r}, a number by bounded(...)"
        )


def check_same_seed_gives_the_same_agent(subject: AgentSubject) -> None:
    """Two agents of one seed do and learn the same from the same transitions, whatever the global generators say."""
    if subject.unrepeatable is not None:
        raise CheckFailed(subject.unrepeatable)


def check_seeds_differ(subject: AgentSubject) -> None:
    """Agents of different seeds do, or learn, something different."""
    stream, first, drew = subject.stream, None, False
    for seed in SEEDS:
        agent = subject.new(seed)
        actions = [np.asarray(action).tobytes() for action in subject.feed(agent, stream)]
        said = actions, numbers_of(agent)
        first, drew = first or said, drew or draws(agent)
        if said != first:
            return
    if getattr(subject.env.action_space, "n", None) == 1:
        raise CheckSkipped("there is only one action")
    if not drew and (how := _explores_alike(subject)) is not None:
        raise CheckFailed(f"seeds {', '.join(map(str, SEEDS))} give the same agent, and yet {how}; draw from self.rng")
    if not drew:
        raise CheckSkipped("nothing in it is random")
    raise CheckFailed(f"seeds {', '.join(map(str, SEEDS))} give the same agent; draw random numbers from self.rng")


def check_global_generators_are_untouched(subject: AgentSubject) -> None:
    """Building, acting, learning and saving neither draw from the global generators nor seed them."""
    agent, stream = subject.new(), subject.stream  # whatever is imported late has been by now
    acts: dict[str, Callable[[], object]] = {
        "building": subject.new,
        "acting and learning": lambda: subject.feed(agent, stream),
        "acting without exploring": lambda: agent.act(subject.probes[0]),
        "saving": lambda: state_of(agent),
    }
    with keeping_global_generators():
        for what, act in acts.items():
            seed_global_generators(ODD_SEED)  # to seed them anew would not be noticed in a state that it leads to
            before = global_generators()
            act()
            if moved := [name for name, state in global_generators().items() if before[name] != state]:
                raise CheckFailed(f"{what} moves the global generator of {', '.join(moved)}; draw from self.rng")


def check_agents_share_nothing(subject: AgentSubject) -> None:
    """What one agent learns changes no other, neither what that holds nor what it learns."""
    one, other = subject.new(), subject.new()
    before = state_of(other)
    subject.feed(one, subject.stream)
    if names := differing(before, state_of(other)):
        raise CheckFailed(f"what one agent learns changes another's {', '.join(names)}; make them in setup()")
    if subject.unrepeatable is None and subject.entangled is not None:
        raise CheckFailed(
            f"its {subject.entangled} becomes another if another agent learns meanwhile; keep all that learning "
            "depends on in attributes, nothing in a module or a class"
        )


def _explores_alike(subject: AgentSubject) -> str | None:
    """Say how an agent explores that draws from no generator that it holds; None if it seems not to.

    What it has done before may well decide what it tries next: so only one that has done nothing yet is looked at, or
    one that makes a generator while it acts.
    """
    agent, make, made = subject.new(), np.random.default_rng, []

    def watched(*given: Any, **named: Any) -> np.random.Generator:
        made.append(given)
        return make(*given, **named)

    with mock.patch.object(np.random, "default_rng", watched):
        subject.feed(agent, subject.stream)
    if made:
        return "it makes a generator while it acts and learns"
    for observation in subject.probes:
        fresh = subject.new()
        greedy, explored = fresh.act(observation), fresh.act(observation, explore=True)
        if not np.array_equal(greedy, explored):
            return f"it explores ({spelt(explored)} where {spelt(greedy)} looks best) before it has learnt anything"
    return None


def draws(agent: Agent) -> bool:
    """Tell whether an agent has drawn from its generator, or holds another."""
    fresh = ForeignAgent(agent.observation_space, agent.action_space, seed=agent.seed).rng
    if agent.rng.bit_generator.state != fresh.bit_generator.state:
        return True
    kinds = np.random.RandomState | random.Random
    others = any(isinstance(value, kinds) for value in attributes_of(agent).values())
    return others or bool(generators_of(agent).keys() - {"rng"})


def again_from_json(config: Config) -> Config:
    """Return what a file would make of hyperparameters."""
    return type(config).from_dict(json.loads(json.dumps(config.to_dict())))


def _without_annotation(kind: type[Config]) -> Iterator[tuple[str, Any]]:
    """Yield what looks like a hyperparameter in a class of them, and is none to `dataclass`."""
    for part in kind.__mro__:
        if issubclass(part, Config) and part is not Config:
            typed = inspect.get_annotations(part)
            for name, value in vars(part).items():
                if not name.startswith("_") and name not in typed and isinstance(value, float | int | str | tuple):
                    yield name, value


def _is_number(annotation: Any) -> bool:
    """Tell whether a hyperparameter is a number, a tuple of such, or None."""
    parts = [part for part in typing.get_args(annotation) if part not in (type(None), Ellipsis)]
    if typing.get_origin(annotation) is typing.Literal:
        return False
    return bool(parts) and all(map(_is_number, parts)) if parts else annotation in (int, float)
