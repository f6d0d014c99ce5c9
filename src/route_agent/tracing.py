"""From what a run told while it went on to the spans of a trace. Pure.

Names are those of the semantic conventions for generative AI, as far as these have one; they are still in
development, so they are written out here. What a brief, a patch, a path or an output says is content, and in
no span unless it was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from route_agent.records.checks import CheckResult
from route_agent.records.lanes import Call, CallState, Purpose
from route_agent.records.risk import Decision
from route_agent.records.runs import Attempt
from route_agent.records.spans import Span
from route_agent.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from route_agent.records.events import Event
    from route_agent.records.runs import Cost, Run
    from route_agent.records.spans import Value

    Facts = dict[str, Value | None]

AGENT = "route-agent"
_NS = 1_000_000_000
_ROOT = 0
_LONGEST = 20_000  # characters of one piece of content


@dataclass(frozen=True, slots=True)
class Seen:
    """What was told, and when, in nanoseconds since the epoch."""

    at: int
    event: Event


@dataclass(frozen=True, slots=True)
class Traced:
    """A run as it was seen from outside.

    Attributes:
        began: nanoseconds since the epoch.
        ended: the same.
        seen: what it told, in its order.
        run: what it came to, where it came to anything.
        error: the kind of failure that ended it, where one did.
    """

    began: int
    ended: int
    seen: Sequence[Seen] = ()
    run: Run | None = None
    error: str = ""


def spans(traced: Traced, *, content: bool = False) -> list[Span]:
    """The root span, and below it the decision, the attempts, their calls and their checks.

    Args:
        content: whether brief, reasons, patches, paths and outputs are told as well.
    """
    about = _About(traced, content=content)
    attempts = [it for it in traced.seen if isinstance(it.event.about, Attempt)]
    made = [about.root()]
    places: list[int] = []
    for number, seen in enumerate(attempts, 1):
        places.append(len(made))
        made.append(about.attempt(number, seen))
    decision = next((it for it in traced.seen if isinstance(it.event.about, Decision)), None)
    decided = len(made) if decision else _ROOT
    if decision:
        made.append(about.decision(decision))
    for seen in traced.seen:
        told = seen.event.about
        if isinstance(told, Call):
            at = [place for place, it in zip(places, attempts, strict=True) if told.id in _calls(it)]
            above = at[0] if at else decided if told.purpose is Purpose.LEVEL else _ROOT
            made.append(replace(about.call(seen, told), parent=above))
        elif isinstance(told, CheckResult):
            at = [place for place in places if made[place].began <= seen.at <= made[place].ended]
            number = places.index(at[0]) + 1 if at else 0
            made.append(
                replace(about.check(seen, told, number), parent=places[number - 1] if number else _ROOT)
            )
    return made


def _calls(seen: Seen) -> frozenset[int]:
    attempt = seen.event.about
    if not isinstance(attempt, Attempt):
        return frozenset()
    reviewed = (call for review in attempt.reviews for call in review.calls)
    return frozenset(call.id for call in (*attempt.calls, *reviewed))


@dataclass(frozen=True, slots=True)
class _About:
    """Says what is to be said of each piece of work."""

    traced: Traced
    content: bool = field(kw_only=True)

    def root(self) -> Span:
        run = self.traced.run
        facts: Facts = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": AGENT,
        }
        error = self.traced.error
        if run:
            error = error or ("" if run.exit_code == 0 else run.verdict.name.lower())
            facts |= {
                "route_agent.run.id": run.id,
                "route_agent.verdict": run.verdict.name.lower(),
                "route_agent.exit_code": run.exit_code,
                "route_agent.lane": run.accepted.lane if run.accepted else None,
                "route_agent.isolation": run.isolation.level.value,
                "route_agent.replayed": run.replayed,
                "route_agent.baseline.cached": run.baseline.cached if run.baseline else None,
                **_cost(run.cost),
                **self._content(task=run.brief, reason=run.reason, repository=run.repository),
            }
        return Span(
            f"invoke_agent {AGENT}",
            self.traced.began,
            self.traced.ended,
            None,
            _said(facts, error),
            error=error,
        )

    def decision(self, seen: Seen) -> Span:
        """From the last check at start to the word on where it goes."""
        told = seen.event.about
        assert isinstance(told, Decision)  # noqa: S101 - as it was chosen
        checks = (
            it.at for it in self.traced.seen if it.at <= seen.at and isinstance(it.event.about, CheckResult)
        )
        run = self.traced.run
        facts: Facts = {
            "route_agent.lane": told.lane,
            "route_agent.ladder": told.ladder,
            "route_agent.score": run.risk.score if run and run.risk else None,
            "route_agent.task_class": told.task_class,
            "route_agent.mode": told.mode,
            "route_agent.phase": told.phase or None,
            "route_agent.policy.hash": told.policy_hash,
            **self._content(reasons=told.reasons),
        }
        return Span("route", max(checks, default=self.traced.began), seen.at, _ROOT, _said(facts))

    def attempt(self, number: int, seen: Seen) -> Span:
        attempt = seen.event.about
        assert isinstance(attempt, Attempt)  # noqa: S101 - as it was chosen
        told = self._as_written(number, attempt)
        facts: Facts = {
            "route_agent.attempt.number": number,
            "route_agent.lane": attempt.lane,
            "gen_ai.provider.name": attempt.provider,
            "gen_ai.request.model": attempt.model or None,
            "route_agent.grade": attempt.grade.value,
            "route_agent.accepted": attempt.accepted,
            "route_agent.confidence": attempt.confidence,
            **_cost(attempt.cost),
        }
        if told:
            paths = told.change.paths if told.change else ()
            facts |= self._content(reason=told.reason, patch=told.patch, paths=paths)
        error = attempt.failure.value if attempt.failure else ""
        began = seen.at - round(attempt.seconds * _NS)
        return Span(f"attempt {attempt.lane}", began, seen.at, _ROOT, _said(facts, error), error=error)

    def call(self, seen: Seen, call: Call) -> Span:
        usage = call.usage
        facts: Facts = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": call.provider,
            "gen_ai.request.model": call.model_requested,
            "gen_ai.response.model": call.model_served,
            "route_agent.lane": call.lane,
            "route_agent.purpose": call.purpose.value,
            "route_agent.call.id": call.id,
            "route_agent.reused": call.reused or None,
            "route_agent.cost.usd": None if call.cost_micro_usd is None else call.cost_micro_usd / 1e6,
        }
        if usage:
            facts |= {
                "gen_ai.usage.input_tokens": usage.input_total,
                "gen_ai.usage.cache_read.input_tokens": usage.cache_read,
                "gen_ai.usage.cache_write.input_tokens": usage.cache_write,
                "gen_ai.usage.output_tokens": usage.output_total,
                "gen_ai.usage.reasoning.output_tokens": usage.reasoning,
            }
        error = "" if call.state is CallState.DONE else call.error.partition(":")[0] or call.state.value
        began = seen.at - round(call.seconds * _NS)
        name = f"chat {call.model_requested}".rstrip()
        return Span(name, began, seen.at, _ROOT, _said(facts, error), asks=True, error=error)

    def check(self, seen: Seen, result: CheckResult, number: int) -> Span:
        """A red check is what it is for, and no error of the span; one that could not run is."""
        facts: Facts = {
            "route_agent.check.name": result.name,
            "route_agent.check.kind": result.kind.value,
            "route_agent.check.outcome": result.outcome.value,
            "route_agent.check.exit_code": result.exit_code,
            "route_agent.check.tests.passed": None if result.tests is None else len(result.green),
            "route_agent.check.tests.failed": None if result.tests is None else len(result.red),
            "route_agent.attempt.number": number,
        }
        if told := self._result_as_written(number, result.name):
            facts |= self._content(reason=told.reason, output=told.output)
        error = "not_run" if result.outcome.value == "not-run" else ""
        began = seen.at - round(result.seconds * _NS)
        return Span(f"check {result.name}", began, seen.at, _ROOT, _said(facts, error), error=error)

    # --- content: only as the ledger keeps it, where every known secret has been taken out

    def _as_written(self, number: int, attempt: Attempt) -> Attempt | None:
        written = self.traced.run.attempts if self.traced.run else ()
        same = number <= len(written) and written[number - 1].lane == attempt.lane
        return written[number - 1] if same else None

    def _result_as_written(self, number: int, name: str) -> CheckResult | None:
        run = self.traced.run
        if run is None:
            return None
        if not number:
            return run.baseline.named(name) if run.baseline else None
        evidence = run.attempts[number - 1].evidence if number <= len(run.attempts) else None
        return evidence.checks.named(name) if evidence else None

    def _content(self, **texts: str | Iterable[str]) -> Facts:
        if not self.content:
            return {}
        return {
            f"route_agent.{name}": text[:_LONGEST] if isinstance(text, str) else tuple(text)
            for name, text in texts.items()
            if text
        }


def _cost(cost: Cost) -> Facts:
    return {"route_agent.cost.usd": cost.usd, "route_agent.calls_without_price": cost.unknown_calls or None}


def _said(facts: Facts, error: str = "") -> Mapping[str, Value]:
    """What is known of the facts, without secrets; what is not known is left out."""
    known = {name: value for name, value in facts.items() if value is not None}
    if error:
        known["error.type"] = error
    return {name: _clean(value) for name, value in known.items()}


def _clean(value: Value) -> Value:
    if isinstance(value, str):
        return redact(value)
    return tuple(map(redact, value)) if isinstance(value, tuple) else value
