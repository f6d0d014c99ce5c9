"""One attempt as a person reads it: the patch, the calls, what the checks said, and why it ended so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.policy import RECORDED
from route_agent.records.lanes import CallState, Purpose
from route_agent.records.runs import Cost
from route_agent.report.words import age, first_line, money, noticed, summary, verifier_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from route_agent.records.lanes import Call
    from route_agent.records.runs import Attempt


def attempt_lines(number: int, attempt: Attempt, *, verbose: bool) -> Iterator[tuple[str, str]]:
    patch = attempt.change.summary if attempt.change else "no patch"
    model = attempt.model or attempt.provider
    head = (
        f"{number:2} {attempt.lane:8} {model}   {patch}   {_attempt_cost(attempt)}   {attempt.seconds:.1f} s"
    )
    yield head + _repairs(attempt), "bold"
    yield from _call_lines(attempt)
    if attempt.summary:
        yield f"     {attempt.summary}", "dim"
    if attempt.evidence:
        yield f"     {summary(attempt.evidence.checks)}{age(attempt.evidence.checks)}", ""
        for line in noticed(attempt.evidence):
            yield f"     {line}", "yellow"
    if attempt.failure:
        yield from _second_looks(attempt, verbose=verbose)
        yield from _second_decision(attempt, verbose=verbose)
        first, *more = attempt.reason.split("\n")
        yield f"     → {attempt.failure.value}: {first}", "red"
        yield from ((f"       {line}", "red") for line in more)
    else:
        yield f"     {attempt.grade.value}: {attempt.reason}", "green"
        yield from _second_looks(attempt, verbose=verbose)
        yield from _second_decision(attempt, verbose=verbose)


def _second_decision(attempt: Attempt, *, verbose: bool) -> Iterator[tuple[str, str]]:
    """Whether the patch stays with its lane; with `verbose` everything that was looked at, a line each."""
    second = attempt.second
    if second is None:
        return
    word = f"stays with {attempt.lane}" if second.accepts else f"not accepted from {attempt.lane}"
    if verbose:
        yield f"     decision {word}", "dim"
        yield from ((f"       {reason}", "dim") for reason in second.reasons)
        return
    known = [] if second.score is None else [f"score {second.score}"]
    if attempt.requests:
        known.append("effort unknown" if second.effort is None else f"effort {100 * second.effort:.0f} %")
    known += [f"belongs to {second.belongs_to}"] if second.belongs_to else []
    known += [] if second.likely is None else [f"likely right {second.likely:.2f}"]
    told = f" ({second.effort_of})" if attempt.requests and second.effort_of else ""
    yield f"     decision {word}{': ' if known else ''}{', '.join(known)}{told}", "dim"


def _call_lines(attempt: Attempt) -> Iterator[tuple[str, str]]:
    """Each call with what it read and wrote, and who answered where that is news."""
    for call in attempt.calls:
        if call.provider == RECORDED:
            continue
        purpose = "" if call.purpose is Purpose.PATCH else f" for the {PURPOSES[call.purpose]}"
        reused = ", a stored reply: reused at $0" if call.reused else ""
        state = "" if call.state is CallState.DONE else f" {call.state.value}: {call.error}"
        asked = f"     call {call.model_requested}{purpose}: {_tokens(call)}, {call.seconds:.1f} s"
        yield asked + reused + state, "dim"
        if call.overrun_micro_usd:
            over = f"{money(call.overrun_micro_usd)} more than was set aside for it"
            yield f"       the provider counted more than expected: {over}", "yellow"
        if call.fallback_for:
            left_out = ": not counted for the lane" if call.fallback_answered else ""
            yield f"       fallback: {call.fallback_for} could not be reached{left_out}", "yellow"
        if call.other_model_answered:
            served = f"asked {call.model_requested}, {call.model_served} answered"
            yield f"       {served}: not counted for the lane", "yellow"
    if attempt.same_model_as:
        other = attempt.same_model_as
        yield (
            f"     no escalation: the same model had answered for {other}; not counted for the lane",
            "yellow",
        )
    if attempt.plan:
        yield f"     planned: {first_line(attempt.plan)}", "dim"
    if attempt.reads:
        more = f" and {len(attempt.reads) - 4} more" if len(attempt.reads) > 4 else ""
        yield f"     asked to see: {', '.join(attempt.reads[:4])}{more}", "dim"


PURPOSES = {
    Purpose.PATCH: "patch",
    Purpose.PLAN: "plan",
    Purpose.COMPACT: "summary of the conversation",
    Purpose.OPINION: "opinion",
    Purpose.TEST: "test",
    Purpose.LEVEL: "difficulty",
}


def _tokens(call: Call) -> str:
    usage = call.usage
    if usage is None:
        return "tokens unknown"
    parts = [f"{usage.cache_read:,} from the cache"] if usage.cache_read else []
    parts += [f"{usage.cache_write:,} written to it"] if usage.cache_write else []
    cached = f" ({', '.join(parts)})" if parts else ""
    about = "about " if usage.is_estimate else ""
    return f"{about}{usage.input_total:,} tokens in{cached}, {usage.output_total:,} out"


def _second_looks(attempt: Attempt, *, verbose: bool) -> Iterator[tuple[str, str]]:
    """What the verifier said, or why it was not asked, and the confidence with what it is made of."""
    for review in attempt.reviews:
        cost = Cost.of(review.calls)
        paid = f"{money(None if cost.unknown_calls else cost.known_micro_usd)}   {review.seconds:.1f} s"
        if review.is_canary and verbose:
            yield f"     of a known-bad variant it says {review.opinion.value}   {paid}", "dim"
        elif not review.is_canary:
            yield f"     {verifier_words(review)}   {paid}", "green" if review.approves else "yellow"
        if verbose:
            yield from ((f"       {reason}", "dim") for reason in review.reasons)
            yield from ((f"       {place}", "dim") for place in review.cited)
    if attempt.unreviewed and (verbose or not attempt.unreviewed.startswith("not asked")):
        yield f"     verifier {attempt.unreviewed}", "dim"
    if attempt.confidence is not None:
        yield f"     confidence {attempt.confidence:.2f}", "dim"
        if verbose:
            yield from ((f"       {reason}", "dim") for reason in attempt.confidence_reasons)


def _repairs(attempt: Attempt) -> str:
    if not attempt.repairs:
        return ""
    if not attempt.change:
        return "   (patch refused again after repair)"
    times = {1: "once", 2: "twice"}.get(attempt.repairs, f"{attempt.repairs} times")
    return f"   (patch repaired {times})"


def details(attempt: Attempt) -> Iterator[tuple[str, str]]:
    for result in attempt.evidence.checks.failed if attempt.evidence else ():
        yield from ((f"     | {line}", "dim") for line in result.output.splitlines())
    yield from ((f"     {line}", "dim") for line in attempt.patch.splitlines())


def _attempt_cost(attempt: Attempt) -> str:
    return money(None if attempt.cost.unknown_calls else attempt.cost.known_micro_usd)
