"""What `rlkit solve MAP --ray` does: the map in blocks of rows, one Ray actor each, their values left in files."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rlkit.cli._words import LOCAL
from rlkit.errors import ConfigError

if TYPE_CHECKING:
    from rlkit.bellman import Solution
    from rlkit.cli._problems import Problem
    from rlkit.cli._progress import WaitingBar
    from rlkit.distributed import DistributedSolution, Exchange
    from rlkit.logger import Logger

WHOLE_STATES = 1_000_000
"""Up to so many values are put together on this machine too, to be drawn."""


def check_divisible(task: Problem, gamma: float, method: str, plot: Path | None) -> None:
    """Check that blocks can find what is asked for.

    Raises:
        ConfigError: if they cannot, or Ray is not installed.
    """
    from rlkit.distributed.cluster import import_ray

    if method not in ("auto", "value_iteration"):
        raise ConfigError(f"--method {method}: blocks of a map are solved by value iteration alone")
    if task.layout is None:
        raise ConfigError(f"--ray: {task.name} is no grid world, and only maps are solved in blocks")
    if gamma == 1.0:
        raise ConfigError("gamma=1.0 is outside the range [0, 1) of value iteration in blocks")
    if plot is not None and task.model.n_states > WHOLE_STATES:
        raise ConfigError(f"--plot: {task.model.n_states:,} states are not drawn, {WHOLE_STATES:,} are the most")
    import_ray()


def begun_folder(out: Path | None) -> Path | None:
    """Return the folder if blocks that were interrupted have left checkpoints in it, to go on from."""
    return out if out is not None and any(out.glob("block_*.npz")) else None


def solve_blocks(
    task: Problem, gamma: float, tol: float, address: str, blocks: int | None, folder: Path, logger: Logger,
    bar: WaitingBar,
) -> tuple[DistributedSolution, float]:  # fmt: skip
    """Solve a map in blocks; return the solution and the seconds that it took once Ray was there.

    Args:
        address: the cluster's; `LOCAL` for a Ray of this machine's own.
        blocks: how many; None for as many as the cluster has CPUs.
    """
    from rlkit.distributed import value_iteration
    from rlkit.distributed.cluster import connected

    bar.text = "starting Ray" if address == LOCAL else f"connecting to Ray at {address}"
    with connected(None if address == LOCAL else address, workers=blocks) as ray:
        if blocks is None:
            assert task.geometry is not None
            blocks = max(1, min(task.geometry.shape[0], int(ray.cluster_resources().get("CPU", 1))))
        bar.text = f"solving {task.name} in {blocks} blocks (the first run compiles)"
        begun = time.perf_counter()
        callback = _note(logger, bar)
        solution = value_iteration(task.model, gamma, tol=tol, blocks=blocks, directory=folder, callback=callback)
        return solution, time.perf_counter() - begun


def _note(logger: Logger, bar: WaitingBar) -> Callable[[Exchange], None]:
    """Make the callback that writes curves, by the number of the exchange, and tells how far it is."""

    def note(exchange: Exchange) -> None:
        curves = {
            "bellman/sweeps": float(exchange.sweeps),
            "bellman/busy_blocks": float(exchange.busy),
            "bellman/rebuilt_blocks": float(exchange.rebuilt),
        }
        if math.isfinite(exchange.error_bound):
            curves["bellman/error_bound"] = exchange.error_bound
        logger.scalars(curves, exchange.number)
        bar.text = f"exchange {exchange.number}, {exchange.sweeps:.0f} sweeps, {exchange.busy} blocks busy"

    return note


def put_together(task: Problem, solution: DistributedSolution) -> Solution | None:
    """Return the values as one solution, from which policy and pictures follow; None if they are too many for that."""
    from rlkit.bellman import Solution

    if solution.n_states > WHOLE_STATES:
        return None
    bound, iterations = solution.error_bound, solution.iterations
    return Solution(solution.values(), bound, solution.gamma, method_of(solution), iterations, task.model)


def method_of(solution: DistributedSolution) -> str:
    """Return how the solution was found, in words."""
    return f"value_iteration in {solution.n_blocks} block{'' if solution.n_blocks == 1 else 's'}"


def summary(
    task: Problem, solution: DistributedSolution, whole: Solution | None, tol: float, seconds: float
) -> dict[str, Any]:
    """Say what `_results.summary` says, reading a block at a time; and how the states are divided."""
    from rlkit.cli import _results

    blocks = {
        "blocks": solution.n_blocks,
        "rebuilt": solution.rebuilt,
        "first_state": solution.first_state.tolist(),
    }
    if whole is not None:
        return _results.summary(task, whole, tol, seconds) | blocks
    assert task.geometry is not None
    return {
        "problem": task.name,
        "states": solution.n_states,
        "actions": int(task.model.n_actions),
        "gamma": solution.gamma,
        "method": method_of(solution),
        "tol": tol,
        "iterations": solution.iterations,
        "error_bound": solution.error_bound,
        "start_value": _start_value(task, solution),
        "seconds": round(seconds, 6),
        "shape": list(map(int, task.geometry.shape)),
    } | blocks


def _start_value(task: Problem, solution: DistributedSolution) -> float:
    """Return the mean value of the start states."""
    total, edges = 0.0, np.searchsorted(task.starts, solution.first_state)
    for number, (first, begin, end) in enumerate(zip(solution.first_state, edges, edges[1:], strict=False)):
        if begin < end:
            total += float(solution.block(number)[task.starts[begin:end] - first].sum())
    return total / max(1, len(task.starts))


def write_facts(folder: Path, found: dict[str, Any]) -> list[Path]:
    """Write `solution.json`, which `DistributedSolution.open` reads too; return it and the files of values."""
    from rlkit.files import write_whole

    write_whole(folder / "solution.json", lambda file: file.write(json.dumps(found, indent=1).encode()))
    return [folder / "solution.json", *sorted(folder.glob("values_*.npy"))]
