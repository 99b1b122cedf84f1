"""What scores of different tasks are made comparable by: 0 for one return, 1 for another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from rlkit.errors import ConfigError
from rlkit.evaluation import evaluate
from rlkit.report.reading import Run

EPISODES = 2000  # of the random and the optimal policy each, where they have to play
LONGEST = 1000  # steps of an episode where the environment sets no limit


class Scale(NamedTuple):
    """The scores that count as 0 and as 1; the second may be the smaller one, of errors for instance."""

    worst: float
    best: float

    def of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return scores on this scale; more is better, whichever way they run themselves."""
        return (scores - self.worst) / (self.best - self.worst)


def checked(worst: float, best: float, name: str) -> Scale:
    """Return a scale.

    Raises:
        ConfigError: it is of no width, or not finite.
    """
    if not (np.isfinite(worst) and np.isfinite(best)) or worst == best:
        raise ConfigError(f"normalise: {name} is from {worst:g} to {best:g}, expected two different numbers")
    return Scale(float(worst), float(best))


def scales_of(normalise: Any, tasks: Mapping[str, Sequence[Run]], notes: list[str]) -> dict[str, Scale]:
    """Return the scale of every task.

    Args:
        normalise: a pair for all tasks, pairs by environment or task, or "optimum".
        tasks: their runs, by name.
        notes: takes a sentence for each scale that was measured.

    Raises:
        ConfigError: a task has none.
    """
    if normalise == "optimum":
        return {task: measured(task, runs, notes) for task, runs in tasks.items()}
    if isinstance(normalise, Mapping):
        found = {task: _named(normalise, task, runs[0].environment) for task, runs in tasks.items()}
        return {task: checked(*pair, task) for task, pair in found.items()}
    pair = _pair(normalise)
    return {task: checked(*pair, "the scale") for task in tasks}


def _named(pairs: Mapping[str, Any], task: str, environment: str) -> tuple[float, float]:
    for name in (task, environment):
        if name in pairs:
            return _pair(pairs[name])
    raise ConfigError(f"normalise: names no scale for {task}, only for {', '.join(map(str, pairs)) or 'nothing'}")


def _pair(values: Any) -> tuple[float, float]:
    try:
        worst, best = values
        return float(worst), float(best)
    except (TypeError, ValueError):
        raise ConfigError(
            f"normalise={values!r}, expected the scores that count as 0 and 1, (0, 500) for instance, such a pair for "
            'every environment by name, or "optimum"'
        ) from None


def measured(task: str, runs: Iterable[Run], notes: list[str]) -> Scale:
    """Let a random policy's mean return count as 0, and an optimal one's as 1.

    Where the environment knows its model, both are exact: mean undiscounted returns within its time limit, the larger
    one of all policies, whatever the runs discount by. Where it knows its Riccati optimum, both play, the optimal
    policy at the largest discount of the runs.

    Raises:
        ConfigError: gymnasium does not know the environment, or the environment not its optimum.
    """
    runs = list(runs)
    run = runs[0]
    if run.environment not in gymnasium.registry:
        raise ConfigError(f"normalise: gymnasium knows no environment {task!r}; give its two scores instead")
    env = gymnasium.make(run.environment, **run.arguments)
    try:
        bare: Any = env.unwrapped
        if callable(getattr(bare, "optimum", None)):
            gamma = max((float(each.hyperparameters.get("gamma", 0.99)) for each in runs), default=0.99)
            return _played(task, env, gamma, notes)
        if callable(getattr(bare, "model", None)) or getattr(bare, "P", None) is not None:
            return _worked_out(task, env, notes)
    finally:
        env.close()
    raise ConfigError(f"normalise: {task} does not know its optimum; give its two scores instead")


def _worked_out(task: str, env: gymnasium.Env[Any, Any], notes: list[str]) -> Scale:
    """Return both mean returns by backward induction (Puterman 2005, section 4.5)."""
    from rlkit.truth.problem import model_of, start_distribution

    limits = [getattr(env.spec, "max_episode_steps", None), getattr(env.unwrapped, "_limit", None)]
    horizon = min((int(limit) for limit in limits if limit is not None), default=LONGEST)
    model, start = model_of(env), start_distribution(env)
    random, optimal = np.zeros(model.n_states), np.zeros(model.n_states)  # [S], in the steps that are left
    for _ in range(horizon):
        random = np.where(model.terminal, 0.0, model.q_from_v(random, 1.0).mean(axis=1))
        optimal = np.where(model.terminal, 0.0, model.q_from_v(optimal, 1.0).max(axis=1))
    worst, best = float(start @ random), float(start @ optimal)
    notes.append(
        f"{task}: 0 is the random policy's mean return, {worst:.5g}, and 1 the largest that any policy has, "
        f"{best:.5g}, undiscounted; both are exact, from the model, in episodes of at most {horizon:,} steps"
    )
    return checked(worst, best, task)


def _played(task: str, env: gymnasium.Env[Any, Any], gamma: float, notes: list[str]) -> Scale:
    """Return both mean returns as they come out when the policies play."""
    optimum: Any = env.unwrapped
    ends = []
    for policy in (_Random(env), _Linear(np.asarray(optimum.optimum(gamma).K), env.action_space)):
        found = evaluate(policy, env, episodes=EPISODES, seed=0, max_steps=LONGEST)  # type: ignore[arg-type]
        returns = np.array([episode.reward for episode in found])
        ends.append((float(returns.mean()), float(returns.std(ddof=1) / np.sqrt(EPISODES))))
    (random, its_error), (optimal, error) = ends
    notes.append(
        f"{task}: 0 is the random policy's mean return, {random:.5g} +- {its_error:.2g}, and 1 the optimal policy's, "
        f"{optimal:.5g} +- {error:.2g} (discount {gamma:g}), in {EPISODES:,} episodes each, with standard errors"
    )
    return checked(random, optimal, task)


class _Random:
    """Draws any action; a `Policy` as far as `evaluate` asks for one."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        self._space = env.action_space
        self._space.seed(0)

    def act(self, observation: Any) -> Any:  # noqa: ARG002
        return self._space.sample()


class _Linear:
    """Does u = -K x, or what comes next to it within the bounds."""

    def __init__(self, K: NDArray[Any], actions: Any) -> None:
        self._K, self._low, self._high = K, actions.low, actions.high

    def act(self, observation: Any) -> Any:
        return np.clip(-self._K @ observation, self._low, self._high)
