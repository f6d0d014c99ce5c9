"""Two patches for one task, each run against the tests that the other one brought.

Two authors who did not see each other's work rarely make the same mistake. Where each patch passes the
other's tests, they agree about what the task means; where one does not, the test that tells them apart is
the news. A test that passes without either patch is no word about the task, and one model that wrote both
patches agrees with itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.checks.alone import EXIT
from route_agent.policy import RECORDED
from route_agent.prompt import ends
from route_agent.records.checks import CheckKind, Outcome
from route_agent.records.lanes import Purpose
from route_agent.repo.trees import Content
from route_agent.routing import is_test_path
from route_agent.verifying import same_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from route_agent.records.change import Change
    from route_agent.records.checks import CheckResult, CheckRun
    from route_agent.records.lanes import Proposal
    from route_agent.records.runs import Evidence
    from route_agent.repo.trees import Trees

_OUTPUT_LINES = 12


@dataclass(frozen=True, slots=True)
class Side:
    """One of two patches: who proposed what, what it changes and what the checks say of it alone."""

    proposal: Proposal
    change: Change
    evidence: Evidence

    @property
    def model(self) -> str:
        return self.proposal.model


@dataclass(frozen=True, slots=True)
class Ending:
    """How a race ended.

    Attributes:
        better: the side that is delivered, if any is.
        crossed: tests of one side that are green with the other's patch and red with neither.
        difference: how the two behave differently, in words; empty where they agree.
        silent: the models whose patch brought no test that is red without it.
    """

    better: Side
    crossed: tuple[str, ...]
    difference: str
    silent: tuple[str, ...] = ()


def compare(
    one: Side, other: Side, *, trees: Trees, run: Callable[[str, frozenset[str]], CheckRun]
) -> Ending:
    """Run each patch with the other's tests over it, and these tests without any patch.

    Args:
        trees: where trees are read and written.
        run: runs tests of a tree, as `check::test`, by themselves.
    """
    told: list[str] = []
    crossed: list[str] = []
    silent: list[str] = []
    for side in (one, other):
        if side.evidence.failure:
            reasons = "; ".join(side.evidence.reasons)
            told.append(f"{side.model}: its own patch is {side.evidence.failure.value}: {reasons}")
    if not told:
        for theirs, mine in ((one, other), (other, one)):
            brought = _tests(trees, theirs.change)
            tests = _names(theirs.evidence.checks, frozenset(brought))
            found = run(trees.write(mine.change.new_tree, brought), tests) if tests else None
            agreed, differing = _compared(found, theirs.evidence.checks, frozenset(brought))
            if agreed:
                tried = theirs.evidence.known.without
                without = tried or run(trees.write(theirs.change.old_tree, brought), tests)
                agreed = [(check, test) for check, test in agreed if not _is_green(without, check, test)]
            silent += [] if agreed or differing else [theirs.model]
            crossed += [test for _, test in agreed]
            told += [
                f"{test}: green with {theirs.model}'s patch, not with {mine.model}'s{why}"
                for test, why in differing
            ]
    return Ending(_better(one, other), tuple(dict.fromkeys(crossed)), "\n".join(told), tuple(silent))


def one_author(rivals: Sequence[Proposal]) -> str:
    """The model that answered for both sides, whichever was asked; empty where two did, or nobody says."""
    one, other = (_answered(it) for it in rivals)
    return one if one and other and same_model(one, other) else ""


def _answered(proposal: Proposal) -> str:
    said = [it.model_served for it in proposal.calls if it.purpose is Purpose.PATCH and it.model_served]
    return said[-1] if said and said[-1] != RECORDED else ""


def _tests(trees: Trees, change: Change) -> dict[str, Content | None]:
    """The test files that a patch brings or edits."""
    entries = trees.entries(change.new_tree, tuple(path for path in change.paths if is_test_path(path)))
    contents = trees.read(entries)
    return {path: Content(entries[path].mode, data) for path, data in contents.items()}


def _names(own: CheckRun, paths: frozenset[str]) -> frozenset[str]:
    """The brought tests that are green with their own patch; of a check that names no tests, itself."""
    tests = [result for result in own.results if paths and result.kind is CheckKind.TEST]
    return frozenset(
        f"{result.name}::{EXIT if result.tests is None else test}"
        for result in tests
        for test in _green(result, paths)
    )


def _compared(
    crossed: CheckRun | None, own: CheckRun, paths: frozenset[str]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Which brought tests are green on both sides, by check; which only with their own patch, and why."""
    agreed: list[tuple[str, str]] = []
    differing: list[tuple[str, str]] = []
    for result in own.results if crossed else ():
        if result.kind is not CheckKind.TEST:
            continue
        for test in _green(result, paths):
            if _is_green(crossed, result.name, test):
                agreed.append((result.name, test))
            else:
                differing.append((test, _why(crossed.named(result.name) if crossed else None)))
    return agreed, differing


def _is_green(run: CheckRun | None, check: str, test: str) -> bool:
    found = run.named(check) if run else None
    return bool(found and (test in found.green or (test == check and found.tests is None and found.passed)))


def _green(result: CheckResult, paths: frozenset[str]) -> Iterator[str]:
    """The green tests of the brought files; the whole check where its runner names no tests."""
    if result.tests is None:
        if result.outcome is Outcome.PASSED:
            yield result.name
        return
    yield from (test for test in sorted(result.green) if test.partition("::")[0] in paths)


def _why(found: CheckResult | None) -> str:
    if found is None or not found.output:
        return ""
    return "\n" + "\n".join(f"  | {line}" for line in ends(found.output, _OUTPUT_LINES).splitlines())


def _better(one: Side, other: Side) -> Side:
    """The one that is proved better; of equals the smaller, then the first."""

    def rank(side: Side) -> tuple[bool, int, int]:
        size = side.change.added + side.change.deleted
        return (side.evidence.failure is None, side.evidence.grade.rank, -size)

    return one if rank(one) >= rank(other) else other
