"""Checks of whether an agent can be saved, loaded, and gone on with as if nothing had happened."""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from rlkit.agent import Agent
from rlkit.callbacks import Callback
from rlkit.checks.agent_subject import SEED, AgentSubject, ForeignAgent, described, spelt
from rlkit.checks.running import CheckFailed, CheckSkipped
from rlkit.checks.state import differing, state_of
from rlkit.errors import CheckpointError

LEFT = 16  # steps after a run was resumed
OFTEN = 10**9  # steps between two rows of a log that nobody reads


def check_save_and_load_give_the_same_agent(subject: AgentSubject) -> None:
    """Everything that it holds can be saved; saving changes nothing; and `load` gives it back, to the bit."""
    agent = subject.trained()
    before = state_of(agent)
    with _saved(agent) as path:
        if names := differing(before, state_of(agent)):
            raise CheckFailed(f"saving changes its {', '.join(names)}")
        loaded = _loaded(agent, path)
    if type(loaded) is not type(agent):
        raise CheckFailed(f"what was loaded is a {type(loaded).__name__}, expected a {type(agent).__name__}")
    if loaded.config != agent.config or loaded.seed != agent.seed:
        raise CheckFailed(f"what was loaded is {loaded!r} of seed {loaded.seed}, expected {agent!r} of {agent.seed}")
    if names := differing(before, state_of(loaded)):
        raise CheckFailed(f"its {', '.join(names)} is another when loaded")


def check_loaded_agent_goes_on_as_the_saved_one(subject: AgentSubject) -> None:
    """A loaded agent does and learns what the saved one would have: there is nothing hidden that was not saved."""
    subject.need_repeatability()
    agent, stream = subject.trained(), subject.stream
    with _saved(agent, by_the_way=True) as path:
        loaded = _loaded(agent, path)
    following = stream[: max(LEFT, len(stream) // 4)]
    runs = [subject.feed(one, following, going_on=True) for one in (agent, loaded)]
    for k, (action, again) in enumerate(zip(*runs, strict=True)):
        if not np.array_equal(action, again):
            raise CheckFailed(
                f"at step {k + 1} after it was saved it did {spelt(action)}, and what was loaded {spelt(again)}; keep "
                "all that matters in plain attributes"
            )
    if names := differing(subject.settled_state(agent), subject.settled_state(loaded)):
        raise CheckFailed(
            f"its {', '.join(names)} becomes another when it goes on after being loaded; keep all that matters in "
            "plain attributes"
        )


def check_resume_is_exact(subject: AgentSubject) -> None:
    """A run that was stopped and resumed from its checkpoint ends with the same agent as one that was not."""
    subject.need_repeatability()
    stop = len(subject.stream)
    with _saved(subject.learnt, by_the_way=True) as path:
        folder = path.with_name("run")
        try:
            whole = _run(subject, None, 0, stop + LEFT)
        except Exception as error:
            raise CheckFailed(f"a run of {stop + LEFT} steps ends early: {described(error)}") from error
        _run(subject, folder, stop, stop + LEFT)
        try:
            resumed = _run(subject, folder, 0, stop + LEFT)
        except CheckpointError as error:
            text = str(error).removeprefix(f"{folder}").partition(": ")[2] or str(error)
            raise CheckFailed(f"a run that was stopped after {stop} steps cannot be resumed: {text}") from error
    if names := differing(subject.settled_state(whole), subject.settled_state(resumed)):
        raise CheckFailed(
            f"a run that was stopped after {stop} steps and resumed ends with another {', '.join(names)} than one that "
            "was not"
        )


def check_foreign_checkpoints_are_refused(subject: AgentSubject) -> None:
    """A file that holds another agent, is damaged or no checkpoint at all is a `CheckpointError`."""
    agent = subject.learnt
    with _saved(agent, by_the_way=True) as path:
        whole = path.read_bytes()
        foreign, damaged, no = (path.with_name(f"{name}.npz") for name in ("foreign", "damaged", "no"))
        ForeignAgent(agent.observation_space, agent.action_space, seed=SEED).save(foreign)
        damaged.write_bytes(whole[: len(whole) // 2])
        no.write_bytes(b"this is no checkpoint")
        cases = {foreign: "another class's checkpoint", damaged: "half of a checkpoint", no: "what is no checkpoint"}
        for file, what in cases.items():
            try:
                type(agent).load(file)
            except CheckpointError:
                continue
            except Exception as error:
                raise CheckFailed(f"loading {what} raises a {described(error)}, expected CheckpointError") from error
            raise CheckFailed(f"{what} is loaded without an error")


class _StopAt(Callback):
    """Ends a run early, as an interruption would: the rest of it stays planned."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_step(self, trainer: Any, transition: Any, metrics: Any) -> None:  # noqa: ARG002
        if trainer.step == self._step:
            trainer.stop()


class _Rewarding(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Pays something different in each step of an episode, where the environment may pay nothing for long."""

    def reset(self, **keywords: Any) -> tuple[Any, dict[str, Any]]:
        self._elapsed = 0
        return super().reset(**keywords)

    def step(self, action: Any) -> Any:
        self._elapsed += 1
        observation, _, *rest = super().step(action)
        return observation, math.cos(self._elapsed), *rest


def _run(subject: AgentSubject, folder: Path | None, stop: int, steps: int) -> Agent:
    """Train an agent, in a folder from where an earlier run stopped; stop after so many steps if that is not 0."""
    from rlkit.trainer import Trainer

    agent, callbacks = subject.new(), [_StopAt(stop)] if stop else []
    trainer = Trainer(
        agent,
        _Rewarding(subject.env),
        callbacks=callbacks,
        directory=folder,
        log_every=OFTEN,
        checkpoint_every=OFTEN,
        progress=False,
        truth=False,
        stop_on_divergence=False,
    )
    if folder is not None and folder.exists():
        trainer.resume()
    trainer.run(steps - trainer.step)
    return agent


@contextlib.contextmanager
def _saved(agent: Agent, *, by_the_way: bool = False) -> Iterator[Path]:
    """Save an agent where nobody else does; if that is only by the way, skip the check where it cannot be."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "agent.npz"
        try:
            agent.save(path)
        except CheckpointError as error:
            if by_the_way:
                raise CheckSkipped("needs check_save_and_load_give_the_same_agent") from None
            raise CheckFailed(f"it cannot be saved: {error}") from error
        yield path


def _loaded(agent: Agent, path: Path) -> Agent:
    try:
        return type(agent).load(path)
    except CheckpointError as error:
        raise CheckFailed(f"it cannot be loaded: {str(error).removeprefix(f'{path}: ')}") from error
