"""Checks that an environment can be brought back to where it was: what resuming a run to the bit rests on."""

from __future__ import annotations

import copy
from typing import Any

from rlkit.checks.environment_subject import EnvironmentSubject
from rlkit.checks.running import CheckFailed, CheckSkipped
from rlkit.checks.walks import difference, global_generators, go_on, identical, walk
from rlkit.rewind import Rewind

BEFORE = 60
"""Actions before the state is taken, at least; those that follow show whether it was all of it."""


def check_state_round_trip(subject: EnvironmentSubject) -> None:
    """`get_state` returns plain data that can be saved, and `set_state` goes on from there to the bit."""
    env: Any = subject.env.unwrapped
    twin: Any = subject.twin.unwrapped
    has = [name for name in ("get_state", "set_state") if callable(getattr(env, name, None))]
    if len(has) < 2:
        raise CheckSkipped(f"it has {has[0]} alone" if has else "it has no get_state and set_state")
    before, after = subject.actions[:BEFORE], subject.actions[BEFORE:]
    with global_generators(0):
        first = walk(env, before)
        over = first[-1].is_over
        state = env.get_state()
        kept, saved = copy.deepcopy(state), _through_a_file(state, "get_state()")
        expected = go_on(env, after, over=over)
        if not identical(state, kept):
            raise CheckFailed("what get_state returned changes as the environment goes on; return a copy")
        if found := difference([*first, *expected], walk(env, subject.actions)):
            raise CheckFailed(f"get_state changes what follows: {found} with nobody asking")
        env.set_state(kept)
        if found := difference(go_on(env, after, over=over), expected):
            raise CheckFailed(f"set_state does not lead back to where get_state was called: {found}")
        walk(twin, subject.actions[:3], seed=1)
        twin.set_state(saved)
        if found := difference(go_on(twin, after, over=over), expected):
            raise CheckFailed(f"set_state does not lead there in another one like it: {found}")


def check_resume_is_exact(subject: EnvironmentSubject) -> None:
    """A run that stops in mid-episode goes on to the bit in an environment made anew, as `Trainer.resume` has it.

    One without `get_state` is reset from its generator's state and repeats the episode's actions, so that all chance
    has to be in `np_random`; a wrapper that remembers more than a count of steps goes on as another.
    """
    rewind = Rewind(subject.env, recording=True)
    with global_generators(0):
        observation, total, taken, over = _run(rewind, subject.actions)
        state = _through_a_file(rewind.state(in_episode=not over), "the environment's state")
        rest = subject.actions[taken:]
        expected = go_on(subject.env, rest, over=over)
    with global_generators(0):
        env = subject.twin
        Rewind(env, recording=True).restore(state, observation, total, in_episode=not over)
        found = difference(go_on(env, rest, over=over), expected)
    if found:
        raise CheckFailed(f"going on in an environment made anew and brought to the same place, {found}")


def _run(rewind: Rewind, actions: list[Any]) -> tuple[Any, float, int, bool]:
    """Take actions until one is not an episode's last; return the last observation, the return, and where that is.

    The first episode, whose seed would be known, is given up at once.
    """
    rewind.reset(0)
    observation, _ = rewind.reset(None)
    total, taken, over = 0.0, 0, False
    while taken < BEFORE or (over and taken < len(actions) // 2):
        if over:
            observation, total = rewind.reset(None)[0], 0.0
        action = copy.deepcopy(actions[taken])
        observation, reward, terminated, truncated, _ = rewind.env.step(action)
        if rewind.actions is not None:
            rewind.actions.append(action)
        total, taken, over = total + float(reward), taken + 1, bool(terminated or truncated)
    return copy.deepcopy(observation), total, taken, over


def _through_a_file(state: Any, name: str) -> Any:
    """Return what a checkpoint makes of a state.

    Raises:
        CheckpointError: part of it has no saved form.
    """
    from rlkit.checkpoint.decode import Decoder
    from rlkit.checkpoint.encode import Encoder

    encoder = Encoder()
    node = encoder.encode(state, name)
    return Decoder(encoder.arrays).decode(node, None, name)
