"""From how a check ended to what that means. Pure: a check that could not run is never a pass."""

from __future__ import annotations

import re
import signal
from pathlib import PurePath
from typing import TYPE_CHECKING

from route_agent.records.checks import CheckResult, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from route_agent.checks.junit import Report
    from route_agent.checks.probe import Told
    from route_agent.policy import CheckSpec
    from route_agent.sandbox.process import Finished

NO_TESTS = "no tests were collected"
SHOWN_TESTS = 5
_SHOWN_CHARACTERS = 160

# pytest's own exit statuses
_INTERNAL_ERROR, _USAGE_ERROR, _NOTHING_COLLECTED = 3, 4, 5
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127  # a shell's

_PYTEST_MARKS = ("ERROR: ", "E   ", "INTERNALERROR> ")
_PROBE_MISSING = re.compile(r'Error importing plugin "probe_[0-9a-f]+"')


def judge(
    spec: CheckSpec, finished: Finished, told: Told, contradiction: str = "", report: Report | None = None
) -> CheckResult:
    """One check's result.

    Args:
        spec: the check.
        finished: how its command ended.
        told: what its pytest sessions told; nothing where there were none.
        contradiction: why it judged other code than the tree's, or empty.
        report: what its own files tell of single tests, where it is to write some. What pytest tells itself
            goes before.
    """
    written = None if told.sessions else report
    tests = told.tests if told.sessions else (written.tests or None) if written else None
    if not finished.started:
        outcome, reason = Outcome.NOT_RUN, finished.reason
    elif contradiction:
        outcome, reason = Outcome.NOT_RUN, contradiction
    elif finished.exit_code is None:
        outcome, reason = Outcome.FAILED, finished.reason
    elif why := _could_not_run(spec.run, finished, told):
        outcome, reason = Outcome.NOT_RUN, why
    elif finished.exit_code:
        outcome, reason = Outcome.FAILED, _red(tests) or _exit(finished) + _untold(written)
    elif why := _red(tests) or _is_no_pass(spec.run, told):
        outcome, reason = Outcome.FAILED, f"exit code 0 but {why}"
    elif written and not tests:
        outcome, reason = (
            Outcome.NOT_RUN,
            f"exit code 0 but {written.problem}" if written.problem else NO_TESTS,
        )
    elif told.unaccounted:
        outcome, reason = Outcome.NOT_RUN, "no proof of which code was tested: no worker told its imports"
    else:
        outcome, reason = Outcome.PASSED, ""
    return CheckResult(
        name=spec.name,
        kind=spec.kind,
        outcome=outcome,
        reason=reason,
        exit_code=finished.exit_code,
        seconds=finished.seconds,
        output="\n".join(filter(None, (finished.output, written.words if written else ""))),
        tests=tests,
        flaky=tuple(sorted(written.flaky)) if written else (),
        raised=told.raised,
    )


def not_run(spec: CheckSpec, reason: str) -> CheckResult:
    """The result of a check that was not even started."""
    return CheckResult(spec.name, spec.kind, Outcome.NOT_RUN, reason)


def is_pytest(argv: Sequence[str]) -> bool:
    """Whether a command is pytest itself, whose exit codes are then known."""
    return PurePath(argv[0]).name in ("pytest", "py.test") or _module(argv) == "pytest"


def _module(argv: Sequence[str]) -> str:
    """What `python -m` names."""
    at = argv.index("-m") + 1 if "-m" in argv else len(argv)
    return argv[at] if at < len(argv) else ""


def _could_not_run(argv: Sequence[str], finished: Finished, told: Told) -> str:
    if not told.sessions:
        return _never_began(argv, finished) if finished.exit_code else ""
    statuses = {*told.statuses, *((finished.exit_code,) if is_pytest(argv) else ())}
    if _USAGE_ERROR in statuses:
        return f"pytest could not begin: {_last_line(finished)}"
    if _INTERNAL_ERROR in statuses:
        return f"pytest broke down: {_last_line(finished)}"
    nothing_but_success = told.ended and not told.tests and not finished.exit_code
    if nothing_but_success or statuses == {_NOTHING_COLLECTED}:
        return NO_TESTS
    return ""


def _never_began(argv: Sequence[str], finished: Finished) -> str:
    module = _module(argv)
    if module and re.search(rf"No module named '?{re.escape(module)}'?$", finished.output.strip()):
        return f"not found: {module} is not installed for {argv[0]}"
    if _PROBE_MISSING.search(finished.output):
        return "pytest ignores PYTHONPATH (python -I or -E?), so nothing proves what it tests"
    if finished.exit_code in (_NOT_EXECUTABLE, _NOT_FOUND):
        return _exit(finished)
    return f"pytest could not begin: {_last_line(finished)}" if is_pytest(argv) else ""


def _is_no_pass(argv: Sequence[str], told: Told) -> str:
    if not told.ended:
        return "the test session did not end"
    if not told.sessions and is_pytest(argv):
        return "pytest left no results: is it the real one?"
    return ""


def _untold(report: Report | None) -> str:
    """What is odd about a red check of which the files tell nothing red."""
    if report is None:
        return ""
    return f" ({report.problem})" if report.problem else " (its own results tell of nothing red)"


def _red(tests: Mapping[str, str] | None) -> str:
    red = sorted(test for test, outcome in (tests or {}).items() if outcome == "failed")
    if not red:
        return ""
    more = f" and {len(red) - SHOWN_TESTS} more" if len(red) > SHOWN_TESTS else ""
    return f"{len(red)} failed: {', '.join(red[:SHOWN_TESTS])}{more}"


def _exit(finished: Finished) -> str:
    code = finished.exit_code or 0
    names = {128 + number: number.name for number in signal.Signals}
    how = f"killed by {names[code]}" if code in names else f"exit code {code}"
    last = _last_line(finished)
    return f"{how}: {last}" if last else how


def _last_line(finished: Finished) -> str:
    """The last line that says something; pytest marks such lines, and draws others between bars."""
    lines = [line.strip() for line in finished.output.splitlines() if line.strip(" =-")]
    marked = [line for line in lines if line.startswith(_PYTEST_MARKS)]
    return (marked or lines or [""])[-1][:_SHOWN_CHARACTERS]
