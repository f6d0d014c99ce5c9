"""What SQLite sums over the tally, and what the sums say."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Any

from route_agent.figuring import Paid
from route_agent.records.figures import Spend

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from route_agent.records.figures import Asked

MICRO = 1_000_000

# money in micro-dollars; :check is what a second of checks costs
_RUN = "(run_cost + :check * run_checks)"
_PATH = "(model_cost + escalation + verifier + :check * (run_checks - start_checks))"
_TRY = "(cost + reviews + :check * check_seconds)"
_PASSED = "(counts AND failure IS NULL)"
_BEGUN = "(first AND number = 1)"
_WHAT = {
    "runs": "SUM(first)",
    "tries": "SUM(number > 0)",
    "counted": "SUM(counts)",
    "passed": f"SUM{_PASSED}",
    "tried": "SUM(first AND counts)",
    "first_passed": f"SUM(first AND {_PASSED})",
    "escalated": "SUM(first AND counts AND escalated)",
    "accepted": "SUM(accepted)",
    "cost": f"SUM(first * {_RUN})",
    "squares": f"SUM(first * {_RUN} * {_RUN})",
    "cost_of_good": f"SUM(accepted * {_RUN})",
    "begun": f"SUM{_BEGUN}",
    "path": f"SUM({_BEGUN} * {_PATH})",
    "path_squares": f"SUM({_BEGUN} * {_PATH} * {_PATH})",
    "path_of_good": f"SUM(accepted * {_PATH})",
    "tried_cost": f"SUM(counts * {_TRY})",
    "tried_squares": f"SUM(counts * {_TRY} * {_TRY})",
    "tried_of_good": f"SUM({_PASSED} * {_TRY})",
    "tried_unknown": "SUM(counts * unknown)",
    "unknown": "SUM(run_unknown)",
    "money": "SUM(run_cost)",
    "model": "SUM(model_cost)",
    "escalation": "SUM(escalation)",
    "verifier": "SUM(verifier)",
    "tests": "SUM(tests)",
    "checks": "SUM(run_checks)",
    "calls": "SUM(calls)",
    "reused": "SUM(reused)",
    "input_tokens": "SUM(input_tokens)",
    "read_tokens": "SUM(read_tokens)",
    "saved": "COALESCE(SUM(saved), 0)",
    "told_saved": "COUNT(saved)",
}
SUMS = ", ".join(_WHAT.values())


@dataclass(frozen=True, slots=True)
class Sums:
    """One group's sums, in the order of `SUMS`; what people's minutes add comes last."""

    runs: float = 0
    tries: float = 0
    counted: float = 0
    passed: float = 0
    tried: float = 0
    first_passed: float = 0
    escalated: float = 0
    accepted: float = 0
    cost: float = 0
    squares: float = 0
    cost_of_good: float = 0
    begun: float = 0
    path: float = 0
    path_squares: float = 0
    path_of_good: float = 0
    tried_cost: float = 0
    tried_squares: float = 0
    tried_of_good: float = 0
    tried_unknown: float = 0
    unknown: float = 0
    money: float = 0
    model: float = 0
    escalation: float = 0
    verifier: float = 0
    tests: float = 0
    checks: float = 0
    calls: float = 0
    reused: float = 0
    input_tokens: float = 0
    read_tokens: float = 0
    saved: float = 0
    told_saved: float = 0
    minutes: float = 0
    reviewed: float = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    @property
    def whole(self) -> Paid:
        """Everything that the runs cost, by accepted patch."""
        return Paid(
            int(self.runs), self.cost, self.squares, int(self.accepted), self.cost_of_good, int(self.unknown)
        )

    @property
    def through(self) -> Paid:
        """What the attempts of the runs cost, escalation included, by accepted patch."""
        return Paid(
            int(self.begun),
            self.path,
            self.path_squares,
            int(self.accepted),
            self.path_of_good,
            int(self.unknown),
        )

    @property
    def direct(self) -> Paid:
        """What the lane's own attempts cost, by accepted one."""
        return Paid(
            int(self.counted),
            self.tried_cost,
            self.tried_squares,
            int(self.passed),
            self.tried_of_good,
            int(self.tried_unknown),
        )

    def with_minutes(self, run: sqlite3.Row, asked: Asked) -> Sums:
        """The sums where a person said how long one of the runs took to read."""
        before = run["run_cost"] + check_price(asked) * run["run_checks"]
        more = run["minutes"] * (asked.review_usd or 0.0) * MICRO
        return replace(
            self,
            cost=self.cost + more,
            squares=self.squares + 2 * before * more + more * more,
            cost_of_good=self.cost_of_good + run["accepted"] * more,
            minutes=self.minutes + run["minutes"],
            reviewed=self.reviewed + 1,
        )

    def spend(self, asked: Asked) -> Spend:
        """Where the money went."""
        named = self.model + self.escalation + self.verifier + self.tests
        checks = None if asked.check_usd is None else round(self.checks / 60 * asked.check_usd * MICRO)
        review = None if asked.review_usd is None else round(self.minutes * asked.review_usd * MICRO)
        return Spend(
            model=int(self.model),
            escalation=int(self.escalation),
            verifier=int(self.verifier),
            tests=int(self.tests),
            other=int(self.money - named),
            unknown_calls=int(self.unknown),
            check_seconds=self.checks,
            check=checks,
            review_minutes=self.minutes,
            reviewed=int(self.reviewed),
            review=review,
        )


def sums_of(values: Sequence[Any]) -> Sums:
    """The sums from one row of SQLite's, of which none are where there was no row to sum."""
    return Sums(*(value or 0 for value in values))


def check_price(asked: Asked) -> float:
    """What a second of checks costs, in micro-dollars; 0 where it is counted and not priced."""
    return (asked.check_usd or 0.0) * MICRO / 60
