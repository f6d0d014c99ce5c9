"""What was said of changes that existed already, and under which key it may be said again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from route_agent.ledger.database import Database, storable
from route_agent.records.earlier import Earlier
from route_agent.records.grades import Failure, Grade, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from route_agent.records.judgements import Judgement

MAX_AGE = timedelta(days=7)  # as old as a check's result may be
_MOST = 5  # of one key: they differ in what was installed
_TOLD = "id, at, verdict, failure, blocks, grade, score, lane, reason, files"


@dataclass(frozen=True, slots=True)
class Kept:
    """A verdict that was found under a key.

    Attributes:
        standing: what it hangs on beside the key, as JSON.
    """

    earlier: Earlier
    standing: str


class Judgements(Database):
    """The questions for judgements, and their one writing place."""

    def add(self, row: Mapping[str, Any]) -> None:
        """Write one judgement down; its texts are redacted here, its report is already."""
        kept = {name: storable(value) if name in _TEXTS else value for name, value in row.items()}
        self._insert("judgement", kept)

    def add_again(self, earlier: str, at: str, seconds: float, source: str, new_id: str) -> None:
        """Write down that a verdict was told again."""
        self._write(
            "INSERT INTO judgement (id, at, repository, author, base, head, policy_hash, verdict, exit_code,"
            " failure, grade, score, lane, task_class, seconds, check_seconds, cost_micro_usd,"
            " unknown_calls, reused, source, report, reason, blocks, files)"
            " SELECT :id, :at, repository, author, base, head, policy_hash, verdict, exit_code, failure,"
            " grade, score, lane, task_class, :seconds, 0, 0, 0, 1, :source,"
            " json_object('earlier', id), reason, blocks, files FROM judgement WHERE id = :earlier",
            {"id": new_id, "at": at, "seconds": seconds, "source": source, "earlier": earlier},
        )

    def kept(self, key: str) -> list[Kept]:
        """The verdicts under a key that are not too old, newest first."""
        since = (datetime.now(UTC) - MAX_AGE).isoformat(timespec="milliseconds")
        query = (
            f"SELECT {_TOLD}, standing FROM judgement"  # noqa: S608 - the names are ours
            " WHERE verdict_key = ? AND verdict_key <> '' AND at >= ? ORDER BY at DESC LIMIT ?"
        )
        return [
            Kept(
                Earlier(
                    row["id"],
                    row["at"],
                    Verdict[row["verdict"].upper()],
                    Failure(row["failure"]) if row["failure"] else None,
                    bool(row["blocks"]),
                    Grade(row["grade"]),
                    row["score"],
                    row["lane"],
                    row["reason"],
                    row["files"],
                ),
                row["standing"],
            )
            for row in self._read(query, (key, since, _MOST))
        ]

    def report_of(self, judgement_id: str) -> str:
        """The whole report of a judgement, as JSON; empty where there is none."""
        rows = self._read("SELECT report FROM judgement WHERE id = ?", (judgement_id,))
        return str(rows[0]["report"]) if rows else ""


_TEXTS = frozenset({"repository", "author", "reason", "lane", "source"})


def row_of(
    judged: Judgement, *, repository: str, author: str, source: str, key: str, standing: str, report: str
) -> dict[str, Any]:
    """A judgement as a row of its table.

    Args:
        key: under which it may be told again; empty where it may not.
        standing: what it hangs on besides.
        report: all of it, as redacted JSON.
    """
    from route_agent.records.runs import Cost

    runs = (judged.baseline, judged.evidence.checks if judged.evidence else None)
    cost = Cost.of(judged.calls)
    return {
        "id": judged.id,
        "at": judged.at,
        "repository": repository,
        "author": author,
        "base": judged.base,
        "head": judged.head,
        "policy_hash": judged.decision.policy_hash,
        "verdict": judged.verdict.name.lower(),
        "exit_code": judged.exit_code,
        "failure": judged.failure.value if judged.failure else None,
        "grade": judged.grade.value,
        "score": judged.risk.score,
        "lane": judged.decision.lane,
        "task_class": judged.decision.task_class,
        "seconds": judged.seconds,
        "check_seconds": sum(it.seconds for run in runs if run and not run.cached for it in run.results),
        "cost_micro_usd": cost.known_micro_usd,
        "unknown_calls": cost.unknown_calls,
        "reused": 0,
        "source": source,
        "verdict_key": key,
        "report": report,
        "reason": judged.reason,
        "blocks": int(judged.blocks),
        "files": len(judged.change.files),
        "standing": standing,
    }
