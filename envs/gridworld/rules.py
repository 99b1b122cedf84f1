"""The rules of a grid world: what moves cost, where they lead, and when an episode ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rlkit.config import Config, Range, bounded

_REWARD: dict[str, Any] = {"above": -1e12, "below": 1e12}
REWARD_RANGE = Range(**_REWARD)
"""What every reward, of the rules or of a legend, has to be within."""


@dataclass(frozen=True, kw_only=True)
class Rules(Config):
    """Everything about a grid world that is not drawn; the defaults are `GridWorld`'s.

    Every transition pays exactly one reward: that of the cell entered. A move against the edge, a wall or a one-way
    cell's closed side stays in place and pays `boundary_reward`.

    Attributes:
        step_reward: for entering a cell with no reward of its own.
        goal_reward: for entering (with `continuing`, also for staying on) a goal.
        forbidden_reward: for entering a forbidden cell.
        hole_reward: for falling into a hole, which ends the episode.
        boundary_reward: for a blocked move; None pays as if the own cell were entered again.
        continuing: whether goals can be stayed on (Zhao) instead of ending the episode (Sutton & Barto).
        moves: 4 (up, right, down, left) or 8 (then clockwise from up-right).
        stay: whether there is a last action that stays; it never slips, but wind moves it.
        slip: probability in [0, 1] that the wished direction is replaced.
        slip_kind: "perpendicular" replaces it by one of the two directions at right angles, each with probability
            slip / 2 (Russell & Norvig); "uniform" by one of all `moves` directions, each with slip / moves.
        max_steps: steps after which an episode is truncated; None for never.
    """

    step_reward: float = bounded(0.0, **_REWARD)
    goal_reward: float = bounded(1.0, **_REWARD)
    forbidden_reward: float = bounded(-1.0, **_REWARD)
    hole_reward: float = bounded(0.0, **_REWARD)
    boundary_reward: float | None = bounded(None, **_REWARD)
    continuing: bool = False
    moves: Literal[4, 8] = 4
    stay: bool = False
    slip: float = bounded(0.0, at_least=0, up_to=1)
    slip_kind: Literal["perpendicular", "uniform"] = "perpendicular"
    max_steps: int | None = bounded(None, at_least=1, up_to=2**53)


PRESETS: dict[str, dict[str, float | bool]] = {
    # Zhao, Mathematical Foundations of Reinforcement Learning, section 1.5 (grid world) and chapter 2.
    "zhao": {"boundary_reward": -1.0, "forbidden_reward": -1.0, "goal_reward": 1.0, "continuing": True, "stay": True},
    # Sutton & Barto, Reinforcement Learning, 2nd ed., Examples 4.1 and 6.5: -1 a step until the terminal state.
    "sutton-barto": {"step_reward": -1.0, "goal_reward": -1.0, "forbidden_reward": -100.0},
}
"""The two books' rules, by the name that `rules=` takes; arguments given beside it win."""
