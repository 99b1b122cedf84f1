"""`GridWorld`: a drawing as a gymnasium environment that knows its exact model."""

from __future__ import annotations

import operator
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlkit.envs.gridworld.drawing.legend import Legend
from rlkit.envs.gridworld.dynamics import Dynamics
from rlkit.envs.gridworld.layout import GridMap
from rlkit.envs.gridworld.loading import RuleArguments, make_layout, read_file, settle_rules
from rlkit.envs.gridworld.rules import Rules
from rlkit.envs.stepping import OVER, Outcome, Outcomes, SteppedByTable
from rlkit.errors import ConfigError, MapError

if TYPE_CHECKING:
    from rlkit.envs.gridworld.builder import MapBuilder
    from rlkit.envs.gridworld.model import GridModel
    from rlkit.envs.gridworld.pictures.render import Painter
    from rlkit.envs.gridworld.pictures.window import Window

RenderMode = Literal["ansi", "rgb_array", "human"]
_BLOCK = 256  # states whose outcomes are worked out at a time
_MOST_ROWS = 1 << 18  # states whose outcomes are kept


class GridWorld(SteppedByTable):
    """A grid world, drawn: `Discrete` states and actions, and an exact model of itself.

    States are numbered row-major over the cells that can be occupied (all but walls and portals). Actions: up, right,
    down, left, then (with `moves=8`) the diagonals clockwise from up-right, then (with `stay`) staying. What a move
    does and pays is told in `Rules` and `Cell`. Episodes begin in one of the start cells, drawn uniformly; without
    any, in any cell that is not terminal; `reset(options={"state": s})` or `{"cell": (row, column)}` chooses one.
    `truncated` is True only at `max_steps`, and never together with `terminated`; stepping on after either raises
    `gymnasium.error.ResetNeeded`.

    Args:
        map: a drawing, an array of codes or characters, or a `GridMap`; or, as a text of one line, a shipped map's name
            or the path of a `.toml` file, which `load` then reads.
        rules: a preset's name (`"zhao"`, `"sutton-barto"`), or a whole `Rules`, which then stands for itself alone.
        legend: the meaning of further characters in the drawing.
        render_mode: "ansi" (text), "rgb_array" (uint8 `(H, W, 3)`), "human" (a window; needs pygame-ce, which is
            the extra `render`) or None.
        **changes: the fields of `Rules`; each wins over the map file's key, which wins over the preset's.

    Raises:
        MapError: with every problem of the drawing.
        ConfigError: for a rule that is unknown or out of its range.
    """

    metadata: dict[str, Any] = {"render_modes": ["human", "rgb_array", "ansi"], "render_fps": 8}  # noqa: RUF012

    def __init__(
        self,
        map: str | PathLike[str] | GridMap | ArrayLike,
        *,
        rules: str | Rules | None = None,
        legend: Legend = (),
        render_mode: RenderMode | None = None,
        **changes: Unpack[RuleArguments],
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ConfigError(f"GridWorld: render_mode={render_mode!r} is none of {self.metadata['render_modes']}")
        self.layout = make_layout(map, rules, legend, changes)
        self.render_mode = render_mode
        super().__init__(len(self._dynamics.states), self.layout.n_actions, self.layout.rules.max_steps)
        self._shown = render_mode == "human"
        self._overlay: dict[str, NDArray[Any]] = {}
        self._n_starts = 0  # counted at the first reset
        self._start_states: dict[int, int] = {}

    @cached_property
    def _dynamics(self) -> Dynamics:
        return Dynamics(self.layout)

    @property
    def _fingerprint(self) -> int:
        return self._dynamics.fingerprint

    @property
    def initial_state_distrib(self) -> NDArray[np.float64]:
        """The probability that an episode begins in each state, float64 `(S,)` (gymnasium's name)."""
        starts = self._dynamics.starts.cells(np.arange(self._n_starts or self._count_starts()))
        distribution = np.zeros(self._n_states)
        distribution[self._dynamics.states.numbers(starts)] = 1.0 / starts.size
        return distribution

    def state_of(self, row: int, column: int) -> int:
        """Return the state whose cell is at (row, column), both from 0.

        Raises:
            IndexError: the cell is outside the map, or is a wall or a portal.
        """
        height, width = self.layout.shape
        if not (0 <= row < height and 0 <= column < width):
            raise IndexError(f"cell ({row}, {column}) is outside the map of {height} x {width} cells")
        state = int(self._dynamics.states.numbers(np.array([row * width + column]))[0])
        if state < 0:
            kind = self.layout.grid.legend[self.layout.grid.codes[row, column]].kind
            raise IndexError(f"cell ({row}, {column}) is a {kind}, which is never occupied")
        return state

    def cell_of(self, state: int) -> tuple[int, int]:
        """Return the (row, column), both from 0, of a state in `[0, observation_space.n)`.

        Raises:
            IndexError: there is no such state.
        """
        if not 0 <= state < len(self._dynamics.states):
            raise IndexError(f"state {state} is outside [0, {len(self._dynamics.states)})")
        row, column = divmod(int(self._dynamics.states.cells(np.array([state]))[0]), self.layout.shape[1])
        return row, column

    def model(self) -> GridModel:
        """Return the exact model, ready for `rlkit.bellman`; the same object at every call."""
        return self._model

    @cached_property
    def _model(self) -> GridModel:
        from rlkit.envs.gridworld.model import GridModel

        return GridModel(self.layout)

    def _row_of(self, state: int) -> dict[int, Outcomes]:
        if state not in self._rows:
            if len(self._rows) >= _MOST_ROWS:
                self._rows.clear()
            first = state // _BLOCK * _BLOCK
            states = np.arange(first, min(first + _BLOCK, len(self._dynamics.states)))
            ended = self._dynamics.terminal(states).tolist()
            rows = zip(states.tolist(), ended, self._dynamics.outcomes(states), strict=True)
            self._rows.update({each: OVER if over else row for each, over, row in rows})
        return self._rows[state]

    def _all_starts(self) -> tuple[Any, Any]:
        starts = self._dynamics.starts.cells(np.arange(self._n_starts or self._count_starts()))
        return self._dynamics.states.numbers(starts), ()

    def _drawn_start(self, draw: float) -> int:
        number = int(draw * (self._n_starts or self._count_starts()))
        try:
            return self._start_states[number]
        except KeyError:
            return self._start_state(number)

    def _count_starts(self) -> int:
        self._n_starts = len(self._dynamics.starts)
        if not self._n_starts:
            raise MapError("GridWorld: every cell of the map is terminal: there is none to start from")
        return self._n_starts

    def _start_state(self, number: int) -> int:
        if len(self._start_states) >= _MOST_ROWS:
            self._start_states.clear()
        cell = self._dynamics.starts.cells(np.array([number]))
        self._start_states[number] = state = int(self._dynamics.states.numbers(cell)[0])
        return state

    def _chosen_start(self, options: dict[str, Any]) -> int:
        if set(options) not in ({"state"}, {"cell"}):
            raise ConfigError(f"GridWorld.reset: options={options!r}, where one of 'state' and 'cell' is known")
        try:
            state = operator.index(options["state"]) if "state" in options else self.state_of(*options["cell"])
            row, column = self.cell_of(state)
        except (IndexError, TypeError) as error:
            raise ConfigError(f"GridWorld.reset: options={options!r}: {error}") from None
        if self.layout.terminal[self.layout.grid.codes[row, column]]:
            raise ConfigError(
                f"GridWorld.reset: state {state}, cell ({row}, {column}), is terminal: nothing begins there"
            )
        return state

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which actions are worth trying in the current state, bool `(A,)`, as sb3-contrib's MaskablePPO asks.

        An action is masked out where it can only leave the agent where it is, because the edge, a wall, a closed side
        or the wind holds it there; staying on purpose is not. Where that would leave nothing, and while no
        episode is under way, nothing is masked out.
        """
        masks = np.zeros(self.layout.n_actions, np.bool_)
        for action, (_, outcomes) in self._row.items():
            masks[action] = any(state != self._state for state, _, _ in outcomes)
        if self.layout.rules.stay:
            masks[-1] = True
        return masks if masks.any() else ~masks

    @cached_property
    def P(self) -> dict[int, dict[int, list[tuple[float, int, float, bool]]]]:  # noqa: N802
        """All transitions as gymnasium's toy-text environments give them: `P[s][a]` lists (p, s', reward, terminated).

        A terminal state leads to itself for a reward of 0. Made when first asked for; `model()` is the lean form.
        """
        states = np.arange(len(self._dynamics.states))
        ended = self._dynamics.terminal(states).tolist()
        rows = self._dynamics.outcomes(states)
        return {
            state: {a: [(1.0, state, 0.0, True)] if ended[state] else _spread(*row[a]) for a in row}
            for state, row in enumerate(rows)
        }

    def render(self) -> str | NDArray[np.uint8] | None:
        """Return the drawing as text ("ansi") or a picture, uint8 `(height, width, 3)` ("rgb_array"), or show it."""
        agent = self._state if self._state >= 0 else None
        if self.render_mode is None:
            return None
        if self.render_mode == "ansi":
            from rlkit.envs.gridworld.pictures.render import draw_text

            return draw_text(self.layout, agent=agent, policy=self._overlay.get("policy"))
        frame = self._painter.frame(agent)
        if self.render_mode == "rgb_array":
            return frame
        self._window.show(frame)
        return None

    def overlay(self, *, values: ArrayLike | None = None, policy: ArrayLike | None = None) -> None:
        """Show values and a policy under the agent in all frames from now on; without arguments, nothing any more.

        Args:
            values: float `(S,)`, shown as colours and numbers (not in text).
            policy: int `(S,)`, shown as arrows; or, not in text, bool or float `(S, A)`, see `render_grid`.
        """
        self._overlay = {
            name: np.array(given) for name, given in (("values", values), ("policy", policy)) if given is not None
        }
        self.__dict__.pop("_painter", None)

    @cached_property
    def _painter(self) -> Painter:
        from rlkit.envs.gridworld.pictures.render import Painter

        return Painter(self.layout, values=self._overlay.get("values"), policy=self._overlay.get("policy"))

    @cached_property
    def _window(self) -> Window:
        from rlkit.envs.gridworld.pictures.window import Window

        return Window(self.layout.grid.name or "GridWorld", self.metadata["render_fps"])

    def close(self) -> None:
        """Close the window, if there is one."""
        if "_window" in self.__dict__:
            self._window.close()

    def to_toml(self) -> str:
        """Return the map, legend and rules as a TOML document that `GridWorld.load` reads back."""
        from rlkit.envs.gridworld.drawing import to_toml

        return to_toml(self.layout.grid, self.layout.rules)

    @classmethod
    def load(
        cls,
        map: str | PathLike[str],
        *,
        rules: str | Rules | None = None,
        render_mode: RenderMode | None = None,
        **changes: Unpack[RuleArguments],
    ) -> GridWorld:
        """Read a map from a TOML file or, by its name, a shipped one; the other arguments are the constructor's.

        Raises:
            MapError: the file cannot be read, or with every problem of it.
        """
        grid, own = read_file(map)
        return cls(grid, rules=settle_rules(rules, own, changes), render_mode=render_mode)

    @staticmethod
    def builder(rows: int, columns: int) -> MapBuilder:
        """Return a builder of a map of free cells: `GridWorld.builder(5, 5).wall(0, 1).goal(4, 4).build()`."""
        from rlkit.envs.gridworld.builder import MapBuilder

        return MapBuilder(rows, columns)


def _spread(cumulative: tuple[float, ...], outcomes: tuple[Outcome, ...]) -> list[tuple[float, int, float, bool]]:
    probabilities = np.diff(cumulative, prepend=0.0, append=1.0).tolist()
    return [(p, *outcome) for p, outcome in zip(probabilities, outcomes, strict=True)]
