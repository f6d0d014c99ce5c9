"""What a second model said about a patch, and about the test that a task's brief was turned into."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from route_agent.records.lanes import Call


class Opinion(StrEnum):
    """A verifier's word. Only `APPROVE` lets a patch pass; it never raises a grade."""

    APPROVE = "approve"
    REJECT = "reject"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Review:
    """One question to the verifier and its answer.

    Attributes:
        lane: the verifier's lane.
        model: who was asked.
        opinion: the answer; what cannot be read, or cites no line of the patch, is `UNSURE`.
        reasons: why, in the verifier's words, bounded and cleaned.
        cited: lines of the patch that it named and that are there, as `path:line`.
        is_canary: the patch shown was one that is known to be bad: a mutant that the checks noticed.
        calls: what was paid for it.
    """

    lane: str
    model: str
    opinion: Opinion
    reasons: tuple[str, ...] = ()
    cited: tuple[str, ...] = ()
    is_canary: bool = False
    calls: tuple[Call, ...] = ()
    seconds: float = 0.0

    @property
    def approves(self) -> bool:
        return self.opinion is Opinion.APPROVE
