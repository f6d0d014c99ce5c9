"""Rows and sums made into the groups that are shown. Pure."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from route_agent.figuring import Paid, estimate, is_above, latency, share
from route_agent.records.figures import Asked, Cache, Failed, Group, Spend, Tiers

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from route_agent.ledger.sums import Sums
    from route_agent.ledger.weekly import Week

MOST_LIMITS = 3


@dataclass(slots=True)
class Each:
    """What SQLite would have to sort a million rows for: times, and what is counted along with them."""

    times: dict[str, list[float]] = field(default_factory=dict)
    weekly: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    failed: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # group, lane, failure
    ended: Counter[str] = field(default_factory=Counter)
    limits: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add_week(self, week: Week) -> None:
        """Take a week in, by lane."""
        for lane, times in week.times.items():
            self.weekly.setdefault((week.monday, lane), []).extend(times)
            self.times.setdefault(lane, []).extend(times)
        for (lane, failure), count in week.failed.items():
            self.failed[lane, lane, failure] += count
        self.ended.update(week.ended)
        self.limits.update(week.limits)

    def read(self, rows: Iterable[Any], *, of_attempts: bool) -> None:
        """Take rows in, as `questions.EACH` has them."""
        times, weekly = self.times, self.weekly
        for name, week, lane, failure, counts, seconds, number, first, last, whole, limits in rows:
            if counts:
                weekly.setdefault((week, lane), []).append(seconds)
                if of_attempts:
                    times.setdefault(name, []).append(seconds)
            if failure is not None:
                self.failed[name, lane, failure] += 1
            if first:
                if number and not of_attempts:
                    times.setdefault(name, []).append(whole)
                self.ended[last] += 1
                if limits is not None:
                    self.limits[name, limits] += 1


def week_name(monday: str) -> str:
    """The ISO week of a Monday, such as `2026-W47`."""
    year, week, _ = date.fromisoformat(monday).isocalendar()
    return f"{year}-W{week:02d}"


def group_of(
    name: str, sums: Sums, asked: Asked, times: Iterable[float], failures: tuple[Failed, ...]
) -> Group:
    return Group(
        name=name,
        runs=int(sums.runs),
        attempts=int(sums.tries),
        calls=int(sums.calls),
        accepted=int(sums.accepted),
        first_try=share(int(sums.first_passed), int(sums.tried)),
        escalated=share(int(sums.escalated), int(sums.tried)),
        latency=latency(list(times)),
        per_run=estimate(sums.whole(asked).each),
        per_accepted=estimate(sums.whole(asked)),
        spend=sums.spend(asked),
        cache=Cache(
            int(sums.read_tokens),
            int(sums.input_tokens),
            int(sums.saved) if sums.told_saved else None,
            share(int(sums.reused), int(sums.calls)),
        ),
        failures=failures,
    )


def group_of_calls(row: sqlite3.Row, times: list[float]) -> Group:
    """A key's or an endpoint's calls; one without a name needed none, or nobody wrote it down."""
    rest = row["verifier"] + row["tests"] + row["other"]
    spend = Spend(
        model=row["cost"] - rest,
        verifier=row["verifier"],
        tests=row["tests"],
        other=row["other"],
        unknown_calls=row["unknown"],
    )
    return Group(
        name=row["name"] or "none",
        runs=row["runs"],
        calls=row["calls"],
        latency=latency(times),
        per_run=estimate(
            Paid(row["runs"], row["cost"], row["squares"], row["runs"], row["cost"], row["unknown"])
        ),
        spend=spend,
        cache=Cache(row["read"], row["input"], row["saved"], share(row["reused"], row["calls"])),
    )


def failures_of(each: Each, name: str, of: int, place: int | None) -> tuple[Failed, ...]:
    """The failures of a group (place 0), of a lane (1) or of all, the commonest first."""
    counted: Counter[str] = Counter()
    for key, count in each.failed.items():
        if place is None or key[place] == name:
            counted[key[2]] += count
    return tuple(Failed(failure, share(count, of)) for failure, count in most(counted, len(counted)))


def most(counted: Counter[str], most: int) -> tuple[tuple[str, int], ...]:
    """The commonest, in an order that chance has no part in."""
    return tuple(sorted(counted.items(), key=lambda it: (-it[1], it[0]))[:most])


def limits_of(counted: Counter[tuple[str, str]], name: str) -> tuple[str, ...]:
    own = Counter({text: count for (group, text), count in counted.items() if group == name})
    return tuple(
        " · ".join(f"${usd:g} {limit}" for limit, usd in json.loads(text).items())
        for text, _ in most(own, MOST_LIMITS)
    )


def along(asked: Asked, lane: str) -> tuple[int, str]:
    return (asked.ladder.index(lane) if lane in asked.ladder else len(asked.ladder)), lane


def tiers_of(asked: Asked, ended: Counter[str]) -> Tiers:
    """Which lane ended the runs, against the policy's targets; lanes beside the ladder are of no tier."""
    counted = {lane: count for lane, count in ended.items() if lane}
    lanes = tuple(sorted(counted.items(), key=lambda it: along(asked, it[0])))
    whole = sum(counted.values())
    cheap = share(sum(counted.get(lane, 0) for lane in asked.ladder[:-1]), whole)
    frontier = share(counted.get(asked.ladder[-1], 0) if asked.ladder else 0, whole)
    return Tiers(
        lanes=lanes,
        cheap=cheap,
        frontier=frontier,
        cheap_least=asked.cheap_least,
        frontier_most=asked.frontier_most,
        cheap_alarm=bool(asked.ladder) and is_above(whole - cheap.part, whole, 1 - asked.cheap_least),
        frontier_alarm=bool(asked.ladder) and is_above(frontier.part, whole, asked.frontier_most),
    )
