"""What is tried beyond the checks themselves, and what is known about a patch so far."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from route_agent.records.checks import CheckRun
from route_agent.records.findings import Finding, LineCoverage


class Trial(StrEnum):
    """A question that only another run of checks can answer."""

    ALONE = "alone"
    """Do the tests that turned red stay red when they run by themselves?"""

    RESTORED = "restored"
    """What do start's own tests and configuration say about the patched source?"""

    WITHOUT_SOURCE = "without source"
    """What do the patch's own tests say where its source is taken away?"""

    MUTANTS = "mutants"
    """Do the checks notice when the changed lines are broken on purpose?"""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One trial that grading needs before it can go on; `tests` are ids as `check::test`."""

    trial: Trial
    tests: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Mutants:
    """How many versions broken on purpose there were, and where those stand that no check noticed.

    Attributes:
        cut_short: the time box ended before all had been tried.
        fresh: of a change of tests alone, whether one was noticed that start's tests had not noticed.
    """

    made: int
    survivors: tuple[tuple[str, int, str], ...] = ()
    seconds: float = 0.0
    fresh: bool = False
    cut_short: bool = False

    @property
    def killed(self) -> int:
        return self.made - len(self.survivors)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about a patch beside its checks; None is not tried yet.

    Attributes:
        findings: what the change itself shows.
        lines: which changed statements green tests executed.
        alone: the tests that turned red, run by themselves on the patched tree.
        own_tests: the files of tests that the patch adds or edits.
        only_tests: whether it adds or edits no other code.
        reproduced: the ids of tests that were written for the task by another lane, before any patch.
        restored: all checks on the patched tree with start's tests and configuration put back.
        without: all checks on start's source with the patch's tests.
        mutants: what became of the mutants.
    """

    findings: tuple[Finding, ...] = ()
    lines: LineCoverage | None = None
    own_tests: frozenset[str] = frozenset()
    only_tests: bool = False
    reproduced: frozenset[str] = frozenset()
    alone: CheckRun | None = None
    restored: CheckRun | None = None
    without: CheckRun | None = None
    mutants: Mutants | None = None
