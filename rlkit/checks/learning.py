"""Checks of how an agent learns: from rewards, and rightly where episodes end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

import numpy as np
from gymnasium import spaces

from rlkit.agent import Agent, ReplayAgent
from rlkit.checks.agent_subject import AgentSubject, begin, key_of, values_of
from rlkit.checks.running import CheckFailed, CheckSkipped
from rlkit.checks.state import differing, generators_of
from rlkit.spaces import stack
from rlkit.transition import Transition, Transitions

CHANGES, MORE_CHANGES = 8, 64  # of what it knows, over which two agents are compared
LONG = 4096  # transitions, in which that many have to happen
REPEATS, REPLAYS = (
    128,
    32,
)  # of one transition, to an agent that learns at once, and beyond a replay agent's first round
FAR = 10.0  # times the largest return: no step size that learns gets there


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


def check_learning_follows_rewards(subject: AgentSubject) -> None:
    """What pays gains value, and what costs loses it; values stay near the rewards, however often those are told.

    All of it is told by episodes of one transition, in one observation, so that nothing else can be true.
    """
    subject.learnable_stream  # noqa: B018 (skips where nothing is learnt)
    subject.need_repeatability()
    agent, observation = subject.new(), subject.stream[0].observation
    values = _values_at(subject, agent, observation)
    if not values:
        return _check_what_pays_is_kept(subject, agent, observation)
    size = 1.0 + 2.0 * max(float(np.abs(value).max()) for value in values.values())  # beyond what it begins with
    said = False
    if agent.average_reward is None:  # else values need not follow what is the same everywhere
        actions = [t.action for t in subject.stream]
        high, low = (_told(subject, [(a, sign * size) for a in actions], size) for sign in (1.0, -1.0))
        said |= _check_order("each action pays", *(float(told["state_values"].max()) for told in (high, low)))
    if "action_values" in values and values["action_values"].shape[1] > 1:
        first = int(getattr(subject.env.action_space, "start", 0))
        pays, costs = (
            _told(subject, [(first, sign * size), (first + 1, -sign * size)], size)["action_values"][0]
            for sign in (1.0, -1.0)
        )
        gaps = (float(told[0] - told[1]) for told in (pays, costs))
        said |= _check_order(f"action {first} pays and {first + 1} costs", *gaps)
    if not said:
        raise CheckSkipped("one transition, told again and again, does not change the values that it tells")
    return None


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


def _check_what_pays_is_kept(subject: AgentSubject, agent: Agent, observation: Any) -> None:
    """Of an agent that tells no values: what it did at first, if that pays and all else costs, it goes on doing."""
    space = subject.env.action_space
    if not isinstance(space, spaces.Discrete) or space.n == 1:
        raise CheckSkipped("it tells no values, and has no two actions to choose from that could be compared")
    favourite = int(agent.act(observation))
    others = [a for a in range(int(space.start), int(space.start + space.n)) if a != favourite][:8]
    _repeat(subject, agent, [(favourite, 1.0), *((a, -1.0) for a in others)])
    if (left_for := int(agent.act(observation))) in others:
        raise CheckFailed(
            f"it does {left_for}, which costs, instead of {favourite}, which it did at first and which pays; is there "
            "a wrong sign in what it learns?"
        )


def _told(subject: AgentSubject, lesson: list[tuple[Any, float]], size: float) -> dict[str, Any]:
    """Return the values that an agent tells of the first observation when it has been taught a lesson there."""
    agent = subject.new()
    _repeat(subject, agent, lesson)
    values = _values_at(subject, agent, subject.stream[0].observation)
    far = max(float(np.abs(value).max()) for value in values.values())
    if not far <= FAR * size:
        raise CheckFailed(
            f"it tells a value of {far:.3g} where no return is beyond {size:.3g}: what it learns diverges; is there a "
            "wrong sign, or too large a step?"
        )
    return values


def _repeat(subject: AgentSubject, agent: Agent, lesson: list[tuple[Any, float]]) -> None:
    """Teach an agent actions and their rewards in the first observation, in terminal transitions, again and again."""
    stream = subject.stream
    times = len(stream) + REPLAYS if isinstance(agent, ReplayAgent) else max(REPEATS, len(stream))
    end = stream[0]._replace(next_observation=subject.elsewhere(stream[0], 0), terminated=True, truncated=False)
    begin(agent)
    with agent.computing():
        for action, reward in itertools.islice(itertools.cycle(lesson), times):
            told = subject.copy(end._replace(action=action, reward=reward))
            agent.act(subject.copy(told).observation, explore=True)
            agent.update(told)
            agent.abandon_episode()  # whether it does so itself is for another check


def _values_at(subject: AgentSubject, agent: Agent, observation: Any) -> dict[str, Any]:
    values = values_of(agent, subject.env.observation_space, [observation])
    shapes = {"state_values": (1,), "action_values": (1, int(getattr(subject.env.action_space, "n", 0)))}
    if any(value.shape != shapes[name] for name, value in values.items()):
        raise CheckSkipped("needs check_values_are_finite_numbers")
    return values


def _check_order(what: str, high: float, low: float) -> bool:
    """Tell whether two agents, one taught the opposite of the other, differ.

    Raises:
        CheckFailed: they do, in the wrong order.
    """
    if high < low:
        raise CheckFailed(
            f"where {what} it tells {high:.3g}, but {low:.3g} with all rewards the other way round; is there a wrong "
            "sign in what it learns?"
        )
    return high > low


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
