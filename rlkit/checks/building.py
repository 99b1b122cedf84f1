"""Checks of how an agent is made: of spaces, hyperparameters and a seed, and of nothing else."""

from __future__ import annotations

import dataclasses
import json
import random
import sys
import typing
from typing import Any

import numpy as np

from rlkit.checks.agent_subject import AgentSubject, described
from rlkit.checks.running import CheckFailed
from rlkit.checks.state import (
    differing,
    global_generators,
    numbers_of,
    seed_global_generators,
    state_of,
)
from rlkit.config import Config

SEEDS = (0, 1, 2, 3)


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
            raise CheckFailed(f"of seed {seed!r} an agent of seed {made.seed!r} is made")
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
        raise CheckFailed(f"acting and learning ended after {step} steps or more: {described(error)}") from error


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


def check_same_seed_gives_the_same_agent(subject: AgentSubject) -> None:
    """Two agents of one seed do and learn the same from the same transitions, whatever the global generators say."""
    stream, kept = subject.stream, _GlobalGenerators()
    with kept:
        runs = []
        for seed in (1, 2):
            seed_global_generators(seed)
            agent = subject.new()
            runs.append((subject.feed(agent, stream), agent))
    (actions, agent), (other_actions, other) = runs
    for k, (one, two) in enumerate(zip(actions, other_actions, strict=True)):
        if not np.array_equal(one, two):
            raise CheckFailed(
                f"two agents of seed 0 did {one!r} and {two!r} at step {k + 1}; draw from self.rng alone, and keep "
                "what changes in attributes of the agent"
            )
    if names := differing(state_of(agent), state_of(other)):
        raise CheckFailed(f"two agents of seed 0 that went through the same differ in {', '.join(names)}")


def check_seeds_differ(subject: AgentSubject) -> None:
    """Agents of different seeds do, or learn, something different."""
    stream, first = subject.stream, None
    for seed in SEEDS:
        agent = subject.new(seed)
        actions = [np.asarray(action).tobytes() for action in subject.feed(agent, stream)]
        said = actions, numbers_of(agent)
        first = first or said
        if said != first:
            return
    raise CheckFailed(f"seeds {', '.join(map(str, SEEDS))} give the same agent; draw random numbers from self.rng")


def check_global_generators_are_untouched(subject: AgentSubject) -> None:
    """Building, acting, learning and saving neither draw from the global generators nor seed them."""
    stream = subject.stream  # whatever is imported late has been by now
    with _GlobalGenerators():
        for what in ("building", "acting and learning", "looking at it"):
            before = global_generators()
            if what == "building":
                agent = subject.new()
            elif what == "acting and learning":
                subject.feed(agent, stream)
            else:
                agent.act(stream[0].observation)
                state_of(agent)
            if moved := [name for name, state in global_generators().items() if before.get(name, state) != state]:
                raise CheckFailed(f"{what} moves the global generator of {', '.join(moved)}; draw from self.rng")


def check_agents_share_nothing(subject: AgentSubject) -> None:
    """What one agent learns changes no other."""
    one, other = subject.new(), subject.new()
    before = state_of(other)
    subject.feed(one, subject.stream)
    if names := differing(before, state_of(other)):
        raise CheckFailed(f"what one agent learns changes another's {', '.join(names)}; make them in setup()")


def again_from_json(config: Config) -> Config:
    """Return what a file would make of hyperparameters."""
    return type(config).from_dict(json.loads(json.dumps(config.to_dict())))


def _is_number(annotation: Any) -> bool:
    """Tell whether a hyperparameter is a number, a tuple of such, or None."""
    parts = [part for part in typing.get_args(annotation) if part not in (type(None), Ellipsis)]
    if typing.get_origin(annotation) is typing.Literal:
        return False
    return bool(parts) and all(map(_is_number, parts)) if parts else annotation in (int, float)


class _GlobalGenerators:
    """Leaves the global generators as they were."""

    def __enter__(self) -> None:
        self._python, self._numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
        self._torch = sys.modules["torch"].get_rng_state() if "torch" in sys.modules else None

    def __exit__(self, *_: object) -> None:
        random.setstate(self._python)
        np.random.set_state(self._numpy)  # noqa: NPY002
        if self._torch is not None:
            sys.modules["torch"].set_rng_state(self._torch)
