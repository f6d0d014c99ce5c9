"""What the checks said."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """Three values: a check that could not run is never a pass."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not-run"


class CheckKind(StrEnum):
    """What a check looks at; only `TEST` executes the code for its behaviour."""

    TEST = "test"
    LINT = "lint"
    FORMAT = "format"
    TYPECHECK = "typecheck"
    BUILD = "build"
    SNAPSHOT = "snapshot"
    CUSTOM = "custom"


class IsolationLevel(StrEnum):
    """Behind which walls the checks ran."""

    NAMESPACES = "namespaces"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Isolation:
    """The level in force, what it is made of, and why it is no better."""

    level: IsolationLevel
    detail: str = ""

    def __str__(self) -> str:
        shown = "NONE" if self.level is IsolationLevel.NONE else self.level.value
        return f"{shown} ({self.detail})" if self.detail else shown


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check's end.

    Attributes:
        reason: one line: the failing tests, the missing command, `timeout after 300 s`.
        output: the first and last bytes of what it printed, cleaned of control characters.
        tests: outcome by test id where the runner tells them, else None. Values: passed, failed, skipped.
        seconds: wall time.
        lines: by path, relative to the tree, the lines that green tests executed; a file that is not named
            was not measured. None: nothing was.
    """

    name: str
    kind: CheckKind
    outcome: Outcome
    reason: str = ""
    exit_code: int | None = None
    seconds: float = 0.0
    output: str = ""
    tests: dict[str, str] | None = field(default=None)
    lines: dict[str, frozenset[int]] | None = None

    @property
    def passed(self) -> bool:
        return self.outcome is Outcome.PASSED

    def with_outcome(self, wanted: str) -> frozenset[str]:
        """The ids of the tests that ended in the given way."""
        return frozenset(test for test, outcome in (self.tests or {}).items() if outcome == wanted)

    @property
    def green(self) -> frozenset[str]:
        return self.with_outcome("passed")

    @property
    def red(self) -> frozenset[str]:
        return self.with_outcome("failed")


@dataclass(frozen=True, slots=True)
class CheckRun:
    """All checks on one tree (a git object id), and behind which walls."""

    tree: str
    results: tuple[CheckResult, ...]
    isolation: Isolation
    seconds: float = 0.0

    def named(self, name: str) -> CheckResult | None:
        return next((result for result in self.results if result.name == name), None)

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        return tuple(result for result in self.results if result.outcome is Outcome.FAILED)

    @property
    def failures(self) -> int:
        """How many tests (where ids are known) or checks are red."""
        return sum(len(result.red) or 1 for result in self.failed)
