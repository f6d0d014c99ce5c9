"""Two runs of the same checks side by side: what got worse, what is as red, what turned green."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.records.checks import CheckResult, CheckRun, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable


def mended(baseline: CheckRun, now: CheckRun) -> frozenset[str]:
    """The ids that are red in one run and green in the other."""
    compared = [
        _compare(before, result)
        for result in now.results
        if (before := baseline.named(result.name)) is not None
    ]
    return frozenset(name for it in compared for name in it.better)


def still_red(baseline: CheckRun, now: CheckRun) -> frozenset[str]:
    """The ids that are red in both runs."""
    return frozenset(Seen.of(baseline, now).same)


@dataclass(frozen=True, slots=True)
class Seen:
    """All checks before and after: what got worse, in words; what is as red or turned green, as ids."""

    regressions: tuple[tuple[str, str], ...] = ()  # the id, or empty, and the words
    same: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    better: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()  # green at start, and not there any more

    @classmethod
    def of(cls, baseline: CheckRun, now: CheckRun) -> Seen:
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
        gone = [name for name in self.gone if not among(file_of(name), rewritten)]
        return worse + [f"{name.partition('::')[2]} green at start, no longer runs" for name in gone]


@dataclass(frozen=True, slots=True)
class _Compared:
    """One check before and after."""

    worse: tuple[tuple[str, str], ...] = ()
    same: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    better: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def file_of(identity: str) -> str:
    """The file of `check::path::test`."""
    return identity.partition("::")[2].partition("::")[0]


def among(file: str, paths: frozenset[str]) -> str:
    """The path that a test's file means, or nothing; runners name files from a root of their own."""
    meant = (path for path in sorted(paths) if path == file or path.endswith(f"/{file}"))
    return next(meant, "") if file else ""


def _compare(before: CheckResult, now: CheckResult) -> _Compared:
    if now.cancelled:  # for another that speaks against the patch by itself
        return _Compared()
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
        better = () if before.flaky else identity
        return _Compared(better=better) if now.passed else _Compared(same=identity)
    return _Compared()


def _compare_tests(before: CheckResult, now: CheckResult) -> _Compared:
    def named(tests: frozenset[str]) -> tuple[str, ...]:
        return tuple(f"{now.name}::{test}" for test in sorted(tests))

    worse = [
        (f"{now.name}::{test}", f"{test} green at start, red now") for test in sorted(before.green & now.red)
    ]
    new = sorted(now.red - before.green - before.red)
    worse += [
        (
            f"{now.name}::{test}",
            f"{test} is {'flaky at start and' if test in before.flaky else 'new and'} red",
        )
        for test in new
    ]
    # a timeout or a session that never ended hides what would have been red
    unexplained = now.outcome is Outcome.FAILED and (not now.red or now.exit_code in (None, 0))
    gone = before.green - now.green - now.red
    if not worse and not gone and (unexplained or (before.passed and not now.passed)):
        worse = [("", f"{now.name} fails now: {now.reason}")]
    return _Compared(
        worse=tuple(worse),
        same=named(before.red & now.red),
        vanished=named(before.red - now.red - now.green),
        better=named((before.red & now.green).difference(now.flaky)),
        gone=named(before.green - now.green - now.red),
    )
