"""What do the results prove? Pure: two check runs in, a grade and a failure class out.

Green is not proof. `ran` says that tests passed and nothing that was green at start turned red; whether
they execute the change is not known. `discriminating` says that some check tells the patch from its
absence: red at start, green now.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from route_agent.brief import words_found
from route_agent.globs import any_match
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Outcome
from route_agent.records.experiments import Experiment, Known, Trial
from route_agent.records.findings import Weight
from route_agent.records.grades import Failure, Grade
from route_agent.records.runs import Evidence
from route_agent.routing import FIXED_BY_CLASS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from route_agent.records.grades import TaskClass

NO_TESTS = "no tests were collected"
_SHOWN = 5
_TEST_MODULES = ("**/test_*", "**/*_test.*", "**/*.test.*", "**/*.spec.*")


def broken_environment(baseline: CheckRun) -> str:
    """Why nothing can be proved here, or an empty string. Found at start, it ends the run at $0."""
    for result in baseline.results:
        if result.outcome is Outcome.NOT_RUN and not result.reason.startswith(NO_TESTS):
            return f"{result.name}: {result.reason}"
        if result.outcome is Outcome.FAILED and result.exit_code is None:  # killed: it never had its say
            return f"{result.name}: {result.reason} at start"
        if result.tests and all("::" not in test for test in result.red) and not result.green:
            return f"{result.name}: no test module can be imported at start ({result.reason})"
    return ""


def reachable(baseline: CheckRun) -> Grade:
    """The highest grade that the checks here could give to any patch."""
    able = [result for result in baseline.results if result.outcome is not Outcome.NOT_RUN]
    if any(result.kind is CheckKind.TEST for result in able):
        return Grade.DISCRIMINATING
    if any(result.outcome is Outcome.FAILED for result in able):
        return Grade.DISCRIMINATING
    return Grade.STATIC if able else Grade.NONE


def targets(baseline: CheckRun, task_class: TaskClass, brief: str, touched: Iterable[str]) -> frozenset[str]:
    """What is red at start and should be green afterwards, as `check::test` or `check::exit`.

    For lint, format and type tasks: the red checks of that kind. Otherwise the red tests that the brief
    names, or whose file belongs by name to a touched one (`test_worker.py` and `worker.py`) or to a word of
    the brief ("the sync worker"); other red tests are pre-existing and nobody's fault. A red test command
    that tells no test ids is always wanted: as long as it is red, it proves nothing about any patch.
    """
    stems = {posixpath.splitext(posixpath.basename(path))[0] for path in touched}
    stems |= {word for word in re.findall(r"\w+", brief.casefold()) if len(word) > 3}
    found: set[str] = set()
    for result in baseline.failed:
        about_it = result.kind in FIXED_BY_CLASS.get(task_class, ())
        if about_it or (result.kind is CheckKind.TEST and result.tests is None):
            found |= _ids(result)
        elif result.kind is CheckKind.TEST:
            found |= {
                f"{result.name}::{test}"
                for test in result.red
                if _is_named(test, brief) or _belongs(test, stems)
            }
    return frozenset(found)


def _ids(result: CheckResult) -> set[str]:
    return {f"{result.name}::{test}" for test in result.red} or {f"{result.name}::exit"}


def _is_named(test: str, brief: str) -> bool:
    path, _, rest = test.partition("::")
    function = rest.rpartition("::")[2].partition("[")[0]
    return bool(words_found(brief, (name for name in (path, posixpath.basename(path), function) if name)))


def _belongs(test: str, stems: set[str]) -> bool:
    stem = posixpath.splitext(posixpath.basename(test.partition("::")[0]))[0]
    return stem in stems or stem.removeprefix("test_").removesuffix("_test") in stems


def mended(baseline: CheckRun, now: CheckRun) -> frozenset[str]:
    """The ids that are red in one run and green in the other."""
    compared = [
        _compare(before, result)
        for result in now.results
        if (before := baseline.named(result.name)) is not None
    ]
    return frozenset(name for it in compared for name in it.better)


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
    seen = _Seen.of(baseline, now)
    if known and seen.red_tests and facts.alone is None:
        return Experiment(Trial.ALONE, frozenset(seen.red_tests))
    flaky = sorted(seen.red_tests & _green_ids(facts.alone))
    convicting = [str(it) for it in facts.findings if it.weight is Weight.CONVICTS]
    if regressions := seen.regressions_without(flaky, judges if known else frozenset()):
        return _against(now, Failure.REGRESSION, regressions, seen, facts)
    if convicting:
        return _against(now, Failure.TAMPERED, convicting, seen, facts)
    if seen.vanished:
        reasons = [f"{name} was red at start and no longer runs" for name in sorted(seen.vanished)]
        return _against(now, Failure.TAMPERED, reasons, seen, facts)
    if unmet := sorted(wanted - set(seen.better)):
        reasons = [f"{name} was red at start and still is" for name in unmet]
        return _against(now, Failure.STILL_FAILING, reasons, seen, facts, unmet)
    counted = sorted(set(seen.better) & wanted) or _test_flips(now, seen.better)
    if judges and known and facts.restored is None and _has_tests(now):
        return Experiment(Trial.RESTORED)
    if facts.restored is not None:
        told_by_start = set(_Seen.of(baseline, facts.restored).better)
        if only_by_patch := [name for name in counted if name not in told_by_start]:
            reasons = [
                f"{name} is green only with the patch's own version of the tests" for name in only_by_patch
            ]
            return _against(now, Failure.TAMPERED, reasons, seen, facts)
    elif doubtful := _judged(counted, judges):
        reasons = [f"the patch changes {judge}, which decides what {name} says" for name, judge in doubtful]
        return _against(now, Failure.TAMPERED, reasons, seen, facts)
    if _wants_mutants(task_class, facts, counted) and known and facts.mutants is None:
        return Experiment(Trial.MUTANTS)
    return _for(baseline, now, counted, seen, tuple(flaky), facts, task_class)


KEEPS_BEHAVIOUR: frozenset[TaskClass] = frozenset({"refactor", "rename"})
LEAST_MUTANTS = 3


def _has_tests(run: CheckRun) -> bool:
    return any(
        result.kind is CheckKind.TEST and result.outcome is not Outcome.NOT_RUN for result in run.results
    )


def _wants_mutants(task_class: TaskClass, known: Known, flips: list[str]) -> bool:
    """Whether mutants would tell something: how much green tests are worth where the task keeps behaviour.

    Elsewhere they prove nothing about the task: what was green at start is as green without the patch.
    """
    lowered = any(it.weight is Weight.LOWERS for it in known.findings)
    covered = known.lines is not None and known.lines.is_full
    return task_class in KEEPS_BEHAVIOUR and covered and not flips and not lowered


def _green_ids(run: CheckRun | None) -> set[str]:
    return {f"{it.name}::{test}" for it in run.results for test in it.green} if run else set()


def _judged(flips: list[str], judges: frozenset[str]) -> list[tuple[str, str]]:
    """What turned green under a judge that the patch changed: its own file, or one that decides about all."""
    about_all = sorted(path for path in judges if not any_match(path, _TEST_MODULES))
    told = []
    for name in flips:
        own = _among(_file(name), judges)
        if own or about_all:
            told.append((name, own or about_all[0]))
    return told


@dataclass(frozen=True, slots=True)
class _Seen:
    """All checks before and after: what got worse, in words; what is as red or turned green, as ids."""

    regressions: tuple[tuple[str, str], ...] = ()  # the id, or empty, and the words
    same: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    better: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()  # green at start, and not there any more

    @classmethod
    def of(cls, baseline: CheckRun, now: CheckRun) -> _Seen:
        compared = []
        for result in now.results:
            if before := baseline.named(result.name):
                compared.append(_compare(before, result))
            elif not result.passed:
                compared.append(_Compared((("", f"{result.name} is new and red"),)))
        return cls(
            tuple(it for each in compared for it in each.worse),
            tuple(it for each in compared for it in each.same),
            tuple(it for each in compared for it in each.vanished),
            tuple(it for each in compared for it in each.better),
            tuple(it for each in compared for it in each.gone),
        )

    @property
    def red_tests(self) -> frozenset[str]:
        """The tests that turned red, as ids."""
        return frozenset(name for name, _ in self.regressions if name)

    def regressions_without(self, flaky: Iterable[str], rewritten: frozenset[str]) -> list[str]:
        """What got worse, in words, apart from flaky tests and what went out of an edited test file.

        Whether such a test may go is for the findings to say, and for start's own tests.
        """
        spared = set(flaky)
        worse = [words for name, words in self.regressions if not name or name not in spared]
        gone = [name for name in self.gone if not _among(_file(name), rewritten)]
        return worse + [f"{name.partition('::')[2]} green at start, no longer runs" for name in gone]


@dataclass(frozen=True, slots=True)
class _Compared:
    """One check before and after."""

    worse: tuple[tuple[str, str], ...] = ()
    same: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    better: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def _file(identity: str) -> str:
    """The file of `check::path::test`."""
    return identity.partition("::")[2].partition("::")[0]


def _among(file: str, paths: frozenset[str]) -> str:
    """The path that a test's file means, or nothing; runners name files from a root of their own."""
    meant = (path for path in sorted(paths) if path == file or path.endswith(f"/{file}"))
    return next(meant, "") if file else ""


def _compare(before: CheckResult, now: CheckResult) -> _Compared:
    if now.outcome is Outcome.NOT_RUN:
        if before.outcome is Outcome.NOT_RUN:
            return _Compared()
        return _Compared((("", f"{now.name} ran at start and cannot run now: {now.reason}"),))
    if before.tests is not None and now.tests is None:
        return _Compared((("", f"{now.name} told its tests at start and tells none now"),))
    if before.tests is not None and now.tests is not None:
        return _compare_tests(before, now)
    if before.passed and not now.passed:
        return _Compared((("", f"{now.name} passed at start, fails now: {now.reason}"),))
    if before.outcome is Outcome.FAILED:
        identity = (f"{now.name}::exit",)
        return _Compared(better=identity) if now.passed else _Compared(same=identity)
    return _Compared()


def _compare_tests(before: CheckResult, now: CheckResult) -> _Compared:
    def named(tests: frozenset[str]) -> tuple[str, ...]:
        return tuple(f"{now.name}::{test}" for test in sorted(tests))

    worse = [
        (f"{now.name}::{test}", f"{test} green at start, red now") for test in sorted(before.green & now.red)
    ]
    new = sorted(now.red - before.green - before.red)
    worse += [(f"{now.name}::{test}", f"{test} is new and red") for test in new]
    # a timeout or a session that never ended hides what would have been red
    unexplained = now.outcome is Outcome.FAILED and (not now.red or now.exit_code in (None, 0))
    gone = before.green - now.green - now.red
    if not worse and not gone and (unexplained or (before.passed and not now.passed)):
        worse = [("", f"{now.name} fails now: {now.reason}")]
    return _Compared(
        worse=tuple(worse),
        same=named(before.red & now.red),
        vanished=named(before.red - now.red - now.green),
        better=named(before.red & now.green),
        gone=named(before.green - now.green - now.red),
    )


def _against(
    now: CheckRun, failure: Failure, reasons: list[str], seen: _Seen, known: Known, blamed: Iterable[str] = ()
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
    seen: _Seen,
    flaky: tuple[str, ...],
    known: Known,
    task_class: TaskClass,
) -> Evidence:
    found, reason = _reached(now, flips, known, task_class)
    reasons = [reason]
    for cap, why in _caps(baseline, seen, flaky, known):
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
        return Grade.DISCRIMINATING, f"{', '.join(flips[:_SHOWN])} red at start, green now"
    if tested:
        return _of_tests(tested, known, task_class)
    if passed:
        return Grade.STATIC, "no test ran: only static checks passed"
    return Grade.NONE, "no check passed"


def _of_tests(tested: list[CheckResult], known: Known, task_class: TaskClass) -> tuple[Grade, str]:
    count = sum(len(result.green) for result in tested)
    counted = f"{count} tests" if count else "tests"
    lines = known.lines
    if lines is None or not (lines.changed or lines.unmeasured):
        return (
            Grade.RAN,
            f"{counted} passed and nothing turned red; whether they execute the change is unknown",
        )
    if not lines.is_full:
        where = ", ".join(
            [f"{path}:{line}" for path, line in lines.missing[:_SHOWN]] or lines.unmeasured[:_SHOWN]
        )
        told = "not executed" if lines.missing else "not measured"
        return Grade.RAN, f"{counted} passed and nothing turned red; of the change {told}: {where}"
    covered = f"{counted} passed and executed all {len(lines.changed)} changed statements"
    mutants = known.mutants
    if task_class in KEEPS_BEHAVIOUR and mutants and mutants.made >= LEAST_MUTANTS and not mutants.survivors:
        return Grade.DISCRIMINATING, f"{covered}; all {mutants.made} mutants of them were noticed"
    if mutants and mutants.survivors:
        path, line, operator = mutants.survivors[0]
        told = f"{len(mutants.survivors)} of {mutants.made} mutants unnoticed"
        covered += f"; {told}, one at {path}:{line} ({operator})"
    return Grade.COVERED, covered


# the source says after the patch what it said before
_NOTHING_DONE = frozenset({"comment-only", "source-unchanged"})
# what does no harm where start's own tests and configuration are green on the patched source
_TOLD_BY_START = frozenset({"check-config", "expectation-changed", "fixture-changed", "test-data-changed"})


def _caps(
    baseline: CheckRun, seen: _Seen, flaky: tuple[str, ...], known: Known
) -> Iterator[tuple[Grade, str]]:
    """What keeps the grade down, each with the highest grade that it leaves."""
    if flaky:
        yield Grade.RAN, f"{flaky[0]} is flaky: red in the whole run, green by itself"
    hidden = _Seen.of(baseline, known.restored).red_tests if known.restored else frozenset[str]()
    for finding in known.findings:
        if finding.rule in _NOTHING_DONE and finding.weight is Weight.LOWERS:
            yield Grade.STATIC, str(finding)
        elif finding.weight is Weight.LOWERS and not (
            finding.rule in _TOLD_BY_START and known.restored and not hidden
        ):
            yield Grade.RAN, str(finding)
        elif finding.rule == "special-cased":
            yield Grade.COVERED, str(finding)
    if seen.gone:
        yield Grade.RAN, f"{seen.gone[0]} was green at start and no longer runs"
    if hidden:
        yield (
            Grade.RAN,
            f"{min(hidden)} of start fails against the patched source, and the patch changed the tests",
        )
