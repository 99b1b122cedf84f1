"""Time `rlkit.bellman.solve` on large sparse MDPs against other libraries: `python -m benchmarks.bellman_sparse`."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from benchmarks.contest import Result, contest, truth
from benchmarks.instances import Instance, garnet, grid_as_matrix
from benchmarks.peers import PEERS, RLKIT, Contestant

Make = Callable[[], Instance]


def instances(size: int) -> dict[str, tuple[str, Make, Make]]:
    """Return by name: a title, the instance and a small one of the same kind; `size` squared states."""
    return {
        "deterministic": (
            f"{size} x {size} grid as a matrix, deterministic",
            partial(grid_as_matrix, size, size),
            partial(grid_as_matrix, 60, 60),
        ),
        "slip": (
            f"{size} x {size} grid as a matrix, slip 0.2",
            partial(grid_as_matrix, size, size, slip=0.2),
            partial(grid_as_matrix, 60, 60, slip=0.2),
        ),
        "garnet": (
            f"Garnet, {size * size} states, 5 actions, 4 successors",
            partial(garnet, size * size, 5, 4),
            partial(garnet, 3600, 5, 4),
        ),
    }


def row(contestant: Contestant, result: Result, ours: Result, rows: int) -> str:
    """Return one line of the table."""
    build = f"{result.build:.3g}" if np.isfinite(result.build) else ""
    if not result.solves:
        return f"| {contestant.name} | {result.remark} | | | {build} | |"
    times = f"{result.median:.3g} ({len(result.solves)})"
    ratio = f"{result.median / ours.median:.1f}"
    each = f"{1e6 * result.build / rows:.2f}"
    return f"| {contestant.name} | {times} | {ratio} | {result.error:.0e} | {build} | {each} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the contests and print one Markdown table for each."""
    kinds = list(instances(1))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--instances", nargs="+", choices=kinds, default=kinds)
    parser.add_argument("--gammas", nargs="+", type=float, default=[0.9, 0.99, 0.999])
    parser.add_argument(
        "--peers", nargs="*", default=[peer.name for peer in PEERS], help="by name; none for rlkit alone"
    )
    parser.add_argument("--size", type=int, default=1000, help="its square is the number of states")
    parser.add_argument("--tol", type=float, default=1e-8)
    parser.add_argument("--repeats", type=int, default=5, help="turns of each contestant")
    parser.add_argument("--limit", type=float, default=100.0, help="seconds after which a contestant drops out")
    chosen = parser.parse_args(arguments)

    contestants = (RLKIT, *(peer for peer in PEERS if peer.name in chosen.peers))
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, one thread, CPU seconds")
    for kind in chosen.instances:
        title, make, warm_up = instances(chosen.size)[kind]
        instance = make()
        for gamma in chosen.gammas:
            yardstick = truth(RLKIT.build(instance, gamma), 0.1 * chosen.tol)
            results = contest(
                contestants,
                make,
                warm_up,
                gamma,
                tol=chosen.tol,
                repeats=chosen.repeats,
                limit=chosen.limit,
                yardstick=yardstick,
            )
            print(f"\n{title}, gamma {gamma:g}\n")
            print("| | solve, median (turns) | times ours | off by | building the model | a row, us |")
            print("|---|---:|---:|---:|---:|---:|")
            for contestant, result in zip(contestants, results, strict=True):
                print(row(contestant, result, results[0], instance.rewards.size), flush=True)


if __name__ == "__main__":
    main()
