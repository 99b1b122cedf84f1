"""Solve a map or an environment exactly, with a proven error bound."""

from __future__ import annotations

import contextlib
import json as json_format
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from rlkit.cli import UsageError
from rlkit.errors import ConfigError, NotConverged

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rlkit.bellman import Solution
    from rlkit.cli._problems import Problem
    from rlkit.cli._progress import WaitingBar
    from rlkit.logger import Logger

RECORDED_STATES = 10_000
RECORDED_SWEEPS = 1_000
"""Up to this size the curves shown are value iteration's, whose contraction the theory bounds by gamma."""

Method = Literal["auto", "value_iteration", "policy_iteration", "truncated_policy_iteration"]


def understand(words: list[str]) -> Callable[[], int | None] | None:
    """Return what to call; `--ray` may stand without an address."""
    from rlkit.cli import bound
    from rlkit.cli._words import settle_ray

    return bound(run, "solve", settle_ray(words))


def run(
    problem: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MAP|ENV_ID")],
    *,
    gamma: float = 0.9,
    method: Method = "auto",
    tol: float = 1e-8,
    plot: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None,
    ray: Annotated[str | None, tyro.conf.arg(metavar="[ADDRESS]")] = None,
    blocks: int | None = None,
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
        ray: solve a map in blocks of rows on the Ray cluster at this address (host:port, ray://..., auto for one that
            runs here), or without an address on a Ray of its own; values are left in files, one a block, and the
            command that was interrupted goes on with the same --out.
        blocks: with --ray, how many; by default as many as the cluster has CPUs.
        json: print one JSON object and nothing else.
    """
    from rlkit.cli._progress import WaitingBar

    if ray is None and blocks is not None:
        raise UsageError(f"--blocks {blocks}: blocks are solved with --ray")
    with WaitingBar(f"reading {problem}") as bar:
        if ray is None:
            found, drawn, folder, written = _work(problem, gamma, method, tol, plot, out, bar)
        else:
            found, drawn, folder, written = _work_on_ray(problem, gamma, method, tol, plot, out, bar, ray, blocks)
    if json:
        print(json_format.dumps(found | {"folder": str(folder), "files": list(map(str, written))}))
    else:
        print(_report(found, drawn, folder, written))


_Work = tuple[dict[str, Any], str, Path, list[Path]]
"""What was found, drawn with characters; the run's folder, and what was written."""


def _work(
    problem: str, gamma: float, method: Method, tol: float, plot: Path | None, out: Path | None, bar: WaitingBar
) -> _Work:
    """Read, solve, and write everything down; return what is worth telling."""
    from rlkit.bellman.model import check_question
    from rlkit.cli._problems import read_problem
    from rlkit.cli._results import discarded_if_empty, make_folder, summary, write_solution
    from rlkit.cli._text import values_as_text
    from rlkit.logger import Logger

    task = read_problem(problem)
    check_question(task.model, gamma, tol)
    _check_plot(plot, task)
    folder = make_folder(out, task.name)
    bar.text = f"solving {task.name} (the first run compiles)"
    with discarded_if_empty(folder), Logger(folder) as logger:
        solution, seconds = _solve(task, gamma, method, tol, logger, bar)
        bar.text = "drawing and writing"
        image = _image(task, solution, logger)
    found = summary(task, solution, tol, seconds)
    written = write_solution(folder, solution, found)
    written += _pictures(folder, image, plot, task, solution)
    return found, values_as_text(task, solution), folder, written


def _work_on_ray(
    problem: str, gamma: float, method: Method, tol: float, plot: Path | None, out: Path | None, bar: WaitingBar,
    address: str, blocks: int | None,
) -> _Work:  # fmt: skip
    """Do what `_work` does in blocks; what is too large for this machine is not drawn."""
    from rlkit.bellman.model import check_question
    from rlkit.cli import _blocks
    from rlkit.cli._problems import read_problem
    from rlkit.cli._results import discarded_if_empty, make_folder
    from rlkit.cli._text import values_as_text
    from rlkit.logger import Logger

    task = read_problem(problem)
    check_question(task.model, gamma, tol)
    _blocks.check_divisible(task, gamma, method, plot)
    _check_plot(plot, task)
    folder = _blocks.begun_folder(out) or make_folder(out, task.name)
    with discarded_if_empty(folder), Logger(folder) as logger:
        solution, seconds = _blocks.solve_blocks(task, gamma, tol, address, blocks, folder, logger, bar)
        bar.text = "drawing and writing"
        whole = _blocks.put_together(task, solution)
        image = None if whole is None else _image(task, whole, logger)
    found = _blocks.summary(task, solution, whole, tol, seconds)
    written = _blocks.write_facts(folder, found)
    if whole is None:
        return found, "", folder, written
    written += _pictures(folder, image, plot, task, whole)
    return found, values_as_text(task, whole), folder, written


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


def _image(task: Problem, solution: Solution, logger: Logger) -> NDArray[np.uint8] | None:
    """Draw the solution for the logger and for a file; None without a map."""
    from rlkit.cli._results import picture

    image = picture(task, solution)
    if image is not None:
        logger.image("bellman/solution", image, int(solution.iterations))
    return image


def _pictures(
    folder: Path, image: NDArray[np.uint8] | None, plot: Path | None, task: Problem, solution: Solution
) -> list[Path]:
    """Write the pictures, and return their paths."""
    from rlkit.cli._results import write_picture

    written = [] if image is None else [write_picture(folder / "values.png", image)]
    return written if plot is None else [*written, _plot(plot, task, solution)]


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


def _report(found: dict[str, Any], drawn: str, folder: Path, written: list[Path]) -> str:
    """What a person wants to read first."""
    from rlkit.cli._text import table

    shape = "{} x {} map, ".format(*found["shape"]) if "shape" in found else ""
    iterations = f"{found['iterations']:,} iteration{'' if found['iterations'] == 1 else 's'}"
    proven = "proven: no value is further from v* than that"
    lines = [
        f"{found['problem']}: {shape}{found['states']:,} states, {found['actions']} actions",
        "",
        table(
            [
                ("method", f"{found['method']}, {iterations}, {_spell_seconds(found['seconds'])}"),
                ("gamma", f"{found['gamma']:g}"),
                ("error bound", f"{_bound(found):.1e} ({proven})"),
                ("v*(start)", f"{found['start_value']:.6g}"),
            ]
        ),
        "",
    ]
    if drawn:
        lines += [drawn, ""]
    others = [path for path in written if path.parent != folder]
    inside = [path.name for path in written if path.parent == folder]
    lines += [f"{folder}{os.sep}: {', '.join(inside)}, TensorBoard curves", *map(str, others)]
    lines.append(f"tensorboard --logdir {folder}")
    return "\n".join(lines)


def _bound(found: dict[str, Any]) -> float:
    return math.inf if found["error_bound"] is None else float(found["error_bound"])


def _spell_seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1000 * seconds:.2g} ms"
