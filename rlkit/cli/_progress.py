"""A progress bar that appears when the wait does."""

from __future__ import annotations

import math
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rlkit.bellman import Callback, Progress

PATIENCE = 2.0  # seconds
INTERVAL = 0.2


class WaitingBar:
    """Shows a bar on the terminal once the work within has taken two seconds, whatever it is busy with.

    The bar is drawn by a thread, so that compiling and reading show too. It goes to stderr, and nowhere if that is no
    terminal.

    Attributes:
        text: what is going on.
        share: how much of it is done, from 0 to 1.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.share = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def watch(self, tol: float, then: Callback) -> Callback:
        """Make a solver's callback that notes how far the error bound has come, on a log scale, and calls `then`."""
        first = math.nan

        def note(progress: Progress) -> None:
            nonlocal first
            then(progress)
            bound = progress.error_bound
            if 0.0 < bound < math.inf:
                first = bound if math.isnan(first) else first
                whole = math.log(first / tol)
                self.share = min(1.0, max(0.0, math.log(first / bound) / whole)) if whole > 0 else 1.0
                self.text = f"iteration {progress.iteration}, error bound {bound:.1e}"

        return note

    def _show(self) -> None:
        if self._over.wait(PATIENCE):
            return
        from tqdm import tqdm

        with tqdm(
            desc=self.text, total=1.0, bar_format="{desc} |{bar}| {elapsed}", leave=False, file=sys.stderr
        ) as bar:
            while not self._over.wait(INTERVAL):
                bar.n = self.share
                bar.set_description_str(self.text, refresh=True)

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        thread: Any = self._thread
        if thread.is_alive():
            thread.join()
