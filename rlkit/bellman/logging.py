"""What the Bellman theory promises, iteration by iteration, in TensorBoard."""

from __future__ import annotations

import math
import os
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlkit.bellman.solution import Progress, Solution
    from rlkit.logger import Logger
    from rlkit.plotting import Geometry

SPACING = 1.5
"""Each value picture comes at this many times the iteration of the one before."""


class BellmanLogger:
    """A solver's callback that writes residual, contraction, error bound and values to TensorBoard and `progress.csv`.

    The Bellman optimality operator contracts by gamma in the max norm (Banach; Puterman 2005, Proposition 6.2.4), so
    value iteration's `bellman/contraction` never exceeds gamma, and `bellman/residual` and `bellman/error_bound` fall
    at least as fast as gamma to the iteration. Values are drawn as `bellman/values` at iterations 1, 2, 3, 5, 8, ...

        with BellmanLogger("runs/office", env.model()) as log:
            log.finish(value_iteration(env.model(), 0.9, callback=log))

    Args:
        logger: where to write, or the folder to make a run in; a logger that was passed in is left open.
        geometry: where the states lie on a map (`env.model()` of a grid world); None draws no values.
    """

    def __init__(self, logger: Logger | str | os.PathLike[str], geometry: Geometry | None = None) -> None:
        self._owned = isinstance(logger, str | os.PathLike)
        self.logger: Logger = _open(logger) if isinstance(logger, str | os.PathLike) else logger
        self.geometry = geometry
        self._next_picture = 1
        self._undrawn: tuple[int, NDArray[np.float64]] | None = None

    def __call__(self, progress: Progress) -> None:
        """Record one iteration."""
        step = int(progress.iteration)
        for name in ("residual", "contraction", "error_bound"):
            value = float(getattr(progress, name))
            if math.isfinite(value):
                self.logger.scalar(f"bellman/{name}", value, step)
        if self.geometry is None:
            return
        if step >= self._next_picture:
            self._draw(step, progress.v)
            self._next_picture = max(step + 1, math.ceil(SPACING * step))
        else:
            self._undrawn = step, np.array(progress.v)

    def finish(self, solution: Solution) -> None:
        """Add the full picture as `bellman/solution`: values and all optimal actions, drawn with matplotlib."""
        if self.geometry is None:
            return
        from rlkit.bellman.operators import optimal_actions
        from rlkit.plotting import plot_values, to_image

        tolerance = max(2.0 * solution.gamma * solution.error_bound, 1e-12 * float(np.abs(solution.v).max(initial=0.0)))
        best = optimal_actions(solution.model, solution.v, solution.gamma, tolerance=tolerance)
        figure = plot_values(self.geometry, solution.v, policy=best)
        self.logger.image("bellman/solution", to_image(figure), solution.iterations)

    def close(self) -> None:
        """Draw the last values if they are not drawn yet, and flush; close the run if it was made here."""
        if self._undrawn is not None:
            self._draw(*self._undrawn)
        if self._owned:
            self.logger.close()
        else:
            self.logger.flush()

    def _draw(self, step: int, v: NDArray[np.float64]) -> None:
        from rlkit.plotting import heat_map

        assert self.geometry is not None
        self.logger.image("bellman/values", heat_map(self.geometry, v), step)
        self._undrawn = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _open(folder: str | os.PathLike[str]) -> Any:
    from rlkit.logger import Logger

    return Logger(os.fspath(folder))
