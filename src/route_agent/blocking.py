"""What a judgement comes to, and whether it stops what waits for it. Pure.

Whether a failure blocks is the policy's word at the base. What it allows is a failure all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.records.grades import Failure, Grade, Verdict
from route_agent.records.reviews import Opinion

if TYPE_CHECKING:
    from route_agent.policy import GateRules
    from route_agent.records.reviews import Review
    from route_agent.records.runs import Evidence


@dataclass(frozen=True, slots=True)
class Ending:
    """A verdict, the failure that it stands for, and why."""

    verdict: Verdict
    reason: str
    failure: Failure | None = None


def after_checks(evidence: Evidence, least: Grade) -> Ending:
    """Whether what was proved is enough, and why."""
    reason = "; ".join(evidence.reasons)
    if evidence.failure:
        return Ending(Verdict.NOT_PROVED, reason, evidence.failure)
    if not evidence.grade.reaches(least):
        told = f"graded {evidence.grade.value}, {least.value} is asked for: {reason}"
        return Ending(Verdict.NOT_PROVED, told, Failure.WEAK)
    if evidence.grade is Grade.NONE:
        return Ending(Verdict.ACCEPTED, f"nothing got worse, and nothing was proved: {reason}")
    return Ending(Verdict.ACCEPTED, reason)


def after_review(ending: Ending, review: Review | None, unreviewed: str) -> Ending:
    """The same after a verifier was wanted: only its approval lets a change pass, and no silence does.

    Args:
        ending: what the checks came to.
        review: the verifier's opinion; None where nobody could be asked.
        unreviewed: why not.
    """
    if review is None:
        return Ending(Verdict.PROVIDER, f"the verifier cannot be asked: {unreviewed}", Failure.PROVIDER)
    reasons = "; ".join(review.reasons) or "it gives no reason"
    if not review.answered:
        return Ending(
            Verdict.PROVIDER, f"{review.model} was asked and said nothing: {reasons}", Failure.PROVIDER
        )
    if review.approves:
        return ending
    if review.opinion is Opinion.REJECT:
        return Ending(Verdict.NOT_PROVED, f"{review.model} rejects it: {reasons}", Failure.DISPUTED)
    return Ending(Verdict.NOT_PROVED, f"{review.model} is unsure of it: {reasons}", Failure.DOUBTFUL)


def blocks(failure: Failure | None, rules: GateRules) -> bool:
    """Whether a failure stops what waits for it; what the policy does not name does."""
    return failure is not None and rules.on_error.get(failure, "block") == "block"
