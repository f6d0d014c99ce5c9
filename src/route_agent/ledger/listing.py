"""The latest runs one by one and the earlier ones by month, for a page that stays small. Only reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from route_agent.ledger.database import Database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    Sums = tuple[int, int, int | None]  # runs, accepted ones, and their cost

# a person's word stands over git's, and of each the last
_RECEIVED = (
    "(SELECT outcome FROM reception WHERE run_id = run.id ORDER BY source = 'person' DESC, id DESC LIMIT 1)"
)
_WINDOW = "started_at >= :since AND (:until = '' OR started_at < :until)"
_LATEST = (
    "SELECT id, started_at, repository, brief, author, replayed, task_class, score,"  # noqa: S608 - the words are ours
    " first_lane, accepted_lane, verdict, seconds, cost_micro_usd, unknown_calls, source, report,"
    " (SELECT json_group_array(lane) FROM"
    "   (SELECT lane FROM attempt WHERE run_id = run.id ORDER BY number)) AS lanes,"
    f" {_RECEIVED} AS received"
    f" FROM run WHERE {_WINDOW} ORDER BY started_at DESC, rowid DESC LIMIT :most"
)
_RECEPTIONS = (
    "SELECT at, source, outcome, minutes, note, reviewer, commit_id, lines, surviving, days"
    " FROM reception WHERE run_id = ? ORDER BY id"
)
# recorded replies and dry runs have no tally
_PART = (
    "SELECT COUNT(*) AS runs, SUM(accepted) AS accepted, SUM(run_cost) AS cost, SUM(run_unknown) AS unknown"
    " FROM tally WHERE week = :week AND first = 1 AND at >= :since AND at < :before"
)
_JUDGED = (
    "SELECT verdict, COUNT(*) AS n, SUM(reused) AS reused, SUM(cost_micro_usd) AS cost,"
    " SUM(unknown_calls) AS unknown FROM judgement"
    " WHERE at >= :since AND (:until = '' OR at < :until) GROUP BY verdict ORDER BY n DESC"
)
_JUDGEMENTS = (
    "SELECT id, at, repository, base, head, verdict, failure, grade, score, lane, task_class, seconds, reused"
    " FROM judgement WHERE at >= :since AND (:until = '' OR at < :until) ORDER BY at DESC LIMIT :most"
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One run as a list shows it. Money in micro-dollars; None is unknown, or not there.

    Attributes:
        lanes: of its attempts, in their order.
        verdict: empty where the run never finished.
        cost_micro_usd: None where a call has no known price, and where the run never finished.
        received: the last word of a person about its patch, else git's; empty where nobody said.
        report: its whole report as JSON; empty where the run never finished.
    """

    id: str
    started_at: str
    repository: str
    brief: str
    author: str
    replayed: bool
    task_class: str
    score: int | None
    first_lane: str
    accepted_lane: str
    lanes: tuple[str, ...]
    verdict: str
    seconds: float | None
    cost_micro_usd: int | None
    received: str
    source: str
    report: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """Runs that are not listed one by one, by the month (`2026-11`) in which their week began."""

    month: str
    runs: int
    accepted: int
    cost_micro_usd: int | None


@dataclass(frozen=True, slots=True)
class Word:
    """One word about a run's patch, by a person or from git's history; as `Reception`, in plain text."""

    at: str
    source: str
    outcome: str
    minutes: float | None
    note: str
    reviewer: str
    commit: str
    lines: int | None
    surviving: int | None
    days: float | None


@dataclass(frozen=True, slots=True)
class Judged:
    """How often the gate came to one verdict, and how often it took an earlier one again."""

    verdict: str
    n: int
    reused: int
    cost_micro_usd: int | None


@dataclass(frozen=True, slots=True)
class JudgedOne:
    """One judgement of the gate; base and head are commits."""

    id: str
    at: str
    repository: str
    base: str
    head: str
    verdict: str
    failure: str
    grade: str
    score: int
    lane: str
    task_class: str
    seconds: float
    reused: bool


class Listing(Database):
    """The ledger's runs and judgements as lists."""

    def latest(self, most: int, *, since: str = "", until: str = "") -> list[Listed]:
        """The latest runs of a time, newest first; recorded and unfinished ones are among them."""
        rows = self._read(_LATEST, {"since": since, "until": until, "most": most})
        return [_listed(row) for row in rows]

    def earlier(self, before: str, weeks: Mapping[str, Sums], *, since: str = "") -> list[Earlier]:
        """The runs that began before a moment, by the month in which their week began, the latest first.

        Args:
            weeks: what the weeks sum up to, by their Mondays: reading a million runs again would take long.
        """
        monday = _monday(before)
        part = self._read(_PART, {"week": monday, "since": since, "before": before})[0]
        known = {it: sums for it, sums in weeks.items() if it < monday}
        if part["runs"]:
            known[monday] = (part["runs"], part["accepted"], _known(part))
        months = sorted({it[:7] for it in known}, reverse=True)
        return [_month(month, [sums for it, sums in known.items() if it[:7] == month]) for month in months]

    def words(self, run_id: str) -> list[Word]:
        """What was said of a run's patch, the oldest first."""
        return [Word(*row) for row in self._read(_RECEPTIONS, (run_id,))]

    def judged(self, *, since: str = "", until: str = "") -> list[Judged]:
        """How the gate judged, the commonest verdict first."""
        rows = self._read(_JUDGED, {"since": since, "until": until})
        return [Judged(row["verdict"], row["n"], row["reused"], _known(row)) for row in rows]

    def judgements(self, most: int, *, since: str = "", until: str = "") -> list[JudgedOne]:
        """The gate's latest judgements, newest first."""
        rows = self._read(_JUDGEMENTS, {"since": since, "until": until, "most": most})
        return [
            JudgedOne(**{**dict(it), "failure": it["failure"] or "", "reused": bool(it["reused"])})
            for it in rows
        ]


def _monday(at: str) -> str:
    day = date.fromisoformat(at[:10])
    return (day - timedelta(days=day.weekday())).isoformat()


def _month(month: str, weeks: Sequence[Sums]) -> Earlier:
    costs = [cost for _, _, cost in weeks if cost is not None]
    is_known = len(costs) == len(weeks)
    runs, accepted = sum(it[0] for it in weeks), sum(it[1] for it in weeks)
    return Earlier(month, runs, accepted, sum(costs) if is_known else None)


def _known(row: sqlite3.Row) -> int | None:
    """A sum of money, or None where a part of it is not known."""
    return None if row["unknown"] else row["cost"] or 0


def _listed(row: sqlite3.Row) -> Listed:
    lanes: list[Any] = json.loads(row["lanes"])
    is_known = row["verdict"] is not None and not row["unknown_calls"]
    return Listed(
        id=row["id"],
        started_at=row["started_at"],
        repository=row["repository"],
        brief=row["brief"],
        author=row["author"],
        replayed=bool(row["replayed"]),
        task_class=row["task_class"] or "",
        score=row["score"],
        first_lane=row["first_lane"] or "",
        accepted_lane=row["accepted_lane"] or "",
        lanes=tuple(lanes),
        verdict=row["verdict"] or "",
        seconds=row["seconds"],
        cost_micro_usd=row["cost_micro_usd"] if is_known else None,
        received=row["received"] or "",
        source=row["source"],
        report=row["report"] or "",
    )
