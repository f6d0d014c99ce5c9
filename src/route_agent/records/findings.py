"""What speaks about a patch besides the results of its checks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Weight(StrEnum):
    """What a finding does: `convicts` refuses the patch, `lowers` caps its grade, `notes` is only shown."""

    CONVICTS = "convicts"
    LOWERS = "lowers"
    NOTES = "notes"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a patch that a person should look at.

    Attributes:
        rule: its short name, such as `test-skipped`.
        path: the file, relative to the tree.
        line: 1-based, in the patched file, or in start's where the line is gone; 0 for the file as a whole.
        what: one sentence for a person.
    """

    rule: str
    path: str
    line: int
    what: str
    weight: Weight = Weight.LOWERS

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}" if self.line else f"{self.path}: {self.what}"


@dataclass(frozen=True, slots=True)
class LineCoverage:
    """Which of the changed statements green tests have executed.

    Attributes:
        changed: the changed executable lines, as (path, line) of the patched tree.
        executed: those of them that ran in at least one green test.
        unmeasured: changed source files for which nobody measured anything.
    """

    changed: frozenset[tuple[str, int]] = frozenset()
    executed: frozenset[tuple[str, int]] = frozenset()
    unmeasured: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[tuple[str, int], ...]:
        return tuple(sorted(self.changed - self.executed))

    @property
    def is_full(self) -> bool:
        """Whether there is something to execute, all of it was, and no file was left unmeasured."""
        return bool(self.changed) and not self.missing and not self.unmeasured
