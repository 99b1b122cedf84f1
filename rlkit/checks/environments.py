"""Checks of environments: `check_env`."""

from __future__ import annotations

import contextlib
import math
import numbers
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gymnasium
import numpy as np

from rlkit.checks import models, quadratic, resuming
from rlkit.checks.environment_subject import EnvironmentSubject, MakeEnv
from rlkit.checks.report import CheckReport
from rlkit.checks.running import Check, CheckFailed, CheckSkipped, OnFail, run_checks
from rlkit.checks.walks import (
    Env,
    Seen,
    arrays_in,
    brief,
    difference,
    global_generators,
    identical,
    overwrite,
    random_actions,
    walk,
)
from rlkit.spaces import finder_of_faults

PICTURES = 5
"""Frames of each kind that are drawn."""


def check_env(
    env: MakeEnv, *, expected_failures: Mapping[str, str] | None = None, on_fail: OnFail = "raise"
) -> CheckReport:
    """Check that an environment keeps the promises that learning, resuming and exact answers rest on.

    gymnasium's own check is one of them. What an environment does not have, such as a model, is not checked. Steps are
    taken at random, so that rare events may be missed; the same ones at each call.

    Args:
        env: an environment, its id, or a function that makes one, such as its class. Of an environment that
            `gymnasium.make` did not make there is no second one, and what takes two is checked with it alone.
        expected_failures: why a check may fail, by its name.
        on_fail: "raise" raises one error with a line for each failed check, "warn" warns of each, None only returns.

    Raises:
        CheckFailed: a promise is not kept, and `on_fail` is "raise".
        ConfigError: an expected failure is of no check.
        SpaceError: this is no environment.
    """
    subject = EnvironmentSubject(env)
    try:
        with global_generators(0):  # and puts them back, whatever it does to them
            results = run_checks(env_checks(), subject, expected_failures, on_fail)
    finally:
        subject.close()
    return CheckReport(str(subject), "", tuple(results))


def env_checks() -> list[Check[EnvironmentSubject]]:
    """Return all checks of environments; the first is what the others need."""
    return [
        check_is_an_environment,
        check_gymnasiums_own,
        check_observations_are_in_their_space,
        check_rewards_are_finite_numbers,
        check_ends_are_bools,
        check_same_seed_same_episodes,
        check_global_generators_are_left_alone,
        check_observations_stay_as_they_were,
        check_writing_to_observations_changes_nothing,
        check_actions_are_neither_changed_nor_kept,
        check_pictures_change_nothing,
        resuming.check_state_round_trip,
        resuming.check_resume_is_exact,
        models.check_model_fits_the_spaces,
        models.check_model_transitions,
        models.check_model_rewards,
        models.check_model_ends,
        models.check_model_starts,
        quadratic.check_optimum_is_the_best,
        quadratic.check_optimum_agrees_with_steps,
    ]


def check_is_an_environment(subject: EnvironmentSubject) -> None:
    """It is a `gymnasium.Env` with two spaces, and takes random actions without an error."""
    env = subject.env
    if not isinstance(env, gymnasium.Env):
        raise CheckFailed(f"{brief(env)} is a {type(env).__name__}, expected a gymnasium.Env")
    for role in ("observation_space", "action_space"):
        space = getattr(env, role, None)
        if not isinstance(space, gymnasium.Space):
            raise CheckFailed(f"{role} is {brief(space)}, expected a gymnasium.Space")
    begun = env.reset(seed=0)
    if not (isinstance(begun, tuple) and len(begun) == 2 and isinstance(begun[1], dict)):
        raise CheckFailed(f"reset returns {brief(begun)}, expected an observation and a dict")
    stepped: Any = env.step(random_actions(env, 1)[0])
    if not (isinstance(stepped, tuple) and len(stepped) == 5 and isinstance(stepped[4], dict)):
        raise CheckFailed(
            f"step returns {brief(stepped)}, expected observation, reward, terminated, truncated and a dict"
        )
    assert subject.seen


def check_gymnasiums_own(subject: EnvironmentSubject) -> None:
    """`gymnasium.utils.env_checker.check_env` finds no fault."""
    from gymnasium.utils.env_checker import check_env as check

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check(subject.env, skip_render_check=True, skip_close_check=True)
        except (AssertionError, gymnasium.error.Error, TypeError, ValueError) as fault:
            raise CheckFailed(f"gymnasium's own check says: {' '.join(str(fault).split()).rstrip('.')}") from fault


def check_observations_are_in_their_space(subject: EnvironmentSubject) -> None:
    """Observations are finite and in `observation_space`."""
    space = subject.env.observation_space
    fault_of = finder_of_faults(space, bounds=True)
    for step, seen in enumerate(subject.seen):
        fault = fault_of(seen.observation)
        if fault is None and not space.contains(seen.observation):
            fault = f"is {brief(seen.observation)}, which is not in {space}"
        if fault is not None:
            raise CheckFailed(f"observation {step} {fault}")


def check_rewards_are_finite_numbers(subject: EnvironmentSubject) -> None:
    """Rewards are finite floats, or whole numbers."""
    for seen in _steps(subject):
        reward = seen.reward
        if isinstance(reward, bool | np.bool_) or not isinstance(reward, numbers.Real):
            raise CheckFailed(f"a reward is {brief(reward)}, a {type(reward).__name__}, expected a float")
        if not math.isfinite(reward):
            raise CheckFailed(f"a reward is {reward}, expected a finite number")


def check_ends_are_bools(subject: EnvironmentSubject) -> None:
    """`terminated` and `truncated` are bools."""
    for seen in _steps(subject):
        for name in ("terminated", "truncated"):
            if not isinstance(getattr(seen, name), bool | np.bool_):
                raise CheckFailed(f"{name} is {brief(getattr(seen, name))}, expected True or False")


def check_same_seed_same_episodes(subject: EnvironmentSubject) -> None:
    """The same seed and actions give the same episodes to the bit, again in the same environment and in another."""
    for env, which in ((subject.env, "the same environment"), (subject.twin, "another one like it")):
        with global_generators(0):
            found = difference(walk(env, subject.actions), subject.seen)
        if found:
            raise CheckFailed(f"by the same seed and actions in {which}, {found}")


def check_global_generators_are_left_alone(subject: EnvironmentSubject) -> None:
    """Python's, NumPy's and torch's global generators are neither read nor moved: all chance is in `np_random`."""
    with global_generators(1) as moved:
        found = difference(walk(subject.env, subject.actions), subject.seen)
        if found:
            raise CheckFailed(f"with the global generators seeded otherwise, {found}; draw from self.np_random")
        if moved():
            raise CheckFailed(f"the global generator of {moved()} moves; draw from self.np_random")


def check_observations_stay_as_they_were(subject: EnvironmentSubject) -> None:
    """Observations that were returned are not changed by later steps and resets."""
    returned: list[Any] = []
    seen = walk(subject.env, subject.actions, meddle=lambda observation, _: returned.append(observation))
    for number, (now, was) in enumerate(zip(returned, seen, strict=True)):
        if not identical(now, was.observation):
            raise CheckFailed(
                f"observation {number} was {brief(was.observation)} when it was returned, and is {brief(now)} some "
                "steps later; return a copy"
            )


def check_writing_to_observations_changes_nothing(subject: EnvironmentSubject) -> None:
    """Observations are no part of the environment's state: who writes to one changes nothing that follows."""
    if not any(True for _ in arrays_in(subject.seen[0].observation)):
        raise CheckSkipped("its observations are no arrays")
    with global_generators(0):
        found = difference(walk(subject.env, subject.actions, meddle=lambda o, _: overwrite(o)), subject.seen)
    if found:
        raise CheckFailed(f"after writing to the observations that it returned, {found}; return a copy")


def check_actions_are_neither_changed_nor_kept(subject: EnvironmentSubject) -> None:
    """`step` neither writes to an action nor holds on to it."""
    if not any(True for _ in arrays_in(subject.actions[0])):
        raise CheckSkipped("its actions are no arrays")
    given = iter(subject.actions)

    def meddle(_: Any, action: Any) -> None:
        if action is not None:
            if not identical(action, before := next(given)):
                raise CheckFailed(f"step was given the action {brief(before)}, and made {brief(action)} of it")
            overwrite(action)

    with global_generators(0):
        found = difference(walk(subject.env, subject.actions, meddle=meddle), subject.seen)
    if found:
        raise CheckFailed(f"after writing to the actions that step was given, {found}; copy what is kept")


def check_pictures_change_nothing(subject: EnvironmentSubject) -> None:
    """`render` returns what its mode says, and the episode goes on as if nobody had looked."""
    spec = subject.env.spec
    modes = [mode for mode in subject.env.metadata.get("render_modes", ()) if mode != "human"]
    if spec is None or spec.entry_point is None or not modes:
        raise CheckSkipped("it draws nothing" if not modes else "gymnasium.make did not make it")
    for mode in modes:
        with _skipping_without_a_screen(), global_generators(0), contextlib.closing(_drawing(spec, mode)) as env:
            seen = walk(env, subject.actions[:PICTURES], meddle=_looking(env, mode))
        if found := difference(seen, subject.seen[: len(seen)]):
            raise CheckFailed(f"where render is called with render_mode={mode!r}, {found}")


def _drawing(spec: Any, mode: str) -> Env:
    return gymnasium.make(spec, render_mode=mode)


@contextlib.contextmanager
def _skipping_without_a_screen() -> Iterator[None]:
    """Skip a check where what draws is not installed, or finds no screen: that is no fault of the environment."""
    try:
        yield
    except CheckFailed:
        raise
    except Exception as error:
        drawing = type(error).__module__.split(".")[0] in ("mujoco", "glfw", "OpenGL", "pygame")
        if drawing or isinstance(error, gymnasium.error.DependencyNotInstalled):
            raise CheckSkipped(f"nothing is drawn here: {' '.join(str(error).split())}") from None
        raise


def _looking(env: Env, mode: str) -> Callable[[Any, Any], None]:
    def look(*_: Any) -> None:
        frame: Any = env.render()
        if mode == "ansi" and not isinstance(frame, str):
            raise CheckFailed(f"render returns a {type(frame).__name__} for render_mode='ansi', expected a str")
        if mode == "rgb_array":
            shape, kind = np.shape(frame), getattr(frame, "dtype", type(frame).__name__)
            if len(shape) != 3 or shape[2] != 3 or kind != np.uint8:
                raise CheckFailed(
                    f"render returns {kind} of shape {shape} for render_mode='rgb_array', expected uint8 (H, W, 3)"
                )

    return look


def _steps(subject: EnvironmentSubject) -> list[Seen]:
    return [seen for seen in subject.seen if seen.action is not None]
