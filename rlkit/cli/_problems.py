"""From the word on the command line to the problem that it names."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import MapError, RlkitError

if TYPE_CHECKING:
    from rlkit.bellman.model import Model
    from rlkit.envs.gridworld.layout import Layout
    from rlkit.plotting import Geometry

# Where the actions of gymnasium's tables on a map lead, in its own order.
_TABLES = {
    "FrozenLakeEnv": [(0, -1), (1, 0), (0, 1), (-1, 0)],
    "CliffWalkingEnv": [(-1, 0), (0, 1), (1, 0), (0, -1)],
}


class UnknownProblem(RlkitError):
    """No file, shipped map or environment has this name."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A finite MDP with a name.

    Attributes:
        name: short, fit for a folder's name.
        model: what the solvers solve.
        starts: the states that episodes start in, int `(N,)`.
        geometry: where the states lie on a map; None where there is none.
        layout: the grid world's layout; None for other problems.
    """

    name: str
    model: Model
    starts: NDArray[np.integer[Any]]
    geometry: Geometry | None = None
    layout: Layout | None = None


def read_problem(word: str) -> Problem:
    """Read a map file (`.toml`, or a bare drawing), a shipped map by its name, or a gymnasium environment by its id.

    Raises:
        UnknownProblem: when there is nothing of that name; says what is near.
        MapError: with every problem of a map.
        InvalidModel: for an environment without a transition table.
    """
    from rlkit.envs.gridworld.maps import shipped_maps

    path = Path(word)
    if word in shipped_maps() and not path.is_file():
        return _grid(word, word)
    if path.is_file():
        return _grid(path.stem, path)
    if path.suffix or (os.sep in word and ":" not in word and "-v" not in word):
        raise UnknownProblem(f"{word}: no such file{near(word, files_here())}")
    return _environment(word)


def _grid(name: str, source: str | Path) -> Problem:
    from rlkit.envs import GridWorld

    if isinstance(source, str) or source.suffix.lower() == ".toml":
        env = GridWorld.load(source)
    else:
        from rlkit.envs.gridworld.drawing import read_text

        try:
            env = GridWorld(read_text(source.read_text(encoding="utf-8"), source=str(source)))
        except UnicodeDecodeError:
            raise MapError(f"{source}: is not a text in UTF-8") from None
    return _of_layout(name, env.model())


def _of_layout(name: str, model: Any) -> Problem:
    """Take a grid world's model; without a start cell every state that is not terminal is one."""
    layout = model.layout
    codes = layout.grid.codes
    start = np.array([cell.kind == "start" for cell in layout.grid.legend])
    states = codes[layout.occupiable[codes]]  # code of each state, [S]
    chosen = start[states] if start[states].any() else ~layout.terminal[states]
    return Problem(name, model, np.flatnonzero(chosen), model, layout)


def _environment(name: str) -> Problem:
    import gymnasium

    from rlkit.mdp import FiniteMDP

    known = gymnasium.registry
    if ":" not in name and name not in known:
        from rlkit.envs.gridworld.maps import shipped_maps

        ids = [other for other in known if other.split("-")[0] == name or other.split("/")[-1].split("-")[0] == name]
        raise UnknownProblem(
            f"{name!r} is no file, no shipped map (rlkit envs lists them) and no gymnasium environment"
            f"{near(name, [*ids, *shipped_maps(), *known, *files_here()], first=ids)}"
        )
    try:
        env = gymnasium.make(name)
    except (gymnasium.error.Error, ImportError) as error:
        raise UnknownProblem(f"{name}: {str(error).splitlines()[0]}") from error
    bare: Any = env.unwrapped
    short = name.split("/")[-1].split(":")[-1]
    if callable(getattr(bare, "model", None)) and hasattr(bare, "layout"):
        return _of_layout(short, bare.model())
    if not hasattr(bare, "P") and not callable(getattr(bare, "model", None)):
        raise UnknownProblem(f"{name} {_without_table(bare)}")
    model = FiniteMDP.from_gymnasium(env)
    weights = np.asarray(getattr(bare, "initial_state_distrib", ~model.terminal))
    return Problem(short, model, np.flatnonzero(weights > 0), _table_geometry(bare, model))


def _without_table(env: Any) -> str:
    """Say why an environment is not solved here, and who knows the answer if anybody does."""
    if callable(getattr(env, "optimum", None)):
        return (
            "has no finite table; Riccati's equation solves it exactly: in Python, env.unwrapped.optimum(gamma), and "
            "rlkit.truth.optimality_gap(policy, env, gamma) says what a policy costs beyond that"
        )
    if callable(getattr(env, "reference", None)):
        return "has no finite table; its shortest way is known exactly: in Python, env.unwrapped.reference()"
    return "publishes neither a transition table P nor a model(): nothing exact can be said"


def _table_geometry(env: Any, model: Any) -> Geometry | None:
    """Where the states of gymnasium's own tables on a map lie; None for other environments."""
    offsets = _TABLES.get(type(env).__name__)
    shape = getattr(getattr(env, "desc", None), "shape", None) or getattr(env, "shape", None)
    if offsets is None or shape is None or len(shape) != 2 or int(np.prod(shape)) != model.n_states:
        return None
    cells = np.argwhere(np.ones(shape, dtype=bool))
    height, width = map(int, shape)
    return SimpleNamespace(
        shape=(height, width), cells=cells, offsets=np.array(offsets), terminal=np.asarray(model.terminal)
    )


def files_here() -> list[str]:
    """Return the names of the map files in the current folder."""
    return [path.name for path in Path.cwd().glob("*.toml")]


def near(word: str, known: Iterable[str], first: Iterable[str] = ()) -> str:
    """Ask whether one of up to three known words that look alike was meant, those in `first` before all others."""
    alike = list(dict.fromkeys([*first, *difflib.get_close_matches(word, list(known), n=3)]))[:3]
    return f"; did you mean {' or '.join(map(repr, alike))}?" if alike else ""
