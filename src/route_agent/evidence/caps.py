"""What keeps a grade down, whatever the checks say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.evidence.comparing import Seen, among, file_of
from route_agent.mutants.reverts import TAKEN_BACK
from route_agent.records.checks import CheckKind, CheckResult, CheckRun
from route_agent.records.findings import Weight
from route_agent.records.grades import Grade

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from route_agent.records.experiments import Known, Mutants
    from route_agent.records.findings import Finding, LineCoverage

LEAST_MUTANTS = 3
# where the time box ended first: a slow moment tries fewer, and must not make a better grade of it
_LEAST_WHEN_CUT_SHORT = 8
_SHOWN = 5
# the source says after the patch what it said before
_NOTHING_DONE = frozenset({"comment-only", "source-unchanged"})
# what does no harm where start's own tests and configuration are green on the patched source
_TOLD_BY_START = frozenset({"check-config", "expectation-changed", "fixture-changed", "test-data-changed"})
# what may be the solution or only fit the example: no test that the patch's author could read can tell
_FITS_THE_EXAMPLE = frozenset({"narrow", "caught", "default", "left-alone", "untested"})


def not_executed(lines: LineCoverage) -> str:
    """Which of the change nobody executed, or nobody measured, in words."""
    shown = [f"{path}:{line}" for path, line in lines.missing[:_SHOWN]] or lines.unmeasured[:_SHOWN]
    told = "not executed" if lines.missing else "not measured"
    return f"of the change {told}: {', '.join(shown)}"


def caps(
    baseline: CheckRun, now: CheckRun, seen: Seen, flips: list[str], flaky: tuple[str, ...], known: Known
) -> Iterator[tuple[Grade, str]]:
    """Each reason with the highest grade that it leaves."""
    if flaky:
        yield Grade.RAN, f"{flaky[0]} is flaky: red in the whole run, green by itself"
    hidden = {it for it in _hidden(baseline, known.restored) if not _was_to_go(it, known.findings)}
    yield from _of_findings(known, flips, is_told_by_start=bool(known.restored) and not hidden)
    yield from _of_flips(now, flips, known)
    if gone := [name for name in seen.gone if not _was_to_go(name, known.findings)]:
        yield Grade.RAN, f"{gone[0]} was green at start and no longer runs"
    if _are_all_new(baseline, now):
        yield Grade.RAN, "all tests that ran came with the patch"
    if hidden:
        yield (
            Grade.RAN,
            f"{min(hidden)} of start fails against the patched source, and the patch changed the tests",
        )


def _are_all_new(baseline: CheckRun, now: CheckRun) -> bool:
    """Whether start had no test that could have told anything."""
    known = {(it.name, test) for it in baseline.results for test in it.tests or ()}
    ran = {(it.name, test) for it in now.results for test in it.green}
    return bool(ran) and ran.isdisjoint(known)


def _hidden(baseline: CheckRun, restored: CheckRun | None) -> set[str]:
    """The tests that were green at start and, as they stood there, are no more so on the patched source."""
    if restored is None:
        return set()
    seen = Seen.of(baseline, restored)
    green = {f"{it.name}::{test}" for it in baseline.results for test in it.green}
    whole_checks = {
        f"{it.name}::exit" for it in restored.failed if it.tests is None and _passed(baseline, it)
    }
    return (green & seen.red_tests) | set(seen.gone) | whole_checks


def _passed(baseline: CheckRun, result: CheckResult) -> bool:
    before = baseline.named(result.name)
    return before is not None and before.passed


def _was_to_go(name: str, findings: Iterable[Finding]) -> bool:
    """Whether the task asks for a test to go: all that is found in its file only notes that it is gone."""
    about = [it for it in findings if among(file_of(name), frozenset({it.path}))]
    removed = [it for it in about if it.rule == "test-removed"]
    return bool(removed) and all(it in removed and it.weight is Weight.NOTES for it in about)


def _of_findings(known: Known, flips: list[str], *, is_told_by_start: bool) -> Iterator[tuple[Grade, str]]:
    doubtful = is_doubtful(known, flips)
    for finding in known.findings:
        if finding.rule in _NOTHING_DONE and finding.weight is Weight.LOWERS:
            yield Grade.STATIC, str(finding)
        elif finding.weight is Weight.LOWERS and not (finding.rule in _TOLD_BY_START and is_told_by_start):
            yield Grade.RAN, str(finding)
        elif finding.rule == "special-cased" or (doubtful and finding.rule in _FITS_THE_EXAMPLE):
            yield Grade.COVERED, str(finding)


def is_doubtful(known: Known, flips: list[str]) -> bool:
    """Whether a test that turned green may not tell the solution from what only fits its example.

    A reproduction can: it was written for the brief and before any patch, so no patch was made for it.
    """
    by_others = not known.reproduced.intersection(flips)
    return by_others and any(it.rule in _FITS_THE_EXAMPLE for it in known.findings)


def needs_mutants(flips: list[str], now: CheckRun, known: Known) -> list[str]:
    """The tests that turned green and may have seen little; not those that were written for the task."""
    tests = {result.name for result in now.results if result.kind is CheckKind.TEST}
    by_test = [name for name in flips if name.partition("::")[0] in tests]
    return [] if known.reproduced.intersection(flips) else by_test


def _of_flips(now: CheckRun, flips: list[str], known: Known) -> Iterator[tuple[Grade, str]]:
    """A test that turned green tells about what it executed, and only if it takes the source to turn it."""
    tests = {result.name for result in now.results if result.kind is CheckKind.TEST}
    by_test = [name for name in flips if name.partition("::")[0] in tests]
    if not by_test:
        return
    if known.lines and known.lines.missing:
        yield Grade.RAN, not_executed(known.lines)
    if known.without:
        idle = {f"{it.name}::{test}" for it in known.without.results for test in it.green}
        idle |= {f"{it.name}::exit" for it in known.without.results if it.passed}
        if told := [name for name in by_test if name in idle]:
            yield Grade.COVERED, f"{told[0]} is green without the patch's source too"
    if known.mutants and needs_mutants(flips, now, known):
        if known.mutants.survivors:
            path, line, operator = known.mutants.survivors[0]
            yield Grade.COVERED, f"{_mistake(path, line, operator)} would go unnoticed"
        elif known.mutants.made < (_LEAST_WHEN_CUT_SHORT if known.mutants.cut_short else 1):
            yield Grade.COVERED, f"{known.mutants.made} mistakes could be tried on the changed lines, too few"


def is_enough(mutants: Mutants) -> bool:
    """Whether all mutants were noticed, and as many were tried as it takes."""
    return not mutants.survivors and mutants.made >= (
        _LEAST_WHEN_CUT_SHORT if mutants.cut_short else LEAST_MUTANTS
    )


def _mistake(path: str, line: int, operator: str) -> str:
    if operator == TAKEN_BACK:
        return f"{path}:{line} as it was at start"
    return f"a mistake at {path}:{line} ({operator})"
