"""What `rlkit solve` leaves behind: a run folder with the solution as numbers and as pictures."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlkit.cli._text import start_value
from rlkit.errors import RlkitError
from rlkit.files import write_whole

if TYPE_CHECKING:
    from rlkit.bellman import Solution
    from rlkit.cli._problems import Problem

LISTED_STATES = 10_000  # more values than that are in solution.npz only
LARGEST_ARROWED = 100  # rows or columns
STORED_STATES = 20_000_000  # more than that are not written at all


class FolderTaken(RlkitError):
    """The folder that was asked for already holds something."""


def make_folder(out: Path | None, name: str) -> Path:
    """Make the run's folder: `out`, or the first free one of `runs/name`, `runs/name-2`, ...

    Raises:
        FolderTaken: if `out` exists and is not empty.
    """
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise FolderTaken(f"{out}: the folder is not empty; name a new one with --out")
        return out
    number = 1
    while True:
        folder = Path("runs") / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


@contextlib.contextmanager
def discarded_if_empty(folder: Path) -> Iterator[None]:
    """On an error, remove the folder again if nothing was written to it."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise


def summary(problem: Problem, solution: Solution, tol: float, seconds: float) -> dict[str, Any]:
    """Say in plain values, ready for JSON, what was solved and what came out."""
    found: dict[str, Any] = {
        "problem": problem.name,
        "states": int(problem.model.n_states),
        "actions": int(problem.model.n_actions),
        "gamma": solution.gamma,
        "method": solution.method,
        "tol": tol,
        "iterations": int(solution.iterations),
        "error_bound": _finite(solution.error_bound),
        "start_value": start_value(problem, solution),
        "seconds": round(seconds, 6),
    }
    if problem.geometry is not None:
        found["shape"] = list(map(int, problem.geometry.shape))
    if len(solution.v) <= LISTED_STATES:
        found["values"] = solution.v.tolist()
        found["policy"] = solution.policy.tolist()
    return found


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def best_actions(solution: Solution) -> NDArray[np.bool_]:
    """Every action that may be optimal for all that the error bound says, bool `(S, A)`."""
    from rlkit.bellman.operators import optimal_actions

    tolerance = max(2.0 * solution.gamma * solution.error_bound, 1e-12 * float(np.abs(solution.v).max(initial=0.0)))
    return optimal_actions(solution.model, solution.v, solution.gamma, tolerance=tolerance)


def picture(problem: Problem, solution: Solution) -> NDArray[np.uint8] | None:
    """Draw the values and, where arrows can be seen, all optimal actions, uint8 `(H, W, 3)`; None without a map."""
    if problem.geometry is None:
        return None
    if problem.layout is None:
        from rlkit.plotting import heat_map

        return heat_map(problem.geometry, solution.v)
    from rlkit.envs.gridworld.pictures.render import render_grid

    policy = best_actions(solution) if max(problem.geometry.shape) <= LARGEST_ARROWED else None
    title = f"{problem.name}\noptimal values, γ = {solution.gamma:g}, error ≤ {solution.error_bound:.1e}"
    return render_grid(problem.layout, values=solution.v, policy=policy, title=title)


def write_solution(folder: Path, solution: Solution, found: dict[str, Any]) -> list[Path]:
    """Write `solution.json` and, as plain arrays without pickle, `solution.npz`; return what was written."""
    written = [folder / "solution.json"]
    write_whole(written[0], lambda file: file.write(json.dumps(found, indent=1).encode()))
    if len(solution.v) <= STORED_STATES:
        arrays = {name: getattr(solution, name) for name in ("v", "policy", "gamma", "error_bound")}
        written.append(folder / "solution.npz")
        write_whole(written[-1], lambda file: np.savez(file, **arrays))
    return written


def write_picture(path: Path, image: NDArray[np.uint8]) -> Path:
    """Write pixels, uint8 `(H, W, 3)`, as a PNG."""
    from PIL import Image

    write_whole(path, lambda file: Image.fromarray(image).save(file, format="PNG"))
    return path
