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
class Raised:
    """What made a test red, where its runner tells.

    Attributes:
        when: `collect`, `setup`, `call` or `teardown`.
        kind: the exception's class, such as `KeyError`.
        is_assertion: the test's own word that something is not as it should be.
        path: the file in which it was raised, as the runner names it.
    """

    when: str
    kind: str
    is_assertion: bool = False
    path: str = ""


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
        flaky: what was red here and green when it was run again by itself on the same tree: ids of tests, or
            `exit` where the check tells none. It proves nothing in either way.
        cancelled: it was not run to its end, because a cheaper check had failed; `reason` says which.
        raised: by the id of a red test, what made it so; only of tests whose runner tells.
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
    flaky: tuple[str, ...] = ()
    cancelled: bool = False
    raised: dict[str, Raised] = field(default_factory=dict)

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
        """The tests that are red for good, as far as is known."""
        return self.with_outcome("failed").difference(self.flaky)


@dataclass(frozen=True, slots=True)
class CheckRun:
    """All checks on one tree (a git object id), and behind which walls.

    Attributes:
        seconds: wall time of this run; where it is `cached`, of looking it up.
        changed: files of the tree that were not any more what they had been when the checks had ended.
        cached: it was run earlier, on the same tree in the same surroundings.
    """

    tree: str
    results: tuple[CheckResult, ...]
    isolation: Isolation
    seconds: float = 0.0
    changed: tuple[str, ...] = ()
    cached: bool = False

    def named(self, name: str) -> CheckResult | None:
        return next((result for result in self.results if result.name == name), None)

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        return tuple(result for result in self.results if result.outcome is Outcome.FAILED)

    @property
    def flaky(self) -> tuple[str, ...]:
        """What was flaky here, as `check::test`."""
        return tuple(f"{result.name}::{test}" for result in self.results for test in result.flaky)

    @property
    def failures(self) -> int:
        """How many tests (where ids are known) or checks are red."""
        return sum(len(result.red) or 1 for result in self.failed)
