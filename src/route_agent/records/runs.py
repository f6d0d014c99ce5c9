"""One run, from the task to the verdict: what is reported and what the ledger keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from route_agent.records.change import Change
from route_agent.records.checks import CheckRun, Isolation
from route_agent.records.experiments import Known
from route_agent.records.grades import Failure, Grade, Verdict
from route_agent.records.lanes import Call, CallState
from route_agent.records.reproductions import Reproduction
from route_agent.records.reviews import Review
from route_agent.records.risk import Decision, Risk, SecondDecision

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class Cost:
    """Money in integer micro-dollars: what is known, and how many calls have no known price."""

    known_micro_usd: int = 0
    unknown_calls: int = 0

    @property
    def usd(self) -> float | None:
        """Dollars, or None where any part is unknown."""
        return None if self.unknown_calls else self.known_micro_usd / 1_000_000

    @classmethod
    def of(cls, calls: Iterable[Call]) -> Cost:
        """The sum over calls; a call without a known price is counted, never taken for free."""
        known = unknown = 0
        for call in calls:
            if call.cost_micro_usd is None:
                unknown += 1
            else:
                known += call.cost_micro_usd
        return cls(known, unknown)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the checks proved about one patched tree.

    Attributes:
        reasons: why the grade is what it is, or what speaks against the patch.
        pre_existing: ids that were red at start and still are, which the patch is not blamed for.
        flaky: ids that were red in the whole run and green by themselves.
        known: what was found in the change and by experiments.
    """

    checks: CheckRun
    grade: Grade
    failure: Failure | None = None
    reasons: tuple[str, ...] = ()
    pre_existing: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    known: Known = field(default_factory=Known)

    @property
    def failing(self) -> frozenset[str]:
        """The ids that speak against the patch: equal sets on two attempts mean no progress."""
        return frozenset(
            f"{result.name}::{test}"
            for result in self.checks.failed
            for test in (result.red or {"exit"})
            if f"{result.name}::{test}" not in self.pre_existing
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One lane's try: what it proposed, what became of it, what it cost.

    `repairs` is how many of its replies came after a patch of its own was refused; a request that was only
    made again is a call and no repair. `calls` are the lane's own; what its reviews cost stands with them.
    `iterations` counts the turns of the conversation and `reads` what the lane asked to see. `plan` is what
    another lane had planned. `same_model_as` names the lane below for which the same model had answered, so
    that this was no escalation; `difference` is how two patches of a race behave differently; `second` is the
    decision after it.
    `unreviewed` says why no second model read the patch. `confidence` is computed (0 to 1) and None where no
    grade was reached; `confidence_reasons` say from what.
    """

    lane: str
    provider: str
    model: str
    calls: tuple[Call, ...] = ()
    summary: str = ""
    change: Change | None = None
    evidence: Evidence | None = None
    failure: Failure | None = None
    reason: str = ""
    seconds: float = 0.0
    patch: str = ""
    repairs: int = 0
    reviews: tuple[Review, ...] = ()
    unreviewed: str = ""
    confidence: float | None = None
    confidence_reasons: tuple[str, ...] = ()
    iterations: int = 0
    reads: tuple[str, ...] = ()
    plan: str = ""
    same_model_as: str = ""
    difference: str = ""
    second: SecondDecision | None = None

    @property
    def reused(self) -> bool:
        """Whether a stored reply answered: what it cost and how it did says nothing about the lane."""
        return any(call.reused for call in self.calls)

    @property
    def accepted(self) -> bool:
        return self.failure is None

    @property
    def grade(self) -> Grade:
        return self.evidence.grade if self.evidence else Grade.NONE

    @property
    def cost(self) -> Cost:
        return Cost.of(self.calls)

    @property
    def tokens(self) -> int | None:
        """Tokens read and written over all answered calls, or None where an answer did not count them."""
        used = [call.usage for call in self.calls if call.state is CallState.DONE]
        if None in used:
            return None
        return sum(usage.input_total + usage.output_total for usage in used if usage)

    @property
    def requests(self) -> int:
        """Requests that somebody worked on: those that were turned away, or not sent, are none."""
        return sum(call.state is not CallState.FAILED and not call.reused for call in self.calls)

    @property
    def review(self) -> Review | None:
        """The verifier's opinion of this patch; what it said of a canary is none."""
        return next((review for review in self.reviews if not review.is_canary), None)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a run may cost, before it begins. Money in micro-dollars; None where it is not known.

    Attributes:
        expected: the mean over what the ledger has of such runs, or a calculation where it has none.
        low: the lower end of the band that holds 80 % of such runs.
        high: its upper end.
        worst: what may be spent at most: every call of every lane at what is set aside for it, and the limit.
        escalation: the odds (0 to 1) that the first lane is not the last.
        runs: how many earlier runs the band and the odds are from.
        held: of the earlier quotes with a band, how many runs ended within it, and of how many.
    """

    expected: int | None = None
    low: int | None = None
    high: int | None = None
    worst: int | None = None
    escalation: float | None = None
    runs: int = 0
    held: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Run:
    """Task, decision, attempts, verdict.

    `withheld` says what no model was shown, and why. `started_at` is ISO 8601 in UTC, `seconds` wall time,
    `verification` the check commands as one would type them, `next_step` what a person may do now.
    """

    id: str
    started_at: str
    repository: str
    brief: str
    base: str
    start: str
    verdict: Verdict
    reason: str
    isolation: Isolation
    risk: Risk | None = None
    decision: Decision | None = None
    baseline: CheckRun | None = None
    attempts: tuple[Attempt, ...] = ()
    cost: Cost = Cost()
    seconds: float = 0.0
    verification: str = ""
    patch_path: str | None = None
    delivered: str = ""
    next_step: str = ""
    replayed: bool = False
    forced_lane: bool = False
    notices: tuple[str, ...] = ()
    reproduction: Reproduction | None = None
    quote: Quote | None = None
    withheld: tuple[str, ...] = ()

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call that is shown in the report: the decision's, the lanes', the reviews' and the test's."""
        made = [*(self.decision.calls if self.decision else ())]
        made += [call for attempt in self.attempts for call in attempt.calls]
        made += [call for attempt in self.attempts for review in attempt.reviews for call in review.calls]
        return (*made, *(self.reproduction.calls if self.reproduction else ()))

    @property
    def exit_code(self) -> int:
        """The verdict's code; 6 where the patch was proved and could not be put where it was asked for."""
        return 6 if self.delivered.startswith("not delivered") else self.verdict.exit_code

    @property
    def accepted(self) -> Attempt | None:
        """The attempt that was proved, if one was."""
        return next((attempt for attempt in self.attempts if attempt.accepted), None)


@cache
def written_form() -> TypeAdapter[Run]:
    """How a run is written down and read again; made once, which takes longer than its use."""
    from pydantic import TypeAdapter

    return TypeAdapter(Run)
