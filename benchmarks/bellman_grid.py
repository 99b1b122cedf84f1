"""Time `rlkit.bellman.solve` on large grid worlds against libraries that solve them as matrices.

`python -m benchmarks.bellman_grid` (a smaller grid), `--full` (a million states), `--huge` (100 million, rlkit alone).
"""

from __future__ import annotations

import argparse
import platform
import resource
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from benchmarks.contest import contest, truth
from benchmarks.instances import Instance, forbidden_cells
from benchmarks.peers import PEERS, Contestant, Solve
from benchmarks.stream import triad
from rlkit.bellman import solve
from rlkit.envs.gridworld.cells import DEFAULT_LEGEND, Cell
from rlkit.envs.gridworld.layout import GridMap, Layout
from rlkit.envs.gridworld.model import GridModel
from rlkit.envs.gridworld.rules import PRESETS, Rules

WALL, GOAL, FORBIDDEN = 1, 3, 4
FIRST_OWN = len(DEFAULT_LEGEND)

TERMINAL: dict[str, Any] = {"step_reward": -1.0, "goal_reward": 0.0, "forbidden_reward": -10.0}
RULES: dict[str, dict[str, Any]] = {
    "deterministic": PRESETS["zhao"],
    "slip": PRESETS["zhao"] | {"slip": 0.2},
    "uniform slip, 8 moves": PRESETS["zhao"] | {"slip": 0.2, "slip_kind": "uniform", "moves": 8},
    "8 moves": PRESETS["zhao"] | {"moves": 8},
    "terminal goal": TERMINAL,
    "terminal goal, slip": TERMINAL | {"slip": 0.2},
    "walls": PRESETS["zhao"],
    "walls, slip": PRESETS["zhao"] | {"slip": 0.2},
    "wind": TERMINAL,
    "wind, slip": TERMINAL | {"slip": 0.2},
    "portals, one-way": TERMINAL,
    "portals, one-way, slip": TERMINAL | {"slip": 0.2},
}
"""Every kind of rules by name; the map has 20 % forbidden cells and what the name says."""


def grid(name: str, size: int) -> GridModel:
    """Make a square grid world of `size` squared cells under the rules named."""
    codes = np.where(forbidden_cells(size, size), FORBIDDEN, 0).astype(np.uint8)
    random = np.random.default_rng(1).random((size, size))
    legend: tuple[Cell, ...] = DEFAULT_LEGEND
    if "walls" in name:
        codes[random < 0.15] = WALL
    if "wind" in name:  # a third of the columns blow up by one cell, as in Sutton & Barto's Example 6.5
        legend = (*legend, Cell(character="w", wind=(-1, 0)))
        windy = np.zeros((size, size), dtype=bool)
        windy[:, size // 3 : 2 * size // 3] = True
        codes[windy & (codes == 0)] = FIRST_OWN
    if "portals" in name:  # 2 % of the cells lead far away, 5 % have two exits
        cells = [Cell(character=str(n), kind="portal", to=(size // 5 * n, size // 7 * n)) for n in range(1, 5)]
        legend = (
            *legend,
            *cells,
            Cell(character="o", exits=("up", "right")),
            Cell(character="p", exits=("down", "left")),
        )
        kinds = np.random.default_rng(2).integers(0, 4, (size, size))
        codes = np.where(random < 0.02, FIRST_OWN + kinds, codes).astype(np.uint8)
        codes = np.where(random > 0.95, FIRST_OWN + 4 + kinds % 2, codes).astype(np.uint8)
        for n in range(1, 5):
            codes[size // 5 * n, size // 7 * n] = 0
    codes[size // 2, size // 2] = GOAL
    return GridModel(Layout(GridMap(codes, legend), Rules(**RULES[name])))


class GridInstance(NamedTuple):
    """A grid world and the same as a matrix, in which terminal states stay in place for nothing."""

    transitions: sp.csr_matrix
    rewards: NDArray[np.float64]
    model: GridModel


def instance(name: str, size: int) -> GridInstance:
    """Make the grid world named, and its matrix for the peers."""
    model = grid(name, size)
    mdp = model.to_finite_mdp()
    rows = np.repeat(model.terminal, model.n_actions)
    matrix, rewards = sp.csr_matrix(mdp.transitions), np.array(mdp.rewards)
    if rows.any():
        ends = np.flatnonzero(rows)
        keep = sp.diags(np.where(rows, 0.0, 1.0))
        stay = sp.csr_matrix((np.ones(len(ends)), (ends, ends // model.n_actions)), shape=matrix.shape)
        matrix = (keep @ matrix + stay).tocsr()
        matrix.eliminate_zeros()
        rewards[model.terminal] = 0.0
    return GridInstance(matrix, rewards, model)


def _ours(given: Instance, gamma: float) -> Solve:
    assert isinstance(given, GridInstance)
    return lambda tol: solve(given.model, gamma, tol=tol).v


OURS = Contestant("rlkit", "rlkit", _ours)  # type: ignore[arg-type]


def race(name: str, size: int, gamma: float, peers: Sequence[Contestant], repeats: int, limit: float) -> None:
    """Let rlkit and the peers take turns on one grid world; print a table's lines."""
    make: Callable[[], Any] = partial(instance, name, size)
    model = grid(name, size)
    yardstick = truth(lambda tol: solve(model, gamma, tol=tol).v, 1e-9)
    contestants = (OURS, *peers)
    results = contest(
        contestants,
        make,
        partial(instance, name, 70),
        gamma,
        tol=1e-8,
        repeats=repeats,
        limit=limit,
        yardstick=yardstick,
    )
    best = min((r.median for r in results[1:] if r.solves), default=np.nan)
    for contestant, result in zip(contestants, results, strict=True):
        if not result.solves:
            print(f"| {name} | {gamma:g} | {contestant.name} | {result.remark} | | |", flush=True)
            continue
        ratio = best / result.median if contestant is OURS else result.median / results[0].median
        said = f"**{ratio:.0f} x the best peer**" if contestant is OURS else f"{ratio:.0f}"
        seconds = f"{result.median:.3g} ({len(result.solves)})"
        print(f"| {name} | {gamma:g} | {contestant.name} | {seconds} | {said} | {result.error:.0e} |", flush=True)


def alone(size: int, gammas: Sequence[float], repeats: int) -> None:
    """Print rlkit's own CPU seconds under all rules."""
    print(f"| rules, {size} x {size} | " + " | ".join(f"gamma {gamma:g}" for gamma in gammas) + " |")
    print("|---|" + "---:|" * len(gammas))
    for name in RULES:
        model, cells = grid(name, size), []
        solve(grid(name, 70), 0.9)
        for gamma in gammas:
            seconds = []
            for _ in range(repeats):
                start = time.process_time()
                found = solve(model, gamma)
                seconds.append(time.process_time() - start)
            cells.append(f"{np.median(seconds):.3f} ({found.iterations} sweeps)")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def huge(size: int, gamma: float) -> None:
    """Solve a map of `size` squared cells given as an array; print time and memory."""
    small = grid("deterministic", 100)
    solve(small, gamma).policy  # noqa: B018  (compiles)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    codes = np.empty((size, size), dtype=np.uint8)
    random = np.random.default_rng(0)
    for row in codes:
        row[:] = np.where(random.random(size) < 0.2, FORBIDDEN, 0)
    codes[size // 2, size // 2] = GOAL
    start = time.process_time()
    model = GridModel(Layout(GridMap(codes, DEFAULT_LEGEND), Rules(**PRESETS["zhao"])))
    found = solve(model, gamma)
    solved = time.process_time() - start
    found.policy  # noqa: B018
    chosen = time.process_time() - start - solved
    used = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / size**2
    print(
        f"{size} x {size}, gamma {gamma:g}: model and values {solved:.1f} s, off by at most {found.error_bound:.0e}; "
        f"policy {chosen:.1f} s; {used:.1f} bytes a state in all, the map's own byte included"
    )


def tiny() -> None:
    """Print the microseconds of a whole call on 5 x 5."""
    model = grid("deterministic", 5)
    solve(model, 0.9)
    seconds = []
    for _ in range(1000):
        start = time.perf_counter()
        solve(model, 0.9)
        seconds.append(time.perf_counter() - start)
    print(f"5 x 5, the whole of solve(model, 0.9): median {1e6 * np.median(seconds):.0f} us")


def bandwidth(size: int) -> None:
    """Compare the sweeps with STREAM's triad: 17 bytes a state (8 read, 8 written, 1 of map)."""
    model = grid("deterministic", size)
    stream = triad()
    v = np.random.default_rng(0).random(model.n_states)
    seconds, settled = [], []
    for _ in range(7):
        start = time.process_time()
        model.backup(v, 0.9)
        seconds.append(time.process_time() - start)
        start = time.process_time()
        found = solve(model, 0.99)
        settled.append((time.process_time() - start) / found.iterations)
    for what, took in (
        ("synchronous backup of v", min(seconds)),
        ("one of the solver's sweeps, all else included", min(settled)),
    ):
        rate = 17 * model.n_states / took
        each = 1e9 * took / model.n_states
        print(f"{what}: {each:.2f} ns a state, {rate / stream:.0%} of triad ({stream / 1e9:.1f} GB/s)")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rules", nargs="+", choices=list(RULES), default=list(RULES))
    parser.add_argument("--gammas", nargs="+", type=float, default=[0.9, 0.99, 0.999])
    parser.add_argument(
        "--peers", nargs="*", default=[peer.name for peer in PEERS], help="by name; none for rlkit alone"
    )
    parser.add_argument("--full", action="store_true", help="a million states instead of 40,000")
    parser.add_argument("--huge", action="store_true", help="only 100 million states, rlkit alone")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=float, default=100.0, help="seconds after which a contestant drops out")
    chosen = parser.parse_args(arguments)
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, one thread, CPU seconds\n"
    )
    if chosen.huge:
        huge(10_000, 0.99)
        return
    size = 1000 if chosen.full else 200
    peers = [peer for peer in PEERS if peer.name in chosen.peers]
    if not peers:
        tiny()
        bandwidth(3000)
        alone(size, chosen.gammas, chosen.repeats)
        return
    print(f"| {size} x {size} | gamma | | solve, median (turns) | times ours | off by |\n|---|---:|---|---:|---:|---:|")
    for name in chosen.rules:
        for gamma in chosen.gammas:
            race(name, size, gamma, peers, chosen.repeats, chosen.limit)


if __name__ == "__main__":
    main()
