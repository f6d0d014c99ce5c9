"""What a second model said about a patch, and about the test that a task's brief was turned into."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from route_agent.records.lanes import Call, CallState


class Opinion(StrEnum):
    """A verifier's word. Only `APPROVE` lets a patch pass; it never raises a grade."""

    APPROVE = "approve"
    REJECT = "reject"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Track:
    """A verifier's record in this ledger.

    `shown` known-bad patches, of which it `caught` so many by not approving them; `reviewed` ordinary ones,
    of which it `refused` so many.
    """

    shown: int = 0
    caught: int = 0
    reviewed: int = 0
    refused: int = 0

    def with_(self, review: Review) -> Track:
        """The record with one more answer; what was never answered tells nothing."""
        if not review.answered:
            return self
        no = int(not review.approves)
        if review.is_canary:
            return replace(self, shown=self.shown + 1, caught=self.caught + no)
        return replace(self, reviewed=self.reviewed + 1, refused=self.refused + no)


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
        track: the verifier's record, this answer and the canary's beside it included.
    """

    lane: str
    model: str
    opinion: Opinion
    reasons: tuple[str, ...] = ()
    cited: tuple[str, ...] = ()
    is_canary: bool = False
    calls: tuple[Call, ...] = ()
    seconds: float = 0.0
    track: Track = Track()

    @property
    def answered(self) -> bool:
        """Whether the model said anything: a provider's failure is no opinion."""
        return any(call.state is CallState.DONE for call in self.calls)

    @property
    def approves(self) -> bool:
        return self.opinion is Opinion.APPROVE
