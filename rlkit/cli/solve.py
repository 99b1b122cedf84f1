"""Solve a map or an environment exactly, with a proven error bound."""

from __future__ import annotations

import contextlib
import json as json_format
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from rlkit.errors import ConfigError, NotConverged

if TYPE_CHECKING:
    from rlkit.bellman import Solution
    from rlkit.cli._problems import Problem
    from rlkit.cli._progress import WaitingBar
    from rlkit.logger import Logger

RECORDED_STATES = 10_000
RECORDED_SWEEPS = 1_000
"""Up to this size the curves shown are value iteration's, whose contraction the theory bounds by gamma."""

Method = Literal["auto", "value_iteration", "policy_iteration", "truncated_policy_iteration"]


def run(
    problem: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MAP|ENV_ID")],
    *,
    gamma: float = 0.9,
    method: Method = "auto",
    tol: float = 1e-8,
    plot: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None,
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Find the optimal values and policy of a grid world that you drew, a shipped one, or a gymnasium environment.

    Prints what was found with a proven bound on its error, and leaves a run folder: the picture, the solution as JSON
    and NPZ, and TensorBoard curves of residual, contraction and error bound.

    Args:
        problem: a map file (.toml, or a drawing in .txt), a shipped map's name (rlkit envs lists them), or the id of a
            gymnasium environment with a transition table, such as FrozenLake-v1.
        gamma: discount, from 0 to 1; 1 where every episode worth living ends.
        method: which algorithm; auto takes the fastest that can prove the error asked for.
        tol: the largest error accepted, max over states of |v - v*|.
        plot: also draw values and all optimal actions with matplotlib: .png, .svg or .pdf.
        out: folder to write to; by default a new one under runs/.
        json: print one JSON object and nothing else.
    """
    from rlkit.cli._progress import WaitingBar
    from rlkit.cli._results import summary

    with WaitingBar(f"reading {problem}") as bar:
        task, solution, seconds, folder, written = _work(problem, gamma, method, tol, plot, out, bar)
    if json:
        found = summary(task, solution, tol, seconds)
        print(json_format.dumps(found | {"folder": str(folder), "files": list(map(str, written))}))
    else:
        print(_report(task, solution, seconds, folder, written))


def _work(
    problem: str, gamma: float, method: Method, tol: float, plot: Path | None, out: Path | None, bar: WaitingBar
) -> tuple[Problem, Solution, float, Path, list[Path]]:
    """Read, solve, and write everything down; return what is worth telling."""
    from rlkit.bellman.model import check_question
    from rlkit.cli._problems import read_problem
    from rlkit.cli._results import discarded_if_empty, make_folder, picture, summary, write_picture, write_solution
    from rlkit.logger import Logger

    task = read_problem(problem)
    check_question(task.model, gamma, tol)
    _check_plot(plot, task)
    folder = make_folder(out, task.name)
    bar.text = f"solving {task.name} (the first run compiles)"
    with discarded_if_empty(folder), Logger(folder) as logger:
        solution, seconds = _solve(task, gamma, method, tol, logger, bar)
        bar.text = "drawing and writing"
        image = picture(task, solution)
        if image is not None:
            logger.image("bellman/solution", image, int(solution.iterations))
    written = write_solution(folder, solution, summary(task, solution, tol, seconds))
    if image is not None:
        written.append(write_picture(folder / "values.png", image))
    if plot is not None:
        written.append(_plot(plot, task, solution))
    return task, solution, seconds, folder, written


def _solve(
    task: Problem, gamma: float, method: Method, tol: float, logger: Logger, bar: WaitingBar
) -> tuple[Solution, float]:
    """Solve, with curves into the logger; return the solution and the seconds that it alone took."""
    from rlkit.bellman import BellmanLogger, solve, value_iteration

    with BellmanLogger(logger, task.geometry) as log:
        callback = bar.watch(tol, log)
        begun = time.perf_counter()
        if method != "auto" or task.model.n_states > RECORDED_STATES:
            solution = solve(task.model, gamma, method=method, tol=tol, callback=callback)
            return solution, time.perf_counter() - begun
        solution = solve(task.model, gamma, tol=tol)
        seconds = time.perf_counter() - begun
        with contextlib.suppress(NotConverged):  # the answer is there: these are only the curves
            value_iteration(task.model, gamma, tol=tol, max_iterations=RECORDED_SWEEPS, callback=callback)
        return solution, seconds


def _check_plot(plot: Path | None, task: Problem) -> None:
    from rlkit.plotting.figures import FORMATS

    if plot is not None and plot.suffix.lower() not in FORMATS:
        raise ConfigError(f"--plot {plot}: the name has to end in {', '.join(FORMATS)}")
    if plot is not None and task.geometry is None:
        raise ConfigError(f"--plot: the states of {task.name} lie on no map")


def _plot(path: Path, task: Problem, solution: Solution) -> Path:
    from rlkit.cli._results import best_actions
    from rlkit.plotting import plot_values, save

    assert task.geometry is not None
    title = f"{task.name}: optimal values, gamma {solution.gamma:g}"
    return save(plot_values(task.geometry, solution.v, policy=best_actions(solution), title=title), path)


def _report(task: Problem, solution: Solution, seconds: float, folder: Path, written: list[Path]) -> str:
    """What a person wants to read first."""
    from rlkit.cli._text import start_value, table, values_as_text

    shape = "" if task.geometry is None else "{} x {} map, ".format(*task.geometry.shape)
    iterations = f"{solution.iterations:,} iteration{'' if solution.iterations == 1 else 's'}"
    lines = [
        f"{task.name}: {shape}{task.model.n_states:,} states, {task.model.n_actions} actions",
        "",
        table(
            [
                ("method", f"{solution.method}, {iterations}, {_spell_seconds(seconds)}"),
                ("gamma", f"{solution.gamma:g}"),
                ("error bound", f"{solution.error_bound:.1e} (proven: no value is further from v* than that)"),
                ("v*(start)", f"{start_value(task, solution):.6g}"),
            ]
        ),
        "",
    ]
    drawn = values_as_text(task, solution)
    if drawn:
        lines += [drawn, ""]
    others = [path for path in written if path.parent != folder]
    inside = [path.name for path in written if path.parent == folder]
    lines += [f"{folder}{os.sep}: {', '.join(inside)}, TensorBoard curves", *map(str, others)]
    lines.append(f"tensorboard --logdir {folder}")
    return "\n".join(lines)


def _spell_seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1000 * seconds:.2g} ms"
