"""A run as one documented, versioned JSON object. Its schema is docs/run.schema.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from route_agent.records.experiments import Known
from route_agent.records.lanes import Purpose
from route_agent.records.runs import Cost
from route_agent.verifying import interval, tells_bad_from_good

if TYPE_CHECKING:
    from collections.abc import Sequence

    from route_agent.gate import Judgement
    from route_agent.records.checks import CheckRun
    from route_agent.records.lanes import Call
    from route_agent.records.reproductions import Reproduction
    from route_agent.records.reviews import Review, Track
    from route_agent.records.risk import Decision, Risk, SecondDecision, WhatIf
    from route_agent.records.runs import Attempt, Evidence, Quote, Run

SCHEMA = 1


def run_object(run: Run) -> dict[str, Any]:
    """The object that `--json` prints. Money is in dollars; null where it is not known."""
    return {
        "schema": SCHEMA,
        "run_id": run.id,
        "started_at": run.started_at,
        "verdict": run.verdict.name.lower(),
        "exit_code": run.exit_code,
        "reason": run.reason,
        "replayed": run.replayed,
        "forced_lane": run.forced_lane,
        "task": run.brief,
        "repository": run.repository,
        "base": run.base,
        "start": run.start,
        "risk": risk_object(run.risk) if run.risk else None,
        "decision": decision_object(run.decision) if run.decision else None,
        "baseline": _checks(run.baseline) if run.baseline else [],
        "attempts": [_attempt(attempt) for attempt in run.attempts],
        "reproduction": _reproduction(run.reproduction) if run.reproduction else None,
        **_cost(run.cost),
        "latency_seconds": round(run.seconds, 3),
        "verification": run.verification,
        "isolation": {"level": run.isolation.level.value, "detail": run.isolation.detail},
        "patch_path": run.patch_path,
        "delivered": run.delivered or None,
        "notices": list(run.notices),
        "withheld": list(run.withheld),
        "quote": quote_object(run.quote) if run.quote else None,
        "cache": _cached(run),
        "decision_calls": [_call(call) for call in run.decision.calls] if run.decision else [],
    }


def quote_object(quote: Quote) -> dict[str, Any]:
    """What a run may cost, in dollars; null where it is not known."""
    held, of = quote.held
    return {
        "expected_usd": _usd(quote.expected),
        "band_80_usd": None if quote.low is None else [_usd(quote.low), _usd(quote.high)],
        "worst_usd": _usd(quote.worst),
        "escalation_odds": quote.escalation,
        "earlier_runs": quote.runs,
        "bands_held": held,
        "bands_given": of,
    }


def _usd(micro_usd: int | None) -> float | None:
    return None if micro_usd is None else micro_usd / 1_000_000


def _cached(run: Run) -> dict[str, Any]:
    """What the providers' caches did for every call of the run."""
    calls = run.calls
    saved = [call.saved_micro_usd for call in calls if call.saved_micro_usd is not None]
    return {
        "read_tokens": sum(call.usage.cache_read for call in calls if call.usage),
        "written_tokens": sum(call.usage.cache_write for call in calls if call.usage),
        "saved_usd": _usd(sum(saved)) if saved else None,
    }


def risk_object(risk: Risk) -> dict[str, Any]:
    """The score and every signal; `explain --json` prints the same."""
    return {
        "score": risk.score,
        "signals": [
            {
                "name": signal.name,
                "value": signal.value,
                "points": signal.points,
                "provenance": signal.provenance.value,
                "evidence": list(signal.evidence),
                "rule": signal.rule or None,
            }
            for signal in risk.signals
        ],
    }


def decision_object(decision: Decision) -> dict[str, Any]:
    """The lane, the ladder and the reasons; `explain --json` prints the same."""
    return {
        "lane": decision.lane,
        "ladder": list(decision.ladder),
        "reasons": list(decision.reasons),
        "skipped": list(decision.skipped),
        "task_class": decision.task_class,
        "policy": decision.policy_name,
        "policy_hash": decision.policy_hash,
        "class_named": decision.class_named,
        "mode": decision.mode,
        "phase": decision.phase or None,
        "advice": [
            {
                "router": it.router,
                "lane": it.lane,
                "reasons": list(it.reasons),
                "complexity": it.complexity,
                "level": it.level or None,
            }
            for it in decision.advice
        ],
    }


def explain_object(
    risk: Risk,
    decision: Decision,
    notices: tuple[str, ...],
    answers: Sequence[WhatIf] = (),
    quote: Quote | None = None,
) -> dict[str, Any]:
    """The object that `explain --json` prints."""
    return {
        "schema": SCHEMA,
        "risk": risk_object(risk),
        "decision": decision_object(decision),
        "what_if": [
            {
                "kind": it.kind,
                "condition": it.condition,
                "score": it.score,
                "lane": it.lane,
                "changes_lane": it.changes,
                "files": list(it.files),
            }
            for it in answers
        ],
        "quote": quote_object(quote) if quote else None,
        "notices": list(notices),
    }


def _cost(cost: Cost) -> dict[str, Any]:
    return {
        "cost_usd": cost.usd,
        "cost_usd_known": cost.known_micro_usd / 1_000_000,
        "calls_without_price": cost.unknown_calls,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    evidence = attempt.evidence
    return {
        "lane": attempt.lane,
        "provider": attempt.provider,
        "model_requested": attempt.model or None,
        "model_served": _served(attempt),
        "failure": attempt.failure.value if attempt.failure else None,
        "grade": attempt.grade.value,
        "reason": attempt.reason,
        "summary": attempt.summary,
        "files": list(attempt.change.paths) if attempt.change else [],
        "added": attempt.change.added if attempt.change else 0,
        "deleted": attempt.change.deleted if attempt.change else 0,
        "repairs": attempt.repairs,
        "iterations": attempt.iterations,
        "reads": list(attempt.reads),
        "plan": attempt.plan or None,
        "same_model_as": attempt.same_model_as or None,
        "difference": attempt.difference or None,
        "reused": attempt.reused,
        **_cost(attempt.cost),
        "seconds": round(attempt.seconds, 3),
        "pre_existing": list(evidence.pre_existing) if evidence else [],
        "checks": _checks(evidence.checks) if evidence else [],
        **_evidence(evidence),
        "reviews": [_review(review) for review in attempt.reviews],
        "unreviewed": attempt.unreviewed or None,
        "confidence": attempt.confidence,
        "confidence_reasons": list(attempt.confidence_reasons),
        "calls": [_call(call) for call in attempt.calls],
        "second": _second(attempt.second) if attempt.second else None,
    }


def _second(second: SecondDecision) -> dict[str, Any]:
    """The decision after an attempt."""
    return {
        "accepts": second.accepts,
        "reasons": list(second.reasons),
        "score": second.score,
        "effort": second.effort,
        "effort_of": second.effort_of,
        "likely": second.likely,
        "belongs_to": second.belongs_to or None,
    }


def _served(attempt: Attempt) -> str | None:
    """Who answered for the patch; what other lanes planned, summed up or raced against it is not that."""
    said = [it for it in attempt.calls if it.purpose is Purpose.PATCH and it.model_served]
    own = [it for it in said if attempt.model in (it.model_requested, it.fallback_for)]
    return next((it.model_served for it in own or said), None)


def _reproduction(made: Reproduction) -> dict[str, Any]:
    return {
        "lane": made.lane,
        "model": made.model or None,
        "tests": list(made.tests),
        "files": list(made.change.paths) if made.change else [],
        "patch": made.patch or None,
        "reason": made.reason,
        "suspect": made.suspect,
        "attempts": made.attempts,
        **_cost(Cost.of(made.calls)),
        "seconds": round(made.seconds, 3),
        "calls": [_call(call) for call in made.calls],
    }


def _review(review: Review) -> dict[str, Any]:
    return {
        "lane": review.lane,
        "model": review.model,
        "opinion": review.opinion.value,
        "reasons": list(review.reasons),
        "cited": list(review.cited),
        "is_canary": review.is_canary,
        "track": track_object(review.track),
        **_cost(Cost.of(review.calls)),
        "seconds": round(review.seconds, 3),
        "calls": [_call(call) for call in review.calls],
    }


def track_object(track: Track) -> dict[str, Any]:
    """A verifier's record, with the 95 % interval of its catch rate; `stats --json` prints the same."""
    low, high = interval(track.caught, track.shown)
    return {
        "known_bad_shown": track.shown,
        "known_bad_caught": track.caught,
        "catch_rate": track.caught / track.shown if track.shown else None,
        "catch_rate_interval": [round(low, 4), round(high, 4)] if track.shown else None,
        "reviewed": track.reviewed,
        "refused": track.refused,
        "better_than_chance": tells_bad_from_good(track) if track.shown else None,
    }


def _evidence(evidence: Evidence | None) -> dict[str, Any]:
    """What was found beside the checks' own results."""
    known = evidence.known if evidence else Known()
    lines, mutants = known.lines, known.mutants
    return {
        "flaky": list(evidence.flaky) if evidence else [],
        "findings": [
            {"rule": it.rule, "path": it.path, "line": it.line, "what": it.what, "weight": it.weight.value}
            for it in known.findings
        ],
        "coverage": {
            "changed": len(lines.changed),
            "executed": len(lines.executed),
            "missing": [f"{path}:{line}" for path, line in lines.missing],
            "unmeasured": list(lines.unmeasured),
        }
        if lines
        else None,
        "mutants": {
            "made": mutants.made,
            "noticed": mutants.killed,
            "survivors": [f"{path}:{line} {operator}" for path, line, operator in mutants.survivors],
        }
        if mutants
        else None,
    }


def _checks(checks: CheckRun) -> list[dict[str, Any]]:
    return [
        {
            "name": result.name,
            "kind": result.kind.value,
            "outcome": result.outcome.value,
            "reason": result.reason,
            "exit_code": result.exit_code,
            "seconds": round(result.seconds, 3),
            "passed": len(result.green) if result.tests is not None else None,
            "failed": len(result.red) if result.tests is not None else None,
            "flaky": list(result.flaky),
            "cached": checks.cached,
        }
        for result in checks.results
    ]


def _call(call: Call) -> dict[str, Any]:
    usage = call.usage
    return {
        "purpose": call.purpose.value,
        "provider": call.provider,
        "fallback_for": call.fallback_for or None,
        "model_requested": call.model_requested,
        "model_served": call.model_served,
        "other_model_answered": call.other_model_answered,
        "state": call.state.value,
        "input_tokens": usage.input_total if usage else None,
        "cached_tokens": usage.cache_read if usage else None,
        "cache_write_tokens": usage.cache_write if usage else None,
        "cache_write_1h_tokens": usage.cache_write_1h if usage else None,
        "output_tokens": usage.output_total if usage else None,
        "reasoning_tokens": usage.reasoning if usage else None,
        "usage_is_estimate": usage.is_estimate if usage else False,
        "cost_usd": _usd(call.cost_micro_usd),
        "reserved_usd": _usd(call.reserved_micro_usd),
        "price_basis": call.price_basis or None,
        "cache_saved_usd": _usd(call.saved_micro_usd),
        "reused": call.reused,
        "seconds": round(call.seconds, 3),
        "error": call.error or None,
    }


def gate_object(judged: Judgement) -> dict[str, Any]:
    """The object that `gate --json` prints."""
    fix = judged.fix
    return {
        "schema": SCHEMA,
        "id": judged.id,
        "verdict": judged.verdict.name.lower(),
        "blocks": judged.blocks,
        "exit_code": judged.exit_code,
        "reason": judged.reason,
        "target": judged.target,
        "base": judged.base,
        "head": judged.head or None,
        "files": list(judged.change.paths),
        "risk": risk_object(judged.risk),
        "decision": decision_object(judged.decision),
        "grade": judged.grade.value,
        "failure": judged.failure.value if judged.failure else None,
        "baseline": _checks(judged.baseline) if judged.baseline else [],
        "checks": _checks(judged.evidence.checks) if judged.evidence else [],
        **_evidence(judged.evidence),
        "reviews": [_review(review) for review in judged.reviews],
        "unreviewed": judged.unreviewed or None,
        "earlier": {"id": judged.earlier, "at": judged.earlier_at} if judged.earlier else None,
        "fix": _fix(fix) if fix else None,
        "why_not_fixed": judged.why_not_fixed or None,
        "patch_path": fix.patch_path if fix else None,
        **_cost(judged.cost),
        "latency_seconds": round(judged.seconds, 3),
        "isolation": {"level": judged.isolation.level.value, "detail": judged.isolation.detail},
        "notices": list(judged.notices),
    }


def _fix(fix: Run) -> dict[str, Any]:
    """The run that was to mend a change; `route-agent show` has all of it."""
    return {
        "run_id": fix.id,
        "verdict": fix.verdict.name.lower(),
        "reason": fix.reason,
        "lanes": [attempt.lane for attempt in fix.attempts],
        "patch_path": fix.patch_path,
        "next_step": fix.next_step or None,
        **_cost(fix.cost),
        "latency_seconds": round(fix.seconds, 3),
    }
