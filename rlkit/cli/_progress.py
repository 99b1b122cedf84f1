"""A progress bar that appears when the wait does."""

from __future__ import annotations

import math
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rlkit.bellman import Progress
    from rlkit.bellman.solution import Callback

PATIENCE = 2.0  # seconds


class ConvergenceBar:
    """A solver's callback that passes on each `Progress` and, after two seconds, shows how far the bound has come.

    The bound falls geometrically, so the bar measures its logarithm. It goes to stderr, and nowhere if that is no
    terminal.

    Args:
        tol: where the error bound has to get.
        then: the next callback.
    """

    def __init__(self, tol: float, then: Callback) -> None:
        self._tol, self._then = tol, then
        self._begun = time.monotonic()
        self._first = math.nan
        self._bar: Any = None

    def __call__(self, progress: Progress) -> None:
        """Note one iteration."""
        self._then(progress)
        bound = progress.error_bound
        if not 0.0 < bound < math.inf:
            return
        if math.isnan(self._first):
            self._first = bound
        if time.monotonic() - self._begun > PATIENCE:
            self._show(progress.iteration, bound)

    def _show(self, iteration: int, bound: float) -> None:
        if self._bar is None:
            from tqdm import tqdm  # type: ignore[import-untyped]

            form = "{desc} |{bar}| {elapsed}"
            self._bar = tqdm(total=1.0, bar_format=form, leave=False, disable=not sys.stderr.isatty())
        whole = math.log(self._first / self._tol)
        self._bar.n = min(1.0, max(0.0, math.log(self._first / bound) / whole)) if whole > 0 else 1.0
        self._bar.set_description_str(f"iteration {iteration}, error bound {bound:.1e}", refresh=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()
