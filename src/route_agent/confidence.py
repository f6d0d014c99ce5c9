"""How sure one may be that an accepted patch is right: computed from what is known, never asked of a model.

It begins with a share for the patch's grade and adds small steps in log-odds, so that no
sum of them leaves 0 to 1. ROUTING.md has the table; a test compares the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.records.grades import Grade
from route_agent.records.reviews import Opinion
from route_agent.verifying import tells_bad_from_good

if TYPE_CHECKING:
    from route_agent.records.reviews import Review
    from route_agent.records.runs import Cost

# how many patches of a grade are right: `ran` and `covered` as measured on 70 real model patches on real
# repositories, the others assumed
RIGHT = {
    Grade.NONE: 0.30,
    Grade.STATIC: 0.50,
    Grade.RAN: 0.58,
    Grade.COVERED: 0.80,
    Grade.DISCRIMINATING: 0.95,
}
CONFIRMED_STATIC = 0.70

# the steps are judgement, not measurement: the first that holds counts
EFFORT_STEPS = ((4.0, -0.7), (2.0, -0.3))  # above so many times the lane's usual cost
SIZE_STEPS = ((200, -0.5), (50, -0.2))  # above so many added and removed lines
APPROVED_BY_TRUSTED, APPROVED_BY_UNTRIED = 0.5, 0.2
OPINION_STEPS = {Opinion.UNSURE: -0.7, Opinion.REJECT: -1.5}

LEAST_RUNS = 20
LEAST_ATTEMPTS = 10  # below, a quantile of a lane's attempts is chance


@dataclass(frozen=True, slots=True)
class Usual:
    """What a lane's attempts cost so far: how many are known, and their median in micro-dollars."""

    runs: int = 0
    median_micro_usd: int = 0


@dataclass(frozen=True, slots=True)
class Efforts:
    """What a lane's earlier attempts with the same model took, newest first.

    An attempt that was stopped at a limit would have taken more than it did: it stands as infinite.

    Attributes:
        usd: their costs in micro-dollars, of those whose every price is known.
        tokens: what they read and wrote together, of those where it was counted.
        calls: their requests.
    """

    usd: tuple[float, ...] = ()
    tokens: tuple[float, ...] = ()
    calls: tuple[float, ...] = ()


NOTHING_KNOWN = Efforts()


def confidence(
    grade: Grade,
    *,
    is_confirmed: bool,
    cost: Cost,
    usual: Usual,
    lines: int,
    review: Review | None,
) -> tuple[float, tuple[str, ...]]:
    """The confidence (0 to 1, two digits) with one reason for each part of it.

    Args:
        grade: what the checks proved.
        is_confirmed: whether the touched files confirm a class of task that needs no tests, such as docs.
        cost: of the attempt's own calls.
        usual: the same of the lane's earlier attempts.
        lines: how many lines the patch adds and removes.
        review: the verifier's opinion of this patch; None where it was not asked.
    """
    begin, first = _begin(grade, is_confirmed=is_confirmed)
    steps = (_effort(cost, usual), _size(lines), _opinion(review))
    odds = math.log(begin / (1 - begin)) + sum(step for step, _ in steps)
    reasons = (f"{why}: {step:+.1f}" if step else why for step, why in steps)
    return round(1 / (1 + math.exp(-odds)), 2), (first, *reasons)


def _begin(grade: Grade, *, is_confirmed: bool) -> tuple[float, str]:
    if is_confirmed and grade.reaches(Grade.STATIC) and RIGHT[grade] < CONFIRMED_STATIC:
        told = f"{grade.value}, and the files are of the task's class"
        return CONFIRMED_STATIC, f"{told}: {CONFIRMED_STATIC:.2f}"
    return RIGHT[grade], f"{grade.value}: {RIGHT[grade]:.2f}"


def _effort(cost: Cost, usual: Usual) -> tuple[float, str]:
    if cost.unknown_calls:
        return 0.0, "effort unknown: a call has no known price"
    if not cost.known_micro_usd:
        return 0.0, "effort left out: it cost nothing"
    if usual.runs < LEAST_RUNS or not usual.median_micro_usd:
        return 0.0, f"effort unknown: {usual.runs} earlier attempts of this lane, {LEAST_RUNS} are needed"
    times = cost.known_micro_usd / usual.median_micro_usd
    step = next((step for above, step in EFFORT_STEPS if times > above), 0.0)
    return step, f"cost {times:.1f} times the lane's usual (n={usual.runs})"


def _size(lines: int) -> tuple[float, str]:
    step = next((step for above, step in SIZE_STEPS if lines > above), 0.0)
    return step, f"{lines} line{'' if lines == 1 else 's'} added and removed"


def _opinion(review: Review | None) -> tuple[float, str]:
    if review is None:
        return 0.0, "no second model was asked"
    if not review.approves:
        return OPINION_STEPS[review.opinion], f"the verifier says {review.opinion.value}"
    if not review.track.shown:
        return APPROVED_BY_UNTRIED, "the verifier approves, untried by known-bad patches"
    if tells_bad_from_good(review.track):
        return APPROVED_BY_TRUSTED, "the verifier approves, and tells bad patches from good ones"
    return 0.0, "the verifier approves, and did no better than chance so far"
