"""A verdict that was found again, in a few words: what can be told before anything heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from route_agent.records.grades import Failure, Grade, Verdict


@dataclass(frozen=True, slots=True)
class Earlier:
    """The verdict of an earlier run on the very same: what can be told of it without its whole report."""

    id: str
    at: str
    verdict: Verdict
    failure: Failure | None
    blocks: bool
    grade: Grade
    score: int
    lane: str
    reason: str
    files: int

    @property
    def exit_code(self) -> int:
        return self.verdict.exit_code if self.blocks else 0
