"""How far the runs of an experiment are, shown while they go on."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol


class Display(Protocol):
    """Shows how far runs are."""

    def report(self, index: int, report: Mapping[str, float]) -> bool:
        """Show what the i-th run tells; have it go on."""
        ...

    def over(self, index: int, *, failed: bool) -> None:
        """Show that the i-th run is over."""
        ...


@contextmanager
def shown(names: Sequence[Any], steps: int, progress: bool | None) -> Iterator[Display]:
    """Show, on the standard error, a line for all runs and one for each that is under way.

    Args:
        names: of the runs.
        steps: of each.
        progress: whether to; None: if the standard error is a terminal.
    """
    if not (sys.stderr.isatty() if progress is None else progress):
        yield _Nothing()
        return
    try:
        import rich.progress  # noqa: F401  (an extra)
    except ImportError:
        lines = _Lines(names, steps)
        try:
            yield lines
        finally:
            lines.bar.close()
    else:
        table = _Table(names, steps)
        with table.progress:
            yield table


class _Nothing:
    def report(self, index: int, report: Mapping[str, float]) -> bool:  # noqa: ARG002
        return True

    def over(self, index: int, *, failed: bool) -> None:
        pass


class _Shares:
    """How many steps each run has made."""

    def __init__(self, n_runs: int, steps: int) -> None:
        self.done = [0] * n_runs
        self.steps = steps
        self.n_over = self.n_failed = 0

    def advance(self, index: int, report: Mapping[str, float]) -> int:
        """Note how far a run is; return all runs' steps."""
        self.done[index] = int(report.get("step", 0))
        return sum(self.done)

    def end(self, index: int, failed: bool) -> int:
        """Note that a run is over; return all runs' steps, those that it does not make among them."""
        self.done[index] = self.steps
        self.n_over, self.n_failed = self.n_over + 1, self.n_failed + failed
        return sum(self.done)

    def __str__(self) -> str:
        failed = f", {self.n_failed} failed" if self.n_failed else ""
        return f"{self.n_over}/{len(self.done)} seeds{failed}"


class _Lines:
    """One line for all runs, by tqdm."""

    def __init__(self, names: Sequence[Any], steps: int) -> None:
        from tqdm import tqdm

        self.shares = _Shares(len(names), steps)
        self.bar = tqdm(total=len(names) * steps, desc=str(self.shares), unit="step", file=sys.stderr)

    def report(self, index: int, report: Mapping[str, float]) -> bool:
        self.bar.update(self.shares.advance(index, report) - self.bar.n)
        if "return" in report:
            self.bar.set_postfix(ep_rew_mean=f"{report['return']:.4g}", refresh=False)
        return True

    def over(self, index: int, *, failed: bool) -> None:
        self.bar.update(self.shares.end(index, failed) - self.bar.n)
        self.bar.set_description(str(self.shares))


class _Table:
    """A line for all runs and one for each under way, by rich."""

    def __init__(self, names: Sequence[Any], steps: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.names, self.shares = names, _Shares(len(names), steps)
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[told]}"))
        self.progress = Progress(TextColumn("{task.description}"), *columns, console=Console(stderr=True))
        self.all = self.progress.add_task(str(self.shares), total=len(names) * steps, told="")
        self.tasks: dict[int, Any] = {}

    def report(self, index: int, report: Mapping[str, float]) -> bool:
        if index not in self.tasks:
            self.tasks[index] = self.progress.add_task(f"seed {self.names[index]}", total=self.shares.steps, told="")
        told = f"ep_rew_mean {report['return']:.4g}" if "return" in report else ""
        self.progress.update(self.tasks[index], completed=report.get("step", 0), told=told)
        self.progress.update(self.all, completed=self.shares.advance(index, report))
        return True

    def over(self, index: int, *, failed: bool) -> None:
        self.progress.update(self.all, completed=self.shares.end(index, failed), description=str(self.shares))
        if index in self.tasks:
            self.progress.remove_task(self.tasks.pop(index))
