"""Environments that know their right answer: `import rlkit.envs`, which also registers them with gymnasium."""

if __name__ == "envs":
    raise ImportError("import rlkit.envs, not envs")

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rlkit.envs.registration import register_all

if TYPE_CHECKING:
    from rlkit.envs.chains.access_control import AccessControl as AccessControl
    from rlkit.envs.chains.baird_star import BairdStar as BairdStar
    from rlkit.envs.chains.boyan_chain import BoyanChain as BoyanChain
    from rlkit.envs.chains.chain import Chain as Chain
    from rlkit.envs.chains.random_walk import RandomWalk as RandomWalk
    from rlkit.envs.gridworld.builder import MapBuilder as MapBuilder
    from rlkit.envs.gridworld.cells import Cell as Cell
    from rlkit.envs.gridworld.env import GridWorld as GridWorld
    from rlkit.envs.gridworld.layout import GridMap as GridMap
    from rlkit.envs.gridworld.maps import shipped_maps as shipped_maps
    from rlkit.envs.gridworld.maze import maze as maze
    from rlkit.envs.gridworld.model import GridModel as GridModel
    from rlkit.envs.gridworld.pictures.render import render_grid as render_grid
    from rlkit.envs.gridworld.rules import Rules as Rules
    from rlkit.envs.gridworld.vector import GridWorldVectorEnv as GridWorldVectorEnv
    from rlkit.envs.linear_quadratic import LinearQuadratic as LinearQuadratic
    from rlkit.envs.mountain_car import MountainCar as MountainCar
    from rlkit.envs.point_maze.env import PointMaze as PointMaze
    from rlkit.envs.point_maze.pictures import plot_maze as plot_maze

_HOME = {
    "AccessControl": "rlkit.envs.chains.access_control",
    "BairdStar": "rlkit.envs.chains.baird_star",
    "BoyanChain": "rlkit.envs.chains.boyan_chain",
    "Cell": "rlkit.envs.gridworld.cells",
    "Chain": "rlkit.envs.chains.chain",
    "GridMap": "rlkit.envs.gridworld.layout",
    "GridModel": "rlkit.envs.gridworld.model",
    "GridWorld": "rlkit.envs.gridworld.env",
    "GridWorldVectorEnv": "rlkit.envs.gridworld.vector",
    "MapBuilder": "rlkit.envs.gridworld.builder",
    "LinearQuadratic": "rlkit.envs.linear_quadratic",
    "MountainCar": "rlkit.envs.mountain_car",
    "PointMaze": "rlkit.envs.point_maze.env",
    "RandomWalk": "rlkit.envs.chains.random_walk",
    "Rules": "rlkit.envs.gridworld.rules",
    "maze": "rlkit.envs.gridworld.maze",
    "plot_maze": "rlkit.envs.point_maze.pictures",
    "render_grid": "rlkit.envs.gridworld.pictures.render",
    "shipped_maps": "rlkit.envs.gridworld.maps",
}

__all__ = [
    "AccessControl",
    "BairdStar",
    "BoyanChain",
    "Cell",
    "Chain",
    "GridMap",
    "GridModel",
    "GridWorld",
    "GridWorldVectorEnv",
    "LinearQuadratic",
    "MapBuilder",
    "MountainCar",
    "PointMaze",
    "RandomWalk",
    "Rules",
    "maze",
    "plot_maze",
    "render_grid",
    "shipped_maps",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'rlkit.envs' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


register_all()
