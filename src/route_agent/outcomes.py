"""What lanes made of tasks in the past, and what a ladder of them would have cost and solved.

Everything here is an expectation in closed form: equal outcomes give equal figures. With `a` the share of
wrong patches that the verification lets pass and `r` the share of right ones that it refuses, an attempt that
is right with probability `s` is accepted with probability ``s·(1−r) + (1−s)·a``; the last lane's patch is
handed on whatever the verification says. Errors of the verification are taken as independent between lanes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one model made of one task.

    Attributes:
        resolved: the share of its attempts that were right (0 or 1 where there is one).
        cost_usd: what an attempt cost, in dollars.
        calls: requests per attempt; None where they were not counted.
        seconds: wall time; None where it was not taken.
        attempts: how many attempts the row stands for.
    """

    resolved: float
    cost_usd: float
    calls: float | None = None
    seconds: float | None = None
    attempts: int = 1


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
        stopped = cap is not None and outcome.cost_usd > cap
        right = 0.0 if stopped else outcome.resolved
        cost += reached * (cap if stopped and cap is not None else outcome.cost_usd)
        if number == last:
            resolved += reached * right
            break
        passed = right * (1 - errors.rejects)
        accepted = 0.0 if stopped else passed + (1 - right) * errors.accepts
        resolved += reached * passed
        reached *= 1 - accepted
    return Expected(resolved, cost)


def shared_tasks(outcomes: Outcomes, models: Sequence[str]) -> list[str]:
    """The tasks that every one of these models has tried, in the order of their names."""
    first, *rest = (outcomes[model].keys() for model in models)
    return sorted(set(first).intersection(*rest))


def each(rungs: Sequence[Rung], outcomes: Outcomes, tasks: Sequence[str], errors: Errors) -> list[Expected]:
    """What a ladder makes of each of the tasks, in their order."""
    lanes = [(outcomes[rung.model], rung.cap_usd) for rung in rungs]
    return [expect([(lane[task], cap) for lane, cap in lanes], errors) for task in tasks]
