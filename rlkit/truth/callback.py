"""The exact error of an agent, logged while it learns."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import RecordEpisodeStatistics, RecordVideo
from numpy.typing import NDArray

from rlkit.agent import Agent
from rlkit.callbacks import Callback
from rlkit.config import check_count
from rlkit.errors import ConfigError, InvalidModel, NotConverged, warn
from rlkit.policy import Policy
from rlkit.rewind import TRANSPARENT
from rlkit.truth.fixed_point import emphasis, td_fixed_point
from rlkit.truth.linear_quadratic import RiccatiYardstick, knows_its_optimum
from rlkit.truth.measures import best_representable, rmsve
from rlkit.truth.values import on_policy_distribution
from rlkit.truth.yardstick import GainYardstick, Yardstick

if TYPE_CHECKING:
    from rlkit.sb3.policy import SB3Policy
    from rlkit.trainer import Trainer

SMALL = 10_000
"""States times actions up to which the truth is logged without being asked for."""

SHARE = 0.04
"""Of the time that measuring may have taken before it is done again unasked: with that, less than 5 % in the end."""

_HARMLESS = (*TRANSPARENT, RecordEpisodeStatistics, RecordVideo)


class _Truth(Callback):
    """What both ways of logging the truth share: the exact answer, and a measurement."""

    def __init__(self) -> None:
        self.yardstick: Yardstick | RiccatiYardstick | None = None
        self.history: dict[str, list[float]] = {}
        self.lines: dict[str, float] = {}

    def prepare(self, trainer: Trainer) -> None:
        """Find the exact answer to what this agent learns in this environment."""
        agent = trainer.agent
        self.lines = {}
        self.yardstick = truth = yardstick_of(agent, trainer.problem)
        if isinstance(truth, RiccatiYardstick) or agent.average_reward is not None or agent.target_policy is None:
            return
        with undisturbed(agent):
            Phi = agent.state_features(np.arange(truth.v.size))
        if Phi is not None:
            Phi = np.where(truth.mdp.terminal[:, None], 0.0, np.asarray(Phi, np.float64))  # [S, D]
            truth.look_at(Phi)
            self._draw_lines(agent, Phi, truth)

    def measure(self, trainer: Trainer) -> None:
        """Log how far the agent is from the truth now."""
        assert self.yardstick is not None
        errors = errors_of(trainer.agent, self.yardstick) | self.lines
        trainer.logger.scalars({f"truth/{name}": value for name, value in errors.items()}, trainer.step)
        self._remember({"step": trainer.step, **errors})

    def _remember(self, row: dict[str, float]) -> None:
        before = len(self.history.get("step", ()))
        for name in {**self.history, **row}:
            self.history.setdefault(name, [math.nan] * before).append(row.get(name, math.nan))

    def _draw_lines(self, agent: Agent, Phi: NDArray[np.float64], truth: Yardstick) -> None:
        """Work out what no learning with these features changes."""
        assert truth.policy is not None
        process = truth.mdp.induced_by(truth.policy)
        lam, n_steps = _setting(agent, "lam", 0.0), _setting(agent, "n_steps", 1)
        d = emphasis(process.transitions, truth.d, truth.gamma, lam) if agent.is_emphatic else truth.d
        system = td_fixed_point(process.transitions, process.rewards, Phi, d, truth.gamma, lam, n_steps=n_steps)
        self.lines = {"best_rmsve": best_representable(Phi, truth.v, truth.d).error}
        if system.has_solution:
            self.lines["td_rmsve"] = rmsve(Phi @ system.w, truth.v, truth.d)
        if agent.follows_semi_gradient and (warning := system.warning()) is not None:
            warn(f"{type(agent).__name__}: {warning}")


class TruthCallback(_Truth):
    """Logs `truth/...` every so many steps: how far an agent is from the exact answer.

    For an agent that learns the best policy: `policy_regret`, the expected loss from the start, and `optimal_actions`,
    the share of states in which it acts optimally, of what it does without exploring. For one that has values: `rmsve`
    and `max_error` of `state_values`, against v* or, where it has a `target_policy`, against that policy's values; and
    `max_q_error` of `action_values`, against q*. For one with a `target_policy`: `msbe`, the mean squared Bellman
    error. If it has `state_features` as well: `mspbe`, the projected one; `best_rmsve`, the least that any weights
    reach; `td_rmsve`, that of the TD fixed point (its own: of its lambda, its number of steps, its emphasis); and
    before the first step a warning if expected TD diverges. States count by how often the policy that acts is in them.

    For an agent with an `average_reward`: `average_reward_error` against the best there is or, where it has one, its
    `target_policy`'s; the other errors, but the Bellman errors, are those of differential values, up to a constant, and
    the regret is the average reward that is lost.

    For linear-quadratic control (`rlkit.truth.LinearQuadraticProblem`): `optimality_gap`, what the agent's policy costs
    beyond the Riccati optimum, as a share of it, exact if the policy is linear and otherwise by simulation, the same
    starts and noise at every measurement; `optimality_gap_se`, its standard error; and `gain_error`, how far its slope
    at 0 is from the optimal gain.

    What it looks at is put back: attributes that looking binds anew, and the state of the agent's generators.

    Args:
        every: steps between two measurements.

    Attributes:
        history: what was logged, by name without `truth/`, and the `step`s; nan where there was no such number.
        lines: what is logged at every step alike: `best_rmsve` and `td_rmsve`, where there are such.
        yardstick: the exact answer, once a run has begun.

    A run with it raises InvalidModel if the environment does not know its answer, or a wrapper may change what it says.
    """

    def __init__(self, every: int = 1000) -> None:
        super().__init__()
        self.every: int = check_count("every", every)
        self._trainer: Trainer | None = None

    def on_start(self, trainer: Trainer) -> None:
        """Solve the environment, once for a trainer, and begin a history; warn if the agent is bound to diverge."""
        if trainer is not self._trainer:
            if (refusal := why_not(trainer.problem)) is not None:
                raise InvalidModel(f"TruthCallback: {refusal}")
            self.history = {}
            self.prepare(trainer)
            self._trainer = trainer

    def on_every(self, trainer: Trainer) -> None:
        """Measure."""
        self.measure(trainer)


class TruthInLog(_Truth):
    """Adds the truth to the rows of the log, while it takes less than 5 % of the time; what `Trainer` does unasked.

    It solves when the first row is due, or for an agent that evaluates a policy before the first step, so that it can
    warn of divergence; that, and the first use of what is compiled, is not counted. The last row of a run always has
    the truth. Where there is none to be had it stays silent, but for one text, `truth/off`, that says why.
    """

    def __init__(self) -> None:
        super().__init__()
        self._off = False
        self._began = self._spent = 0.0

    def on_start(self, trainer: Trainer) -> None:
        """Start the clock."""
        if trainer.agent.target_policy is not None and self.yardstick is None and not self._off:
            self._begin(trainer)
        self._began, self._spent = time.perf_counter(), 0.0

    def on_log(self, trainer: Trainer, *, final: bool) -> None:
        """Measure, if the time allows it."""
        if self._off or (self.yardstick is None and not self._begin(trainer)):
            return
        now = time.perf_counter()
        if final or self._spent <= SHARE * (now - self._began):
            self._ask(trainer, lambda: self.measure(trainer))
            self._spent += time.perf_counter() - now

    def _begin(self, trainer: Trainer) -> bool:
        """Solve the environment, and ask the agent a first time, uncounted; say whether that went well."""
        refusal = why_not(trainer.problem, largest=SMALL)
        if refusal is None:
            try:
                self.prepare(trainer)
            except (ConfigError, InvalidModel, NotConverged) as error:
                refusal = str(error)
        if refusal is not None:
            self._stop(trainer, refusal)
        elif (truth := self.yardstick) is not None:
            self._ask(trainer, lambda: errors_of(trainer.agent, truth))
        return not self._off

    def _ask(self, trainer: Trainer, question: Callable[[], object]) -> None:
        try:
            question()
        except Exception as error:  # somebody's agent that was never meant to be asked about every state
            self._stop(trainer, f"{type(trainer.agent).__name__} cannot be asked about every state: {error!r}")

    def _stop(self, trainer: Trainer, reason: str) -> None:
        self._off = True
        trainer.logger.text("truth/off", f"no exact error is logged: {reason}", trainer.step)


def knows_its_answer(env: Any) -> bool:
    """Tell whether an environment has something to be measured against: a model, or a Riccati optimum."""
    return knows_its_model(env) or knows_its_optimum(env)


def knows_its_model(env: Any) -> bool:
    """Tell whether an environment can say what its model is: a `model()`, or a transition table `P`."""
    bare = env.unwrapped
    return callable(getattr(bare, "model", None)) or getattr(bare, "P", None) is not None


def why_not(env: Any, *, largest: int | None = None) -> str | None:
    """Say why an agent in this environment cannot be measured against its model; None if it can."""
    for layer in _wrappers(env):
        if not isinstance(layer, _HARMLESS):
            return f"the wrapper {type(layer).__name__} may change what is seen or paid"
    if knows_its_optimum(env):
        return None
    seen, done = env.observation_space, env.action_space
    if not knows_its_model(env):
        return f"{env} has neither a model() nor a transition table P"
    if not all(isinstance(space, spaces.Discrete) and space.start == 0 for space in (seen, done)):
        return f"its observations are {seen} and its actions {done}, expected states and actions numbered from 0"
    size = int(seen.n) * int(done.n)
    if largest is not None and size > largest:
        return f"{size:,} states times actions are more than {largest:,}; add a TruthCallback to have it all the same"
    return None


def yardstick_of(agent: Agent, env: Any) -> Yardstick | RiccatiYardstick:
    """Solve an environment for what an agent learns in it.

    Raises:
        ConfigError: the agent's discount leaves linear-quadratic control without a finite answer.
        InvalidModel: there is no model, or no finite answer.
        NotConverged: float64 cannot resolve it to 1e-8.
    """
    if knows_its_optimum(env):
        return RiccatiYardstick(env, agent.config.gamma)
    if agent.average_reward is not None:
        return GainYardstick(env, policy=agent.target_policy)
    d = None if agent.behaviour_policy is None else on_policy_distribution(env, agent.behaviour_policy)
    return Yardstick(env, agent.config.gamma, policy=agent.target_policy, d=d)


def errors_of(agent: Agent | SB3Policy, truth: Yardstick | RiccatiYardstick) -> dict[str, float]:
    """Return every error of an agent, or of a model of SB3's, that can be told from what it exposes.

    They are those that `TruthCallback` logs, by name without `truth/`.
    """
    if isinstance(truth, RiccatiYardstick):
        with undisturbed(agent):
            return truth.errors_of(agent)
    states = np.arange(truth.v.size)
    errors: dict[str, float] = {}
    with undisturbed(agent):
        q = agent.action_values(states) if agent.target_policy is None else None
        if q is not None and type(agent).state_values is Agent.state_values:
            found: Any = q.max(axis=1)  # what it would say itself, after asking for q again
        else:
            found = agent.state_values(states)
        if isinstance(truth, GainYardstick) and agent.average_reward is not None:
            errors |= truth.gain_errors(agent.average_reward)
        if found is not None:
            values = np.asarray(found, np.float64)
            errors |= truth.value_errors(values)
            if truth.policy is not None and not isinstance(truth, GainYardstick):
                errors |= truth.bellman_errors(values)
        if q is not None:
            errors |= truth.action_value_errors(np.asarray(q, np.float64))
        if agent.target_policy is None:
            actions = [agent.act(s) for s in states.tolist()] if q is None else np.asarray(q).argmax(axis=1)
            errors |= truth.policy_errors(np.asarray(actions))
    return errors


def _setting(agent: Agent, name: str, otherwise: Any) -> Any:
    """Return what an agent, or else its hyperparameters, say."""
    return getattr(agent, name, getattr(agent.config, name, otherwise))


@contextmanager
def undisturbed(agent: Policy) -> Iterator[None]:
    """Put back what looking at an agent may move: attributes that are bound anew, and its generators."""
    attributes, numbers = dict(vars(agent)), agent.rng.bit_generator.state
    torch_generator = attributes.get("_torch_generator")
    torch_numbers = None if torch_generator is None else torch_generator.get_state()
    try:
        yield
    finally:
        vars(agent).clear()
        vars(agent).update(attributes)
        agent.rng.bit_generator.state = numbers
        if torch_generator is not None:
            torch_generator.set_state(torch_numbers)


def _wrappers(env: Any) -> Iterator[Any]:
    while env is not env.unwrapped:
        yield env
        env = env.env
