"""Checks of what a user writes: does an agent, a planner or an environment keep its promises? `import rlkit.checks`."""

from __future__ import annotations

from rlkit.checks.agents import agent_checks, check_agent, parametrize_with_checks
from rlkit.checks.environments import check_env, env_checks
from rlkit.checks.planners import check_planner, planner_checks
from rlkit.checks.report import CheckReport
from rlkit.checks.running import CheckFailed, CheckResult, CheckSkipped, run_checks

__all__ = [
    "CheckFailed",
    "CheckReport",
    "CheckResult",
    "CheckSkipped",
    "agent_checks",
    "check_agent",
    "check_env",
    "check_planner",
    "env_checks",
    "parametrize_with_checks",
    "planner_checks",
    "run_checks",
]
