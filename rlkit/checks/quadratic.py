"""Checks that the optimum of a linear-quadratic problem is that of its steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.checks.environment_subject import EnvironmentSubject
from rlkit.checks.running import CheckFailed, CheckSkipped
from rlkit.checks.walks import global_generators
from rlkit.truth.linear_quadratic import knows_its_optimum

GAMMA = 0.95
STEPS = 2000
LONGEST = 50  # steps of an episode, so that a policy that is not the best does not carry the state far out


def check_optimum_is_the_best(subject: EnvironmentSubject) -> None:
    """`cost_of` is least at `optimum(gamma).K`, where it is tr P + constant, and more at gains 5 % to either side."""
    env = _problem(subject)
    best = env.optimum(GAMMA)
    K, cost, said = np.asarray(best.K, float), env.cost_of(best.K, GAMMA), float(np.trace(best.P)) + best.constant
    if not abs(cost - said) <= 1e-6 * abs(said):
        raise CheckFailed(f"optimum({GAMMA}) costs tr P + constant = {said:.6g}; cost_of(K, {GAMMA}) is {cost:.6g}")
    rng = np.random.default_rng(0)
    for _ in range(8):
        away = rng.normal(size=K.shape)
        away *= 0.05 * max(float(np.linalg.norm(K)), 1e-3) / np.linalg.norm(away)
        if not (other := env.cost_of(K + away, GAMMA)) > cost * (1.0 - 1e-9):
            raise CheckFailed(f"optimum({GAMMA}).K costs {cost:.6g}, and a gain near it {other:.6g}, which is less")


def check_optimum_agrees_with_steps(subject: EnvironmentSubject) -> None:
    """P, K and constant solve the Bellman equation of the environment's own steps.

    For V(x) = -x'P x - constant and every u, r + gamma E V(x') - V(x) = -(u + K x)'(R + gamma B'P B)(u + K x)
    (Bertsekas 2012): to rounding where there is no noise, else within six standard errors.
    """
    env = _problem(subject)
    best = env.optimum(GAMMA)
    with global_generators(0):
        x, u, rewards, following = _steps(env, np.asarray(best.K, float))
    weight = np.asarray(env.R) + GAMMA * np.asarray(env.B).T @ best.P @ np.asarray(env.B)
    away = u + x @ np.asarray(best.K, float).T

    def value(of: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(-np.einsum("ti,ij,tj->t", of, best.P, of) - best.constant)

    error = rewards + GAMMA * value(following) - value(x) + np.einsum("ti,ij,tj->t", away, weight, away)
    scale = 1.0 + float(np.abs(value(x)).mean())
    allowed = 1e-6 * scale + (6.0 * float(error.std()) / np.sqrt(len(error)) if env.noise else 0.0)
    off = float(error.mean()) if env.noise else float(error[np.abs(error).argmax()])
    if not abs(off) <= allowed:
        raise CheckFailed(
            f"optimum({GAMMA}) does not solve the Bellman equation of the steps: the value of a step is off by "
            f"{off:.3g}{' on average' if env.noise else ''}, expected at most {allowed:.2g}"
        )


def _problem(subject: EnvironmentSubject) -> Any:
    if not knows_its_optimum(subject.env):
        raise CheckSkipped("it has no optimum() and cost_of()")
    return subject.env.unwrapped


def _steps(env: Any, K: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Act by the best gain and some noise; return x `(T, n)`, u `(T, m)`, rewards `(T,)` and next x `(T, n)`."""
    rng, space = np.random.default_rng(0), env.action_space
    rows: list[tuple[Any, ...]] = []
    x, over, taken = env.reset(seed=0)[0], False, 0
    for _ in range(STEPS):
        if over or taken == LONGEST:
            x, taken = env.reset()[0], 0
        x = np.array(x, np.float64)
        wish = -K @ x + 0.3 * rng.normal(size=len(K))
        u = np.clip(wish, space.low, space.high).astype(space.dtype)
        following, reward, terminated, truncated, _ = env.step(u)
        rows.append((x, np.asarray(u, np.float64), float(reward), np.array(following, np.float64)))
        x, over, taken = following, terminated or truncated, taken + 1
    return tuple(np.array(column) for column in zip(*rows, strict=True))
