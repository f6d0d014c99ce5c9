"""Where earlier tasks went and what came of them: what another policy can be replayed on. Only reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from route_agent.ledger.database import Database
from route_agent.ledger.history import has_work
from route_agent.records.checks import CheckKind, Outcome
from route_agent.records.grades import Verdict
from route_agent.records.past import PastSignal, PastTask

if TYPE_CHECKING:
    import sqlite3

MOST_TASKS = 5000

_WORK = ", ".join(f"'{verdict.value}'" for verdict in Verdict if has_work(verdict))
_OF_REPORT = "json_extract(CASE WHEN json_valid(report) THEN report END, '$.{path}')"
_TASKS = (
    "SELECT run.id, run.started_at, run.brief, run.task_class, run.score, run.first_lane, run.accepted_lane,"  # noqa: S608 - the words are ours
    " run.cost_micro_usd, run.unknown_calls, run.signals, run.paths, run.phase, run.class_named,"
    f" {_OF_REPORT.format(path='risk.signals')} AS reported,"
    f" {_OF_REPORT.format(path='decision.reasons')} AS reasons,"
    f" {_OF_REPORT.format(path='decision.advice')} AS advice,"
    " (SELECT json_group_array(json_array(json_extract(value, '$.name'), json_extract(value, '$.kind')))"
    "   FROM json_each(report, '$.baseline.results') WHERE json_extract(value, '$.outcome') = :failed)"
    "  AS red,"
    " (SELECT json_group_array(DISTINCT json_extract(file.value, '$.path'))"
    "   FROM json_each(report, '$.attempts') AS tried, json_each(tried.value, '$.change.files') AS file)"
    "  AS touched,"
    " attempt.lane AS tried_lane, attempt.failure AS failure"
    " FROM run LEFT JOIN attempt ON attempt.run_id = run.id AND attempt.number = 1"
    f" WHERE run.replayed = 0 AND run.verdict IN ({_WORK}) AND run.first_lane IS NOT NULL"
    " AND run.score IS NOT NULL AND run.task_class IS NOT NULL AND json_valid(run.report)"
    " AND :repository IN (run.repository, '')"
    " ORDER BY run.started_at DESC, run.rowid DESC LIMIT :most"
)


class Routes(Database):
    """The ledger's tasks, for a policy to be held against."""

    def tasks(self, repository: str = "") -> list[PastTask]:
        """The latest tasks that did their work, newest first; recorded replies are left out.

        Args:
            repository: the checkout's top folder; empty for all.
        """
        asked = {"repository": repository, "most": MOST_TASKS, "failed": Outcome.FAILED.value}
        return [_task(row) for row in self._read(_TASKS, asked)]


def _task(row: sqlite3.Row) -> PastTask:
    paths = _json(row["paths"]) or {}
    reasons = _json(row["reasons"]) or []
    whole = bool(paths) and not paths.get("left_out")
    return PastTask(
        id=row["id"],
        started_at=row["started_at"],
        brief=row["brief"],
        task_class=row["task_class"],
        score=row["score"],
        first_lane=row["first_lane"],
        accepted_lane=row["accepted_lane"] or "",
        signals={
            it["name"]: PastSignal(it["value"], tuple(it.get("evidence", ())))
            for it in _json(row["reported"]) or _json(row["signals"]) or []
        },
        changed=tuple(paths["changed"]) if whole else None,
        named=tuple(paths.get("named", ())),
        red=tuple((name, CheckKind(kind)) for name, kind in _json(row["red"]) or []),
        class_named=bool(row["class_named"]),
        phase=row["phase"],
        level=next((it["level"] for it in _json(row["advice"]) or [] if it.get("level")), ""),
        by_hand=any(reason.startswith(("--lane ", "--only-lane ")) for reason in reasons),
        first_try=None if row["tried_lane"] != row["first_lane"] else row["failure"] is None,
        touched=tuple(path for path in _json(row["touched"]) or [] if path),
        cost_micro_usd=None if row["unknown_calls"] else row["cost_micro_usd"],
    )


def _json(text: str | None) -> Any:
    return json.loads(text) if text else None
