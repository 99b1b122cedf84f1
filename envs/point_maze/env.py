"""`PointMaze`: the drawing of a grid world as a continuous maze, with a point mass to be pushed to the goal."""

from __future__ import annotations

import math
import operator
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
from rlkit.envs.gridworld.layout import GridMap, Layout
from rlkit.envs.gridworld.loading import make_layout
from rlkit.envs.gridworld.rules import Rules
from rlkit.envs.point_maze.aim import Aim, Reference, make_aim
from rlkit.envs.point_maze.motion import FREE, TERMINAL, within
from rlkit.envs.point_maze.shortest import length_left
from rlkit.envs.point_maze.stepping import take_step
from rlkit.envs.point_maze.world import Maze, refuse_what_has_no_meaning
from rlkit.errors import ConfigError

if TYPE_CHECKING:
    from rlkit.envs.point_maze.pictures import Frames

Floats = NDArray[np.float64]
_MOST_AIMS = 1000  # goals whose shortest ways are kept


class MazeRules(TypedDict, total=False):
    """The rules of a grid that a maze has too; and slip, which has to be 0, whatever the map says."""

    step_reward: float | None
    goal_reward: float | None
    forbidden_reward: float | None
    hole_reward: float | None
    boundary_reward: float | None
    continuing: bool | None
    slip: float | None


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
        start: "map": as said. "random": anywhere that a way leads to a goal from, but not in forbidden cells.
        goal: "map": the drawing's goals. "random": one cell, drawn for each episode from those that can be reached.
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
        map: str | PathLike[str] | GridMap | ArrayLike = "sutton-barto-8.1",
        *,
        rules: str | Rules | None = None,
        legend: Legend = (),
        reward: Literal["dense", "sparse"] = "dense",
        start: Literal["map", "random"] = "map",
        goal: Literal["map", "random"] = "map",
        max_steps: int | None = 300,
        dt: float = 0.1,
        max_speed: float = 2.0,
        acceleration: float = 5.0,
        render_mode: Literal["rgb_array"] | None = None,
        **changes: Unpack[MazeRules],
    ) -> None:
        _check_choice("render_mode", render_mode, (None, "rgb_array"))
        _check_choice("reward", reward, ("dense", "sparse"))
        _check_choice("start", start, ("map", "random"))
        _check_choice("goal", goal, ("map", "random"))
        layout = make_layout(map, rules, legend, changes)
        refuse_what_has_no_meaning(layout)
        self.maze = Maze(layout, drawn_goal=goal == "random", any_start=start == "random")
        _ = self.maze.corners  # refuses a maze without a way
        self.reward, self.goal, self.render_mode = reward, goal, render_mode
        self.dt, self.max_speed = _positive("dt", dt), _positive("max_speed", max_speed)
        self.acceleration = _positive("acceleration", acceleration)
        if self.dt * self.acceleration > self.max_speed * (1 + 1e-12):
            raise ConfigError(
                f"PointMaze: acceleration={acceleration!r} would pass max_speed={max_speed!r} in one step of {dt!r} s"
            )
        self._limit = None if max_steps is None else check_count("max_steps", max_steps)
        self._set_spaces()
        self._state, self._cell = np.zeros(5), np.zeros(2, np.int64)  # x, y, velocities, length of the way left
        self._goal_cell: tuple[int, int] | None = None  # if it is drawn
        self._trail: list[tuple[float, float]] = []  # where the episode has been, for pictures
        self._frames: Frames | None = None
        self._steps, self._running = 0, False

    def _set_spaces(self) -> None:
        height, width = self.maze.layout.shape
        place = np.array([width / 2, height / 2])
        most = np.concatenate([place, np.full(2, self.max_speed), place])
        self.observation_space = gymnasium.spaces.Box(-most, most, dtype=np.float64)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Floats, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: of the generator that draws starts and goals.
            options: where, `{"state": (x, y, x velocity, y velocity)}` or `{"cell": (row, column)}`, its middle, at
                rest; and, if goals are drawn, which, `{"goal": (row, column)}`.

        Raises:
            ConfigError: for other options, a place where the point cannot begin, or a velocity above `max_speed`.
        """
        super().reset(seed=seed)
        given = self._checked_options(options or {})
        self._running = False
        if self.goal == "random":
            self._goal_cell = given.get("goal") or self._drawn(self.maze.goals)
        self._aim_at(self._goal_cell)
        if "state" in given:
            self._state[:4], self._cell[:] = given["state"], given["cell"]
        else:
            self._draw_start()
        if self._aim.kind[tuple(self._cell)] == TERMINAL:
            raise ConfigError(f"PointMaze.reset: cell {tuple(self._cell.tolist())} is terminal: nothing begins there")
        self._begin()
        return self._observation.copy(), {"is_success": False}

    def _begin(self) -> None:
        (x, y), (row, column) = self._state[:2].tolist(), self._cell.tolist()
        self._observation = np.concatenate([self._state[:4], self._aim.goal_ahead(x, y, row, column)])
        self._state[4] = length_left(*self._world[2:], x, y, row, column) if self.reward == "dense" else 0.0
        self._trail, self._frames = [(x, y)], None if self.goal == "random" else self._frames
        self._steps, self._running = 0, True

    def _drawn(self, cells: NDArray[np.int64]) -> tuple[int, int]:
        row, column = cells[int(self.np_random.random() * len(cells))].tolist()
        return row, column

    def _draw_start(self) -> None:
        cell = self._drawn(self.maze.starts)
        while self._goal_cell is not None and (cell == self._goal_cell or self._aim.no_way[cell] < math.inf):
            cell = self._drawn(self.maze.starts)
        self._cell[:] = cell
        self._state[:2] = self.maze.centre_of(*cell) + (self.np_random.random(2) - 0.5)
        self._state[2:4] = 0.0

    def _aim_at(self, goal: tuple[int, int] | None) -> None:
        """Take up the goals of an episode, and what they make of the maze."""
        if goal not in self._aims:
            if len(self._aims) >= _MOST_AIMS:
                self._aims.clear()
            self._aims[goal] = make_aim(self.maze, goal)
        self._aim = aim = self._aims[goal]
        self._world = (aim.kind, aim.pays, aim.no_way, *aim.ways.map)

    @cached_property
    def _aims(self) -> dict[tuple[int, int] | None, Aim]:
        return {}

    def _checked_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return a chosen start's `state` and `cell`, and a chosen `goal`, as far as they are given."""
        known = {"state", "cell", *(["goal"] if self.goal == "random" else [])}
        if not set(options) <= known or {"state", "cell"} <= set(options):
            raise ConfigError(
                f"PointMaze.reset: options={options!r}, where 'state' or 'cell'"
                f"{' and' if self.goal == 'random' else ', and only with goal=random'} 'goal' are known"
            )
        given: dict[str, Any] = {}
        try:
            if "goal" in options:
                given["goal"] = row, column = tuple(map(operator.index, options["goal"]))
                if not (self.maze.goals == (row, column)).all(axis=1).any():
                    raise ValueError(f"cell {(row, column)} is none that a goal is drawn from")
            if "state" in options:
                given["state"] = self._checked_state(options["state"])
            elif "cell" in options:
                row, column = map(operator.index, options["cell"])
                given["state"] = np.array([*self.maze.centre_of(row, column), 0.0, 0.0])
            if "state" in given:
                given["cell"] = self.maze.cell_of(*given["state"][:2].tolist())
        except (TypeError, ValueError) as error:
            raise ConfigError(f"PointMaze.reset: options={options!r}: {error}") from None
        return given

    def _checked_state(self, given: ArrayLike) -> Floats:
        state = np.array(given, np.float64)
        if state.shape != (4,) or not np.isfinite(state).all() or not np.abs(state[2:]).max() <= self.max_speed:
            raise ValueError(f"{given!r} is not x, y and two velocities of at most {self.max_speed:g}")
        return state

    def step(self, action: ArrayLike) -> tuple[Floats, float, bool, bool, dict[str, Any]]:
        """Apply a force; return next observation, reward, terminated, truncated, and `is_success` as info.

        Raises:
            ResetNeeded: no episode is under way.
            ValueError: the action is not two numbers in [-1, 1].
        """
        if not self._running:
            raise ResetNeeded("PointMaze.step: no episode is under way; call reset() first")
        force_x, force_y = self._checked(action)
        reward, terminated, success = take_step(
            *self._world, self._aim.is_goal, self._state, self._cell, force_x, force_y, *self._rules
        )
        self._steps += 1
        truncated = self._steps == self._limit and not terminated
        self._running = not (terminated or truncated)
        self._observation[:4] = self._state[:4]
        if self.render_mode is not None:
            self._trail.append((self._state[0], self._state[1]))
        return self._observation.copy(), reward, terminated, truncated, {"is_success": success}

    def _checked(self, action: ArrayLike) -> tuple[float, float]:
        try:
            force_x, force_y = np.asarray(action, np.float64).tolist()
            if abs(force_x) <= 1.0 and abs(force_y) <= 1.0:
                return force_x, force_y
        except (TypeError, ValueError):
            pass
        raise ValueError(f"PointMaze.step: action {action!r} is not two numbers in [-1, 1]")

    @cached_property
    def _rules(self) -> tuple[float, float, float, float, bool]:
        """What `take_step` wants to know beyond the world."""
        boundary = self.maze.layout.rules.boundary_reward
        bump = math.nan if boundary is None else boundary
        return self.dt, self.acceleration, self.max_speed, bump, self.reward == "dense"

    def __repr__(self) -> str:
        """Name the map: `PointMaze('sutton-barto-8.1', reward='dense')`."""
        layout = self.maze.layout
        shown = repr(layout.grid.name) if layout.grid.name else f"{layout.shape[0]} x {layout.shape[1]} cells"
        goal = ", goal='random'" if self.goal == "random" else ""
        return f"PointMaze({shown}, reward={self.reward!r}{goal})"

    def render(self) -> NDArray[np.uint8] | None:
        """Return a picture of the episode so far, uint8 `(height, width, 3)`; None without a render mode."""
        if self.render_mode is None:
            return None
        if self._frames is None:
            from rlkit.envs.point_maze.pictures import Frames

            self._frames = Frames(self.layout)
        return self._frames.frame(np.array(self._trail))

    def reference(self, cell: tuple[int, int] | None = None) -> Reference:
        """Return the shortest way to a goal from the middle of a cell (row, column); for None, of the first start.

        Raises:
            ConfigError: no way leads from there, or the goal is drawn and no episode has begun.
        """
        row, column = self.maze.starts[0].tolist() if cell is None else map(operator.index, cell)
        x, y = self.maze.centre_of(row, column)
        return self._current_aim.reference(x, y, *self.maze.cell_of(x, y))

    def stretch(self, places: ArrayLike) -> float:
        """Return how long a run was by the shortest: 1 is perfect.

        What counts is the way from each place to the next and, where it ended short of a goal, the shortest way on.

        Args:
            places: x and y, or whole observations, from the first to the last, float `(T, 2 or more)`.

        Raises:
            ConfigError: they are no such array, or one of its ends is in a wall, or it begins in a goal.
        """
        return self._current_aim.stretch(places)

    def distance_field(self, resolution: int = 8) -> Floats:
        """Return the length of the shortest way to a goal from everywhere, float64 `(H, W)` times the resolution.

        Row 0 is the top. NaN in walls, and wherever no way leads from.
        """
        return self._current_aim.field(check_count("resolution", resolution))

    @property
    def layout(self) -> Layout:
        """The drawing under its rules; if the goal is drawn, with the episode's."""
        return self._current_aim.layout

    @property
    def _current_aim(self) -> Aim:
        if "_aim" not in self.__dict__:
            if self.goal == "random":
                raise ConfigError("PointMaze: the goal is drawn at the start of each episode; call reset() first")
            self._aim_at(None)
        return self._aim

    def get_state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on, as plain numbers, lists and dicts, fit for JSON."""
        return {
            "fingerprint": self._fingerprint,
            "state": self._state.tolist() if self._running else None,
            "cell": self._cell.tolist(),
            "goal": None if self._goal_cell is None else list(self._goal_cell),
            "goal_ahead": self._observation[4:].tolist() if self._running else None,
            "steps": self._steps,
            "generator": self.np_random.bit_generator.state,
            "seed": self.np_random_seed,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was called, to the bit; the maze must be the same.

        Raises:
            ConfigError: `state` is not what `get_state` gives for this environment.
        """
        try:
            if state["fingerprint"] != self._fingerprint:
                raise ValueError("the maze is another")
            running = state["state"] is not None
            x, cell, goal, ahead = self._checked_saved(state) if running else (self._state, self._cell, None, ())
            steps, seed = int(state["steps"]), int(state["seed"])
            self.np_random.bit_generator.state = state["generator"]
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"PointMaze.set_state: not a state of this maze: {error!r}") from error
        self._steps, self._np_random_seed, self._running = steps, seed, running
        if running:
            self._goal_cell = goal
            self._aim_at(goal)
            self._state[:], self._cell[:] = x, cell
            self._observation = np.concatenate([self._state[:4], ahead])
            self._trail, self._frames = [(self._state[0], self._state[1])], None

    def _checked_saved(self, state: dict[str, Any]) -> tuple[Floats, tuple[int, int], tuple[int, int] | None, Floats]:
        """Return what a saved episode has as `_state`, `_cell`, `_goal_cell`, and x and y of the goal ahead.

        Raises:
            ValueError: it can be none of this maze's: compiled code does not look where it reads.
        """
        x, ahead = np.array(state["state"], np.float64), np.array(state["goal_ahead"], np.float64)
        row, column = map(operator.index, state["cell"])
        goal = None if state["goal"] is None else (operator.index(state["goal"][0]), operator.index(state["goal"][1]))
        height, width = self.maze.layout.shape
        if not (0 <= row < height and 0 <= column < width) or self.maze.kind[row, column] != FREE:
            raise ValueError(f"cell {(row, column)} is none that the point can be in")
        if x.shape != (5,) or within(x[0], x[1], row, column, width / 2, height / 2) != (x[0], x[1]):
            raise ValueError(f"{x} is not in cell {(row, column)}")
        self._checked_state(x[:4])
        drawn = goal is not None and bool((self.maze.goals == goal).all(axis=1).any())
        if drawn != (self.goal == "random") or ahead.shape != (2,) or not np.isfinite([x[4], *ahead]).all():
            raise ValueError(f"goal {goal} is not this maze's")
        return x, (row, column), goal if drawn else None, ahead

    @cached_property
    def _fingerprint(self) -> int:
        layout = self.maze.layout
        rules = (
            layout.shape,
            layout.grid.legend,
            layout.rules,
            self.reward,
            self.maze.any_start,
            self.goal,
            self._limit,
            *self._rules,
        )
        return zlib.crc32(layout.grid.codes.reshape(-1).data, zlib.crc32(repr(rules).encode()))


def _check_choice(name: str, given: object, known: tuple[object, ...]) -> None:
    if given not in known:
        raise ConfigError(f"PointMaze: {name}={given!r} is not one of {', '.join(map(repr, known))}")


def _positive(name: str, number: float) -> float:
    value = float(number)
    if not 0.0 < value < math.inf:
        raise ConfigError(f"PointMaze: {name}={number!r} is not a finite number above 0")
    return value
