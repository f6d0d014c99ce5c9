"""The grade of a patch, what speaks against it, or the experiment that must be tried first."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from route_agent.evidence.caps import caps, is_doubtful, is_enough, needs_mutants, not_executed
from route_agent.evidence.comparing import Seen, among, file_of
from route_agent.evidence.start import KEEPS_BEHAVIOUR
from route_agent.globs import any_match
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Outcome
from route_agent.records.experiments import Experiment, Known, Trial
from route_agent.records.findings import Weight
from route_agent.records.grades import Failure, Grade
from route_agent.records.runs import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from route_agent.records.experiments import Mutants
    from route_agent.records.findings import LineCoverage
    from route_agent.records.grades import TaskClass

_SHOWN = 5
_NAMED = 2  # what turned green, in one line
_TEST_MODULES = ("**/test_*", "**/*_test.*", "**/*.test.*", "**/*.spec.*")


@overload
def grade(
    baseline: CheckRun, now: CheckRun, wanted: frozenset[str], *, judges: frozenset[str] = frozenset()
) -> Evidence: ...


@overload
def grade(
    baseline: CheckRun,
    now: CheckRun,
    wanted: frozenset[str],
    *,
    judges: frozenset[str] = frozenset(),
    task_class: TaskClass = "other",
    known: Known,
) -> Evidence | Experiment: ...


def grade(
    baseline: CheckRun,
    now: CheckRun,
    wanted: frozenset[str],
    *,
    judges: frozenset[str] = frozenset(),
    task_class: TaskClass = "other",
    known: Known | None = None,
) -> Evidence | Experiment:
    """Compare the patched tree's results with those at start.

    Args:
        baseline: the checks at start.
        now: the same checks on the patched tree.
        wanted: the ids of `targets`.
        judges: files that decide what the checks say and that the patch changes: test files, their helpers,
            configuration. What turns green under them counts only if start's own versions say so too.
        task_class: what the task asks for; only classes that keep behaviour are graded by mutants.
        known: what was found so far; without it nothing is tried and the two runs alone decide.

    Returns:
        Evidence with its grade, or with the failure class that speaks against the patch; or the experiment
        whose outcome must be known first.
    """
    facts = known or Known()
    seen = Seen.of(baseline, now)
    if known and seen.red_tests and facts.alone is None:
        return Experiment(Trial.ALONE, frozenset(seen.red_tests))
    flaky = tuple(sorted(seen.red_tests & _ids(facts.alone, "green")))
    if against := _spoken_against(seen, wanted, flaky, judges if known else frozenset(), facts):
        return _against(now, *against, seen, facts)
    flips = sorted(set(seen.better) & wanted) or _test_flips(now, seen.better)
    if judges and known and facts.restored is None and _has_tests(now):
        return Experiment(Trial.RESTORED)
    if doubtful := _only_by_patch(baseline, flips, judges, facts):
        return _against(now, Failure.TAMPERED, doubtful, [], seen, facts)
    if known and _wants_without(facts, flips):
        return Experiment(Trial.WITHOUT_SOURCE)
    if known and _wants_mutants(task_class, facts, flips, now):
        return Experiment(Trial.MUTANTS, frozenset(flips))
    return _for(baseline, now, flips, seen, flaky, facts, task_class)


def _spoken_against(
    seen: Seen, wanted: frozenset[str], flaky: Iterable[str], judges: frozenset[str], known: Known
) -> tuple[Failure, list[str], list[str]] | None:
    """The failure class, the reasons, and the ids that are blamed; None where nothing speaks against it."""
    if regressions := seen.regressions_without(flaky, judges):
        return Failure.REGRESSION, regressions, []
    if convicting := [str(it) for it in known.findings if it.weight is Weight.CONVICTS]:
        return Failure.TAMPERED, convicting, []
    if seen.vanished:
        reasons = [f"{name} was red at start and no longer runs" for name in sorted(seen.vanished)]
        return Failure.TAMPERED, reasons, []
    if unmet := sorted(wanted - set(seen.better)):
        return Failure.STILL_FAILING, [f"{name} was red at start and still is" for name in unmet], unmet
    return None


def _only_by_patch(baseline: CheckRun, flips: list[str], judges: frozenset[str], known: Known) -> list[str]:
    """What turned green by the patch's own tests or configuration alone, in words."""
    if known.restored is not None:
        told_by_start = set(Seen.of(baseline, known.restored).better)
        return [
            f"{name} is green only with the patch's own version of the tests"
            for name in flips
            if name not in told_by_start
        ]
    return [
        f"the patch changes {judge}, which decides what {name} says" for name, judge in _judged(flips, judges)
    ]


def _judged(flips: list[str], judges: frozenset[str]) -> list[tuple[str, str]]:
    """What turned green under a judge that the patch changed: its own file, or one that decides about all."""
    about_all = sorted(path for path in judges if not any_match(path, _TEST_MODULES))
    told = []
    for name in flips:
        own = among(file_of(name), judges)
        if own or about_all:
            told.append((name, own or about_all[0]))
    return told


def _has_tests(run: CheckRun) -> bool:
    return any(
        result.kind is CheckKind.TEST and result.outcome is not Outcome.NOT_RUN for result in run.results
    )


def _is_full(lines: LineCoverage | None) -> bool:
    return lines is not None and lines.is_full


def _is_lowered(known: Known) -> bool:
    return any(it.weight is Weight.LOWERS for it in known.findings)


def _wants_without(known: Known, flips: list[str]) -> bool:
    """Whether it matters what the tests say without the patch's source: only where the tests changed too.

    Otherwise start is the tree without the source, and the baseline has told.
    """
    promising = (flips or _is_full(known.lines)) and not _is_lowered(known)
    return bool(known.own_tests and known.without is None and promising)


def _wants_mutants(task_class: TaskClass, known: Known, flips: list[str], now: CheckRun) -> bool:
    """Whether mutants would tell something: how much the tests see of what was changed.

    They are asked for where a test turned green, which may have seen little; where the task keeps behaviour;
    and where it is nothing but tests. Elsewhere they prove nothing about the task: what was green at start is
    as green without the patch.
    """
    if known.mutants is not None or _is_lowered(known):
        return False
    if flips:
        by_test = needs_mutants(flips, now, known)
        return bool(by_test) and not is_doubtful(known, flips) and not (known.lines and known.lines.missing)
    return (task_class in KEEPS_BEHAVIOUR and _is_full(known.lines)) or _is_about_tests(known)


def _is_about_tests(known: Known) -> bool:
    return bool(known.own_tests and known.only_tests)


def _ids(run: CheckRun | None, outcome: str) -> set[str]:
    if run is None:
        return set()
    return {f"{it.name}::{test}" for it in run.results for test in getattr(it, outcome)}


def _against(
    now: CheckRun, failure: Failure, reasons: list[str], blamed: Iterable[str], seen: Seen, known: Known
) -> Evidence:
    more = len(reasons) - _SHOWN
    shown = (*reasons[:_SHOWN], *((f"and {more} more",) if more > 0 else ()))
    old = tuple(name for name in seen.same if name not in set(blamed))
    return Evidence(now, Grade.NONE, failure, shown, old, known=known)


def _test_flips(now: CheckRun, flips: Iterable[str]) -> list[str]:
    """Red-to-green counts for tests of any name; of other checks only where the task was about them."""
    tests = {result.name for result in now.results if result.kind is CheckKind.TEST}
    return [name for name in flips if name.partition("::")[0] in tests]


def _for(
    baseline: CheckRun,
    now: CheckRun,
    flips: list[str],
    seen: Seen,
    flaky: tuple[str, ...],
    known: Known,
    task_class: TaskClass,
) -> Evidence:
    found, reason = _reached(now, flips, known, task_class)
    reasons = [reason]
    for cap, why in caps(baseline, now, seen, flips, flaky, known):
        if found.rank > cap.rank:
            found = cap
            reasons.append(f"no more than {cap.value}: {why}")
    return Evidence(now, found, None, tuple(reasons), seen.same, flaky, known)


def _reached(now: CheckRun, flips: list[str], known: Known, task_class: TaskClass) -> tuple[Grade, str]:
    """The highest grade that the results allow, and why."""
    passed = [result for result in now.results if result.passed]
    tested = [
        result
        for result in now.results
        if result.kind is CheckKind.TEST and (result.green or (result.passed and result.tests is None))
    ]
    if flips:
        more = f" and {len(flips) - _NAMED} more" if len(flips) > _NAMED else ""
        return Grade.DISCRIMINATING, f"{', '.join(flips[:_NAMED])}{more} red at start, green now"
    if tested:
        return _of_tests(tested, known, task_class)
    if passed:
        return Grade.STATIC, "no test ran: only static checks passed"
    return Grade.NONE, "no check passed"


def _of_tests(tested: list[CheckResult], known: Known, task_class: TaskClass) -> tuple[Grade, str]:
    count = sum(len(result.green) for result in tested)
    counted = f"{count} tests" if count else "tests"
    lines, mutants = known.lines, known.mutants
    enough = mutants is not None and is_enough(mutants)
    if mutants and _is_about_tests(known):
        return _of_new_tests(counted, mutants, enough=enough)
    if lines is None or not (lines.changed or lines.unmeasured):
        return (
            Grade.RAN,
            f"{counted} passed and nothing turned red; whether they execute the change is unknown",
        )
    if not lines.is_full:
        return Grade.RAN, f"{counted} passed and nothing turned red; {not_executed(lines)}"
    covered = f"{counted} passed and executed all {len(lines.changed)} changed statements"
    if mutants and enough and task_class in KEEPS_BEHAVIOUR:
        return Grade.DISCRIMINATING, f"{covered}; all {mutants.made} mutants of them were noticed"
    if mutants and mutants.survivors:
        path, line, operator = mutants.survivors[0]
        covered += f"; a mistake at {path}:{line} ({operator}) would go unnoticed"
    return Grade.COVERED, covered


def _of_new_tests(counted: str, mutants: Mutants, *, enough: bool) -> tuple[Grade, str]:
    """A change of tests alone: what they notice when the code that they name is broken on purpose."""
    if mutants.survivors:
        path, line, operator = mutants.survivors[0]
        return Grade.RAN, f"{counted} passed; a mistake at {path}:{line} ({operator}) would go unnoticed"
    told = f"{counted} passed; all {mutants.made} mistakes in what the new tests name were noticed"
    if mutants.cut_short or not enough:
        return Grade.RAN, f"{told}, too few in the time that there was"
    if not mutants.fresh:
        return Grade.RAN, f"{told}, but by tests of start too"
    return Grade.DISCRIMINATING, f"{told}, and not all by tests of start"
