"""Checks that the model of an environment is that of its steps: what every exact answer rests on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from rlkit.checks.environment_subject import EnvironmentSubject
from rlkit.checks.frequencies import first_unlikely
from rlkit.checks.running import CheckFailed, CheckSkipped, sentence_of
from rlkit.checks.walks import global_generators
from rlkit.mdp import FiniteMDP

TRIES = 20_000
"""Steps of random actions that are compared with the model."""

RESETS = 2_000
"""Episodes whose starts are."""

LONGEST = 50
"""Steps after which an episode is begun anew, so that states near its start are seen often."""

CHOSEN = 200
"""States times actions that are begun in, where an environment lets one choose."""

FEWEST = 20
"""Times that an outcome has to be seen for its reward to be compared, where that is not always the same."""

LARGEST = 200_000
"""States times actions of a model that is compared."""


class Trials(NamedTuple):
    """What random actions led to, an entry a step.

    Attributes:
        rows: state times A plus action, int64 `(N,)`.
        next_states: int64 `(N,)`.
        rewards: float64 `(N,)`.
        terminated: bool `(N,)`.
    """

    rows: NDArray[np.int64]
    next_states: NDArray[np.int64]
    rewards: NDArray[np.float64]
    terminated: NDArray[np.bool_]


class Tried(NamedTuple):
    """A model, and what the environment's own steps were."""

    mdp: FiniteMDP
    trials: Trials

    @property
    def landing(self) -> NDArray[np.int64]:
        """Return where each step led: the next state, or S if it ended the episode without entering a terminal one."""
        following = self.trials.next_states
        return np.where(self.trials.terminated & ~self.mdp.terminal[following], self.mdp.n_states, following)

    def each(self) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float64]]]:
        """Yield every state and action that was tried: its row, its steps, and its outcomes' probabilities `(S + 1,)`.

        The last outcome is ending without entering a terminal state.
        """
        mdp, order = self.mdp, np.argsort(self.trials.rows, kind="stable")
        rows, first = np.unique(self.trials.rows[order], return_index=True)
        for row, steps in zip(rows.tolist(), np.split(order, first[1:]), strict=True):
            outcomes = np.zeros(mdp.n_states + 1)
            part = slice(mdp.transitions.indptr[row], mdp.transitions.indptr[row + 1])
            outcomes[mdp.transitions.indices[part]] = mdp.transitions.data[part]
            outcomes[-1] = 0.0 if mdp.termination is None else mdp.termination.flat[row]
            yield row, steps, outcomes

    def name(self, row: int) -> str:
        """Return the words for a state and action."""
        return f"from state {row // self.mdp.n_actions} by action {row % self.mdp.n_actions}"


def check_model_fits_the_spaces(subject: EnvironmentSubject) -> None:
    """The model, or the transition table `P`, is a finite MDP with the states and actions of the spaces."""
    _model(subject)


def check_model_transitions(subject: EnvironmentSubject) -> None:
    """Steps lead where the model says, as often as it says.

    Nothing happens that the model rules out; each outcome's count is binomial and each state and action's counts
    are multinomial (Pearson's chi-square, outcomes merged until each is expected ten times). A right model fails once
    in a million seeds, and the seed is always the same.
    """
    tried = _tried(subject)
    n, landing = tried.mdp.n_states, tried.landing
    for row, steps, probabilities in tried.each():
        strange = landing[steps][probabilities[landing[steps]] == 0.0]
        if strange.size:
            raise CheckFailed(f"{tried.name(row)} a step {_led(strange[0], n)}, which has probability 0 in the model")
    found = first_unlikely((row, landing[steps], probabilities) for row, steps, probabilities in tried.each())
    if found is not None and found.outcome is not None:
        raise CheckFailed(
            f"{tried.name(found.row)} a step {_led(found.outcome, n)} in {found.times} of {found.tries} tries; "
            f"the model's probability is {found.probability:.6g}"
        )
    if found is not None:
        raise CheckFailed(
            "taken together, the steps do not follow the model's probabilities: chi-square is "
            f"{found.statistic:.1f} with {found.freedom} degrees of freedom"
        )


def check_model_rewards(subject: EnvironmentSubject) -> None:
    """The model's expected rewards are those that steps pay, for the states and actions all of whose outcomes came up.

    Where an outcome always pays the same, that is exact; else within six standard errors.
    """
    tried = _tried(subject)
    landing, compared = tried.landing, 0
    for row, steps, probabilities in tried.each():
        found = _mean_reward(probabilities, landing[steps], tried.trials.rewards[steps])
        if found is None:
            continue
        (mean, error), expected = found, float(tried.mdp.rewards.flat[row])
        compared += 1
        if not abs(mean - expected) <= 6.0 * error + 1e-6 * (1.0 + abs(expected)):
            raise CheckFailed(
                f"{tried.name(row)} a step pays {mean:.6g} on average; the model's expected reward is {expected:.6g}"
            )
    if not compared:
        raise CheckSkipped("no state and action had all of its outcomes in so few steps")


def check_model_ends(subject: EnvironmentSubject) -> None:
    """Episodes terminate where the model says that they do, and nowhere else."""
    mdp, trials = tried = _tried(subject)
    ends, entered = trials.terminated, mdp.terminal[trials.next_states]
    if (missed := np.flatnonzero(entered & ~ends)).size:
        row, state = int(trials.rows[missed[0]]), int(trials.next_states[missed[0]])
        raise CheckFailed(
            f"{tried.name(row)} a step enters state {state}, which the model says is terminal, and terminated is False"
        )
    vanishes = np.zeros(ends.size, bool) if mdp.termination is None else mdp.termination.flat[trials.rows] > 0
    if (sudden := np.flatnonzero(ends & ~entered & ~vanishes)).size:
        row, state = int(trials.rows[sudden[0]]), int(trials.next_states[sudden[0]])
        raise CheckFailed(
            f"{tried.name(row)} a step enters state {state} and terminates, and the model does not say that it can end"
        )


def check_model_starts(subject: EnvironmentSubject) -> None:
    """Episodes begin as often in each state as `initial_state_distrib` says."""
    env: Any = subject.env.unwrapped
    mdp = _model(subject)
    given = getattr(env, "initial_state_distrib", None)
    if given is None:
        raise CheckSkipped("it has no initial_state_distrib")
    start = np.asarray(given, np.float64)
    if start.shape != (mdp.n_states,) or not abs(start.sum() - 1.0) <= 1e-6 or (start < 0).any():
        raise CheckFailed(f"initial_state_distrib has shape {start.shape}, expected {mdp.n_states} probabilities")
    first = int(env.observation_space.start)
    with global_generators(0):
        begun = [int(env.reset(seed=0)[0])] + [int(env.reset()[0]) for _ in range(RESETS - 1)]
    states = np.array(begun) - first
    if (never := states[start[states] == 0.0]).size:
        raise CheckFailed(f"an episode begins in state {never[0]}, whose initial_state_distrib is 0")
    found = first_unlikely([(0, states, start / start.sum())])
    if found is None:
        return
    if found.outcome is None:
        raise CheckFailed(f"taken together, {found.tries} episodes do not begin as initial_state_distrib says")
    raise CheckFailed(
        f"of {found.tries} episodes {found.times} begin in state {found.outcome}, whose initial_state_distrib is "
        f"{found.probability:.6g}"
    )


def _model(subject: EnvironmentSubject) -> FiniteMDP:
    """Return the environment's model.

    Raises:
        CheckSkipped: it has none, or one that is too large to compare.
        CheckFailed: it is of other states or actions, or no finite MDP.
    """
    env: Any = subject.env.unwrapped
    if not callable(getattr(env, "model", None)) and not hasattr(env, "P"):
        raise CheckSkipped("it has no model")
    for space in (env.observation_space, env.action_space):
        if not isinstance(space, gymnasium.spaces.Discrete):
            raise CheckFailed(f"it has a model, and the space {space}, expected Discrete spaces")
    sizes = int(env.observation_space.n), int(env.action_space.n)
    if sizes[0] * sizes[1] > LARGEST:
        raise CheckSkipped(f"its model has {sizes[0]} states, too many to compare")
    if "mdp" not in subject.remembered:
        try:
            mdp = FiniteMDP.from_gymnasium(env)
        except Exception as error:
            raise CheckFailed(f"no finite MDP can be made of the model: {sentence_of(error)}") from error
        if (mdp.n_states, mdp.n_actions) != sizes:
            raise CheckFailed(
                f"the model has (states, actions) = {(mdp.n_states, mdp.n_actions)}, the spaces have {sizes}"
            )
        subject.remembered["mdp"] = mdp
    found: FiniteMDP = subject.remembered["mdp"]
    return found


def _tried(subject: EnvironmentSubject) -> Tried:
    mdp = _model(subject)
    if "trials" not in subject.remembered:
        with global_generators(0):
            subject.remembered["trials"] = _try(subject.env.unwrapped, mdp)
    return Tried(mdp, subject.remembered["trials"])


def _try(env: Any, mdp: FiniteMDP) -> Trials:
    """Take random actions, in episodes that begin where the environment says and where we choose by turns."""
    rng = np.random.default_rng(0)
    s0, a0 = int(env.observation_space.start), int(env.action_space.start)
    candidates = np.flatnonzero(~mdp.terminal) + s0
    env.reset(seed=0)
    chosen = _chosen_starts(env, rng.permutation(candidates)[: max(CHOSEN // mdp.n_actions, 1)].tolist())
    actions = rng.integers(mdp.n_actions, size=TRIES).tolist()
    rows, following, rewards, ends = [], [], [], []
    state, left, episodes = -1, 0, 0
    for action in actions:
        if left == 0:
            options = {"state": chosen[episodes % len(chosen)]} if chosen and episodes % LONGEST else None
            state, left, episodes = int(env.reset(options=options)[0]) - s0, 1 if options else LONGEST, episodes + 1
        landed, reward, terminated, truncated, _ = env.step(action + a0)
        rows.append(state * mdp.n_actions + action)
        state = int(landed) - s0
        left = 0 if terminated or truncated or mdp.terminal[state] else left - 1
        following.append(state)
        rewards.append(float(reward))
        ends.append(bool(terminated))
    return Trials(np.array(rows), np.array(following), np.array(rewards), np.array(ends))


def _chosen_starts(env: Any, states: list[int]) -> list[int]:
    """Return the states, if episodes can be begun there by `options={"state": s}`, as rlkit's environments let one."""
    try:
        begun = [int(env.reset(options={"state": state})[0]) for state in states]
    except Exception:  # whatever it says of options that it does not know
        return []
    return states if begun == states else []


def _mean_reward(
    probabilities: NDArray[np.float64], landing: NDArray[np.int64], rewards: NDArray[np.float64]
) -> tuple[float, float] | None:
    """Return a mean reward, each outcome by its probability, and its standard error; None where one is not known."""
    mean = variance = 0.0
    for outcome in np.flatnonzero(probabilities):
        paid = rewards[landing == outcome]
        if not paid.size or (np.ptp(paid) > 0 and paid.size < FEWEST):
            return None
        mean += probabilities[outcome] * paid.mean()
        variance += probabilities[outcome] ** 2 * paid.var() / paid.size
    return float(mean), float(np.sqrt(variance))


def _led(outcome: int, n_states: int) -> str:
    return "ends the episode" if outcome == n_states else f"leads to state {outcome}"
