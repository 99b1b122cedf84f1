"""Running a list of checks on something and collecting what they say, as scikit-learn's `check_estimator` does."""

from __future__ import annotations

import difflib
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from rlkit.errors import ConfigError, RlkitError, warn

if TYPE_CHECKING:
    import pytest

Subject = TypeVar("Subject")
Check = Callable[[Subject], None]
"""Looks at one promise of its subject: raises `CheckFailed` where that is broken; its name begins with `check_`."""

Status = Literal["passed", "failed", "xfail", "xpass", "skipped"]
INSTALLED = {"site-packages", "dist-packages"}
OnFail = Literal["raise", "warn"] | None


class CheckFailed(RlkitError, AssertionError):
    """A promise is not kept; the message says which check found it, and what was expected, in one sentence each.

    Attributes:
        results: what every check said, where a whole list of them was run.
    """

    def __init__(self, message: str, results: Sequence[CheckResult] = ()) -> None:
        super().__init__(message)
        self.results = tuple(results)


class CheckSkipped(RlkitError):
    """A check has nothing to say about its subject; the message says why."""


class CheckResult(NamedTuple):
    """What one check said.

    Attributes:
        name: the check's.
        status: `xfail` if it failed as expected, `xpass` if it was expected to and did not.
        message: one sentence; empty where the check passed.
    """

    name: str
    status: Status
    message: str


def run_checks(
    checks: Iterable[Check[Subject]],
    subject: Subject,
    expected_failures: Mapping[str, str] | None = None,
    on_fail: OnFail = "raise",
) -> list[CheckResult]:
    """Run all checks on one subject, and return what each of them said, in their order.

    The first is what the others need: if it fails, they are skipped.

    Args:
        checks: the checks.
        subject: what they are given.
        expected_failures: why a check may fail, by its name.
        on_fail: "raise" raises one error in the end that has a line for each failed check; "warn" warns of each;
            None only returns. Of a check that was expected to fail and passed, both warn.

    Raises:
        CheckFailed: if a check failed that was not expected to, and `on_fail` is "raise".
        ConfigError: `expected_failures` names a check that is none of these, or `on_fail` is something else.
    """
    checks, expected = list(checks), dict(expected_failures or {})
    if on_fail not in ("raise", "warn", None):
        raise ConfigError(f"on_fail={on_fail!r} is not 'raise', 'warn' or None")
    check_expected(checks, expected)
    results: list[CheckResult] = []
    cause: Exception | None = None
    for check in checks:
        if results and results[0].status in ("failed", "xfail", "skipped"):
            results.append(CheckResult(name_of(check), "skipped", f"needs {results[0].name}"))
            continue
        result, error = run_check(check, subject, expected.get(name_of(check)))
        results.append(result)
        if result.status == "failed":
            cause = cause or error
    _report(results, cause, on_fail)
    return results


def run_check(
    check: Check[Subject], subject: Subject, expected: str | None = None
) -> tuple[CheckResult, Exception | None]:
    """Run one check; return what it said, and what it raised.

    Args:
        check: the check; an error of another type than `CheckFailed` that comes out of it fails it, too.
        subject: what it is given.
        expected: why it may fail; None: it may not.
    """
    name = name_of(check)
    try:
        check(subject)
    except CheckSkipped as reason:
        return CheckResult(name, "skipped", str(reason)), None
    except Exception as error:
        if expected is not None:
            return CheckResult(name, "xfail", expected), error
        return CheckResult(name, "failed", sentence_of(error)), error
    if expected is not None:
        return CheckResult(name, "xpass", f"was expected to fail ({expected}), and passed"), None
    return CheckResult(name, "passed", ""), None


def parametrize_checks(
    pairs: Iterable[tuple[Subject, Check[Subject]]],
    expected_failures: Mapping[str, str] | None = None,
    name: Callable[[Subject], str] = str,
) -> pytest.MarkDecorator:
    """Return the pytest decorator that makes a test of each check: `def test(subject, check): check(subject)`.

    Args:
        pairs: what is checked, and by which check.
        expected_failures: why a check may fail, by its name: then its test is marked so, and fails if it passes.
        name: what a subject is called in the test's name.
    """
    import pytest

    pairs, expected = list(pairs), dict(expected_failures or {})
    check_expected([check for _, check in pairs], expected)
    parameters = []
    for subject, check in pairs:
        why = expected.get(name_of(check))
        marks = () if why is None else (pytest.mark.xfail(reason=why, strict=True),)
        parameters.append(pytest.param(subject, _as_test(check), marks=marks, id=f"{name(subject)}-{name_of(check)}"))
    return pytest.mark.parametrize(("subject", "check"), parameters)


def name_of(check: Check[Any]) -> str:
    """Return a check's name, which is its function's."""
    return str(getattr(check, "__name__", check))


def sentence_of(error: Exception) -> str:
    """Return what an error says; of one that is not our own, its type and the line that led to it, too.

    That is the last one that was not installed, nor came with Python: a call of NumPy, say, not a line within it.
    """
    if isinstance(error, RlkitError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    last = [frame for frame in frames if _is_somebodys_own(frame.filename)][-1:] or frames[-1:]
    where = "".join(f", raised at {frame.filename}:{frame.lineno}" for frame in last)
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{f': {text}' if text else ''}{where}"


def _is_somebodys_own(filename: str) -> bool:
    """Tell whether a file belongs to a project, and neither to Python, to what is installed, nor to these checks."""
    path, checks = Path(filename), Path(__file__).parent
    library = Path(sysconfig.get_path("stdlib"))  # where packages may be installed, too
    return path.is_absolute() and not (INSTALLED & set(path.parts) or {library, checks} & set(path.parents))


def check_expected(checks: Sequence[Check[Any]], expected: Mapping[str, str]) -> None:
    """Refuse names of checks that there are not.

    Raises:
        ConfigError: naming the first, and the nearest that there is.
    """
    known = [name_of(check) for check in checks]
    for name in expected:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise ConfigError(f"expected_failures: there is no check {name!r}; {hint}")


def _report(results: list[CheckResult], cause: Exception | None, on_fail: OnFail) -> None:
    if on_fail is None:
        return
    for result in results:
        if result.status == "xpass" or (result.status == "failed" and on_fail == "warn"):
            warn(f"{result.name}: {result.message}")
    failed = [f"{result.name}: {result.message}" for result in results if result.status == "failed"]
    if failed and on_fail == "raise":
        raise CheckFailed("\n".join(failed), results) from cause


def _as_test(check: Check[Subject]) -> Check[Subject]:
    """Return a check that pytest skips where it has nothing to say."""

    def run(subject: Subject) -> None:
        import pytest

        try:
            check(subject)
        except CheckSkipped as reason:
            pytest.skip(str(reason))

    run.__name__ = name_of(check)
    return run
