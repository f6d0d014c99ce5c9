"""What a ledger alone can teach: an accept rule for each lane, and from which score a cheap lane loses money.

Here a pass is known, and later it may be known to have been wrong. So the rule is fitted to patches that
passed, and says how likely such a patch stays.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from route_agent.records.grades import Grade
from route_agent.routingspec import AcceptRule
from route_agent.tuning.logistic import area, fit

CLASS = "class:"
LEAST_PASSED = 30
LEAST_OF_EACH = 5  # right ones, and wrong ones
LEAST_OF_A_CLASS = 10
LEAST_TRIES = 30
ACCEPT_FROM = 0.5


@dataclass(frozen=True, slots=True)
class Passed:
    """One attempt: whether it passed, whether it is known to have been wrong, and its features."""

    repository: str
    lane: str
    passed: bool
    wrong: bool
    features: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class LaneRule:
    """A lane's accept rule, or why there is none.

    Attributes:
        passed: patches that the verification let pass; `wrong` of them were reverted later.
        auc: how well it tells them apart in repositories unseen by the fit; None without both in the end.
    """

    lane: str
    passed: int
    wrong: int
    rule: AcceptRule | None
    auc: float | None


@dataclass(frozen=True, slots=True)
class Threshold:
    """Up to which score a cheap first lane pays.

    Attributes:
        fast_max_score: None where it pays at no score; the highest score seen where it pays at all of them.
        tries: first attempts that this stands on.
        break_even: the share (0 to 1) it must solve, which is its cost divided by the strong lane's.
    """

    fast_max_score: int | None
    tries: int
    highest: int
    break_even: float


@dataclass(frozen=True, slots=True)
class Own:
    """What a ledger's own attempts teach about its lanes.

    Attributes:
        fast: the lane that the threshold is of.
        firsts: its first attempts whose score is known.
    """

    fast: str
    rules: Sequence[LaneRule]
    threshold: Threshold | None
    firsts: int


def features_of(
    *, effort: float | None, grade: str, lines: int, score: int | None, task_class: str
) -> dict[str, float]:
    """An attempt's features as an accept rule names and measures them; what is unknown is not there."""
    known = {
        "grade": Grade(grade).rank / Grade.DISCRIMINATING.rank,
        "lines": math.log1p(lines),
        f"{CLASS}{task_class}": 1.0,
    }
    if effort is not None:
        known["effort"] = effort
    if score is not None:
        known["score"] = float(score)
    return known


def lane_rules(attempts: Sequence[Passed]) -> list[LaneRule]:
    """One for each lane with patches that passed, by name."""
    lanes = sorted({it.lane for it in attempts if it.passed})
    return [_lane_rule(lane, [it for it in attempts if it.lane == lane and it.passed]) for lane in lanes]


def _lane_rule(lane: str, passed: Sequence[Passed]) -> LaneRule:
    wrong = sum(it.wrong for it in passed)
    names = _names(passed)
    if len(passed) < LEAST_PASSED or min(wrong, len(passed) - wrong) < LEAST_OF_EACH or not names:
        return LaneRule(lane, len(passed), wrong, None, None)
    usable = [it for it in passed if all(name in it.features or name.startswith(CLASS) for name in names)]
    intercept, *weights = _fitted(usable, names)
    rule = AcceptRule(
        intercept=round(intercept, 3),
        weights={name: round(it, 3) for name, it in zip(names, weights, strict=True)},
        accept_from=ACCEPT_FROM,
        outcomes=len(usable),
    )
    return LaneRule(lane, len(passed), wrong, rule, _auc(usable, names))


def _names(passed: Sequence[Passed]) -> list[str]:
    """What nearly every patch has; a class where it has some patches, and is not the only one."""
    seen = Counter(name for it in passed for name in it.features)
    return sorted(
        name
        for name, count in seen.items()
        if (LEAST_OF_A_CLASS <= count < len(passed) if name.startswith(CLASS) else count >= 0.9 * len(passed))
    )


def _fitted(passed: Sequence[Passed], names: Sequence[str]) -> list[float]:
    rows = [[it.features.get(name, 0.0) for name in names] for it in passed]
    return fit(rows, [float(not it.wrong) for it in passed])


def _auc(passed: Sequence[Passed], names: Sequence[str]) -> float | None:
    """Leaving one repository out; with one repository alone it is not known."""
    scores, rights = [], []
    for repository in sorted({it.repository for it in passed}):
        others = [it for it in passed if it.repository != repository]
        if not 0 < sum(it.wrong for it in others) < len(others):
            continue
        intercept, *weights = _fitted(others, names)
        for it in (it for it in passed if it.repository == repository):
            known = (weight * it.features.get(name, 0.0) for name, weight in zip(names, weights, strict=True))
            scores.append(intercept + sum(known))
            rights.append(float(not it.wrong))
    return area(scores, rights)


def threshold(
    firsts: Sequence[tuple[int, bool]], fast_costs: Collection[float], strong_costs: Collection[float]
) -> Threshold | None:
    """From which score a cheap first lane no longer pays for itself.

    It pays while what it solves at a score, times the strong lane's cost, is more than what it costs. A score
    stands for what a mistake would break, so outcomes may only lower where the cheap lane ends.

    Args:
        firsts: for each first attempt of the cheap lane its score, and whether it solved the task.
        fast_costs: dollars for its attempts; `strong_costs` for the strong lane's.

    Returns:
        None of fewer than thirty attempts, or where a cost is not known.
    """
    if len(firsts) < LEAST_TRIES or not fast_costs or not strong_costs or not fmean(strong_costs):
        return None
    even = fmean(fast_costs) / fmean(strong_costs)
    intercept, weight = fit([[float(score)] for score, _ in firsts], [float(right) for _, right in firsts])
    highest = max(score for score, _ in firsts)

    def solves(score: int) -> float:
        return 1 / (1 + math.exp(-max(-700.0, min(700.0, intercept + weight * score))))

    last = next((score - 1 for score in range(highest + 1) if solves(score) <= even), highest)
    return Threshold(last if last >= 0 else None, len(firsts), highest, even)
