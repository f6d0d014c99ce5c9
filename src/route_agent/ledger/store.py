"""The ledger: every run, attempt, call and check, in one SQLite file that only grows.

Money is in integer micro-dollars. Text is redacted here, at the one writing place. A reply is stored the
moment it arrives, so that nothing that was paid for is lost when a later step dies.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from route_agent.confidence import Usual
from route_agent.errors import LedgerError, UsageError
from route_agent.ledger.schema import SCHEMA_VERSION, SCHEMAS
from route_agent.ledger.statistics import LaneStatistics, statistics_of
from route_agent.records.lanes import CallState
from route_agent.records.reviews import Opinion, Track
from route_agent.records.runs import Cost
from route_agent.redaction import redact, redact_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from route_agent.records.checks import CheckResult
    from route_agent.records.lanes import Usage
    from route_agent.records.reviews import Review
    from route_agent.records.runs import Attempt, Run

_RECENT = 200  # attempts of a lane that tell what is usual: models and prices change
_SMALLEST = 512  # one page of the smallest kind
_UNCHANGED = "nothing was changed in it; check the disk, or move the file away to begin a new one"


class Ledger:
    """An open ledger. Any thread may use it; they take turns."""

    def __init__(self, path: Path) -> None:
        """Open the ledger, or make it.

        Raises:
            LedgerError: it cannot be opened, is damaged, or was written by a newer version.
        """
        self.path = path
        self._turn = threading.RLock()
        with self._plainly():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            self._db.row_factory = sqlite3.Row
            version = self._refuse_what_is_not_ours()
            path.chmod(0o600)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            if version < SCHEMA_VERSION:
                self._migrate()

    def _refuse_what_is_not_ours(self) -> int:
        """Look before anything is written, be it a header; returns the schema's version, 0 where none is."""
        # SQLite takes a file of a few bytes for an empty one, and would begin anew in it
        if 0 < self.path.stat().st_size < _SMALLEST:
            raise LedgerError(f"the ledger {self.path} is damaged: too small", hint=_UNCHANGED)
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise LedgerError(
                f"{self.path} was written by a newer route-agent (schema {version})",
                hint="update route-agent",
            )
        if not version and self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise LedgerError(f"{self.path} is another program's database", hint=_UNCHANGED)
        return version

    def _migrate(self) -> None:
        with self._transaction():
            # another process may have been quicker
            version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
            for schema in SCHEMAS[version:]:
                for statement in schema.split(";"):
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {max(version, SCHEMA_VERSION)}")

    def close(self) -> None:
        """Close the file. A finished run is safe without it."""
        with self._turn:
            self._db.close()

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        try:
            with self._turn:
                yield
        except sqlite3.DatabaseError as error:
            raise LedgerError(
                f"the ledger {self.path} cannot be used: {error}",
                hint=_UNCHANGED,
            ) from error
        except OSError as error:
            raise LedgerError(
                f"the ledger {self.path} cannot be used: {error.strerror}",
                hint="set XDG_STATE_HOME to a writable folder",
            ) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One write at a time, across processes: what is read inside stays true until the end."""
        with self._plainly():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # on a full disk SQLite has rolled back itself
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _write(self, statement: str, values: dict[str, Any]) -> int:
        with self._plainly():
            return self._db.execute(statement, values).lastrowid or 0

    def begin(self, run: Run, *, forced_lane: bool) -> None:
        """Write down that a run has begun."""
        self._write(
            "INSERT INTO run (id, started_at, repository, brief, base, start, replayed, policy, policy_hash,"
            " forced_lane) VALUES"
            " (:id, :at, :repository, :brief, :base, :start, :replayed, :policy, :hash, :forced)",
            {
                "id": run.id,
                "at": run.started_at,
                "repository": _text(run.repository),
                "brief": _text(run.brief),
                "base": run.base,
                "start": run.start,
                "replayed": int(run.replayed),
                "policy": _text(run.decision.policy_name) if run.decision else "",
                "hash": run.decision.policy_hash if run.decision else "",
                "forced": int(forced_lane),
            },
        )

    def finish(self, run: Run, report: str) -> None:
        """Write down how a run ended, with its whole report as JSON."""
        self._write(
            "UPDATE run SET finished_at = :at, task_class = :task_class, score = :score, first_lane = :first,"
            " accepted_lane = :accepted, verdict = :verdict, exit_code = :code, isolation = :isolation,"
            " seconds = :seconds, cost_micro_usd = :cost, unknown_calls = :unknown, report = :report"
            " WHERE id = :id",
            {
                "id": run.id,
                "at": now(),
                "task_class": run.decision.task_class if run.decision else None,
                "score": run.risk.score if run.risk else None,
                "first": run.decision.lane if run.decision else None,
                "accepted": run.accepted.lane if run.accepted else None,
                "verdict": run.verdict.value,
                "code": run.exit_code,
                "isolation": run.isolation.level.value,
                "seconds": run.seconds,
                "cost": run.cost.known_micro_usd,
                "unknown": run.cost.unknown_calls,
                "report": json.dumps(redact_all(json.loads(report))),
            },
        )

    def add_attempt(self, run_id: str, number: int, attempt: Attempt) -> None:
        """Write down one attempt with its checks."""
        change = attempt.change
        with self._transaction():
            self._db.execute(
                "INSERT INTO attempt VALUES (:run, :number, :at, :lane, :provider, :model, :failure, :grade,"
                " :seconds, :cost, :unknown, :other, :files, :added, :deleted, :reason)",
                {
                    "run": run_id,
                    "number": number,
                    "at": now(),
                    "lane": attempt.lane,
                    "provider": attempt.provider,
                    "model": attempt.model,
                    "failure": attempt.failure.value if attempt.failure else None,
                    "grade": attempt.grade.value,
                    "seconds": attempt.seconds,
                    "cost": attempt.cost.known_micro_usd,
                    "unknown": attempt.cost.unknown_calls,
                    "other": int(any(call.other_model_answered for call in attempt.calls)),
                    "files": len(change.files) if change else 0,
                    "added": change.added if change else 0,
                    "deleted": change.deleted if change else 0,
                    "reason": _text(attempt.reason),
                },
            )
            self._add_checks(run_id, number, attempt.evidence.checks.results if attempt.evidence else ())
            self._add_reviews(run_id, number, attempt.reviews)

    def add_baseline(self, run_id: str, results: tuple[CheckResult, ...]) -> None:
        """Write down the checks at start, as attempt 0."""
        with self._transaction():
            self._add_checks(run_id, 0, results)

    def _add_checks(self, run_id: str, number: int, results: tuple[CheckResult, ...]) -> None:
        self._db.executemany(
            "INSERT INTO check_result VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (run_id, number, it.name, it.kind.value, it.outcome.value, _text(it.reason), it.seconds)
                for it in results
            ],
        )

    def _add_reviews(self, run_id: str, number: int, reviews: tuple[Review, ...]) -> None:
        rows = [
            {
                "run": run_id,
                "attempt": number,
                "at": now(),
                "lane": it.lane,
                "model": it.model,
                "canary": int(it.is_canary),
                "opinion": it.opinion.value,
                "answered": int(it.answered),
                "other": int(any(call.other_model_answered for call in it.calls)),
                "cited": len(it.cited),
                "reasons": _text("\n".join(it.reasons)),
                "seconds": it.seconds,
                "cost": Cost.of(it.calls).known_micro_usd,
                "unknown": Cost.of(it.calls).unknown_calls,
            }
            for it in reviews
        ]
        self._db.executemany(
            "INSERT INTO review VALUES (:run, :attempt, :at, :lane, :model, :canary, :opinion, :answered,"
            " :other, :cited, :reasons, :seconds, :cost, :unknown)",
            rows,
        )

    def reserve(
        self, values: dict[str, Any], limits: tuple[tuple[str, dict[str, Any], int], ...]
    ) -> tuple[int, int]:
        """Set money aside for a call, if every limit still holds with it; in one write transaction.

        Args:
            values: the call row's columns; `reserved_micro_usd` is what is asked for.
            limits: for each a condition on `call`, its parameters and the most that may be spent under it.

        Returns:
            The call's id and -1; or 0 and the index of the limit that does not hold.
        """
        columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        with self._transaction():
            for index, (condition, parameters, limit) in enumerate(limits):
                if self._spent(condition, parameters) + values["reserved_micro_usd"] > limit:
                    return 0, index
            done = self._db.execute(f"INSERT INTO call ({columns}) VALUES ({marks})", values)  # noqa: S608
            return done.lastrowid or 0, -1

    def _spent(self, condition: str, parameters: dict[str, Any]) -> int:
        # what has no known price counts at what was set aside for it
        counted = "COALESCE(SUM(COALESCE(cost_micro_usd, reserved_micro_usd)), 0)"
        query = f"SELECT {counted} FROM call WHERE {condition}"  # noqa: S608 - conditions are ours
        return int(self._db.execute(query, parameters).fetchone()[0])

    def spent(self, condition: str, parameters: dict[str, Any]) -> int:
        """Micro-dollars spent or set aside under a condition on `call`."""
        with self._plainly():
            return self._spent(condition, parameters)

    def settle(
        self,
        call_id: int,
        *,
        state: CallState,
        seconds: float,
        cost_micro_usd: int | None,
        model_served: str | None = None,
        usage: Usage | None = None,
        error: str = "",
        reply: str = "",
    ) -> None:
        """Write down how a call ended. A lost call keeps no cost: it stays charged at its reservation."""
        self._write(
            "UPDATE call SET state = :state, seconds = :seconds, cost_micro_usd = :cost,"
            " model_served = :served, input_total = :input, cache_read = :read, cache_write = :write,"
            " output_total = :output, reasoning = :reasoning, error = :error, reply = :reply WHERE id = :id",
            {
                "id": call_id,
                "state": state.value,
                "seconds": seconds,
                "cost": cost_micro_usd,
                "served": model_served,
                "input": usage.input_total if usage else None,
                "read": usage.cache_read if usage else None,
                "write": usage.cache_write if usage else None,
                "output": usage.output_total if usage else None,
                "reasoning": usage.reasoning if usage else None,
                "error": _text(error),
                "reply": _text(reply),
            },
        )

    def runs(self, limit: int = 20) -> list[dict[str, Any]]:
        """The latest runs, newest first, without their reports."""
        with self._plainly():
            rows = self._db.execute(
                "SELECT id, started_at, repository, brief, replayed, first_lane, accepted_lane, verdict,"
                " exit_code, seconds, cost_micro_usd, unknown_calls"
                " FROM run ORDER BY started_at DESC, rowid DESC LIMIT ?",
                (limit,),
            )
            return [dict(row) for row in rows]

    def report(self, run_id: str) -> dict[str, Any]:
        """A finished run's whole report; `latest` names the newest, and a unique beginning is enough.

        Raises:
            UsageError: no such run, or several.
            LedgerError: it never finished.
        """
        condition, parameters = "substr(id, 1, ?) = ? LIMIT 2", (len(run_id), run_id)
        if run_id == "latest":
            condition, parameters = "? <> ? ORDER BY started_at DESC, rowid DESC LIMIT 1", (0, "")
        with self._plainly():
            query = f"SELECT id, report FROM run WHERE {condition}"  # noqa: S608 - one of the two above
            rows = self._db.execute(query, parameters).fetchall()
        if len(rows) != 1:
            what = "several runs begin with" if rows else "there is no run"
            raise UsageError(f'{what} "{run_id}"', hint="route-agent ledger lists them")
        if rows[0]["report"] is None:
            raise LedgerError(
                f"run {rows[0]['id']} never finished: its process died", hint="route-agent ledger"
            )
        report: dict[str, Any] = json.loads(rows[0]["report"])
        return report

    def lane_statistics(self) -> list[LaneStatistics]:
        """By lane, without replays, answers of another model, and attempts in which no answer was had."""
        kept = (
            "SELECT attempt.* FROM attempt JOIN run ON run.id = run_id WHERE replayed = 0 AND other_model = 0"
        )
        with self._plainly():
            rows = self._db.execute(f"{kept} ORDER BY lane, seconds").fetchall()
        lanes: dict[str, list[sqlite3.Row]] = {}
        for row in rows:
            lanes.setdefault(row["lane"], []).append(row)
        return [statistics_of(lane, attempts) for lane, attempts in lanes.items()]

    def usual(self, lane: str, model: str) -> Usual:
        """What the latest paid attempts of a lane with one model cost, without replays and unknown prices."""
        from statistics import median

        with self._plainly():
            rows = self._db.execute(
                "SELECT attempt.cost_micro_usd FROM attempt JOIN run ON run.id = run_id WHERE replayed = 0"
                " AND other_model = 0 AND attempt.unknown_calls = 0 AND attempt.cost_micro_usd > 0"
                " AND lane = ? AND model = ? ORDER BY attempt.rowid DESC LIMIT ?",
                (lane, model, _RECENT),
            ).fetchall()
        return Usual(len(rows), round(median(row[0] for row in rows))) if rows else Usual()

    def track(self, model: str) -> Track:
        """A model's record as a verifier, without replays, lost answers and answers of another model."""
        return self.tracks().get(model, Track())

    def tracks(self) -> dict[str, Track]:
        """Every verifier's record, by model."""
        with self._plainly():
            rows = self._db.execute(
                "SELECT model, SUM(is_canary) AS shown, SUM(is_canary AND opinion <> :yes) AS caught,"
                " SUM(NOT is_canary) AS reviewed, SUM(NOT is_canary AND opinion <> :yes) AS refused"
                " FROM review JOIN run ON run.id = run_id"
                " WHERE replayed = 0 AND answered = 1 AND other_model = 0 GROUP BY model ORDER BY model",
                {"yes": Opinion.APPROVE.value},
            ).fetchall()
        return {row["model"]: Track(*tuple(row)[1:]) for row in rows}

    def integrity(self) -> str:
        """`ok`, or what SQLite finds wrong."""
        with self._plainly():
            return str(self._db.execute("PRAGMA integrity_check").fetchone()[0])


def _text(text: str) -> str:
    """Text as it may be kept: without secrets, and without what is no character (half a pair, odd bytes)."""
    return redact(text.encode("utf-8", "backslashreplace").decode())


def now() -> str:
    """The time in UTC, as ISO 8601 with milliseconds: it sorts as text."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
