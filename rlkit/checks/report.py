"""What all checks said about one subject, as a table and as data."""

from __future__ import annotations

import dataclasses
from typing import Any

from rlkit.checks.running import CheckResult, Status

SIGNS: dict[Status, str] = {
    "passed": "ok",
    "failed": "FAILED",
    "xfail": "fails, as expected",
    "xpass": "PASSES, unexpectedly",
    "skipped": "skipped",
}


@dataclasses.dataclass(frozen=True)
class CheckReport:
    """What every check said; `print(report)` shows it as a table.

    Attributes:
        subject: the name of what was checked.
        where: the name of what it was checked in: of an environment or a model; empty if there is none.
        results: one for each check, in their order.
    """

    subject: str
    where: str
    results: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed, but for those that were expected to."""
        return not self.failed

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """The checks that failed and were not expected to."""
        return tuple(result for result in self.results if result.status == "failed")

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return {
            "subject": self.subject,
            "where": self.where,
            "passed": self.passed,
            "results": [result._asdict() for result in self.results],
        }

    def __str__(self) -> str:
        where = f" on {self.where}" if self.where else ""
        counts = [(status, sum(result.status == status for result in self.results)) for status in SIGNS]
        told = ", ".join(f"{count} {status}" for status, count in counts if count)
        width = max((len(result.name) for result in self.results), default=0)
        rows = [f"  {result.name:<{width}}  {_said(result)}" for result in self.results]
        return "\n".join([f"{self.subject}{where}: {told}", *rows])


def _said(result: CheckResult) -> str:
    return f"{SIGNS[result.status]}: {result.message}" if result.message else SIGNS[result.status]
