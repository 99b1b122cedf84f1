"""Random small grid worlds with every kind of cell, and their values worked out densely from `Layout` alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.gridworld.cells import DEFAULT_LEGEND, DIRECTIONS, Cell
from rlkit.envs.gridworld.layout import GridMap, Layout
from rlkit.envs.gridworld.rules import Rules

FREE, WALL, START, GOAL, FORBIDDEN, HOLE = range(6)


class Dense(NamedTuple):
    """Transition probabilities `(S, A, S)`, expected rewards `(S, A)` and terminal states `(S,)`."""

    transitions: NDArray[np.float64]
    rewards: NDArray[np.float64]
    terminal: NDArray[np.bool_]


def dense(layout: Layout) -> Dense:
    """Write a layout out as dense arrays; terminal states stay where they are and pay nothing."""
    codes = layout.grid.codes.ravel()
    cells = np.flatnonzero(layout.occupiable[codes])
    state_of = np.full(codes.size, -1)
    state_of[cells] = np.arange(len(cells))
    landing, pays = layout.landings(cells)  # [S, D]
    terminal = layout.terminal[codes[cells]]
    n_states, n_actions = landing.shape
    transitions = np.zeros((n_states, n_actions, n_states))
    rewards = np.zeros((n_states, n_actions))
    for state in range(n_states):
        mixing = layout.mixing(layout.slip[codes[cells[state]]])  # [A, D]
        for action in range(n_actions):
            if terminal[state]:
                transitions[state, action, state] = 1.0
                continue
            np.add.at(transitions[state, action], state_of[landing[state]], mixing[action])
            rewards[state, action] = mixing[action] @ pays[state]
    return Dense(transitions, rewards, terminal)


def optimal_values(mdp: Dense, gamma: float) -> NDArray[np.float64]:
    """Solve by policy iteration with exact evaluation (Howard 1960); improvements below rounding are not made."""
    n_states = len(mdp.terminal)
    everyone = np.arange(n_states)
    policy = np.zeros(n_states, dtype=int)
    while True:
        stay = np.where(mdp.terminal, 0.0, gamma)[:, None] * mdp.transitions[everyone, policy]
        v = np.linalg.solve(np.eye(n_states) - stay, mdp.rewards[everyone, policy])
        q = mdp.rewards + gamma * mdp.transitions @ np.where(mdp.terminal, 0.0, v)
        q[mdp.terminal] = 0.0
        better = q.max(axis=1) > q[everyone, policy] + 1e-12 * (1 + np.abs(v).max())
        if not better.any():
            return v
        policy = np.where(better, q.argmax(axis=1), policy)


def random_layout(seed: int, *, side: int = 8, plain: bool = False, slip: bool | None = None) -> Layout:
    """Draw a random map and random rules; `plain` leaves out wind, portals, jumps, one-way cells and own slips."""
    random = np.random.default_rng(seed)
    height, width = random.integers(1, side + 1, size=2)
    slips = random.random() < 0.5 if slip is None else slip
    rules = Rules(
        step_reward=float(random.choice([0.0, -1.0, 0.5])),
        goal_reward=float(random.choice([1.0, 10.0, -1.0])),
        forbidden_reward=float(random.choice([-1.0, -10.0])),
        boundary_reward=[None, -1.0, 0.3][random.integers(3)],
        continuing=bool(random.random() < 0.5),
        moves=int(random.choice([4, 8])),  # type: ignore[arg-type]
        stay=bool(random.random() < 0.5),
        slip=float(random.choice([0.1, 0.5, 1.0])) if slips else 0.0,
        slip_kind=str(random.choice(["perpendicular", "uniform"])),  # type: ignore[arg-type]
    )
    shares = [0.5, 0.15, 0.05, 0.05, 0.15, 0.1 * (random.random() < 0.5)]
    codes = random.choice(6, size=(height, width), p=np.array(shares) / sum(shares)).astype(np.uint8)
    codes[random.integers(height), random.integers(width)] = FREE
    legend = DEFAULT_LEGEND
    if not plain:
        legend, codes = _with_special_cells(random, codes, slips)
    return Layout(GridMap(codes, legend), rules)


def _with_special_cells(
    random: np.random.Generator, codes: NDArray[np.uint8], slips: bool
) -> tuple[tuple[Cell, ...], NDArray[np.uint8]]:
    open_cells = np.argwhere(codes != WALL)
    to = [tuple(int(x) for x in open_cells[random.integers(len(open_cells))]) for _ in range(2)]
    names = list(DIRECTIONS)
    special = (
        Cell(character="w", wind=(int(random.integers(-2, 3)), int(random.integers(-2, 3)))),
        Cell(character="o", exits=tuple(random.choice(names, size=3, replace=False)), reward=-0.5),
        Cell(character="i", slip=float(random.choice([0.0, 0.3])) if slips else None, reward=0.25),
        Cell(character="T", terminal=True, reward=2.0),
        Cell(character="P", kind="portal", to=to[0], reward=[None, -3.0][random.integers(2)]),
        Cell(character="J", kind="jump", to=to[1], reward=[None, 4.0][random.integers(2)]),
    )
    drawn = random.integers(6, 12, size=codes.shape).astype(np.uint8)
    chosen = (codes != WALL) & (random.random(codes.shape) < 0.25)
    chosen &= (drawn != 10) | ~np.isin(
        np.arange(codes.size).reshape(codes.shape), [r * codes.shape[1] + c for r, c in to]
    )
    return DEFAULT_LEGEND + special, np.where(chosen, drawn, codes).astype(np.uint8)
