"""The shortest ways through a maze of squares, which the Bellman optimality equation gives exactly.

A shortest way among polygons is made of straight lines and bends only at their corners (Lozano-Perez & Wesley 1979). So
it is enough to decide at corners, and the maze is a finite MDP: a state for each corner that sticks out, an
action for each corner or goal that can be seen from it, and its distance as the cost. Discount 1, no approximation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rlkit import bellman
from rlkit.compiling import njit
from rlkit.envs.point_maze.motion import crossing, within
from rlkit.mdp import FiniteMDP

Floats = NDArray[np.float64]
Cells = NDArray[np.int64]

CLEARANCE = 1e-7
"""How far from walls, in cells, ways keep: it makes clear on which side of a wall they are."""


@njit(cache=True)
def is_clear(blocked, x, y, row, column, to_x, to_y):  # type: ignore[no-untyped-def]
    """Return whether a straight line from `(x, y)`, in cell (row, column), meets no blocked cell."""
    height, width = blocked.shape
    half_width, half_height = width / 2, height / 2
    while True:
        dx, dy = to_x - x, to_y - y
        across, along = crossing(x, y, row, column, dx, dy, half_width, half_height)
        share = min(across, along)
        if share >= 1.0:
            return True
        share = max(share, 0.0)
        x, y = within(x + share * dx, y + share * dy, row, column, half_width, half_height)
        if across <= along:
            x = column + (dx > 0.0) - half_width
            column += 1 if dx > 0.0 else -1
        else:
            y = half_height - row - (dy < 0.0)
            row += 1 if dy < 0.0 else -1
        if row < 0 or row >= height or column < 0 or column >= width or blocked[row, column]:
            return False


@njit(cache=True)
def best_way(blocked, goals, corners, left, x, y, row, column):  # type: ignore[no-untyped-def]
    """Return the length of the shortest way from `(x, y)` to a goal, and where it leads first.

    Args:
        blocked: uint8 `(H, W)`.
        goals: (row, column) of the goals' cells, int64 `(G, 2)`.
        corners: x and y of the corners, nearest to a goal first, float64 `(C, 2)`.
        left: how far it is from each corner to a goal, ascending, float64 `(C,)`.
        x, y, row, column: where from.

    Returns:
        The length, inf if there is no way; and a corner, or C + g for goal g itself; -1 if there is none.
    """
    half_width, half_height = blocked.shape[1] / 2, blocked.shape[0] / 2
    best, choice = np.inf, -1
    for g in range(len(goals)):
        to_x, to_y = nearest_inside(x, y, goals[g, 0], goals[g, 1], half_width, half_height)
        length = np.hypot(to_x - x, to_y - y)
        if length < best and is_clear(blocked, x, y, row, column, to_x, to_y):
            best, choice = length, len(corners) + g
    for c in range(len(corners)):
        if left[c] >= best:
            break
        length = left[c] + np.hypot(corners[c, 0] - x, corners[c, 1] - y)
        if length < best and is_clear(blocked, x, y, row, column, corners[c, 0], corners[c, 1]):
            best, choice = length, c
    return best, choice


@njit(cache=True)
def nearest_inside(x, y, row, column, half_width, half_height):  # type: ignore[no-untyped-def]
    """Return the point of a cell that is nearest to `(x, y)`, a clearance inside."""
    to_x = min(max(x, column + CLEARANCE - half_width), column + 1 - CLEARANCE - half_width)
    to_y = min(max(y, half_height - row - 1 + CLEARANCE), half_height - row - CLEARANCE)
    return to_x, to_y


@njit(cache=True)
def length_left(no_way, blocked, goals, corners, left, x, y, row, column):  # type: ignore[no-untyped-def]
    """Return the length of the shortest way from `(x, y)`, or what `no_way` `(H, W)` says instead if that is finite."""
    if no_way[row, column] < np.inf:
        return no_way[row, column]
    return best_way(blocked, goals, corners, left, x, y, row, column)[0]


@njit(cache=True)
def sights(blocked, corners, cells):  # type: ignore[no-untyped-def]
    """Return which pairs of corners see each other, int64 `(E, 2)`, both ways round."""
    pairs = []
    for a in range(len(corners)):
        for b in range(a + 1, len(corners)):
            x, y = corners[a]
            if is_clear(blocked, x, y, cells[a, 0], cells[a, 1], corners[b, 0], corners[b, 1]):
                pairs.append((a, b))
                pairs.append((b, a))
    found = np.empty((len(pairs), 2), np.int64)
    for e in range(len(pairs)):
        found[e, 0], found[e, 1] = pairs[e]
    return found


@njit(cache=True)
def all_best_ways(blocked, goals, corners, left, places, cells):  # type: ignore[no-untyped-def]
    """Return what `best_way` says of every place `(N, 2)` in its cell `(N, 2)`: lengths `(N,)` and choices `(N,)`."""
    lengths, choices = np.empty(len(places)), np.empty(len(places), np.int64)
    for i in range(len(places)):
        lengths[i], choices[i] = best_way(
            blocked, goals, corners, left, places[i, 0], places[i, 1], cells[i, 0], cells[i, 1]
        )
    return lengths, choices


def outer_corners(blocked: NDArray[np.uint8]) -> tuple[Floats, Cells]:
    """Return the corners that stick out into the open, and the cell in front of each.

    Returns:
        x and y, a clearance off the corner, float64 `(C, 2)`; (row, column), int64 `(C, 2)`.
    """
    height, width = blocked.shape
    four = np.stack([blocked[:-1, :-1], blocked[:-1, 1:], blocked[1:, :-1], blocked[1:, 1:]])  # [4, H - 1, W - 1]
    row, column = np.nonzero(four.sum(axis=0) == 1)
    which = four[:, row, column].argmax(axis=0)  # the blocked one: upper left, upper right, lower left, lower right
    below, beyond = which < 2, which % 2 == 0  # whether the open cell opposite is the lower, the right one
    x = column + 1 - width / 2 + np.where(beyond, CLEARANCE, -CLEARANCE)
    y = height / 2 - row - 1 - np.where(below, CLEARANCE, -CLEARANCE)
    return np.column_stack([x, y]), np.column_stack([row + below, column + beyond])


@dataclass(frozen=True, eq=False)
class Corners:
    """The corners at which shortest ways can bend.

    Attributes:
        blocked: which cells are not to be entered, uint8 `(H, W)`.
    """

    blocked: NDArray[np.uint8]

    @cached_property
    def places(self) -> tuple[Floats, Cells]:
        """See `outer_corners`."""
        return outer_corners(self.blocked)

    @cached_property
    def pairs(self) -> Cells:
        """Which see each other, int64 `(E, 2)`, both ways round."""
        return np.asarray(sights(self.blocked, *self.places))


@dataclass(frozen=True, eq=False)
class ShortestWays:
    """The shortest way to the nearest of some goal cells, from everywhere.

    Attributes:
        corners: of what is in the way.
        goals: (row, column) of the goals, int64 `(G, 2)`.
    """

    corners: Corners
    goals: Cells

    @cached_property
    def map(self) -> tuple[NDArray[np.uint8], Cells, Floats, Floats]:
        """What `best_way` reads: blocked cells, goals, corners with a way from them, and how far it is from each."""
        blocked, goals = self.corners.blocked, np.ascontiguousarray(self.goals)
        places, cells = self.corners.places
        direct, _ = all_best_ways(blocked, goals, places[:0], np.empty(0), places, cells)  # [C]
        if np.isinf(direct).all():
            return blocked, goals, places[:0], np.empty(0)
        model, kept = as_mdp(places, self.corners.pairs, direct)
        left = -bellman.solve(model, 1.0).v[:-1]
        order = np.argsort(left, kind="stable")
        return blocked, goals, np.ascontiguousarray(places[kept][order]), left[order]

    def distance(self, x: float, y: float, row: int, column: int) -> float:
        """Return how far it is from `(x, y)`, in cell (row, column), to a goal; inf if there is no way."""
        return float(best_way(*self.map, x, y, row, column)[0])

    def distances(self, places: Floats, cells: Cells) -> Floats:
        """Return the same for many places `(N, 2)`, float64 `(N,)`."""
        return np.asarray(all_best_ways(*self.map, places, cells)[0])

    def path(self, x: float, y: float, row: int, column: int) -> Floats:
        """Return where the shortest way begins, bends and ends, float64 `(N, 2)`; one point if there is none."""
        blocked, goals, corners, left = self.map
        height, width = blocked.shape
        points = [(x, y)]
        while True:
            _, choice = best_way(blocked, goals, corners, left, x, y, row, column)
            if choice < 0:
                return np.array(points)
            if choice >= len(corners):
                goal = goals[choice - len(corners)].tolist()
                points.append(nearest_inside(x, y, *goal, width / 2, height / 2))
                return np.array(points)
            x, y = corners[choice].tolist()
            row, column = math.floor(height / 2 - y), math.floor(x + width / 2)
            points.append((x, y))
            corners, left = corners[:choice], left[:choice]  # only those nearer to the goal


def as_mdp(corners: Floats, pairs: Cells, direct: Floats) -> tuple[FiniteMDP, NDArray[np.intp]]:
    """Write the choices at the corners as a model: go to a corner in sight, or to a goal, at the cost of the distance.

    Args:
        corners: x and y, `(C, 2)`.
        pairs: which see each other, int64 `(E, 2)`, both ways round.
        direct: how far the nearest goal in sight is, inf where none is, `(C,)`.

    Returns:
        The model, whose last state is the goals; and the corners that its other states are: all with a way to a goal.
    """
    n, seeing = len(corners), np.flatnonzero(np.isfinite(direct))
    start = np.concatenate([pairs[:, 0], seeing])  # [E + F]
    end = np.concatenate([pairs[:, 1], np.full(len(seeing), n)])
    cost = np.concatenate([np.hypot(*(corners[pairs[:, 0]] - corners[pairs[:, 1]]).T), direct[seeing]])
    graph = sp.coo_array((np.ones(len(end)), (start, end)), shape=(n + 1, n + 1)).tocsr()
    part = sp.csgraph.connected_components(graph, directed=False)[1]
    kept = np.flatnonzero(part[:n] == part[n])
    number = np.full(n + 1, -1)
    number[kept], number[n] = np.arange(len(kept)), len(kept)
    used = number[start] >= 0
    return _deterministic(number[start[used]], number[end[used]], -cost[used], len(kept) + 1), kept


def _deterministic(start: Cells, end: Cells, reward: Floats, n_states: int) -> FiniteMDP:
    """Return the model of the edges `(E,)`, its last state terminal; states with fewer repeat their first."""
    order = np.argsort(start, kind="stable")
    start, end, reward = start[order], end[order], reward[order]
    degree = np.bincount(start, minlength=n_states)  # [S]
    first = np.cumsum(degree) - degree
    n_actions = int(max(degree.max(initial=1), 1))
    action = np.arange(n_actions)
    edge = first[:-1, None] + np.where(action < degree[:-1, None], action, 0)  # [S - 1, A]
    target = np.vstack([end[edge], np.full((1, n_actions), n_states - 1)])
    rewards = np.vstack([reward[edge], np.zeros((1, n_actions))])
    rows = np.arange(n_states * n_actions + 1)
    transitions = sp.csr_array((np.ones(target.size), target.ravel(), rows), shape=(n_states * n_actions, n_states))
    return FiniteMDP(transitions, rewards, np.arange(n_states) == n_states - 1)
