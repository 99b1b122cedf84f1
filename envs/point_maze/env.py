"""`PointMaze`: the drawing of a grid world as a continuous maze, with a point mass to be pushed to the goal."""

from __future__ import annotations

import math
import zlib
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import ArrayLike, NDArray

from rlkit.config import check_count
from rlkit.envs.gridworld.drawing.legend import Legend
from rlkit.envs.gridworld.drawing.reachability import goal_codes
from rlkit.envs.gridworld.dynamics import Dynamics
from rlkit.envs.gridworld.layout import GridMap, Layout
from rlkit.envs.gridworld.loading import make_layout
from rlkit.envs.gridworld.rules import Rules
from rlkit.envs.point_maze.motion import FREE, TERMINAL, WALL, push
from rlkit.envs.point_maze.shortest import ShortestWays
from rlkit.errors import ConfigError, MapError

if TYPE_CHECKING:
    from rlkit.envs.gridworld.env import GridWorld

Floats = NDArray[np.float64]

MEDIUM = """
# # # # # # # #
# S . # # . . #
# . . # . . . #
# # . . . # # #
# . . # . . . #
# . # . . # . #
# . . . # . G #
# # # # # # # #
"""
"""The medium maze of D4RL (Fu et al. 2020, Maze2D), start at its upper left, goal at its lower right."""


class MazeRules(TypedDict, total=False):
    """The rules of a grid that a maze has too."""

    step_reward: float | None
    goal_reward: float | None
    forbidden_reward: float | None
    hole_reward: float | None
    boundary_reward: float | None
    continuing: bool | None


class PointMaze(gymnasium.Env[Floats, NDArray[np.float32]]):
    """Push a point mass through a maze to the goal: `GridWorld`'s drawings, in continuous space.

    After Maze2D of D4RL (Fu et al. 2020), gymnasium-robotics' PointMaze. Cells are squares of side 1 around the
    origin; x points right, y up. Observation: x, y, the two velocities, and the goal's x and y, float64 `(6,)`. Action:
    a force, float32 `(2,)` in [-1, 1]. In a step the velocity becomes `v + dt * acceleration * (force - v / max_speed)`
    and the point moves by `dt * v`, straight through free cells, and along walls that it meets, which take the
    velocity across them. It never is inside a wall, at whatever speed.

    The cells mean what they mean on the grid, with a step for a move. A step pays one reward: of the cells that the
    point entered in it (of its own, if none), what entering the worst pays, but `boundary_reward`, if that is
    given, for a step that met a wall. Entering a goal or a hole ends the episode there and then, and pays what that
    pays. Episodes begin at rest, anywhere in the start cells, or, without any, in the cells that are not terminal.

    Args:
        map, rules, legend, **changes: as for `GridWorld`. Not in a maze: portals, jumps, one-way cells, wind and slip.
            `max_steps` counts this maze's steps, whatever the map says of the grid's.
        reward: "sparse" pays what is said above; "dense" adds by how much the shortest way to the goal has become
            shorter (Ng, Harada & Russell 1999), except for the step into a hole.
        max_steps: steps after which an episode is truncated; None for never.
        dt: seconds a step, above 0.
        max_speed: the most speed in x and in y, in cells a second, above 0.
        acceleration: of a full force from rest, in cells a second squared; at most `max_speed / dt`.
        render_mode: "rgb_array" or None.

    Raises:
        MapError: with every problem of the drawing.
        ConfigError: for a rule that is unknown or out of its range, or that a maze does not have.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(
        self,
        map: str | PathLike[str] | GridMap | ArrayLike = MEDIUM,
        *,
        rules: str | Rules | None = None,
        legend: Legend = (),
        reward: Literal["dense", "sparse"] = "dense",
        max_steps: int | None = 300,
        dt: float = 0.1,
        max_speed: float = 2.0,
        acceleration: float = 5.0,
        render_mode: Literal["rgb_array"] | None = None,
        **changes: Unpack[MazeRules],
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise ConfigError(f"PointMaze: render_mode={render_mode!r} is neither 'rgb_array' nor None")
        if reward not in ("dense", "sparse"):
            raise ConfigError(f"PointMaze: reward={reward!r} is neither 'dense' nor 'sparse'")
        self.layout = make_layout(map, rules, legend, changes)
        _refuse_what_has_no_meaning(self.layout)
        self.reward, self.render_mode = reward, render_mode
        self.dt, self.max_speed = _positive("dt", dt), _positive("max_speed", max_speed)
        self.acceleration = _positive("acceleration", acceleration)
        if self.dt * self.acceleration > self.max_speed * (1 + 1e-12):
            raise ConfigError(
                f"PointMaze: acceleration={acceleration!r} would pass max_speed={max_speed!r} in one step of {dt!r} s"
            )
        self._limit = None if max_steps is None else check_count("max_steps", max_steps)
        self._set_spaces()
        self._state, self._cell = np.zeros(4), np.zeros(2, np.int64)
        self._goal, self._left = np.zeros(2), 0.0
        self._steps, self._running = 0, False

    def _set_spaces(self) -> None:
        height, width = self.layout.shape
        place, speed = np.array([width / 2, height / 2]), np.full(2, self.max_speed)
        most = np.concatenate([place, speed, place])
        self.observation_space = gymnasium.spaces.Box(-most, most, dtype=np.float64)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Floats, dict[str, Any]]:
        """Begin an episode; `options={"state": (x, y, x velocity, y velocity)}` or `{"cell": (row, column)}` says where.

        Raises:
            ConfigError: for other options, a place where the point cannot be, or a velocity above `max_speed`.
        """
        super().reset(seed=seed)
        if options:
            self._state, self._cell = self._chosen_start(options)
        else:
            starts = self._starts
            self._cell = starts[int(self.np_random.random() * len(starts))].copy()
            self._state = np.concatenate([self._corner(self._cell) + self.np_random.random(2), np.zeros(2)])
        self._steps, self._running = 0, True
        self._goal = self._goal_ahead()
        self._left = self._distance_left() if self.reward == "dense" else 0.0
        return self._observation(), {"is_success": False}

    def step(self, action: ArrayLike) -> tuple[Floats, float, bool, bool, dict[str, Any]]:
        """Apply a force; return next observation, reward, terminated, truncated, and `is_success` as info.

        Raises:
            ResetNeeded: no episode is under way.
            ValueError: the action is not two numbers in [-1, 1].
        """
        if not self._running:
            raise ResetNeeded("PointMaze.step: no episode is under way; call reset() first")
        force = np.asarray(action, np.float64)
        if force.shape != (2,) or not (abs(force[0]) <= 1.0 and abs(force[1]) <= 1.0):
            raise ValueError(f"PointMaze.step: action {action!r} is not two numbers in [-1, 1]")
        reward, met, terminated = push(
            self._kind, self._pays, self._state, self._cell, force[0], force[1],
            self.dt, self.acceleration, self.max_speed,
        )  # fmt: skip
        if met and not terminated and self.layout.rules.boundary_reward is not None:
            reward = self.layout.rules.boundary_reward
        success = bool(self._is_goal[self._cell[0], self._cell[1]])
        if self.reward == "dense" and (success or not terminated):
            before, self._left = self._left, 0.0 if success else self._distance_left()
            reward += before - self._left
        self._steps += 1
        truncated = self._steps == self._limit and not terminated
        self._running = not (terminated or truncated)
        return self._observation(), float(reward), terminated, truncated, {"is_success": success}

    def _observation(self) -> Floats:
        return np.concatenate([self._state, self._goal])

    def _corner(self, cell: NDArray[np.int64]) -> Floats:
        """Return x and y of a cell's lower left corner."""
        height, width = self.layout.shape
        return np.array([cell[1] - width / 2, height / 2 - cell[0] - 1.0])

    def centre_of(self, row: int, column: int) -> tuple[float, float]:
        """Return x and y of the middle of a cell, (row, column) counted from the upper left."""
        height, width = self.layout.shape
        return column + 0.5 - width / 2, height / 2 - row - 0.5

    def cell_of(self, x: float, y: float) -> tuple[int, int]:
        """Return (row, column) of the cell that a place is in: on a face, of one in which the point can be.

        Raises:
            ConfigError: it is outside the map or in a wall.
        """
        height, width = self.layout.shape
        down, right = height / 2 - y, x + width / 2
        candidates = [
            (row, column)
            for row in dict.fromkeys((math.floor(down), math.ceil(down) - 1))
            for column in dict.fromkeys((math.floor(right), math.ceil(right) - 1))
            if 0 <= row < height and 0 <= column < width and self._kind[row, column] != WALL
        ]
        if not candidates:
            raise ConfigError(f"PointMaze: ({x}, {y}) is outside the map, or in a wall")
        return min(candidates, key=lambda cell: self._kind[cell] == TERMINAL)

    def _chosen_start(self, options: dict[str, Any]) -> tuple[Floats, NDArray[np.int64]]:
        if set(options) not in ({"state"}, {"cell"}):
            raise ConfigError(f"PointMaze.reset: options={options!r}, where one of 'state' and 'cell' is known")
        try:
            given = options["state"] if "state" in options else (*self.centre_of(*options["cell"]), 0.0, 0.0)
            state = np.array(given, np.float64)
            x, y, *velocity = state.tolist()
            if len(velocity) != 2 or not max(map(abs, velocity)) <= self.max_speed:
                raise ValueError(f"expected x, y and two velocities of at most {self.max_speed}")
            cell = self.cell_of(x, y)
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"PointMaze.reset: options={options!r}: {error}") from None
        if self._kind[cell] == TERMINAL:
            raise ConfigError(f"PointMaze.reset: options={options!r}: cell {cell} is terminal: nothing begins there")
        return state, np.array(cell)

    @cached_property
    def _kind(self) -> NDArray[np.uint8]:
        """What each cell is to the motion, uint8 `(H, W)`."""
        layout = self.layout
        table = np.where(layout.wall, WALL, np.where(layout.terminal, TERMINAL, FREE)).astype(np.uint8)
        return np.ascontiguousarray(table[layout.grid.codes])

    @cached_property
    def _pays(self) -> Floats:
        return np.ascontiguousarray(self.layout.enter_reward[self.layout.grid.codes])

    @cached_property
    def _is_goal(self) -> NDArray[np.bool_]:
        return np.asarray(goal_codes(self.layout)[self.layout.grid.codes])

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """(row, column) of the cells in which episodes begin, int64 `(N, 2)`."""
        starts = Dynamics(self.layout).starts
        return np.column_stack(np.divmod(starts.cells(np.arange(len(starts))), self.layout.shape[1]))

    @cached_property
    def ways(self) -> ShortestWays:
        """The shortest ways to a goal that enter neither holes nor, if every start has such a way, forbidden cells."""
        blocked = (self._kind != FREE) & ~self._is_goal
        forbidden = np.array([cell.kind == "forbidden" for cell in self.layout.grid.legend])[self.layout.grid.codes]
        goals = np.argwhere(self._is_goal)
        starts = self._starts[~forbidden[tuple(self._starts.T)]]
        for closed in (blocked | forbidden, blocked):
            ways = ShortestWays(closed.astype(np.uint8), goals)
            lengths = ways.distances(np.array([self.centre_of(*cell) for cell in starts.tolist()]), starts)
            if np.isfinite(lengths).all():
                return ways
        row, column = starts[int(np.argmax(np.isinf(lengths)))].tolist()
        raise MapError(
            f"PointMaze: there is no way from ({row}, {column}) to a goal: a maze has no way between walls "
            "that touch at a corner"
        )

    def _goal_ahead(self) -> Floats:
        """Return x and y of the goal that the shortest way leads to."""
        end = self.ways.path(*self._state[:2].tolist(), *self._cell.tolist())[-1]
        goals = np.argwhere(self._is_goal)
        return self._corner(goals[0]) + 0.5 if len(goals) == 1 else np.array(self.centre_of(*self.cell_of(*end)))

    def _distance_left(self) -> float:
        row, column = self._cell.tolist()
        left = self.ways.distance(self._state[0], self._state[1], row, column)
        return left if left < math.inf else float(self._no_way[row, column])

    @cached_property
    def _no_way(self) -> Floats:
        """What counts as the distance in cells without a way, float64 `(H, W)`: the most of any cell around them.

        So going in never counts as progress, and coming out is worth what it is.
        """
        from scipy.ndimage import binary_dilation, label

        cells = np.argwhere(self._kind != WALL)
        distance = np.full(self.layout.shape, np.inf)
        distance[tuple(cells.T)] = self.ways.distances(
            np.array([self.centre_of(*cell) for cell in cells.tolist()]), cells
        )
        distance[self.ways.blocked.astype(bool)] = np.inf
        parts, count = label((self._kind != WALL) & np.isinf(distance))
        for part in range(1, count + 1):
            around = binary_dilation(parts == part) & np.isfinite(distance)
            distance[parts == part] = distance[around].max(initial=0.0)
        return distance

    def get_state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on, as plain numbers, lists and dicts, fit for JSON."""
        return {
            "fingerprint": self._fingerprint,
            "state": self._state.tolist() if self._running else None,
            "cell": self._cell.tolist(),
            "goal": self._goal.tolist(),
            "steps": self._steps,
            "generator": self.np_random.bit_generator.state,
            "seed": self.np_random_seed,
        }


def _refuse_what_has_no_meaning(layout: Layout) -> None:
    """Refuse what a grid may have and a maze has not.

    Raises:
        MapError: with every cell of the legend, as it is used in the map, that a maze does not have.
        ConfigError: the moves slip.
    """
    if layout.rules.slip:
        raise ConfigError(
            f"PointMaze: slip={layout.rules.slip!r}; the point goes where it is pushed, so slip has to be 0"
        )
    problems = []
    for code, cell in enumerate(layout.grid.legend):
        odd = [cell.kind] if cell.kind in ("portal", "jump") else []
        odd += ["exits"] * (cell.exits is not None) + ["wind"] * any(cell.wind) + ["slip"] * bool(cell.slip)
        places = np.argwhere(layout.grid.codes == code)
        if odd and len(places):
            place = layout.grid.place(*places[0].tolist())
            problems.append(f"{place}: {cell.character!r} has {' and '.join(odd)}, which a maze has not")
    if problems:
        raise MapError(*problems)


def _positive(name: str, number: float) -> float:
    value = float(number)
    if not 0.0 < value < math.inf:
        raise ConfigError(f"PointMaze: {name}={number!r} is not a finite number above 0")
    return value
