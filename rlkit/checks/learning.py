"""Checks of how an agent learns: from rewards, and rightly where episodes end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

import numpy as np

from rlkit.agent import Agent
from rlkit.checks.agent_subject import AgentSubject, begin, key_of
from rlkit.checks.running import CheckFailed, CheckSkipped
from rlkit.checks.state import differing, generators_of
from rlkit.spaces import stack
from rlkit.transition import Transition, Transitions

CHANGES, MORE_CHANGES = 8, 64  # of what it knows, over which two agents are compared
LONG = 4096  # transitions, in which that many have to happen


def check_learns_something(subject: AgentSubject) -> None:
    """What it knows is not what it knew at first."""
    stream = subject.stream
    if not subject.recording.has_learnt:
        raise CheckFailed(f"after {len(stream)} transitions it says, does and holds what it did at first")


def check_learns_from_rewards(subject: AgentSubject) -> None:
    """What it learns depends on the rewards."""
    stream = subject.learnable_stream
    one, other = subject.new(), subject.new()
    subject.feed(one, stream)
    subject.feed(other, [t._replace(reward=-t.reward) for t in stream])
    if not differing(subject.knowledge(one), subject.knowledge(other)):
        raise CheckFailed("it learns the same when all rewards have the other sign")


def check_metrics_are_finite_floats(subject: AgentSubject) -> None:
    """`update` and `diagnostics` return finite numbers by name."""
    agent, stream = subject.new(), subject.stream
    begin(agent)
    with agent.computing():
        for transition in stream:
            agent.act(subject.copy(transition).observation, explore=True)
            _check_metrics("update(transition)", agent.update(subject.copy(transition)))
    _check_metrics("diagnostics()", agent.diagnostics())


def check_terminated_transitions_do_not_bootstrap(subject: AgentSubject) -> None:
    """Nothing comes after termination: what it learns there does not depend on the next observation."""
    one, other = _twins(subject)
    changes, before = 0, subject.knowledge(one)
    for transition, elsewhere in _ends(subject, terminated=True):
        one.update(transition)
        other.update(elsewhere)
        if differing(generators_of(one), generators_of(other)):
            return  # what happens from now on may differ by chance
        known = subject.knowledge(one)
        if names := differing(known, subject.knowledge(other)):
            raise CheckFailed(
                f"what it learns from a terminated transition depends on next_observation ({', '.join(names)}); the "
                "value of a terminal state is 0"
            )
        changes, before = changes + (known != before), known
        if changes == CHANGES:
            return


def check_truncated_transitions_bootstrap(subject: AgentSubject) -> None:
    """Truncation is not termination: what it learns there depends on the value of the next observation."""
    one, other = _twins(subject)
    changes, before = 0, subject.knowledge(one)
    for transition, elsewhere in _ends(subject, terminated=False):
        one.update(transition)
        other.update(elsewhere)
        known = subject.knowledge(one)
        if known != subject.knowledge(other):
            return
        changes, before = changes + (known != before), known
        if changes == MORE_CHANGES:
            break
    raise CheckFailed(
        "what it learns from a truncated transition does not depend on next_observation; bootstrap from its value, as "
        "of any transition that did not terminate"
    )


def check_ended_episodes_are_over(subject: AgentSubject) -> None:
    """No episode reaches into the next: to be told that one is over, when it has ended, changes nothing."""
    subject.need_repeatability()
    told = subject.new()
    subject.feed(told, [])
    for transition in subject.stream:
        subject.feed(told, [transition], going_on=True)
        if transition.terminated or transition.truncated:
            told.abandon_episode()
    if names := differing(subject.expected_state, subject.settled_state(told)):
        raise CheckFailed(
            f"abandon_episode() changes its {', '.join(names)} where an episode has ended already; let go in update() "
            "of what belongs to that episode"
        )


def check_inputs_are_not_modified(subject: AgentSubject) -> None:
    """It does not write to the observations and transitions that it is given."""
    agent, stream = subject.new(), subject.stream
    _needs_arrays(stream)
    begin(agent)
    with agent.computing():
        for transition in stream:
            shown, told = subject.copy(transition), subject.copy(transition)
            agent.act(shown.observation, explore=True)
            if key_of(shown.observation) != key_of(transition.observation):
                raise CheckFailed("act(observation) writes to the observation")
            agent.act(shown.observation)
            agent.update(told)
            for name in ("observation", "action", "next_observation"):
                if key_of(getattr(told, name)) != key_of(getattr(transition, name)):
                    raise CheckFailed(f"update(transition) writes to the transition's {name}")


def check_inputs_are_not_kept(subject: AgentSubject) -> None:
    """It keeps copies only of what it is given, as an environment may write to its observations later."""
    stream = subject.stream
    _needs_arrays(stream)
    subject.need_repeatability()
    agent = subject.new()
    begin(agent)
    with agent.computing():
        for transition in stream:
            shown, told = subject.copy(transition), subject.copy(transition)
            agent.act(shown.observation, explore=True)
            _overwrite(shown.observation)
            agent.update(told)
            for part in (told.observation, told.action, told.next_observation):
                _overwrite(part)
    if names := differing(subject.expected_state, subject.settled_state(agent)):
        raise CheckFailed(f"its {', '.join(names)} changes when an array that it was given does; keep copies")


def check_update_batch_learns_from_valid_transitions_alone(subject: AgentSubject) -> None:
    """Of environments that run in parallel, those in which an episode has just begun teach it nothing."""
    if type(subject.new()).update_batch is Agent.update_batch:
        raise CheckSkipped("it has no update_batch")
    subject.need_repeatability()
    stream, space = subject.learnable_stream, subject.env.observation_space
    if not isinstance(stream[0].observation, np.ndarray | int | np.integer):
        raise CheckSkipped(f"observations in a {type(space).__name__} space are not stacked here")
    one, other, valid = subject.new(), subject.new(), np.array([True, False])
    for agent in (one, other):
        begin(agent)
    with one.computing(), other.computing():
        for k, transition in enumerate(stream):
            beside = [stream[(k + away) % len(stream)]._replace(terminated=False, truncated=False) for away in (1, 2)]
            for agent, invalid in zip((one, other), beside, strict=True):
                metrics = agent.update_batch(_stacked(subject, [transition, invalid]), valid)
                _check_metrics("update_batch(transitions)", metrics)
    if names := differing(subject.knowledge(one), subject.knowledge(other)):
        raise CheckFailed(f"what it learns ({', '.join(names)}) depends on transitions that are not valid")


def _check_metrics(what: str, metrics: Any) -> None:
    if not isinstance(metrics, Mapping):
        raise CheckFailed(f"{what} returns {_brief(metrics)}, expected a dict of numbers; {{}} if there are none")
    for name, value in metrics.items():
        if not isinstance(name, str):
            raise CheckFailed(f"{what} returns a number called {name!r}, expected a string")
        zero_dimensional = getattr(value, "shape", None) == () and hasattr(value, "item")  # NumPy's, torch's
        number = value.item() if zero_dimensional else value
        if not isinstance(number, Real):
            raise CheckFailed(f"{what} returns {name}={_brief(value)}, expected a float")
        if not np.isfinite(float(number)):
            raise CheckFailed(f"{what} returns {name}={float(number)}, expected a finite number")


def _brief(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _twins(subject: AgentSubject) -> tuple[Agent, Agent]:
    """Return two agents that have learnt the same, with no episode under way."""
    subject.learnable_stream  # noqa: B018 (skips where there is nothing to compare)
    one, other = subject.twins()
    one.abandon_episode()
    other.abandon_episode()
    return one, other


def _ends(subject: AgentSubject, *, terminated: bool) -> Iterator[tuple[Transition, Transition]]:
    """Yield episodes of one transition, all terminated or all truncated, each with two next observations."""
    stream = subject.learnable_stream
    for k in range(max(LONG, len(stream))):
        end = stream[k % len(stream)]._replace(terminated=terminated, truncated=not terminated)
        yield subject.copy(end), subject.copy(end._replace(next_observation=subject.elsewhere(end, k)))


def _needs_arrays(stream: list[Transition]) -> None:
    if not any(_holds_arrays(part) for part in (stream[0].observation, stream[0].action)):
        raise CheckSkipped("observations and actions are plain numbers, which nobody can write to")


def _holds_arrays(value: Any) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ()
    return isinstance(value, np.ndarray) or any(map(_holds_arrays, parts))


def _overwrite(value: Any) -> None:
    """Write other numbers into all arrays of a value, as an environment does in its next step."""
    if isinstance(value, np.ndarray):
        value[...] = 1 - value if value.dtype.kind in "fi" else ~value
    elif isinstance(value, dict | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            _overwrite(part)


def _stacked(subject: AgentSubject, transitions: list[Transition]) -> Transitions:
    observation, action, reward, following, terminated, truncated = zip(*transitions, strict=True)
    space = subject.env.observation_space
    return Transitions(
        stack(space, observation),
        np.array(action),
        np.array(reward),
        stack(space, following),
        np.array(terminated),
        np.array(truncated),
    )
