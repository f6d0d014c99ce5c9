"""What SQLite sums over the tally, and what the sums say."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from operator import add
from typing import TYPE_CHECKING, Any

from route_agent.figuring import Paid
from route_agent.records.figures import Spend

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from route_agent.records.figures import Asked

MICRO = 1_000_000

# what something cost, and the seconds of its checks: the price of those is not known before somebody asks
_RUN = ("run_cost", "run_checks")
_PATH = ("(model_cost + escalation + verifier)", "(run_checks - start_checks)")
_TRY = ("(cost + reviews)", "check_seconds")
_PASSED = "(counts AND failure IS NULL)"
_BEGUN = "(first AND number = 1)"


def _paid(name: str, which: str, good: str, amounts: tuple[str, str]) -> dict[str, str]:
    money, seconds = amounts
    return {
        f"{name}": f"SUM({which} * {money})",
        f"{name}_s": f"SUM({which} * {seconds})",
        f"{name}_mm": f"SUM({which} * 1.0 * {money} * {money})",
        f"{name}_ms": f"SUM({which} * {money} * {seconds})",
        f"{name}_ss": f"SUM({which} * {seconds} * {seconds})",
        f"{name}_good": f"SUM({good} * {money})",
        f"{name}_good_s": f"SUM({good} * {seconds})",
    }


_WHAT = {
    "runs": "SUM(first)",
    "tries": "SUM(number > 0)",
    "counted": "SUM(counts)",
    "passed": f"SUM{_PASSED}",
    "tried": "SUM(first AND counts)",
    "first_passed": f"SUM(first AND {_PASSED})",
    "escalated": "SUM(first AND counts AND escalated)",
    "accepted": "SUM(accepted)",
    "begun": f"SUM{_BEGUN}",
    "tried_unknown": "SUM(counts * unknown)",
    "unknown": "SUM(run_unknown)",
    **_paid("run", "first", "accepted", _RUN),
    **_paid("path", _BEGUN, "accepted", _PATH),
    **_paid("own", "counts", _PASSED, _TRY),
    "model": "SUM(model_cost)",
    "escalation": "SUM(escalation)",
    "verifier": "SUM(verifier)",
    "tests": "SUM(tests)",
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
    begun: float = 0
    tried_unknown: float = 0
    unknown: float = 0
    run: float = 0
    run_s: float = 0
    run_mm: float = 0
    run_ms: float = 0
    run_ss: float = 0
    run_good: float = 0
    run_good_s: float = 0
    path: float = 0
    path_s: float = 0
    path_mm: float = 0
    path_ms: float = 0
    path_ss: float = 0
    path_good: float = 0
    path_good_s: float = 0
    own: float = 0
    own_s: float = 0
    own_mm: float = 0
    own_ms: float = 0
    own_ss: float = 0
    own_good: float = 0
    own_good_s: float = 0
    model: float = 0
    escalation: float = 0
    verifier: float = 0
    tests: float = 0
    calls: float = 0
    reused: float = 0
    input_tokens: float = 0
    read_tokens: float = 0
    saved: float = 0
    told_saved: float = 0
    minutes: float = 0
    reviewed: float = 0
    more: float = 0
    more_squares: float = 0
    more_good: float = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(*map(add, astuple(self), astuple(other)))

    @property
    def values(self) -> tuple[float, ...]:
        """As SQLite gave them: what minutes add is not among them."""
        return astuple(self)[: len(_WHAT)]

    def whole(self, asked: Asked) -> Paid:
        """Everything that the runs cost, by accepted patch."""
        paid = self._paid("run", asked, self.runs, self.accepted, self.unknown)
        return replace(
            paid,
            cost=paid.cost + self.more,
            squares=paid.squares + self.more_squares,
            cost_of_good=paid.cost_of_good + self.more_good,
        )

    def through(self, asked: Asked) -> Paid:
        """What the attempts of the runs cost, escalation included, by accepted patch."""
        return self._paid("path", asked, self.begun, self.accepted, self.unknown)

    def direct(self, asked: Asked) -> Paid:
        """What the lane's own attempts cost, by accepted one."""
        return self._paid("own", asked, self.counted, self.passed, self.tried_unknown)

    def _paid(self, name: str, asked: Asked, n: float, good: float, unknown: float) -> Paid:
        price = check_price(asked)
        money, seconds, mm, ms, ss, of_good, of_good_s = (
            getattr(self, f"{name}{end}") for end in ("", "_s", "_mm", "_ms", "_ss", "_good", "_good_s")
        )
        return Paid(
            int(n),
            money + price * seconds,
            mm + 2 * price * ms + price * price * ss,
            int(good),
            of_good + price * of_good_s,
            int(unknown),
        )

    def with_minutes(self, run: sqlite3.Row, asked: Asked) -> Sums:
        """The sums where a person said how long one of the runs took to read."""
        before = run["run_cost"] + check_price(asked) * run["run_checks"]
        more = run["minutes"] * (asked.review_usd or 0.0) * MICRO
        return replace(
            self,
            more=self.more + more,
            more_squares=self.more_squares + 2 * before * more + more * more,
            more_good=self.more_good + run["accepted"] * more,
            minutes=self.minutes + run["minutes"],
            reviewed=self.reviewed + 1,
        )

    def spend(self, asked: Asked) -> Spend:
        """Where the money went."""
        named = self.model + self.escalation + self.verifier + self.tests
        checks = None if asked.check_usd is None else round(self.run_s / 60 * asked.check_usd * MICRO)
        review = None if asked.review_usd is None else round(self.minutes * asked.review_usd * MICRO)
        return Spend(
            model=int(self.model),
            escalation=int(self.escalation),
            verifier=int(self.verifier),
            tests=int(self.tests),
            other=int(self.run - named),
            unknown_calls=int(self.unknown),
            check_seconds=self.run_s,
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
