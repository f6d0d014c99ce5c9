"""What lanes did so far, from the ledger's rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3


@dataclass(frozen=True, slots=True)
class LaneStatistics:
    """What a lane did so far, with one class of task or, where that is empty, with all.

    Rates are shares of `attempts`, or None without any; seconds are medians.
    """

    lane: str
    task_class: str
    attempts: int
    accepted: int
    first_tries: int
    first_tries_accepted: int
    median_seconds: float | None
    cost_micro_usd: int
    unknown_calls: int


def statistics_of(lane: str, task_class: str, attempts: list[sqlite3.Row]) -> LaneStatistics:
    """One lane's attempts in figures."""
    from statistics import median

    first = [row for row in attempts if row["number"] == 1]
    return LaneStatistics(
        lane=lane,
        task_class=task_class,
        attempts=len(attempts),
        accepted=sum(row["failure"] is None for row in attempts),
        first_tries=len(first),
        first_tries_accepted=sum(row["failure"] is None for row in first),
        median_seconds=median(row["seconds"] for row in attempts) if attempts else None,
        cost_micro_usd=sum(row["cost_micro_usd"] for row in attempts),
        unknown_calls=sum(row["unknown_calls"] for row in attempts),
    )
