"""A run as a person reads it in a terminal. Every line says where its figure comes from.

A report is lines with a style each; whoever prints them decides whether the styles are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.records.checks import IsolationLevel, Outcome
from route_agent.records.findings import Weight
from route_agent.records.grades import Grade
from route_agent.records.reviews import Opinion
from route_agent.records.runs import Cost
from route_agent.verifying import tells_bad_from_good

if TYPE_CHECKING:
    from collections.abc import Iterator

    from route_agent.gate import Judgement
    from route_agent.records.checks import CheckResult, CheckRun
    from route_agent.records.reproductions import Reproduction
    from route_agent.records.reviews import Review, Track
    from route_agent.records.risk import Decision, Risk, Signal
    from route_agent.records.runs import Attempt, Evidence, Run

Lines = list[tuple[str, str]]

REPLAYED = "recorded replies, no model was called"

MAX_FINDINGS = 8


def money(micro_usd: int | None) -> str:
    """Dollars with three significant digits, `unknown` where unknown."""
    if micro_usd is None:
        return "unknown"
    usd = micro_usd / 1_000_000
    return f"${usd:.2f}" if usd >= 1 or usd == 0 else f"${usd:.3g}"


def spent(cost: Cost) -> str:
    """What was spent: a sum, or `unknown` with what is known of it."""
    if not cost.unknown_calls:
        return money(cost.known_micro_usd).removeprefix("$")
    calls = f"{cost.unknown_calls} call{'' if cost.unknown_calls == 1 else 's'} without a known price"
    known = f"at least {money(cost.known_micro_usd)}, " if cost.known_micro_usd else ""
    return f"unknown ({known}{calls})"


def show_value(signal: Signal) -> str:
    """A signal's value as the classifier line prints it."""
    return str(signal.value).lower()


def render(run: Run, *, verbose: bool = False) -> Lines:
    """The whole report; with `verbose` also what failing checks printed, and every patch."""
    return list(_lines(run, verbose=verbose))


def _lines(run: Run, *, verbose: bool) -> Iterator[tuple[str, str]]:
    if run.replayed:
        yield REPLAYED, "bold magenta"
    if run.decision and run.risk:
        yield f"task      {run.decision.task_class} · {_first_line(run.brief)}", ""
        yield classifier(run.risk), ""
        yield from decision_lines(run.risk, run.decision)
    if run.forced_lane:
        yield "note      --force-lane: a lane below an always-strong condition was allowed", "yellow"
    for notice in run.notices:
        yield f"note      {notice}", "yellow"
    if run.baseline:
        yield from _baseline(run.baseline)
    for number, attempt in enumerate(run.attempts, 1):
        yield "", ""
        yield from _attempt_lines(number, attempt, verbose=verbose)
        if verbose:
            yield from _details(attempt)
    yield "", ""
    if run.reproduction:
        yield from _reproduction_lines(run.reproduction, verbose=verbose)
    yield from _ending(run)


def _reproduction_lines(made: Reproduction, *, verbose: bool) -> Iterator[tuple[str, str]]:
    """Who wrote which test for the brief, or why there is none."""
    cost = Cost.of(made.calls)
    paid = f"   {money(None if cost.unknown_calls else cost.known_micro_usd)}   {made.seconds:.1f} s"
    if not made.is_usable:
        yield f"no reproduction: {made.reason}{paid if made.calls else ''}", "yellow"
        return
    more = len(made.tests) - 1
    tests = f"{made.tests[0]}{f' and {more} more' if more else ''}"
    yield f"reproduction  {made.lane} {made.model}: {tests} red at start{paid}", ""
    if made.suspect:
        yield f"          {made.suspect}", "yellow"
    if verbose:
        yield from ((f"     {line}", "dim") for line in made.patch.splitlines())


def _first_line(brief: str) -> str:
    first = brief.splitlines()[0]
    return first if len(first) <= 100 else f"{first[:99]}…"


def classifier(risk: Risk) -> str:
    """One line with every signal."""
    return "classifier: " + " ".join(f"{signal.name}={show_value(signal)}" for signal in risk.signals)


def decision_lines(risk: Risk, decision: Decision) -> Iterator[tuple[str, str]]:
    """The score, the lane and why; then what is not tried and why."""
    yield f"risk_score: {risk.score}   selected_lane: {decision.lane} ({'; '.join(decision.reasons)})", "bold"
    ladder = f"   ladder {' → '.join(decision.ladder)}" if len(decision.ladder) > 1 else ""
    yield f"policy    {decision.policy_name}@{decision.policy_hash[:7]}{ladder}", ""
    for skipped in decision.skipped:
        yield f"note      {skipped}", "yellow"


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


def _age(checks: CheckRun) -> str:
    return " (from an earlier run on this tree)" if checks.cached else ""


def _baseline(checks: CheckRun) -> Iterator[tuple[str, str]]:
    """The checks at start, and what is odd about them there."""
    yield f"baseline  {summary(checks)}  {checks.seconds:.1f} s{_age(checks)}", ""
    if checks.flaky:
        yield f"          flaky at start, proves nothing: {', '.join(checks.flaky[:5])}", "yellow"
    if checks.changed:
        yield f"          changed while the checks ran: {', '.join(checks.changed[:5])}", "yellow"


def _noticed(evidence: Evidence) -> Iterator[str]:
    """What was found in the change, the weightiest first, and which tests are flaky."""
    order = list(Weight)
    findings = sorted(evidence.known.findings, key=lambda it: order.index(it.weight))
    yield from (f"{it.weight.value:8} {it}" for it in findings[:MAX_FINDINGS])
    if len(findings) > MAX_FINDINGS:
        yield f"… and {len(findings) - MAX_FINDINGS} more findings; --json has them all"
    if evidence.flaky:
        yield f"flaky    red in the whole run, green by themselves: {', '.join(evidence.flaky[:5])}"


def _attempt_lines(number: int, attempt: Attempt, *, verbose: bool) -> Iterator[tuple[str, str]]:
    patch = attempt.change.summary if attempt.change else "no patch"
    model = attempt.model or attempt.provider
    head = (
        f"{number:2} {attempt.lane:8} {model}   {patch}   {_attempt_cost(attempt)}   {attempt.seconds:.1f} s"
    )
    yield head + _repairs(attempt), "bold"
    for call in attempt.calls:
        other = call.model_served and call.model_served != call.model_requested
        served = f" (served by {call.model_served})" if other else ""
        usage = call.usage
        tokens = f"{usage.input_total:,} tokens in, {usage.output_total:,} out" if usage else "tokens unknown"
        if call.provider != "recorded":
            state = "" if call.state.value == "done" else f" {call.state.value}: {call.error}"
            yield f"     call {call.model_requested}{served}: {tokens}, {call.seconds:.1f} s{state}", "dim"
    if attempt.summary:
        yield f"     {attempt.summary}", "dim"
    if attempt.evidence:
        yield f"     {summary(attempt.evidence.checks)}{_age(attempt.evidence.checks)}", ""
        for line in _noticed(attempt.evidence):
            yield f"     {line}", "yellow"
    if attempt.failure:
        yield from _second_looks(attempt, verbose=verbose)
        first, *more = attempt.reason.split("\n")
        yield f"     → {attempt.failure.value}: {first}", "red"
        yield from ((f"       {line}", "red") for line in more)
    else:
        yield f"     {attempt.grade.value}: {attempt.reason}", "green"
        yield from _second_looks(attempt, verbose=verbose)


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


def _repairs(attempt: Attempt) -> str:
    if not attempt.repairs:
        return ""
    if not attempt.change:
        return "   (patch refused again after repair)"
    times = {1: "once", 2: "twice"}.get(attempt.repairs, f"{attempt.repairs} times")
    return f"   (patch repaired {times})"


def _details(attempt: Attempt) -> Iterator[tuple[str, str]]:
    for result in attempt.evidence.checks.failed if attempt.evidence else ():
        yield from ((f"     | {line}", "dim") for line in result.output.splitlines())
    yield from ((f"     {line}", "dim") for line in attempt.patch.splitlines())


def _attempt_cost(attempt: Attempt) -> str:
    return money(None if attempt.cost.unknown_calls else attempt.cost.known_micro_usd)


def _ending(run: Run) -> Iterator[tuple[str, str]]:
    accepted = run.accepted
    style = "bold green" if accepted else "bold red" if run.verdict.exit_code else "bold"
    first, _, more = run.reason.partition("\n")
    reason = f"{first.rstrip(':')} …" if more else first
    yield f"result    {reason if accepted else f'{run.verdict.value}: {reason}'}", style
    if accepted and accepted.evidence:
        yield from _caveats(accepted)
    yield verification(run), ""
    yield f"cost_usd_estimate: {spent(run.cost)}   latency_seconds: {run.seconds:.1f}", "bold"
    if run.delivered:
        yield f"delivery  {run.delivered}", "yellow" if run.delivered.startswith("not") else "green"
    if run.patch_path:
        yield f"patch     {run.patch_path}", ""
    if run.next_step:
        yield f"next      {run.next_step}", ""
    if run.replayed:
        yield REPLAYED, "bold magenta"
    yield f"isolation: {run.isolation}", "bold red" if run.isolation.level is IsolationLevel.NONE else ""
    yield f"why       route-agent show {run.id}", ""


def _caveats(accepted: Attempt) -> Iterator[tuple[str, str]]:
    evidence = accepted.evidence
    if evidence is None:
        return
    if evidence.pre_existing:
        count = len(evidence.pre_existing)
        shown = ", ".join(evidence.pre_existing[:3])
        yield f"          red before and still red, not blamed on the patch ({count}): {shown}", "yellow"
    if not accepted.grade.reaches(Grade.COVERED):
        second = f"{verifier_words(accepted.review)} · " if accepted.review else "green is not proof: "
        yield f"          {second}read the patch before you merge it", "yellow"


def verification(run: Run) -> str:
    """The commands that judged the last patch, and how that went."""
    last = run.accepted or next((it for it in reversed(run.attempts) if it.evidence), None)
    if last is None:
        return f"verification: {run.verification}   result: no patch was judged"
    return f"verification: {run.verification}   result: {'pass' if last.accepted else 'fail'}"


def explain(risk: Risk, decision: Decision, notices: tuple[str, ...], without: tuple[str, ...]) -> Lines:
    """The signal table, the decision, and what would change it."""
    told = [(f"{'signal':20} {'value':>7} {'points':>7}  {'from':8} evidence", "bold")]
    for signal in risk.signals:
        points = f"+{signal.points}" if signal.points else "0"
        facts = f"{signal.name:20} {show_value(signal):>7} {points:>7}  {signal.provenance.value:8}"
        told.append((f"{facts} {'; '.join(signal.evidence)}".rstrip(), "" if signal.raised else "dim"))
    told += decision_lines(risk, decision)
    told += [(line, "") for line in without]
    told += [(f"note      {notice}", "yellow") for notice in notices]
    return told


def render_gate(judged: Judgement) -> Lines:
    """What is to be said about a change that exists already."""
    told = [(judged.change.summary, ""), (classifier(judged.risk), "")]
    told += decision_lines(judged.risk, judged.decision)
    told += [(f"note      {notice}", "yellow") for notice in judged.notices]
    if judged.baseline:
        told += _baseline(judged.baseline)
    if judged.evidence:
        told.append((f"checks    {summary(judged.evidence.checks)}{_age(judged.evidence.checks)}", ""))
        if judged.evidence.pre_existing:
            told.append(
                (f"          red before as well: {', '.join(judged.evidence.pre_existing[:5])}", "yellow")
            )
        told += [(f"          {line}", "yellow") for line in _noticed(judged.evidence)]
    grade = judged.evidence.grade.value if judged.evidence else "none"
    style = "bold red" if judged.verdict.exit_code else "bold green"
    ending = (
        "not proved" if judged.verdict.exit_code else "passed" if grade == "none" else f"passed at {grade}"
    )
    told.append((f"result    {ending}: {judged.reason}", style))
    told.append((f"latency_seconds: {judged.seconds:.1f}", ""))
    told.append((f"isolation: {judged.isolation}", ""))
    return told
