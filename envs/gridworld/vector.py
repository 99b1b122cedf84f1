"""`GridWorldVectorEnv`: thousands of copies of one grid world, stepped in one call."""

from __future__ import annotations

from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Unpack

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from rlkit.compiling import njit
from rlkit.config import check_count
from rlkit.envs.gridworld.drawing.legend import Legend
from rlkit.envs.gridworld.dynamics import Dynamics
from rlkit.envs.gridworld.layout import GridMap
from rlkit.envs.gridworld.loading import RuleArguments, make_layout
from rlkit.envs.gridworld.rules import Rules
from rlkit.errors import ConfigError, MapError

if TYPE_CHECKING:
    from rlkit.envs.gridworld.env import GridWorld

_BLOCK = 1 << 16  # states whose landings are worked out at a time
_NEVER = np.iinfo(np.int64).max
_NO_DRAWS = np.zeros((0, 0))


class Tables(NamedTuple):
    """All that the stepping kernel reads (S states, A actions, D directions, K codes, J outcomes at most).

    Attributes:
        landing: int32 `(S, D)`, the next state s, or ~s where it is terminal.
        reward: float64 `(S, D)`.
        code: uint8 `(S,)`, which row of the next two holds.
        direction: uint8 `(K, A, J)`, the directions that an action may go in.
        threshold: float64 `(K, A, J - 1)`, their cumulative probabilities; 2 from the last possible one on.
        starts: int32 `(N,)`, the states in which episodes begin.
    """

    landing: NDArray[np.int32]
    reward: NDArray[np.float64]
    code: NDArray[np.uint8]
    direction: NDArray[np.uint8]
    threshold: NDArray[np.float64]
    starts: NDArray[np.int32]


def make_tables(dynamics: Dynamics) -> Tables:
    """Work out the landings of every state; 12 bytes a state and direction.

    Raises:
        MapError: no cell to start from, or more states than an int32 can number.
    """
    layout, n_states = dynamics.layout, len(dynamics.states)
    if n_states > np.iinfo(np.int32).max or not len(dynamics.starts):
        raise MapError(f"GridWorldVectorEnv: {n_states} states, {len(dynamics.starts)} of them to start from")
    landing = np.empty((n_states, layout.n_actions), np.int32)
    reward = np.empty((n_states, layout.n_actions))
    code = np.empty(n_states, np.uint8)
    for first in range(0, n_states, _BLOCK):
        states = np.arange(first, min(first + _BLOCK, n_states))
        landings = dynamics.landings(states)
        landing[states] = np.where(landings.terminated, ~landings.state, landings.state)
        reward[states] = landings.reward
        code[states] = layout.grid.codes.reshape(-1)[dynamics.states.cells(states)]
    starts = dynamics.states.numbers(dynamics.starts.cells(np.arange(len(dynamics.starts))))
    return Tables(landing, reward, code, *_choices(dynamics), starts.astype(np.int32))


def _choices(dynamics: Dynamics) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return `direction` and `threshold` of `Tables`."""
    layout = dynamics.layout
    mixing = np.stack([layout.mixing(slip) for slip in layout.slip])  # [K, A, D]
    most = int((mixing > 0).sum(axis=2).max())
    direction = np.zeros((*mixing.shape[:2], most), np.uint8)
    threshold = np.full((*mixing.shape[:2], most - 1), 2.0)
    for code, action in np.ndindex(*mixing.shape[:2]):
        possible = np.flatnonzero(mixing[code, action])
        direction[code, action, : len(possible)] = possible
        threshold[code, action, : len(possible) - 1] = np.cumsum(mixing[code, action, possible])[:-1]
    return direction, threshold


@njit(cache=True)
def _advance(  # type: ignore[no-untyped-def]
    landing, reward, code, direction, threshold, starts, limit, actions, draws, at_once,
    state, steps, over, out, rewards, ended,
):  # fmt: skip
    """Begin an episode in the copies that are over, step the others, and, if `at_once`, begin where that ended one.

    Reads the `Tables`, the actions `(N,)` and the numbers `draws`, whose first row decides slips and whose last one
    starts. Changes `state`, `steps` and `over`; writes what is observed and paid to `out` and `rewards`, all `(N,)`;
    and terminated, truncated to `ended` `(2, N)`. With `at_once`, `state` is where the next step goes on from.

    Returns how many episodes ended, or -1 - i where copy i's action does not exist (then nothing has moved).
    """
    n_ended, last, most = 0, draws.shape[0] - 1, threshold.shape[2]
    for i in range(len(state)):
        if not over[i] and not 0 <= actions[i] < direction.shape[1]:
            return -1 - i
    for i in range(len(state)):
        rewards[i], ended[0, i], ended[1, i] = 0.0, False, False
        begins = over[i]
        if not begins:
            s, a = state[i], actions[i]
            k, j = code[s], 0
            while j < most and draws[0, i] >= threshold[k, a, j]:
                j += 1
            d = direction[k, a, j]
            after = landing[s, d]
            rewards[i] = reward[s, d]
            steps[i] += 1
            ended[0, i] = after < 0
            ended[1, i] = after >= 0 and steps[i] >= limit
            state[i] = ~after if after < 0 else after
            out[i] = state[i]
            over[i] = ended[0, i] or ended[1, i]
            n_ended += over[i]
            begins = over[i] and at_once
        if begins:
            state[i] = starts[int(draws[last, i] * len(starts))] if len(starts) > 1 else starts[0]
            steps[i], over[i] = 0, False
            if not at_once:
                out[i] = state[i]
    return n_ended


class GridWorldVectorEnv(VectorEnv[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]):
    """`num_envs` independent copies of one `GridWorld`, with gymnasium's vector conventions.

    All copies share one generator, so a seed gives other random numbers than in as many `GridWorld`s; where nothing
    is random the two agree step by step, infos included.

    Args:
        map, rules, legend: as in `GridWorld`.
        num_envs: how many copies.
        render_mode: "rgb_array" or "ansi" (a tuple of one frame a copy), or None.
        autoreset_mode: what happens to a copy whose episode has ended. `NEXT_STEP`: its next step ignores the action,
            begins an episode, and pays 0. `SAME_STEP`: it begins at once, and the last observation is in
            `infos["final_obs"]`. `DISABLED`: it must be reset, with `options={"reset_mask": ...}`.
        max_episode_steps: truncates beside the rule `max_steps`; the lesser of the two counts.
        **changes: the fields of `Rules`, as in `GridWorld`.

    Raises:
        MapError: with every problem of the drawing.
        ConfigError: for a rule or another argument that is unknown or out of its range.
    """

    def __init__(
        self,
        map: str | PathLike[str] | GridMap | ArrayLike,
        num_envs: int = 1,
        *,
        rules: str | Rules | None = None,
        legend: Legend = (),
        render_mode: Literal["ansi", "rgb_array"] | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        **changes: Unpack[RuleArguments],
    ) -> None:
        _check_arguments(num_envs, max_episode_steps, render_mode, autoreset_mode)
        self.layout = make_layout(map, rules, legend, changes)
        self._dynamics = Dynamics(self.layout)
        self.num_envs = num_envs
        self.render_mode = render_mode
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {"render_modes": ["rgb_array", "ansi"], "render_fps": 8, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space = gymnasium.spaces.Discrete(len(self._dynamics.states))
        self.single_action_space = gymnasium.spaces.Discrete(self.layout.n_actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        limits = [limit for limit in (max_episode_steps, self.layout.rules.max_steps) if limit is not None]
        self._limit = min(limits, default=_NEVER)
        self._state = np.full(num_envs, -1, np.int64)  # [N]
        self._steps = np.zeros(num_envs, np.int64)  # [N]
        self._over = np.ones(num_envs, np.bool_)  # [N] episode ended (or never begun), not yet reset
        self._begun = False

    def single(self) -> GridWorld:
        """Return one such grid world, which has the exact model."""
        from rlkit.envs.gridworld.env import GridWorld

        return GridWorld(self.layout.grid, rules=self.layout.rules)

    @cached_property
    def _tables(self) -> Tables:
        return make_tables(self._dynamics)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.int64], dict[str, Any]]:
        """Begin an episode in every copy, or only where the bool array `options["reset_mask"]` `(N,)` says so.

        `options["state"]`, one state or `(N,)` of them, says where.

        Returns:
            All copies' states, int64 `(N,)`, and an empty info.

        Raises:
            ConfigError: for other options, or for states that are terminal or do not exist.
        """
        options = dict(options or {})
        mask = self._reset_mask(options.pop("reset_mask", None))
        chosen = self._chosen_starts(options.pop("state", None))
        if options:
            raise ConfigError(f"GridWorldVectorEnv.reset: options {list(options)} are neither 'reset_mask' nor 'state'")
        super().reset(seed=seed)
        self._begin(mask, chosen)
        self._over = self._over & ~mask
        self._begun = self._begun or bool(mask.all())
        return self._state.copy(), {}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Take one action in every copy, int `(N,)`.

        Returns:
            States int64, rewards float64, terminated bool, truncated bool, all `(N,)`, and the infos.

        Raises:
            ResetNeeded: nothing was reset yet, or with `DISABLED` a copy's episode is over.
            ValueError: the actions are not `(N,)` integers in `[0, n_actions)`.
        """
        actions = np.asarray(actions)
        if actions.shape != (self.num_envs,) or actions.dtype.kind not in "iu":
            text = f"actions of shape {actions.shape} and dtype {actions.dtype}"
            raise ValueError(
                f"GridWorldVectorEnv.step: {text}, where integers of shape ({self.num_envs},) were expected"
            )
        actions = actions.astype(np.int64, copy=False)
        tables, at_once = self._tables, self.autoreset_mode is AutoresetMode.SAME_STEP
        if not self._begun or (self.autoreset_mode is AutoresetMode.DISABLED and self._over.any()):
            raise ResetNeeded("GridWorldVectorEnv.step: a copy's episode is not under way; call reset() first")
        observed, rewards = np.empty(self.num_envs, np.int64), np.empty(self.num_envs)
        ended = np.empty((2, self.num_envs), np.bool_)
        n_ended = _advance(
            *tables, self._limit, actions, self._draw(), at_once,
            self._state, self._steps, self._over, observed, rewards, ended,
        )  # fmt: skip
        if n_ended < 0:
            action = actions[-1 - n_ended]
            raise ValueError(f"GridWorldVectorEnv.step: action {action} of copy {-1 - n_ended} does not exist")
        infos: dict[str, Any] = {}
        if at_once and n_ended:
            mask = ended[0] | ended[1]
            final = np.full(self.num_envs, None, object)
            final[mask] = observed[mask]
            infos = {"final_obs": final, "_final_obs": mask, "final_info": {}, "_final_info": mask.copy()}
            observed = self._state.copy()
        return observed, rewards, ended[0], ended[1], infos

    def _draw(self) -> NDArray[np.float64]:
        """Draw the random numbers of one step: a row for slips and one for starts, or one where none needs both."""
        slips, begins = self._tables.threshold.shape[2] > 0, len(self._tables.starts) > 1
        rows = slips + begins if self.autoreset_mode is AutoresetMode.SAME_STEP else int(slips or begins)
        return self.np_random.random((rows, self.num_envs)) if rows else _NO_DRAWS

    def _begin(self, mask: NDArray[np.bool_], chosen: NDArray[np.int64] | None = None) -> None:
        starts = self._tables.starts
        if chosen is not None:
            self._state[mask] = chosen[mask]
        elif len(starts) == 1:
            self._state[mask] = starts[0]
        else:
            self._state[mask] = starts[(self.np_random.random(np.count_nonzero(mask)) * len(starts)).astype(np.int64)]
        self._steps[mask] = 0

    def _reset_mask(self, mask: Any) -> NDArray[np.bool_]:
        if mask is None:
            return np.ones(self.num_envs, np.bool_)
        if (
            not isinstance(mask, np.ndarray)
            or mask.dtype != np.bool_
            or mask.shape != (self.num_envs,)
            or not mask.any()
        ):
            text = f"options['reset_mask'] = {mask!r} is not a bool array of shape ({self.num_envs},) with a True in it"
            raise ConfigError(f"GridWorldVectorEnv.reset: {text}")
        return mask

    def _chosen_starts(self, states: Any) -> NDArray[np.int64] | None:
        if states is None:
            return None
        n_states = len(self._dynamics.states)
        chosen = np.asarray(states)
        if chosen.dtype.kind not in "iu" or chosen.shape not in ((), (self.num_envs,)):
            raise ConfigError(f"GridWorldVectorEnv.reset: state {states!r} is not one integer, nor one a copy")
        chosen = np.broadcast_to(chosen, self.num_envs).astype(np.int64)
        wrong = chosen[(chosen < 0) | (chosen >= n_states)]
        if wrong.size:
            raise ConfigError(f"GridWorldVectorEnv.reset: state {wrong[0]} is outside [0, {n_states})")
        ended = chosen[self._dynamics.terminal(chosen)]
        if ended.size:
            raise ConfigError(f"GridWorldVectorEnv.reset: state {ended[0]} is terminal")
        return chosen

    def get_state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on, as plain numbers, lists and dicts, fit for JSON."""
        return {
            "map": self._dynamics.fingerprint,
            "state": self._state.tolist(),
            "steps": self._steps.tolist(),
            "over": self._over.tolist(),
            "begun": self._begun,
            "generator": self.np_random.bit_generator.state,
            "seed": self.np_random_seed,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was called, to the bit; map, rules, number of copies and mode must be the same.

        Raises:
            ConfigError: `state` is not what `get_state` gives for this environment.
        """
        try:
            if state["map"] != self._dynamics.fingerprint:
                raise ValueError("the map or the rules are others")
            position, steps = np.array(state["state"], np.int64), np.array(state["steps"], np.int64)
            over, begun, seed = np.array(state["over"], np.bool_), bool(state["begun"]), int(state["seed"])
            if not position.shape == steps.shape == over.shape == (self.num_envs,):
                raise ValueError(f"there are {self.num_envs} copies here")
            if position.max() >= len(self._dynamics.states) or position.min() < -1 + begun:
                raise ValueError(f"a state is outside [0, {len(self._dynamics.states)})")
            self.np_random.bit_generator.state = state["generator"]
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"GridWorldVectorEnv.set_state: not a state of this environment: {error!r}") from error
        self._state, self._steps, self._over, self._begun, self._np_random_seed = position, steps, over, begun, seed

    def render(self) -> tuple[Any, ...] | None:
        """Return one frame a copy, as `render_mode` says."""
        if self.render_mode is None:
            return None
        from rlkit.envs.gridworld.pictures.render import Painter, draw_text

        agents = self._state.tolist()
        if self.render_mode == "ansi":
            return tuple(draw_text(self.layout, agent=agent) for agent in agents)
        painter = Painter(self.layout)
        return tuple(painter.frame(agent) for agent in agents)


def _check_arguments(
    num_envs: int, max_episode_steps: int | None, render_mode: str | None, autoreset_mode: AutoresetMode | str
) -> None:
    check_count("num_envs", num_envs)
    if max_episode_steps is not None:
        check_count("max_episode_steps", max_episode_steps)
    if render_mode not in (None, "ansi", "rgb_array"):
        raise ConfigError(f"GridWorldVectorEnv: render_mode={render_mode!r} is none of 'ansi', 'rgb_array' and None")
    known = [mode.value for mode in AutoresetMode]
    if autoreset_mode not in (*AutoresetMode, *known):
        raise ConfigError(f"GridWorldVectorEnv: autoreset_mode={autoreset_mode!r} is none of {known}")
