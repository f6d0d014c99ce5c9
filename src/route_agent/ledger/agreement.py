"""Where the rules and the shadow agree, and who was right, from the ledger's rows."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from route_agent.records.grades import Verdict

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

DAYS = 7  # of decisions, before the table says anything


@dataclass(frozen=True, slots=True)
class Cell:
    """Runs for which the rules named one lane and the shadow another, or the same.

    `first_accepted` is how many of `runs` the lane that went first ended with an accepted patch.
    """

    rules: str
    shadow: str
    level: str
    runs: int
    first_accepted: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the shadow said so far, beside the rules.

    Attributes:
        asked: in how many runs it was asked.
        unanswered: in how many of them it said nothing that could be read.
        days: since the first of them, up to now.
        cells: of the runs with an answer that came to their work.
    """

    asked: int = 0
    unanswered: int = 0
    days: float = 0.0
    cells: tuple[Cell, ...] = ()

    @property
    def is_old_enough(self) -> bool:
        """Whether there is a week of decisions."""
        return self.days >= DAYS


def agreement_of(rows: Sequence[sqlite3.Row], now: datetime) -> Agreement:
    """Count the runs of mode `shadow`.

    Args:
        rows: with `started_at`, `advice`, `first_lane`, `accepted_lane`, `verdict` and `worked`, the oldest
            first.
    """
    runs, right, unanswered = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]](), 0
    for row in rows:
        said = {advice["router"]: advice for advice in json.loads(row["advice"])}
        shadow, rules = said.get("shadow", {}), said.get("rules", {})
        if not shadow.get("level"):
            unanswered += 1
        elif row["worked"] and rules:
            key = (rules["lane"], shadow["lane"], shadow["level"])
            runs[key] += 1
            right[key] += (
                row["verdict"] == Verdict.ACCEPTED.value and row["accepted_lane"] == row["first_lane"]
            )
    if not rows:
        return Agreement()
    first = datetime.fromisoformat(rows[0]["started_at"])
    since = now - (first if first.tzinfo else first.replace(tzinfo=UTC))
    cells = tuple(Cell(*key, count, right[key]) for key, count in sorted(runs.items()))
    return Agreement(len(rows), unanswered, since.total_seconds() / 86_400, cells)
