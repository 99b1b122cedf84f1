"""The environments' gymnasium ids, registered by name alone: nothing is imported until one is made."""

from __future__ import annotations

from typing import Any

import gymnasium

SHIPPED_GRIDS = {
    "Cliff": "sutton-barto-6.6",
    "DynaMaze": "sutton-barto-8.1",
    "FourRooms": "four-rooms",
    "FrozenLake4x4": "frozen-lake-4x4",
    "FrozenLake8x8": "frozen-lake-8x8",
    "JumpGrid": "sutton-barto-3.5",
    "RussellNorvig4x3": "russell-norvig-4x3",
    "SmallGrid": "sutton-barto-4.1",
    "WindyGrid": "sutton-barto-6.5",
    "Zhao2x2": "zhao-2x2",
    "Zhao5x5": "zhao-5x5",
}
"""Shipped map by environment name; `rlkit/<name>-v0` is its id."""

CHAINS = {
    "AccessControl": ("access_control:AccessControl", {}),
    "BairdStar": ("baird_star:BairdStar", {}),
    "BoyanChain": ("boyan_chain:BoyanChain", {}),
    "RandomWalk5": ("random_walk:RandomWalk", {"n_states": 5, "left_reward": 0.0}),
    "RandomWalk19": ("random_walk:RandomWalk", {"n_states": 19}),
    "RandomWalk1000": ("random_walk:RandomWalk", {"n_states": 1000, "reach": 100}),
}
"""Place and arguments by environment name; `rlkit/<name>-v0` is its id."""


def register_all() -> None:
    """Register every environment with gymnasium; again and again is harmless."""
    _register_grid("GridWorld", "zhao-5x5")
    for name, shipped in SHIPPED_GRIDS.items():
        _register_grid(name, shipped)
    for name, (place, arguments) in CHAINS.items():
        _register(name, entry_point=f"rlkit.envs.chains.{place}", kwargs=arguments)
    _register("MountainCar", entry_point="rlkit.envs.mountain_car:MountainCar")
    _register("LinearQuadratic", entry_point="rlkit.envs.linear_quadratic:LinearQuadratic")
    _register("RandomLinearQuadratic", entry_point="rlkit.envs.linear_quadratic:random_system")
    _register("PointMaze", entry_point="rlkit.envs.point_maze.env:PointMaze")


def _register_grid(name: str, map: str) -> None:
    _register(
        name,
        entry_point="rlkit.envs.gridworld.env:GridWorld",
        vector_entry_point="rlkit.envs.gridworld.vector:GridWorldVectorEnv",
        kwargs={"map": map},
    )


def _register(name: str, **details: Any) -> None:
    """Register an environment without gymnasium's per-step wrappers: it checks order, actions and time itself."""
    if f"rlkit/{name}-v0" not in gymnasium.registry:
        gymnasium.register(id=f"rlkit/{name}-v0", order_enforce=False, disable_env_checker=True, **details)
