"""What `gate` says of a change that exists already: what is reported and what the ledger keeps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from route_agent.records.change import Change
from route_agent.records.checks import CheckRun, Isolation
from route_agent.records.grades import Failure, Grade, Verdict
from route_agent.records.lanes import Call
from route_agent.records.reviews import Review
from route_agent.records.risk import Decision, Risk
from route_agent.records.runs import Cost, Evidence, Run

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be said about a change. `decision` is where a task like it would go.

    Attributes:
        id: its id in the ledger.
        at: when it began, ISO 8601 in UTC.
        target: what was judged, in words: a commit, the index, the working tree, a pull request.
        base: the commit that it is compared with.
        head: the commit judged; empty where no commit is.
        failure: why it was not accepted; None where it was.
        blocks: whether it stops what waits for it. The policy at the base may allow a failure, which stays
            one all the same.
        reviews: what a verifier said of it.
        unreviewed: why none did, where the policy asks for one.
        earlier: the judgement of an earlier run that this one repeats.
        earlier_at: when that was.
        fix: the run that was to mend what failed. It offers a patch and applies none.
        why_not_fixed: why there was none although one was asked for.
    """

    change: Change
    risk: Risk
    decision: Decision
    verdict: Verdict
    reason: str
    isolation: Isolation
    seconds: float
    notices: tuple[str, ...]
    baseline: CheckRun | None = None
    evidence: Evidence | None = None
    id: str = ""
    at: str = ""
    target: str = "commit"
    base: str = ""
    head: str = ""
    failure: Failure | None = None
    blocks: bool = False
    reviews: tuple[Review, ...] = ()
    unreviewed: str = ""
    earlier: str = ""
    earlier_at: str = ""
    fix: Run | None = None
    why_not_fixed: str = ""

    @property
    def exit_code(self) -> int:
        """The verdict's code where it stops something; 0 for what the policy lets pass."""
        return self.verdict.exit_code if self.blocks else 0

    @property
    def grade(self) -> Grade:
        return self.evidence.grade if self.evidence else Grade.NONE

    @property
    def calls(self) -> tuple[Call, ...]:
        """The verifier's calls. What an earlier run paid is not paid again; a fix is a run of its own."""
        return () if self.earlier else tuple(call for review in self.reviews for call in review.calls)

    @property
    def cost(self) -> Cost:
        """All that was spent for it here: the verifier, and the fix."""
        return Cost.of((*self.calls, *(self.fix.calls if self.fix else ())))


@cache
def written_judgement() -> TypeAdapter[Judgement]:
    """How a judgement is written down and read again; made once, which takes longer than its use."""
    from pydantic import TypeAdapter

    return TypeAdapter(Judgement)
