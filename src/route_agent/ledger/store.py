"""The ledger: every run, attempt, call and check, in one SQLite file that only grows.

Money is in integer micro-dollars. Text is redacted here, at the one writing place. A reply is stored the
moment it arrives, so that nothing that was paid for is lost when a later step dies.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from route_agent.errors import LedgerError, UsageError
from route_agent.ledger import tally
from route_agent.ledger.chain import Chained
from route_agent.ledger.database import now, storable
from route_agent.ledger.history import NO_WORK, History, has_work
from route_agent.records.lanes import CallState, ModelReply, Usage
from route_agent.records.runs import Cost
from route_agent.redaction import redact_all
from route_agent.retries import LATEST_RUNS, RETRY_DAYS, is_the_same, override_of, words_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from route_agent.records.checks import CheckResult
    from route_agent.records.facts import Facts
    from route_agent.records.lanes import Call
    from route_agent.records.reviews import Review
    from route_agent.records.runs import Attempt, Quote, Run

    Held = tuple[str, Mapping[str, Any], int]

__all__ = ["Ledger", "now"]

MOST_PATHS = 5000  # of a diff; how many more there were is kept with them


class Ledger(History, Chained):
    """An open ledger, for writing down what happens."""

    def begin(
        self, run: Run, *, forced_lane: bool, author: str = "", limits: Mapping[str, float] | None = None
    ) -> None:
        """Write down that a run has begun.

        Args:
            author: whose work it is, by git's e-mail address.
            limits: what may be spent, in dollars, by what a refusal calls the limit.
        """
        row = {
            "id": run.id,
            "started_at": run.started_at,
            "repository": storable(run.repository),
            "brief": storable(run.brief),
            "base": run.base,
            "start": run.start,
            "replayed": int(run.replayed),
            "policy": storable(run.decision.policy_name) if run.decision else "",
            "policy_hash": run.decision.policy_hash if run.decision else "",
            "forced_lane": int(forced_lane),
            "author": storable(author),
            "limits": json.dumps(redact_all(dict(limits))) if limits else None,
        }
        with self._transaction():
            self._insert("run", {**row, "retry_of": self._retried(run)})
            self._chain_begin(row)

    def _retried(self, run: Run) -> str:
        """The latest earlier run of nearly the same brief in the repository; empty where there is none."""
        words = words_of(storable(run.brief))
        since = datetime.now(UTC) - timedelta(days=RETRY_DAYS)
        rows = self._read(
            "SELECT id, brief FROM run WHERE repository = :repository AND started_at >= :since"  # noqa: S608 - ours
            f" AND replayed = 0 AND :replayed = 0 AND verdict NOT IN ({NO_WORK})"
            f" ORDER BY started_at DESC LIMIT {LATEST_RUNS}",
            {
                "repository": storable(run.repository),
                "since": since.isoformat(timespec="milliseconds"),
                "replayed": int(run.replayed),
            },
        )
        return next((it["id"] for it in rows if is_the_same(words, words_of(it["brief"]))), "")

    def decided(self, run: Run, known: Facts) -> None:
        """Write down how it was decided where a run goes, and what another policy would decide it by."""
        risk, decision = run.risk, run.decision
        if risk is None or decision is None:
            return
        advice = [dataclasses.asdict(it) for it in decision.advice]
        signals = [dataclasses.asdict(replace(it, evidence=())) for it in risk.signals]
        changed = known.change.paths
        paths = {
            "changed": _storable_paths(changed[:MOST_PATHS]),
            "named": _storable_paths(known.named),
            "left_out": max(0, len(changed) - MOST_PATHS),
        }
        self._write(
            "UPDATE run SET task_class = :task_class, score = :score, first_lane = :first, mode = :mode,"
            " phase = :phase, class_named = :class_named, advice = :advice, signals = :signals,"
            " paths = :paths, override = :override WHERE id = :id",
            {
                "id": run.id,
                "override": override_of(decision, forced=run.forced_lane),
                "task_class": decision.task_class,
                "score": risk.score,
                "first": decision.lane,
                "mode": decision.mode,
                "phase": decision.phase,
                "class_named": int(decision.class_named),
                "advice": json.dumps(redact_all(advice)),
                "signals": json.dumps(redact_all(signals)),
                "paths": json.dumps(paths),
            },
        )

    def finish(self, run: Run, report: str) -> None:
        """Write down how a run ended, with its whole report as JSON."""
        accepted, decision = run.accepted, run.decision
        told = redact_all(json.loads(report))
        values = {
            "id": run.id,
            "at": now(),
            "task_class": decision.task_class if decision else None,
            "score": run.risk.score if run.risk else None,
            "first": decision.lane if decision else None,
            "mode": decision.mode if decision else None,
            "accepted": accepted.lane if accepted else None,
            "verdict": run.verdict.value,
            "code": run.exit_code,
            "isolation": run.isolation.level.value,
            "seconds": run.seconds,
            "cost": run.cost.known_micro_usd,
            "unknown": run.cost.unknown_calls,
            "report": json.dumps(told),
            "patch": storable(accepted.patch) if accepted else None,
            "delivered": storable(run.delivered),
        }
        with self._transaction():
            self._write(
                "UPDATE run SET finished_at = :at, task_class = :task_class, score = :score,"
                " first_lane = :first, mode = :mode, accepted_lane = :accepted, verdict = :verdict,"
                " exit_code = :code, isolation = :isolation, seconds = :seconds, cost_micro_usd = :cost,"
                " unknown_calls = :unknown, report = :report, patch = :patch, delivered = :delivered"
                " WHERE id = :id",
                values,
            )
            if has_work(run.verdict) and not run.replayed and not run.cost.unknown_calls:
                self._write("UPDATE quote SET actual = :cost WHERE run_id = :id", values)
            self._tally(run.id)
            self._chain_end(run.id, told)

    def _tally(self, run_id: str) -> None:
        """Sum a run up for the statistics, anew where it was summed up before."""
        self._write(tally.FORGET, {"id": run_id})
        self._write(tally.OF_ONE, {"id": run_id})

    def quote(self, run_id: str, quote: Quote) -> None:
        """Write down what was told before a run began; what it came to is filled in when it ends."""
        self._insert(
            "quote",
            {
                "run_id": run_id,
                "at": now(),
                "expected": quote.expected,
                "low": quote.low,
                "high": quote.high,
                "worst": quote.worst,
                "escalation": quote.escalation,
                "runs": quote.runs,
            },
        )

    def add_attempt(self, run_id: str, number: int, attempt: Attempt) -> None:
        """Write down one attempt with its checks."""
        with self._transaction():
            self._insert(
                "attempt", {"run_id": run_id, "number": number, "at": now(), **_attempt_row(attempt)}
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
                (run_id, number, it.name, it.kind.value, it.outcome.value, storable(it.reason), it.seconds)
                for it in results
            ],
        )

    def _add_reviews(self, run_id: str, number: int, reviews: tuple[Review, ...]) -> None:
        for review in reviews:
            row = {"run_id": run_id, "attempt": number, "at": now(), **_review_row(review)}
            self._insert("review", row)

    def reserve(self, values: Mapping[str, Any], limits: Sequence[Held]) -> tuple[int, int]:
        """Set money aside for a call, if every limit still holds with it; in one write transaction.

        Args:
            values: the call row's columns; `reserved_micro_usd` is what is asked for.
            limits: for each a condition on `call`, its parameters and the most that may be spent under it.

        Returns:
            The call's id and -1; or 0 and the index of the limit that does not hold.
        """
        asked = values["reserved_micro_usd"]
        with self._transaction():
            for index, (condition, parameters, limit) in enumerate(limits):
                if asked and self.spent(condition, parameters) + asked > limit:  # what is free always fits
                    return 0, index
            return self._insert("call", values), -1

    def spent(self, condition: str, parameters: Mapping[str, Any]) -> int:
        """Micro-dollars spent or set aside under a condition on `call`."""
        # what has no known price counts at what was set aside for it
        counted = "COALESCE(SUM(COALESCE(cost_micro_usd, reserved_micro_usd)), 0)"
        query = f"SELECT {counted} FROM call WHERE {condition}"  # noqa: S608 - conditions are ours
        return int(self._read(query, parameters)[0][0])

    def settle(self, call: Call, reply: ModelReply | None = None, *, request_key: str = "") -> None:
        """Write down how a call ended. A lost call keeps no cost: it stays charged at its reservation.

        Args:
            request_key: under which the reply may answer the same request again. Kept only for a whole reply
                of the model that was asked, in which there was nothing to redact.
        """
        text = reply.text if reply else ""
        stored = storable(text)
        again = reply is not None and reply.stop == "end" and bool(text.strip()) and stored == text
        usage = call.usage
        self._write(
            "UPDATE call SET state = :state, seconds = :seconds, cost_micro_usd = :cost,"
            " model_served = :served, input_total = :input, cache_read = :read, cache_write = :write,"
            " cache_write_1h = :hour, output_total = :output, reasoning = :reasoning,"
            " is_estimate = :estimate, price_basis = :basis, saved_micro_usd = :saved, error = :error,"
            " reply = :reply, request_key = :key WHERE id = :id",
            {
                "id": call.id,
                "state": call.state.value,
                "seconds": call.seconds,
                "cost": call.cost_micro_usd,
                "served": None if call.model_served is None else storable(call.model_served),
                "input": usage.input_total if usage else None,
                "read": usage.cache_read if usage else None,
                "write": usage.cache_write if usage else None,
                "hour": usage.cache_write_1h if usage else None,
                "output": usage.output_total if usage else None,
                "reasoning": usage.reasoning if usage else None,
                "estimate": int(usage.is_estimate if usage else False),
                "basis": call.price_basis,
                "saved": call.saved_micro_usd,
                "error": storable(call.error),
                "reply": stored,
                "key": request_key if again and not call.other_model_answered else "",
            },
        )

    def stored_reply(self, request_key: str) -> ModelReply | None:
        """The latest whole reply to the very same request; None where there is none."""
        rows = self._read(
            "SELECT reply, model_served FROM call WHERE request_key = ? AND request_key <> '' AND state = ?"
            " AND replayed = 0 AND reused = 0 ORDER BY id DESC LIMIT 1",
            (request_key, CallState.DONE.value),
        )
        if not rows:
            return None
        return ModelReply(
            text=rows[0]["reply"], model_served=rows[0]["model_served"], usage=Usage(), stop="end"
        )

    def add_call(self, values: Mapping[str, Any]) -> int:
        """Write down a call for which nothing was sent; returns its id."""
        return self._insert("call", values)

    def runs(self, limit: int = 20) -> list[dict[str, Any]]:
        """The latest runs, newest first, without their reports."""
        rows = self._read(
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
        query = f"SELECT id, report FROM run WHERE {condition}"  # noqa: S608 - one of the two above
        rows = self._read(query, parameters)
        if len(rows) != 1:
            what = "several runs begin with" if rows else "there is no run"
            raise UsageError(f'{what} "{run_id}"', hint="route-agent ledger lists them")
        if rows[0]["report"] is None:
            raise LedgerError(
                f"run {rows[0]['id']} never finished: its process died", hint="route-agent ledger"
            )
        report: dict[str, Any] = json.loads(rows[0]["report"])
        return report


def _attempt_row(attempt: Attempt) -> dict[str, Any]:
    change, second = attempt.change, attempt.second
    return {
        "lane": attempt.lane,
        "provider": attempt.provider,
        "model": attempt.model,
        "failure": attempt.failure.value if attempt.failure else None,
        "grade": attempt.grade.value,
        "seconds": attempt.seconds,
        "cost_micro_usd": attempt.cost.known_micro_usd,
        "unknown_calls": attempt.cost.unknown_calls,
        "other_model": int(
            any(call.other_model_answered or call.fallback_answered for call in attempt.calls)
        ),
        "same_model": int(bool(attempt.same_model_as)),
        "reused": int(attempt.reused),
        "repairs": attempt.repairs,
        "iterations": attempt.iterations,
        "tokens": attempt.tokens,
        "calls": attempt.requests,
        "score": second.score if second else None,
        "effort": second.effort if second else None,
        "likely": second.likely if second else None,
        "confidence": attempt.confidence,
        "files": len(change.files) if change else 0,
        "added": change.added if change else 0,
        "deleted": change.deleted if change else 0,
        "paths": json.dumps(_storable_paths(change.paths[:MOST_PATHS])) if change else None,
        "reason": storable(attempt.reason),
    }


def _storable_paths(paths: Sequence[str]) -> list[str]:
    """Paths as they may be kept, looked over in one go: a diff may touch thousands."""
    return storable("\0".join(paths)).split("\0") if paths else []


def _review_row(review: Review) -> dict[str, Any]:
    cost = Cost.of(review.calls)
    return {
        "lane": review.lane,
        "model": review.model,
        "is_canary": int(review.is_canary),
        "opinion": review.opinion.value,
        "answered": int(review.answered),
        "other_model": int(any(call.other_model_answered for call in review.calls)),
        "cited": len(review.cited),
        "reasons": storable("\n".join(review.reasons)),
        "seconds": review.seconds,
        "cost_micro_usd": cost.known_micro_usd,
        "unknown_calls": cost.unknown_calls,
    }
