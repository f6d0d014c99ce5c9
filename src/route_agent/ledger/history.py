"""What the ledger can tell of earlier runs: only reads, and only what says something about a lane.

Left out everywhere: recorded replies, answers of another model than was asked, stored replies that answered
again, and escalations that the same model answered.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from route_agent.confidence import LEAST_ATTEMPTS, Efforts, Usual
from route_agent.ledger.agreement import Agreement, agreement_of
from route_agent.ledger.database import Database, storable
from route_agent.ledger.statistics import LaneStatistics, statistics_of
from route_agent.records.checks import Outcome
from route_agent.records.grades import Failure, Verdict
from route_agent.records.lanes import CallState, is_other_model
from route_agent.records.reviews import Opinion, Track

if TYPE_CHECKING:
    import sqlite3

RECENT = 200  # attempts or runs that tell what is usual: models and prices change
LEAST_TIMES = 3  # before anything is called usual
_LATEST_CHECKS = 3000  # of all repositories, in which those of one are looked for
RECENT_RUNS = 1000  # in which a repository's paths are looked for
_RECENT_CALLS = 50

_COUNTED = "replayed = 0 AND other_model = 0 AND same_model = 0 AND attempt.reused = 0"
_ENDED_BEFORE_ITS_WORK = (Verdict.PLANNED, Verdict.PROVIDER, Verdict.ENVIRONMENT, Verdict.INTERRUPTED)
_FIXER = "fixer"  # as the attempts name what has no model
NO_WORK = ", ".join(f"'{verdict.value}'" for verdict in _ENDED_BEFORE_ITS_WORK)

What = Literal["tokens", "usd", "calls", "seconds"]
_COLUMNS = {
    "tokens": "tokens",
    "usd": "CASE attempt.unknown_calls WHEN 0 THEN attempt.cost_micro_usd END",
    "calls": "attempt.calls",
    "seconds": "attempt.seconds",
}
# an attempt that was stopped would have taken more than it did
_STOPPED = f"COALESCE(failure, '') IN ('{Failure.CAPPED.value}', '{Failure.LIMIT.value}')"
_ANSWERED = (
    f"COALESCE(failure, '') <> '{Failure.PROVIDER.value}'"
    f" AND NOT ({_STOPPED} AND COALESCE(attempt.calls, 1) = 0)"
)

_PAST_RUNS = (
    "SELECT repository, task_class, cost_micro_usd,"  # noqa: S608 - the words are ours
    " EXISTS (SELECT 1 FROM attempt WHERE run_id = run.id AND lane <> :lane) AS escalated"
    " FROM run WHERE first_lane = :lane AND replayed = 0 AND unknown_calls = 0"
    f" AND verdict IS NOT NULL AND verdict NOT IN ({NO_WORK})"
    " AND EXISTS (SELECT 1 FROM attempt WHERE run_id = run.id AND number = 1 AND lane = :lane"
    "             AND :model IN (model, ''))"
    " AND NOT EXISTS (SELECT 1 FROM attempt WHERE run_id = run.id"
    "                 AND (other_model = 1 OR same_model = 1 OR reused = 1))"
    " ORDER BY started_at DESC LIMIT :recent"
)

_CHECK_SECONDS = (
    "SELECT DISTINCT name, took.seconds AS seconds FROM"  # noqa: S608 - the words are ours
    " (SELECT run_id, name, outcome, seconds FROM check_result ORDER BY rowid DESC LIMIT :latest) AS took"
    " JOIN run ON run.id = took.run_id WHERE run.repository = :repository AND run.source = ''"
    f" AND outcome IN ('{Outcome.PASSED.value}', '{Outcome.FAILED.value}')"
)

_ESCALATED_PATHS = (
    "SELECT path.value AS path, COUNT(DISTINCT run_id) AS runs FROM attempt, json_each(attempt.paths) AS path"  # noqa: S608 - the words are ours
    " WHERE run_id IN (SELECT id FROM run WHERE repository = :repository AND replayed = 0"
    "  AND EXISTS (SELECT 1 FROM attempt AS low JOIN attempt AS next ON next.run_id = low.run_id"
    "   AND next.number > low.number AND next.lane <> low.lane WHERE low.run_id = run.id"
    f"   AND low.provider <> '{_FIXER}'"
    f"   AND COALESCE(low.failure, '') NOT IN ('', '{Failure.PROVIDER.value}'))"
    "  ORDER BY started_at DESC LIMIT :recent) GROUP BY path.value ORDER BY path.value"
)


@dataclass(frozen=True, slots=True)
class PastRun:
    """What a run that began at some lane came to.

    Attributes:
        cost_micro_usd: everything it paid, opinions and tests included.
        escalated: whether its first lane was not its last.
    """

    repository: str
    task_class: str
    cost_micro_usd: int
    escalated: bool


class History(Database):
    """The questions about earlier runs."""

    def lane_statistics(self, *, by_class: bool = False) -> list[LaneStatistics]:
        """By lane, or by lane and class of task, in the order of their names."""
        task_class = "COALESCE(task_class, 'unknown')" if by_class else "''"
        rows = self._read(
            f"SELECT attempt.*, {task_class} AS of_class FROM attempt JOIN run ON run.id = run_id"  # noqa: S608 - ours
            f" WHERE {_COUNTED} ORDER BY lane, of_class, attempt.seconds"
        )
        lanes: dict[tuple[str, str], list[sqlite3.Row]] = {}
        for row in rows:
            lanes.setdefault((row["lane"], row["of_class"]), []).append(row)
        return [statistics_of(*key, attempts) for key, attempts in lanes.items()]

    def usual(self, lane: str, model: str) -> Usual:
        """What the latest paid attempts of a lane with one model cost; unknown prices are left out."""
        rows = self._attempts(
            "attempt.cost_micro_usd", "attempt.unknown_calls = 0 AND attempt.cost_micro_usd > 0", lane, model
        )
        paid = [row[0] for row in rows]
        return Usual(len(paid), round(median(paid))) if paid else Usual()

    def lane_quantile(self, lane: str, model: str, what: What, share: float) -> float | None:
        """What so great a share (0 to 1) of a lane's latest attempts with a model stayed within.

        Args:
            model: as the attempts name it; empty for any, where an agent chooses its own.
            what: tokens read and written together, dollars, requests, or seconds of wall time.

        Returns:
            None below ten attempts that answered. One that was stopped at a limit stands above all that were
            not: else each cap that is learnt would be lower than the one before.
        """
        rows = self._attempts(
            f"{_COLUMNS[what]}, {_STOPPED}", f"{_COLUMNS[what]} IS NOT NULL AND {_ANSWERED}", lane, model
        )
        if len(rows) < LEAST_ATTEMPTS:
            return None
        taken = sorted((bool(stopped), value) for value, stopped in rows)
        within = taken[: min(len(taken), max(1, -int(-share * len(taken) // 1)))]
        found: float = max(value for _, value in within)
        return found / 1_000_000 if what == "usd" else found

    def efforts(self, lane: str, model: str) -> Efforts:
        """What the latest attempts of a lane with one model took, by each thing that can be compared.

        Args:
            model: as the attempts name it; empty for any, where an agent chooses its own.
        """
        columns = f"{_COLUMNS['usd']}, {_COLUMNS['tokens']}, {_COLUMNS['calls']}, {_STOPPED}"
        rows = self._attempts(columns, _ANSWERED, lane, model)
        usd, tokens, calls = (
            tuple(inf if row[3] else float(row[at]) for row in rows if row[at] is not None) for at in range(3)
        )
        return Efforts(usd, tokens, calls)

    def _attempts(self, columns: str, condition: str, lane: str, model: str) -> list[sqlite3.Row]:
        of_model = "AND model = :model" if model else ""
        return self._read(
            f"SELECT {columns} FROM attempt JOIN run ON run.id = run_id WHERE {_COUNTED} AND {condition}"  # noqa: S608 - ours
            f" AND lane = :lane {of_model} ORDER BY attempt.rowid DESC LIMIT :recent",
            {"lane": lane, "model": model, "recent": RECENT},
        )

    def usual_checks(self, repository: str) -> dict[str, float]:
        """What the checks of a repository usually take in seconds: the median of the latest, from three on.

        A result that was kept and told again is one measurement.
        """
        rows = self._read(_CHECK_SECONDS, {"repository": storable(repository), "latest": _LATEST_CHECKS})
        taken: dict[str, list[float]] = {}
        for row in rows:
            taken.setdefault(row["name"], []).append(row["seconds"])
        return {name: median(it[:RECENT]) for name, it in taken.items() if len(it) >= LEAST_TIMES}

    def usual_seconds(self, repository: str, lane: str) -> float | None:
        """What a run of a repository that begins at a lane usually takes; None below three of them."""
        rows = self._read(
            "SELECT seconds FROM run WHERE repository = :repository AND first_lane = :lane AND replayed = 0"  # noqa: S608 - the words are ours
            f" AND source = '' AND seconds IS NOT NULL AND verdict NOT IN ({NO_WORK})"
            " ORDER BY started_at DESC LIMIT :recent",
            {"repository": storable(repository), "lane": lane, "recent": RECENT},
        )
        return median(row["seconds"] for row in rows) if len(rows) >= LEAST_TIMES else None

    def escalated_paths(self, repository: str) -> dict[str, int]:
        """For each path, how many of a repository's latest runs touched it and left their lane for another.

        Lanes whose provider failed and fixers are no sign of anything, nor are recorded replies.
        """
        rows = self._read(_ESCALATED_PATHS, {"repository": repository, "recent": RECENT_RUNS})
        return {row["path"]: row["runs"] for row in rows}

    def calibration(self, lane: str, model: str) -> float:
        """How many tokens a provider counts for each one that we estimate: the median of the latest calls.

        Within 0.3 and 3, whatever a provider claims; 1 where nothing is known yet.
        """
        rows = self._read(
            "SELECT model_requested, model_served, input_total * 1.0 / estimated_tokens AS ratio FROM call"
            " WHERE lane = :lane AND model_requested = :model AND estimated_tokens > 0 AND input_total > 0"
            " AND state = :done AND replayed = 0 AND reused = 0 AND is_estimate = 0"
            " ORDER BY id DESC LIMIT :recent",
            {"lane": lane, "model": model, "done": CallState.DONE.value, "recent": _RECENT_CALLS},
        )
        ratios = [
            row["ratio"] for row in rows if not is_other_model(row["model_requested"], row["model_served"])
        ]
        return min(3.0, max(0.3, median(ratios))) if ratios else 1.0

    def past_runs(self, lane: str, model: str) -> list[PastRun]:
        """The latest runs that this lane with this model began, newest first, without any of unknown cost.

        Args:
            model: as the attempts name it; empty for any.
        """
        rows = self._read(_PAST_RUNS, {"lane": lane, "model": model, "recent": RECENT})
        return [
            PastRun(it["repository"], it["task_class"] or "", it["cost_micro_usd"], bool(it["escalated"]))
            for it in rows
        ]

    def accepted_reports(self, repository: str, most: int = 100) -> list[dict[str, Any]]:
        """Reports of the latest accepted runs in a repository, newest first, without replays.

        Nor are there any that another ledger brought: what they say would be shown to a model.
        """
        rows = self._read(
            "SELECT report FROM run WHERE repository = :repository AND replayed = 0 AND verdict = :accepted"
            " AND report IS NOT NULL AND source = '' ORDER BY started_at DESC LIMIT :most",
            {"repository": repository, "accepted": Verdict.ACCEPTED.value, "most": most},
        )
        return [json.loads(row["report"]) for row in rows]

    def quotes_held(self) -> tuple[int, int]:
        """Of the quotes with a band, how many runs ended within it; and of how many that have ended."""
        rows = self._read(
            "SELECT COALESCE(SUM(actual BETWEEN low AND high), 0), COUNT(*) FROM quote"
            " WHERE actual IS NOT NULL AND low IS NOT NULL AND high IS NOT NULL"
        )
        return int(rows[0][0]), int(rows[0][1])

    def track(self, model: str) -> Track:
        """A model's record as a verifier, without replays, lost answers and answers of another model."""
        return self.tracks().get(model, Track())

    def agreement(self, since: str = "", until: str = "") -> Agreement:
        """What the shadow said beside the rules, without replays, in runs that began in the time."""
        rows = self._read(
            "SELECT started_at, advice, first_lane, accepted_lane, verdict,"  # noqa: S608 - the words are ours
            f" verdict NOT IN ({NO_WORK}) AS worked FROM run WHERE mode = 'shadow' AND replayed = 0"
            " AND advice IS NOT NULL AND verdict IS NOT NULL AND started_at >= :since"
            " AND (:until = '' OR started_at < :until) ORDER BY started_at",
            {"since": since, "until": until},
        )
        return agreement_of(rows, datetime.now(UTC))

    def tracks(self, since: str = "", until: str = "") -> dict[str, Track]:
        """Every verifier's record in runs that began in the time, by model."""
        rows = self._read(
            "SELECT model, SUM(is_canary) AS shown, SUM(is_canary AND opinion <> :yes) AS caught,"
            " SUM(NOT is_canary) AS reviewed, SUM(NOT is_canary AND opinion <> :yes) AS refused"
            " FROM review WHERE run_id NOT IN (SELECT id FROM run WHERE replayed = 1 OR started_at < :since"
            "  OR (:until <> '' AND started_at >= :until))"
            " AND answered = 1 AND other_model = 0 GROUP BY model ORDER BY model",
            {"yes": Opinion.APPROVE.value, "since": since, "until": until},
        )
        return {row["model"]: Track(*tuple(row)[1:]) for row in rows}


def has_work(verdict: Verdict) -> bool:
    """Whether a run that ended so tells what such a run costs."""
    return verdict not in _ENDED_BEFORE_ITS_WORK


def usual_of_ledger(repository: str) -> dict[str, float]:
    """What a repository's checks usually take, for whoever has no ledger open; nothing where none is."""
    from route_agent.errors import LedgerError
    from route_agent.places import ledger_file

    if not ledger_file().is_file():
        return {}
    try:
        history = History(ledger_file())
        try:
            return history.usual_checks(repository)
        finally:
            history.close()
    except LedgerError:
        return {}
