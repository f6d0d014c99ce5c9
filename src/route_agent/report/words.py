"""Money, checks, findings and verifiers in a few words each, as every part of a report says them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.records.checks import Outcome
from route_agent.records.findings import Weight
from route_agent.records.reviews import Opinion
from route_agent.verifying import tells_bad_from_good

if TYPE_CHECKING:
    from collections.abc import Iterator

    from route_agent.records.checks import CheckResult, CheckRun
    from route_agent.records.reviews import Review, Track
    from route_agent.records.runs import Cost, Evidence, Quote, Run

MAX_FINDINGS = 8


def money(micro_usd: int | None) -> str:
    """Dollars with three significant digits, `unknown` where unknown."""
    if micro_usd is None:
        return "unknown"
    usd = micro_usd / 1_000_000
    if usd >= 1 or usd == 0:
        return f"${usd:.2f}"
    told = f"{usd:.3g}"
    return f"${usd:.6f}".rstrip("0") if "e" in told else f"${told}"  # nobody reads $5e-05


def spent(cost: Cost) -> str:
    """What was spent: a sum, or `unknown` with what is known of it."""
    if not cost.unknown_calls:
        return money(cost.known_micro_usd).removeprefix("$")
    calls = f"{cost.unknown_calls} call{'' if cost.unknown_calls == 1 else 's'} without a known price"
    known = f"at least {money(cost.known_micro_usd)}, " if cost.known_micro_usd else ""
    return f"unknown ({known}{calls})"


def first_line(brief: str) -> str:
    first = brief.splitlines()[0]
    return first if len(first) <= 100 else f"{first[:99]}…"


def summary(checks: CheckRun) -> str:
    """Every check in a few words: `pytest 41 passed 1 failed · ruff ok`."""
    return " · ".join(_check_words(result) for result in checks.results) or "no checks"


def _check_words(result: CheckResult) -> str:
    if result.tests is not None and result.outcome is not Outcome.NOT_RUN:
        counted = f"{result.name} {len(result.green)} passed"
        skipped = len(result.with_outcome("skipped"))
        return (
            counted
            + (f" {len(result.red)} failed" if result.red else "")
            + (f" {skipped} skipped" if skipped else "")
            + (f" {len(result.flaky)} flaky" if result.flaky else "")
        )
    words = {Outcome.PASSED: "ok", Outcome.FAILED: "failed", Outcome.NOT_RUN: f"not run ({result.reason})"}
    return f"{result.name} {'flaky' if result.flaky else words[result.outcome]}"


def age(checks: CheckRun) -> str:
    return " (from an earlier run on this tree)" if checks.cached else ""


def noticed(evidence: Evidence) -> Iterator[str]:
    """What was found in the change, the weightiest first, and which tests are flaky."""
    order = list(Weight)
    findings = sorted(evidence.known.findings, key=lambda it: order.index(it.weight))
    yield from (f"{it.weight.value:8} {it}" for it in findings[:MAX_FINDINGS])
    if len(findings) > MAX_FINDINGS:
        yield f"… and {len(findings) - MAX_FINDINGS} more findings; --json has them all"
    if evidence.flaky:
        yield f"flaky    red in the whole run, green by themselves: {', '.join(evidence.flaky[:5])}"


def cache_words(run: Run) -> str:
    """What the providers' caches saved in this run; empty where they had no part in it."""
    saved = [call.saved_micro_usd for call in run.calls if call.saved_micro_usd]
    if not saved:
        return ""
    total = sum(saved)
    return f"   cache {'saved' if total >= 0 else 'cost'} {money(abs(total))}"


def quote_words(quote: Quote) -> str:
    """A quote on one line: expected, band, worst, odds, and how far such quotes can be trusted."""
    told = [f"about {money(quote.expected)}"]
    if quote.low is not None and quote.high is not None:
        told.append(f"four times in five between {money(quote.low)} and {money(quote.high)} (n={quote.runs})")
    told.append(f"at most {money(quote.worst)}")
    if quote.escalation is not None and quote.runs:
        told.append(f"odds of escalation {quote.escalation:.0%} (n={quote.runs})")
    held, of = quote.held
    if of:
        told.append(f"earlier bands held {held} of {of} times")
    return " · ".join(told)


_SAYS = {
    Opinion.APPROVE: "approves",
    Opinion.REJECT: "rejects it",
    Opinion.UNSURE: "is unsure",
}


def verifier_words(review: Review) -> str:
    """Who said what, and what that is worth: `verifier gpt-… approves (caught 17 of 20 …)`."""
    return f"verifier {review.model} {_SAYS[review.opinion]} ({track_words(review.track)})"


def track_words(track: Track) -> str:
    """A verifier's record; one that refuses bad patches no more often than others is told as that."""
    if not track.shown:
        return "no known-bad patch was shown to it so far"
    caught = f"caught {track.caught} of {track.shown} known-bad patches so far"
    return (
        caught if tells_bad_from_good(track) else f"{caught}: no better than chance so far (n={track.shown})"
    )
