"""Run the main job on built-in defaults: exact solutions, and learners measured against them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from rlkit.config import check_count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rlkit.bellman import Progress, Solution
    from rlkit.cli._learning import Learnt

GAMMA = 0.9
MAP = "zhao-5x5"


def run(*, steps: int = 200_000, out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None) -> None:
    """Solve Zhao's 5x5 grid world exactly in three ways, let two learners find out by trial and error, and compare.

    Prints a table of exact errors; leaves pictures and one TensorBoard run for each method. Takes some seconds.

    Args:
        steps: how long each learner learns, in steps of the environment.
        out: folder to write to; by default a new one under runs/.
    """
    from tqdm import tqdm

    from rlkit.agents import DoubleQLearning, QLearning
    from rlkit.cli._learning import learn
    from rlkit.cli._results import make_folder

    check_count("steps", steps)
    folder = make_folder(out, "demo")
    methods = ("value_iteration", "policy_iteration", "truncated_policy_iteration")
    learners = {"q_learning": QLearning, "double_q_learning": DoubleQLearning}
    rows: list[tuple[str, ...]] = [("method", "work", "seconds", "max |v - v*|", "optimal actions", "proven bound")]
    curves: dict[str, list[Progress]] = {}
    learnt: dict[str, Learnt] = {}
    with tqdm(total=len(methods) + len(learners) + 1, disable=None, leave=False) as bar:
        for method in methods:
            bar.set_description(method)
            solution, curves[method], seconds = _plan(method, folder / method)
            rows.append(_row(method, f"{solution.iterations} iterations", seconds, solution.q, solution.error_bound))
            bar.update()
        for name, agent in learners.items():
            bar.set_description(name)
            learnt[name] = learn(agent, MAP, GAMMA, steps, folder / name)
            rows.append(_row(name, f"{steps:,} steps", learnt[name].seconds, learnt[name].q, None))
            bar.update()
        bar.set_description("pictures")
        pictures = _draw(folder, curves, learnt)
        bar.update()
    print(_report(folder, rows, pictures))


def _exact() -> Solution:
    """The yardstick: the optimal values, certified to 1e-12."""
    from rlkit.bellman import solve
    from rlkit.envs import GridWorld

    return solve(GridWorld.load(MAP).model(), GAMMA, tol=1e-12)


def _plan(method: Any, folder: Path) -> tuple[Solution, list[Progress], float]:
    """Solve by one method with its curves in a run of its own."""
    from rlkit.bellman import BellmanLogger, solve
    from rlkit.envs import GridWorld

    model = GridWorld.load(MAP).model()
    seen: list[Progress] = []
    with BellmanLogger(folder, model) as log:

        def callback(progress: Progress) -> None:
            log(progress)
            seen.append(progress)

        log.finish(solve(model, GAMMA, method=method, callback=callback))
    begun = time.perf_counter()  # of a second time: the first run may compile
    solution = solve(model, GAMMA, method=method)
    return solution, seen, time.perf_counter() - begun


def _row(name: str, work: str, seconds: float, q: NDArray[np.float64], bound: float | None) -> tuple[str, ...]:
    """One method's line of the table: its errors are exact, whether it can prove anything or not."""
    import numpy as np

    from rlkit.bellman import optimal_actions

    exact = _exact()
    best = optimal_actions(exact.model, exact.v, GAMMA)  # [S, A]
    right = best[np.arange(len(best)), q.argmax(axis=1)]
    error = float(np.abs(q.max(axis=1) - exact.v).max())
    proven = "-" if bound is None else f"{bound:.0e}"
    return name, work, f"{seconds:.3f}", f"{error:.1e}", f"{100 * right.mean():.0f} %", proven


def _draw(folder: Path, curves: dict[str, list[Progress]], learnt: dict[str, Learnt]) -> list[Path]:
    from rlkit.bellman import optimal_actions
    from rlkit.plotting import plot_convergence, plot_learning, plot_q, plot_values, save

    exact = _exact()
    model: Any = exact.model
    best = optimal_actions(model, exact.v, GAMMA)
    errors = {"step": learnt["q_learning"].steps} | {
        f"{name}: max |q - q*|": run.errors for name, run in learnt.items()
    }
    figures = {
        "values.png": plot_values(model, exact.v, policy=best, title=f"{MAP}: v* and every optimal action"),
        "learnt.png": plot_q(model, learnt["q_learning"].q, title="what Q-learning found"),
        "convergence.png": plot_convergence(curves, gamma=GAMMA, tol=1e-8, title="three ways to the same v*"),
        "learning.png": plot_learning(errors, logarithmic=True, title="error of the learners, by step"),
    }
    return [save(figure, folder / name, dpi=100) for name, figure in figures.items()]


def _report(folder: Path, rows: list[tuple[str, ...]], pictures: list[Path]) -> str:
    from rlkit.cli._text import columns

    return "\n".join(
        [
            f"Zhao's 5x5 grid world, gamma {GAMMA}; errors are against the exact v*, known to 1e-12:",
            "",
            columns(rows),
            "",
            f"pictures: {', '.join(str(path) for path in pictures)}",
            f"curves:   tensorboard --logdir {folder}",
        ]
    )
