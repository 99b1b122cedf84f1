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

EPISODES = 100  # of the random and the optimal policy each
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
    """Let a random policy and an optimal one play a hundred episodes each; their mean returns count as 0 and 1.

    The optimal policy is that of the environment's model, or its Riccati optimum, at the largest discount of the runs.

    Raises:
        ConfigError: gymnasium does not know the environment, or the environment not its optimum.
    """
    run = next(iter(runs))
    gamma = max((float(each.hyperparameters.get("gamma", 0.99)) for each in runs), default=0.99)
    if run.environment not in gymnasium.registry:
        raise ConfigError(f"normalise: gymnasium knows no environment {task!r}; give its two scores instead")
    env = gymnasium.make(run.environment, **run.arguments)
    try:
        best = _optimal_policy(env, gamma, task)
        random, optimal = (_mean_return(policy, env) for policy in (_Random(env), best))
    finally:
        env.close()
    notes.append(
        f"{task}: 0 is the random policy's mean return, {random:.5g}, and 1 the optimal policy's, {optimal:.5g} "
        f"(discount {gamma:g}), in {EPISODES} episodes each"
    )
    return checked(random, optimal, task)


def _mean_return(policy: Any, env: gymnasium.Env[Any, Any]) -> float:
    found = evaluate(policy, env, episodes=EPISODES, seed=0, max_steps=LONGEST)
    return float(np.mean([episode.reward for episode in found]))


def _optimal_policy(env: gymnasium.Env[Any, Any], gamma: float, task: str) -> Any:
    bare: Any = env.unwrapped
    if callable(getattr(bare, "optimum", None)):
        return _Linear(np.asarray(bare.optimum(gamma).K))
    if callable(getattr(bare, "model", None)) or getattr(bare, "P", None) is not None:
        from rlkit.bellman import solve
        from rlkit.mdp import FiniteMDP

        model = bare.model() if callable(getattr(bare, "model", None)) else FiniteMDP.from_gymnasium(env)
        return _Tabular(solve(model, gamma).policy)
    raise ConfigError(f"normalise: {task} does not know its optimum; give its two scores instead")


class _Random:
    """Draws any action; a `Policy` as far as `evaluate` asks for one."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        self._space = env.action_space
        self._space.seed(0)

    def act(self, observation: Any) -> Any:  # noqa: ARG002
        return self._space.sample()


class _Tabular:
    """Does what a table says."""

    def __init__(self, actions: NDArray[Any]) -> None:
        self._actions = actions

    def act(self, observation: Any) -> int:
        return int(self._actions[observation])


class _Linear:
    """Does u = -K x."""

    def __init__(self, K: NDArray[Any]) -> None:
        self._K = K

    def act(self, observation: Any) -> Any:
        return -self._K @ observation
