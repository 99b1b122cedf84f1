"""Checks of what a user writes: does an agent, a planner or an environment keep its promises? `import rlkit.checks`."""

from __future__ import annotations

from rlkit.checks.report import CheckReport
from rlkit.checks.running import CheckFailed, CheckResult, CheckSkipped, run_checks

__all__ = ["CheckFailed", "CheckReport", "CheckResult", "CheckSkipped", "run_checks"]
