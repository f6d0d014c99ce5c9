"""What lanes made of tasks in the past, and what a ladder of them would have cost and solved.

Everything here is an expectation in closed form: equal outcomes give equal figures. With `a` the share of
wrong patches that the verification lets pass and `r` the share of right ones that it refuses, an attempt that
is right with probability `s` is accepted with probability ``s·(1−r) + (1−s)·a``; the last lane's patch is
handed on whatever the verification says. Errors of the verification are taken as independent between lanes,
and so are, on one task, the attempts of two lanes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, fsum


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one model made of one task.

    Attributes:
        resolved: the share of its attempts that were right (0 or 1 where there is one).
        cost_usd: what an attempt cost, in dollars.
        calls: requests per attempt; None where they were not counted.
        seconds: wall time; None where it was not taken.
        attempts: how many attempts it stands for; all figures above are their means.
        samples: of several attempts, each one's share and cost, in their order; empty where there is one.
    """

    resolved: float
    cost_usd: float
    calls: float | None = None
    seconds: float | None = None
    attempts: int = 1
    samples: tuple[tuple[float, float], ...] = ()

    @property
    def each(self) -> tuple[tuple[float, float], ...]:
        """Every attempt as its share (0 or 1) and its cost in dollars."""
        return self.samples or ((self.resolved, self.cost_usd),)


# by model, then by task
Outcomes = Mapping[str, Mapping[str, Outcome]]


@dataclass(frozen=True, slots=True)
class Errors:
    """How often the verification is wrong: `accepts` wrong patches, `rejects` right ones (shares, 0 to 1)."""

    accepts: float = 0.0
    rejects: float = 0.0


@dataclass(frozen=True, slots=True)
class Rung:
    """One lane of a ladder: a model, and the dollars after which its attempt is stopped and handed over."""

    model: str
    cap_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What a ladder may be expected to solve (share, 0 to 1) and cost (dollars), for one task."""

    resolved: float
    cost_usd: float


def expect(tries: Sequence[tuple[Outcome, float | None]], errors: Errors) -> Expected:
    """What a ladder makes of one task.

    Args:
        tries: each lane's recorded outcome on this task and its cap in dollars, from the lowest lane up.
        errors: how often the verification is wrong.
    """
    reached, resolved, cost = 1.0, 0.0, 0.0
    last = len(tries) - 1
    for number, (outcome, cap) in enumerate(tries):
        right, finished, paid = _within(outcome, cap)
        cost += reached * paid
        if number == last:
            resolved += reached * right
            break
        passed = right * (1 - errors.rejects)
        resolved += reached * passed
        reached *= 1 - (passed + (finished - right) * errors.accepts)
    return Expected(resolved, cost)


def _within(outcome: Outcome, cap: float | None) -> tuple[float, float, float]:
    """The shares of attempts that are right and that come to an end under a cap, and what one costs."""
    right, ended = right_and_ended(outcome, cap)
    if cap is None or (ended == 1 and not outcome.samples):
        return right, ended, outcome.cost_usd
    return right, ended, fsum(min(usd, cap) for _, usd in outcome.each) / len(outcome.each)


def right_and_ended(outcome: Outcome, cap: float | None) -> tuple[float, float]:
    """The shares of attempts that are right, and that come to an end at all, within a cap in dollars."""
    if cap is None:
        return outcome.resolved, 1.0
    if not outcome.samples:
        return (0.0, 0.0) if outcome.cost_usd > cap else (outcome.resolved, 1.0)
    ended = [share for share, usd in outcome.samples if usd <= cap]
    return fsum(ended) / len(outcome.samples), len(ended) / len(outcome.samples)


def quantile(values: Iterable[float], share: float) -> float:
    """The value below which so great a share (0 to 1) of the values lies, with linear interpolation.

    Raises:
        ValueError: there are no values.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("a quantile of nothing")
    place = share * (len(ordered) - 1)
    below = min(floor(place), len(ordered) - 1)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def usual_cost(lane: Mapping[str, Outcome], tasks: Iterable[str], share: float) -> float:
    """The dollars that so great a share of a model's attempts on these tasks stayed within: an effort cap."""
    return quantile((usd for task in tasks for _, usd in lane[task].each), share)


def shared_tasks(outcomes: Outcomes, models: Sequence[str]) -> list[str]:
    """The tasks that every one of these models has tried, in the order of their names."""
    first, *rest = (outcomes[model].keys() for model in models)
    return sorted(set(first).intersection(*rest))


def each(rungs: Sequence[Rung], outcomes: Outcomes, tasks: Sequence[str], errors: Errors) -> list[Expected]:
    """What a ladder makes of each of the tasks, in their order."""
    lanes = [(outcomes[rung.model], rung.cap_usd) for rung in rungs]
    return [expect([(lane[task], cap) for lane, cap in lanes], errors) for task in tasks]
