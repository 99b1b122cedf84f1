"""Checks of how an agent acts: within the spaces, and without learning from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from rlkit.agent import Agent
from rlkit.checks.agent_subject import AgentSubject, key_of, spelt, values_of
from rlkit.checks.running import CheckFailed, CheckSkipped
from rlkit.checks.state import differing, numbers_of
from rlkit.spaces import finder_of_batch_faults, finder_of_faults, keeper

CLOSE = 1e-4  # between float32 networks on one observation and on a batch


def check_actions_are_in_the_space(subject: AgentSubject) -> None:
    """Whether it explores or not, at first and when it has learnt, it does what the action space has."""
    fault = finder_of_faults(subject.env.action_space, bounds=True)
    agent = subject.new()
    for when in ("at first", "when it has learnt"):
        for explore in (False, True):
            for observation in subject.probes:
                if (found := fault(agent.act(observation, explore=explore))) is not None:
                    raise CheckFailed(f"{when}, an action of act(observation, explore={explore}) {found}")
        if when == "at first":
            agent = subject.new()
            for action in subject.feed(agent, subject.stream):
                if (found := fault(action)) is not None:
                    raise CheckFailed(f"while it learns, an action {found}")


def check_actions_stay_as_they_were_returned(subject: AgentSubject) -> None:
    """It does not write to an action that it has returned before."""
    agent, keep = subject.learnt, keeper(subject.env.action_space)
    returned = [(action, keep(action)) for action in (agent.act(o, explore=True) for o in subject.probes)]
    for action, before in returned:
        if key_of(action) != key_of(before):
            raise CheckFailed(
                f"an action was {spelt(before)} when it was returned, and {spelt(action)} later; return copies"
            )


def check_act_does_not_learn(subject: AgentSubject) -> None:
    """Acting, exploring or not, changes nothing of what it knows: that is for `update`."""
    agent, quiet = subject.twins()
    for _ in range(4):
        for observation in subject.probes:
            agent.act(observation, explore=True)
    agent.abandon_episode()
    quiet.abandon_episode()
    names = differing(subject.knowledge(quiet), subject.knowledge(agent))
    if names := names + differing(numbers_of(quiet), numbers_of(agent)):
        raise CheckFailed(f"act(observation, explore=True) changes {_listed(names)}; learn in update()")


def check_greedy_act_is_deterministic(subject: AgentSubject) -> None:
    """Without exploring, the same observation gets the same action every time, at first and when it has learnt."""
    for when, agent in (("at first", subject.new()), ("when it has learnt", subject.learnt)):
        rounds = [[agent.act(observation) for observation in subject.probes] for _ in range(4)]
        for actions in zip(*rounds, strict=True):
            for action in actions[1:]:
                if not np.array_equal(actions[0], action):
                    raise CheckFailed(
                        f"{when}, act(observation) gives {spelt(actions[0])} and then {spelt(action)} for the same"
                    )


def check_greedy_act_leaves_no_trace(subject: AgentSubject) -> None:
    """Acting without exploring changes nothing, so that an agent that is evaluated meanwhile learns the same."""
    subject.need_repeatability()
    watched, probes = subject.new(), subject.probes
    subject.feed(watched, [])
    for k, transition in enumerate(subject.stream):
        for observation in (probes[k % len(probes)], subject.copy(transition).observation):
            watched.act(observation)
        subject.feed(watched, [transition], going_on=True)
    if names := differing(subject.expected_state, subject.settled_state(watched)):
        raise CheckFailed(f"act(observation) without exploring has an effect on {_listed(names)}")


def check_predict_agrees_with_act(subject: AgentSubject) -> None:
    """stable-baselines3's calling convention, `predict`, does what `act` does, on one observation and on a batch."""
    agent, space = subject.learnt, subject.env.action_space
    expected = [agent.act(observation) for observation in subject.probes]
    state = ("what came",)
    for observation, action in zip(subject.probes, expected, strict=True):
        answer = agent.predict(observation, state, deterministic=True)
        if not isinstance(answer, tuple) or len(answer) != 2 or answer[1] is not state:
            raise CheckFailed(f"predict(observation, state) returns {spelt(answer)}, expected (action, state)")
        if not _is_close(answer[0], action):
            raise CheckFailed(
                f"predict(observation, deterministic=True) does {spelt(answer[0])}, act(observation) {spelt(action)}"
            )
    if isinstance(space, spaces.Discrete | spaces.Box):
        _compare(agent.predict(subject.batch(), deterministic=True)[0], expected, "predict of a batch")


def check_act_batch_agrees_with_act(subject: AgentSubject) -> None:
    """What it does in environments that run in parallel is what it does in one."""
    agent = subject.learnt
    if type(agent).act_batch is Agent.act_batch:
        raise CheckSkipped("it has no act_batch")
    expected = [agent.act(observation) for observation in subject.probes]
    _compare(agent.act_batch(subject.batch(), explore=False), expected, "act_batch(observations, explore=False)")
    fault = finder_of_batch_faults(subject.env.action_space, len(expected), bounds=True)
    if (found := fault(agent.act_batch(subject.batch(), explore=True))) is not None:
        raise CheckFailed(f"the actions of act_batch(observations, explore=True) {found}")


def check_probs_are_a_distribution(subject: AgentSubject) -> None:
    """The probabilities of its actions, `(A,)`, are none below 0 and sum to 1."""
    agent, space = subject.learnt, subject.env.action_space
    if not isinstance(space, spaces.Discrete):
        raise CheckSkipped("its actions have no probabilities, but densities")
    for observation in subject.probes:
        shares = np.asarray(agent.probs(observation))
        if shares.shape != (space.n,) or shares.dtype.kind != "f":
            raise CheckFailed(f"probs(observation) is {shares.dtype} {shares.shape}, expected float64 ({space.n},)")
        if not (shares >= 0).all() or abs(shares.sum() - 1.0) > 1e-6:
            raise CheckFailed(f"probs(observation) is {shares.tolist()}, which sums to {shares.sum():.9g}, expected 1")


def check_values_are_finite_numbers(subject: AgentSubject) -> None:
    """The values that it says N observations have are finite: `(N,)` of states, `(N, A)` of actions."""
    agent, space, n = subject.learnt, subject.env.action_space, len(subject.probes)
    values = values_of(agent, subject.env.observation_space, subject.probes)
    if not values:
        raise CheckSkipped("it tells no values")
    shapes = {"state_values": (n,), "action_values": (n, int(getattr(space, "n", 0)))}
    for name, array in values.items():
        if array.shape != shapes[name] or array.dtype.kind != "f":
            raise CheckFailed(f"{name} of {n} observations is {array.dtype} {array.shape}, expected {shapes[name]}")
        if not np.isfinite(array).all():
            raise CheckFailed(f"{name} holds a number that is not finite")


def _compare(actions: Any, expected: list[Any], what: str) -> None:
    if len(actions) != len(expected):
        raise CheckFailed(f"{what} gives {len(actions)} actions for {len(expected)} observations")
    for one, other in zip(actions, expected, strict=True):
        if not _is_close(one, other):
            raise CheckFailed(f"{what} does {spelt(one)} where act(observation) does {spelt(other)}")


def _is_close(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=CLOSE, atol=CLOSE))


def _listed(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names))
