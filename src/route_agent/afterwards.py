"""The second decision: does a lane's patch stay, or does the next lane try? Pure: records in, records out.

Each thing that is looked at is one function here and one entry of `_LOOKS`. A look refuses or it does not;
none accepts what another one refuses, and that holds for the rule that `tune` has fitted as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from route_agent import risk, routing
from route_agent.confidence import LEAST_ATTEMPTS, NOTHING_KNOWN, Efforts
from route_agent.records.grades import Failure, Grade
from route_agent.records.risk import SecondDecision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from route_agent.classes import Contents
    from route_agent.policy import Policy
    from route_agent.records.change import Change
    from route_agent.records.grades import TaskClass
    from route_agent.records.runs import Attempt
    from route_agent.routingspec import AcceptRule


@dataclass(frozen=True, slots=True)
class Look:
    """One thing that was looked at: what it said and, where it refuses, as which failure and why."""

    reason: str
    failure: Failure | None = None
    told: str = ""


@dataclass(frozen=True, slots=True)
class Touched:
    """What a patch really touches, scored as a task's diff is before the first lane is asked.

    Attributes:
        lane: at which lane a task with this diff would begin, by the policy's own router.
        why: the reason for that.
        always: the always-strong conditions that it meets.
    """

    score: int
    lane: str
    why: str
    always: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What an attempt is held against.

    Attributes:
        policy: the rules in force.
        claimed: the class of the task.
        is_claim_trusted: whether the operator named it; else the brief alone says so.
        fits: every class that the task fits.
        contents: both versions of the touched files, where they are needed to confirm the class.
        efforts: what the lane's earlier attempts took.
        higher: whether another lane may follow in this run; where none may, doubt refuses nothing.
        touched: what the patch really touches; None where there is none.
    """

    policy: Policy
    claimed: TaskClass
    is_claim_trusted: bool = False
    fits: tuple[TaskClass, ...] = ()
    contents: Contents | None = None
    efforts: Efforts = NOTHING_KNOWN
    higher: bool = False
    touched: Touched | None = None

    def confirms(self, change: Change) -> bool:
        """Whether more than the brief says that the task is of its class."""
        return self.is_claim_trusted or routing.is_confirmed(self.claimed, change, self.contents)

    def bar(self, lane: str, change: Change) -> Grade:
        """The least grade of such a patch; the brief's word alone raises it and never lowers it."""
        return routing.bar_of(
            self.policy,
            lane,
            self.claimed,
            change,
            fits=self.fits,
            trusted=self.is_claim_trusted,
            contents=self.contents,
        )

    def stops(self, failure: Failure | None) -> bool:
        """Whether a patch that a look refuses as this is not accepted."""
        if failure is Failure.DOUBTFUL:
            return self.higher and self.policy.escalates_on(failure)
        return failure is not None


def touched(change: Change, patch: str, policy: Policy, fits: frozenset[TaskClass] = frozenset()) -> Touched:
    """What a patch really touches, by the router that sent the task on its way.

    Args:
        patch: the change as git writes it.
        fits: every class that the task fits: some are never sent down.
    """
    found = risk.assess(risk.facts_of(change, patch), policy)
    advice = routing.ROUTERS[policy.routing.mode](routing.Situation(found, policy, fits))
    always = [it for it in found.signals if it.raised and it.name in policy.routing.always_strong_if]
    why = advice.reasons[0]
    if always:
        why = always[0].evidence[0] if always[0].evidence else always[0].name
    elif advice.complexity is None:  # by the score alone
        why = f"it scores {found.score} by the files that it touches"
    return Touched(found.score, advice.lane, why, tuple(it.name for it in always))


def belongs_higher(attempt: Attempt, standing: Standing, odd: Sequence[str]) -> tuple[str, str]:
    """The lane above to which a patch belongs, and why; two empty words where it may stay.

    Args:
        odd: what else about it only the top lane may do.
    """
    policy, found = standing.policy, standing.touched
    lanes = [it for it in policy.routing.ladder if not policy.models[it][0].is_fixer]
    if attempt.lane == lanes[-1]:
        return "", ""
    # a fixer is below them all, and may do what the lowest may
    rank = lanes.index(attempt.lane) if attempt.lane in lanes else 0
    if found and lanes.index(found.lane) > rank:
        return found.lane, found.why
    if found and (found.always or (len(lanes) == 1 and found.score > policy.routing.fast_max_score)):
        return lanes[-1], found.why
    return (lanes[-1], "; ".join(odd)) if odd else ("", "")


def is_worth_an_opinion(attempt: Attempt, standing: Standing) -> bool:
    """Whether a second model is to read a patch: not where it is refused without one."""
    looks = (look(attempt, standing) for look in (_grade, _effort, _size, _fitted))
    return not any(it and standing.stops(it.failure) for it in looks)


def decided(attempt: Attempt, standing: Standing, *, belongs_to: str = "") -> Attempt:
    """The attempt with the decision after it, and with the failure that this comes to.

    Args:
        attempt: with its evidence, its opinions and its confidence; what failed already stays as it is.
        belongs_to: the higher lane to which its patch belongs.
    """
    looks = [found for look in _LOOKS if (found := look(attempt, standing))]
    stopping = [it for it in looks if standing.stops(it.failure)]
    known = _known(attempt, standing, tuple(it.reason for it in looks))
    if attempt.failure:
        first = attempt.reason.partition("\n")[0]
        why = (f"{attempt.failure.value}: {first}" if not attempt.change else attempt.failure.value,)
        known = replace(known, accepts=False, reasons=why + known.reasons, belongs_to=belongs_to)
        return replace(attempt, second=known)
    if stopping:
        first_one = stopping[0]
        failed = replace(attempt, failure=first_one.failure, reason=first_one.told or first_one.reason)
        return replace(failed, second=replace(known, accepts=False))
    why_not = "the policy does not escalate on it" if standing.higher else "no higher lane is left"
    doubts = [f"{it.reason}, and {why_not}" for it in looks if it.failure]
    return replace(attempt, reason="; ".join([*_proved(attempt), *doubts]), second=known)


def _known(attempt: Attempt, standing: Standing, reasons: tuple[str, ...]) -> SecondDecision:
    effort, of = effort_of(attempt, standing.efforts)
    return SecondDecision(
        accepts=True,
        reasons=reasons,
        score=standing.touched.score if standing.touched else None,
        effort=effort,
        effort_of=of,
        likely=_likely(attempt, standing)[0],
    )


def _proved(attempt: Attempt) -> tuple[str, ...]:
    return attempt.evidence.reasons if attempt.evidence else ()


# --- what is looked at


def _touched(attempt: Attempt, standing: Standing) -> Look | None:
    found = standing.touched
    if found is None:
        return None
    return Look(
        f"score {found.score} by the files that it touches{''.join(f', {it}' for it in found.always)}"
    )


def _named(attempt: Attempt, standing: Standing) -> Look | None:
    """Where the operator's word for the task holds and the files say otherwise."""
    if not standing.is_claim_trusted or attempt.change is None:
        return None
    odd = routing.outside(standing.claimed, attempt.change)
    more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
    said = f"class {standing.claimed} was named by --class, and the patch touches {', '.join(odd[:3])}{more}"
    return Look(said) if odd else None


def _grade(attempt: Attempt, standing: Standing) -> Look | None:
    if attempt.change is None or not _is_judged(attempt):
        return None
    bar = standing.bar(attempt.lane, attempt.change)
    said = f"graded {attempt.grade.value}, {attempt.lane} needs {bar.value}"
    if attempt.grade.reaches(bar):
        return Look(said)
    return Look(said, Failure.WEAK, f"{said}: {'; '.join(_proved(attempt))}")


def _opinion(attempt: Attempt, standing: Standing) -> Look | None:
    if not _is_judged(attempt) or attempt.review is None:
        return Look(f"verifier {attempt.unreviewed}") if attempt.unreviewed else None
    review = attempt.review
    said = f"the verifier ({review.model}) says {review.opinion.value}"
    if review.approves:
        return Look(said)
    return Look(said, Failure.DISPUTED, f"{said}: {'; '.join(review.reasons) or 'it gave no reason'}")


def _confidence(attempt: Attempt, standing: Standing) -> Look | None:
    value, least = attempt.confidence, standing.policy.routing.confidence_threshold
    if value is None or not _is_judged(attempt):
        return None
    if value >= least:
        return Look(f"confidence {value:.2f}, {least:g} is needed")
    said = f"confidence {value:.2f} is below {least:g}"
    return Look(said, Failure.DOUBTFUL, f"{said}: {'; '.join(attempt.confidence_reasons)}")


def _effort(attempt: Attempt, standing: Standing) -> Look | None:
    if not attempt.requests:
        return None
    share, of = effort_of(attempt, standing.efforts)
    if share is None:
        return Look(f"effort unknown: {of}")
    said = f"effort above {100 * share:.0f} % of {attempt.lane}'s earlier attempts ({of})"
    most = standing.policy.routing.after.effort
    if most is None or share < int(most[1:]) / 100:
        return Look(said)
    return _unless(attempt, standing, f"{said}, {most} is the most")


def _size(attempt: Attempt, standing: Standing) -> Look | None:
    if attempt.change is None:
        return None
    lines, most = _lines(attempt.change), standing.policy.routing.after.max_lines
    said = f"{lines} line{'' if lines == 1 else 's'} added and removed"
    if most is None or lines <= most:
        return Look(said)
    return _unless(attempt, standing, f"{said}, {most} are the most")


def _unless(attempt: Attempt, standing: Standing, said: str) -> Look | None:
    """A doubt, where the patch is not proved well enough for it to count."""
    enough = standing.policy.routing.after.unless
    if not _is_judged(attempt):
        return Look(said)
    if enough != "never" and attempt.grade.reaches(Grade(enough)):
        return Look(f"{said}: that counts only below {enough}")
    return Look(said, Failure.DOUBTFUL)


def _fitted(attempt: Attempt, standing: Standing) -> Look | None:
    rule = _rule(attempt, standing)
    if rule is None or not _is_judged(attempt):
        return None
    likely, missing = _likely(attempt, standing)
    if likely is None:
        return Look(f"the fitted rule is left out: {', '.join(missing)} unknown")
    said = f"likely right: {likely:.2f} (fitted on {rule.outcomes} outcomes), {rule.accept_from:g} is needed"
    return Look(said, Failure.DOUBTFUL if likely < rule.accept_from else None)


_LOOKS: tuple[Callable[[Attempt, Standing], Look | None], ...] = (
    _touched,
    _named,
    _grade,
    _opinion,
    _confidence,
    _effort,
    _size,
    _fitted,
)


def _is_judged(attempt: Attempt) -> bool:
    """Whether checks ran and nothing has refused the patch yet."""
    return attempt.failure is None and attempt.evidence is not None


def _lines(change: Change) -> int:
    return change.added + change.deleted


# --- effort


def effort_of(attempt: Attempt, earlier: Efforts) -> tuple[float | None, str]:
    """Which share (0 to 1) of the lane's earlier attempts took less; and what was compared, or why nothing.

    By cost where that is known and was paid, else by tokens, else by requests.
    """
    if attempt.reused or any(it.other_model_answered or it.fallback_answered for it in attempt.calls):
        return None, "the lane's own model did not answer this time"
    cost = None if attempt.cost.unknown_calls else attempt.cost.known_micro_usd
    most = 0
    for what, taken, others in (
        ("cost", cost, earlier.usd),
        ("tokens", attempt.tokens, earlier.tokens),
        ("calls", attempt.requests, earlier.calls),
    ):
        if taken and len(others) >= LEAST_ATTEMPTS and any(others):
            return sum(it < taken for it in others) / len(others), f"{what}, n={len(others)}"
        most = max(most, len(others))
    return None, f"n={most}, {LEAST_ATTEMPTS} are needed"


# --- the fitted rule


def _rule(attempt: Attempt, standing: Standing) -> AcceptRule | None:
    routing_rules = standing.policy.routing
    return routing_rules.learned.get(attempt.lane) if routing_rules.mode == "learned" else None


def _likely(attempt: Attempt, standing: Standing) -> tuple[float | None, tuple[str, ...]]:
    """How likely the patch is right by the lane's fitted rule, or what that needs and is not known."""
    rule, change = _rule(attempt, standing), attempt.change
    if rule is None or change is None or attempt.evidence is None:
        return None, ()
    known = {
        "effort": effort_of(attempt, standing.efforts)[0],
        "grade": attempt.grade.rank / Grade.DISCRIMINATING.rank,
        "lines": math.log1p(_lines(change)),
        "score": float(standing.touched.score) if standing.touched else None,
    }
    if missing := tuple(name for name, value in known.items() if value is None and name in rule.weights):
        return None, missing
    is_class_known = standing.confirms(change)
    return likelihood(rule, known, standing.claimed, is_class_known=is_class_known), ()


def likelihood(
    rule: AcceptRule, known: Mapping[str, float | None], claimed: TaskClass, *, is_class_known: bool
) -> float:
    """The rule's logistic function (0 to 1) of what is known.

    Args:
        known: `effort`, `grade`, `lines` and `score`, as `routingspec.Feature` measures them.
        claimed: the class of the task.
        is_class_known: whether more than the brief says so; else the class may only lower it.
    """
    by_class = rule.weights.get(f"class:{claimed}", 0.0)
    if not is_class_known:
        by_class = min(by_class, rule.weights.get("class:other", 0.0))
    parts = (weight * (known.get(name) or 0.0) for name, weight in rule.weights.items() if name in known)
    odds = rule.intercept + by_class + sum(parts)
    return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0
