"""`check_agent`: does an agent keep the promises that trainers, checkpoints and evaluations rely on?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from rlkit.checks import acting, building, learning, saving
from rlkit.checks.agent_subject import AgentSubject, MakeAgent, MakeEnv
from rlkit.checks.report import CheckReport
from rlkit.checks.running import Check, OnFail, parametrize_checks, run_checks

if TYPE_CHECKING:
    import pytest


def agent_checks() -> list[Check[AgentSubject]]:
    """Return all checks of agents, in the order in which they are run."""
    return [
        building.check_builds_from_spaces_config_and_seed,
        building.check_acts_and_learns_without_an_error,
        building.check_config_is_frozen,
        building.check_hyperparameters_have_ranges,
        building.check_same_seed_gives_the_same_agent,
        building.check_seeds_differ,
        building.check_global_generators_are_untouched,
        building.check_agents_share_nothing,
        acting.check_actions_are_in_the_space,
        acting.check_actions_stay_as_they_were_returned,
        acting.check_act_does_not_learn,
        acting.check_greedy_act_is_deterministic,
        acting.check_greedy_act_leaves_no_trace,
        acting.check_predict_agrees_with_act,
        acting.check_act_batch_agrees_with_act,
        acting.check_probs_are_a_distribution,
        acting.check_values_are_finite_numbers,
        learning.check_learns_something,
        learning.check_learns_from_rewards,
        learning.check_learning_follows_rewards,
        learning.check_metrics_are_finite_floats,
        learning.check_terminated_transitions_do_not_bootstrap,
        learning.check_truncated_transitions_bootstrap,
        learning.check_ended_episodes_are_over,
        learning.check_inputs_are_not_modified,
        learning.check_inputs_are_not_kept,
        learning.check_update_batch_learns_from_valid_transitions_alone,
        saving.check_save_and_load_give_the_same_agent,
        saving.check_loaded_agent_goes_on_as_the_saved_one,
        saving.check_resume_is_exact,
        saving.check_foreign_checkpoints_are_refused,
    ]


def check_agent(
    make: MakeAgent,
    env: MakeEnv,
    *,
    expected_failures: Mapping[str, str] | None = None,
    on_fail: OnFail = "raise",
) -> CheckReport:
    """Check that an agent keeps the promises that trainers, checkpoints and evaluations rely on.

    In the spirit of scikit-learn's `check_estimator`. Each promise has a check of its own (`agent_checks` lists them),
    which trains agents for as long as it takes until they learn something, usually 64 steps. A check that there is
    nothing for, such as that of parallel environments where an agent does not know of any, is skipped.

    Args:
        make: the agent's class, or a function `make(env, seed)` that returns an agent.
        env: the environment, its id, or a function that makes it; it is reset and stepped. Make it a small one.
        expected_failures: why a check is expected to fail, by the check's name: a deterministic agent's
            `{"check_seeds_differ": "it does not explore"}`.
        on_fail: "raise" raises one error with a line for each check that failed; "warn" warns of each; None only
            reports.

    Returns:
        what each check said; `print(report)` shows it.

    Raises:
        CheckFailed: if a check failed that was not expected to, and `on_fail` is "raise".
        ConfigError: `make` is no agent, or `expected_failures` names a check that there is not.
    """
    subject = AgentSubject(make, env)
    try:
        results = run_checks(agent_checks(), subject, expected_failures, on_fail)
        return CheckReport(str(subject), subject.where, tuple(results))
    finally:
        subject.close()


def parametrize_with_checks(
    agents: Iterable[tuple[MakeAgent, MakeEnv]], *, expected_failures: Mapping[str, str] | None = None
) -> pytest.MarkDecorator:
    """Return a pytest decorator that makes a test of each check of each agent.

    ```python
    @parametrize_with_checks([(MyAgent, "FrozenLake-v1")])
    def test_my_agent(subject, check):
        check(subject)
    ```

    Args:
        agents: agents and their environments, as `check_agent` takes them.
        expected_failures: why a check is expected to fail, by its name: its tests are marked as such, and fail if they
            pass.
    """
    subjects = [AgentSubject(make, env) for make, env in agents]
    pairs = [(subject, check) for subject in subjects for check in agent_checks()]
    return parametrize_checks(pairs, expected_failures)
