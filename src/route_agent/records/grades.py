"""The vocabularies: what kind of task, what a result proves, why an attempt failed, how a run ended."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

TaskClass = Literal[
    "docs",
    "comments",
    "format",
    "lint",
    "types",
    "tests",
    "rename",
    "dependency",
    "bug",
    "flaky",
    "feature",
    "refactor",
    "performance",
    "migration",
    "auth",
    "deploy",
    "incident",
    "architecture",
    "research",
    "review",
    "other",
]


class Failure(StrEnum):
    """Why an attempt was not accepted. ROUTING.md says what follows from each."""

    ENVIRONMENT = "environment"
    PROVIDER = "provider"
    HOSTILE = "hostile"
    UNAPPLIABLE = "unappliable"
    REGRESSION = "regression"
    STILL_FAILING = "still_failing"
    TAMPERED = "tampered"
    WEAK = "weak"
    DOUBTFUL = "doubtful"
    DISPUTED = "disputed"
    STALLED = "stalled"
    RAISED = "raised"
    CAPPED = "capped"
    LIMIT = "limit"


class Grade(StrEnum):
    """What the results prove, weakest first."""

    NONE = "none"
    STATIC = "static"
    RAN = "ran"
    COVERED = "covered"
    DISCRIMINATING = "discriminating"

    @property
    def rank(self) -> int:
        return list(Grade).index(self)

    def reaches(self, bar: Grade) -> bool:
        """Whether this grade proves at least as much as `bar`."""
        return self.rank >= bar.rank


class Verdict(StrEnum):
    """How a run ended, in the words of the report."""

    ACCEPTED = "accepted"
    PLANNED = "planned, nothing called"
    NOT_PROVED = "not proved"
    PROVIDER = "provider unavailable"
    HOSTILE = "refused for safety"
    LIMIT = "stopped at a limit"
    ENVIRONMENT = "checks cannot run here"
    INTERRUPTED = "interrupted"

    @property
    def exit_code(self) -> int:
        """The process exit code; docs/exit-codes.md has the whole table."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Verdict.ACCEPTED: 0,
    Verdict.PLANNED: 0,
    Verdict.NOT_PROVED: 1,
    Verdict.PROVIDER: 3,
    Verdict.HOSTILE: 4,
    Verdict.LIMIT: 5,
    Verdict.ENVIRONMENT: 6,
    Verdict.INTERRUPTED: 130,
}
