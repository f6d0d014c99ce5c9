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

    MUTANTS = "mutants"
    """Do the checks notice when the changed lines are broken on purpose?"""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One trial that grading needs before it can go on; `tests` are ids as `check::test`."""

    trial: Trial
    tests: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Mutants:
    """How many versions broken on purpose there were, and where those stand that no check noticed."""

    made: int
    survivors: tuple[tuple[str, int, str], ...] = ()
    seconds: float = 0.0

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
        restored: all checks on the patched tree with start's tests and configuration put back.
        mutants: what became of the mutants.
    """

    findings: tuple[Finding, ...] = ()
    lines: LineCoverage | None = None
    alone: CheckRun | None = None
    restored: CheckRun | None = None
    mutants: Mutants | None = None
