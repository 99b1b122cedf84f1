"""One step of a point maze, compiled."""

from __future__ import annotations

from rlkit.compiling import njit
from rlkit.envs.point_maze.motion import push
from rlkit.envs.point_maze.shortest import length_left


@njit(cache=True)
def take_step(  # type: ignore[no-untyped-def]
    kind, pays, no_way, blocked, goals, corners, left, is_goal, state, cell, force_x, force_y,
    dt, acceleration, max_speed, bump, dense,
):  # fmt: skip
    """Let a force act for a step, and say what it pays.

    Args:
        kind, pays, is_goal: `(H, W)`, of the episode's `Aim`.
        no_way, blocked, goals, corners, left: as for `length_left`.
        state: x, y, velocities, and the length of the way that is left, float64 `(5,)`; changed.
        cell: row and column, int64 `(2,)`; changed.
        force_x, force_y: in [-1, 1].
        dt, acceleration, max_speed: as for `push`.
        bump: the reward of a step that meets a wall; NaN for none.
        dense: whether progress pays.

    Returns:
        The reward, whether the episode ends, and whether the point is in a goal.
    """
    reward, met, ended = push(kind, pays, state, cell, force_x, force_y, dt, acceleration, max_speed)
    success = is_goal[cell[0], cell[1]]
    if met and not ended and bump == bump:
        reward = bump
    if dense and (success or not ended):
        before = state[4]
        state[4] = 0.0
        if not success:
            state[4] = length_left(no_way, blocked, goals, corners, left, state[0], state[1], cell[0], cell[1])
        reward += before - state[4]
    return reward, ended, success
