"""Ctrl-C and termination, taken at a moment that suits."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupts:
    """While entered, note SIGINT and SIGTERM instead of dying of them; a second one raises at once.

    Only the main thread can do this; in any other, nothing changes. A signal that the process ignores stays ignored.

    Attributes:
        caught: the signal that came, None so far.
        insisted: whether another came after it.
    """

    def __init__(self) -> None:
        self.caught: signal.Signals | None = None
        self.insisted = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before = {}

    def raise_caught(self) -> None:
        """Do now what the signal asked for, if one came.

        Raises:
            KeyboardInterrupt: for SIGINT.
            SystemExit: for SIGTERM, with code 143.
        """
        if self.caught is signal.SIGINT:
            raise KeyboardInterrupt
        if self.caught is not None:
            raise SystemExit(128 + self.caught)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 (what a handler is called with)
        self.insisted, self.caught = self.caught is not None, signal.Signals(number)
        if self.insisted:
            self.raise_caught()
