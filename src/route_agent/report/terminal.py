"""A run as a person reads it in a terminal. Every line says where its figure comes from.

A report is lines with a style each; whoever prints them decides whether the styles are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.records.checks import IsolationLevel
from route_agent.records.grades import Grade, Verdict
from route_agent.records.runs import Cost
from route_agent.report.attempt import attempt_lines, details
from route_agent.report.earlier import allowed_words, ending_words
from route_agent.report.words import (
    MAX_FINDINGS,
    age,
    cache_words,
    first_line,
    money,
    noticed,
    quote_words,
    spent,
    summary,
    verifier_words,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from route_agent.gate import Judgement
    from route_agent.records.checks import CheckRun
    from route_agent.records.reproductions import Reproduction
    from route_agent.records.risk import Decision, Risk, Signal
    from route_agent.records.runs import Attempt, Run

Lines = list[tuple[str, str]]

REPLAYED = "recorded replies, no model was called"


def show_value(signal: Signal) -> str:
    """A signal's value as the classifier line prints it."""
    return "unknown" if signal.value is None else str(signal.value).lower()


def render(run: Run, *, verbose: bool = False) -> Lines:
    """The whole report; with `verbose` also what failing checks printed, and every patch."""
    return list(_lines(run, verbose=verbose))


def _lines(run: Run, *, verbose: bool) -> Iterator[tuple[str, str]]:
    if run.replayed:
        yield REPLAYED, "bold magenta"
    if run.decision and run.risk:
        yield f"task      {run.decision.task_class} · {first_line(run.brief)}", ""
        yield classifier(run.risk), ""
        yield from decision_lines(run.risk, run.decision)
    if run.forced_lane:
        yield "note      --force-lane: a lane below an always-strong condition was allowed", "yellow"
    for notice in run.notices:
        yield f"note      {notice}", "yellow"
    for kept in run.withheld[:MAX_FINDINGS]:
        yield f"withheld  {kept}", "yellow"
    if len(run.withheld) > MAX_FINDINGS:
        yield f"withheld  … and {len(run.withheld) - MAX_FINDINGS} more; --json has them all", "yellow"
    if run.baseline:
        yield from _baseline(run.baseline)
    for number, attempt in enumerate(run.attempts, 1):
        yield "", ""
        yield from attempt_lines(number, attempt, verbose=verbose)
        if verbose:
            yield from details(attempt)
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


# of the mission's formula: always shown, in its order
FORMULA = ("files", "schema_change", "auth_code", "test_failures", "new_code")


def classifier(risk: Risk) -> str:
    """One line: the formula's signals, and what else holds; other counts only where they weigh something."""
    return "classifier: " + " ".join(
        f"{signal.name}={show_value(signal)}"
        for signal in risk.signals
        if signal.name in FORMULA or signal.value is True or signal.points
    )


def decision_lines(risk: Risk, decision: Decision) -> Iterator[tuple[str, str]]:
    """The score, the lane and why; then what is not tried and why."""
    yield f"risk_score: {risk.score}   selected_lane: {decision.lane} ({'; '.join(decision.reasons)})", "bold"
    ladder = f"   ladder {' → '.join(decision.ladder)}" if len(decision.ladder) > 1 else ""
    mode = "" if decision.mode == "rules" else f"   mode {decision.mode}"
    yield f"policy    {decision.policy_name}@{decision.policy_hash[:7]}{mode}{ladder}", ""
    for other in decision.advice[1:]:
        level = f"{other.level}: " if other.level else ""
        yield f"router    {other.router} says {other.lane} ({level}{'; '.join(other.reasons)})", "dim"
    for skipped in decision.skipped:
        yield f"note      {skipped}", "yellow"


def _baseline(checks: CheckRun) -> Iterator[tuple[str, str]]:
    """The checks at start, and what is odd about them there."""
    yield f"baseline  {summary(checks)}  {checks.seconds:.1f} s{age(checks)}", ""
    if checks.flaky:
        yield f"          flaky at start, proves nothing: {', '.join(checks.flaky[:5])}", "yellow"
    if checks.changed:
        yield f"          changed while the checks ran: {', '.join(checks.changed[:5])}", "yellow"


def _ending(run: Run) -> Iterator[tuple[str, str]]:
    accepted = run.accepted
    style = "bold green" if accepted else "bold red" if run.verdict.exit_code else "bold"
    first, _, more = run.reason.partition("\n")
    reason = f"{first.rstrip(':')} …" if more else first
    yield f"result    {reason if accepted else f'{run.verdict.value}: {reason}'}", style
    if accepted and accepted.evidence:
        yield from _caveats(accepted)
    yield verification(run), ""
    paid = f"cost_usd_estimate: {spent(run.cost)}   latency_seconds: {run.seconds:.1f}"
    yield paid + cache_words(run), "bold"
    if run.quote and run.verdict is Verdict.PLANNED:
        yield f"quote     {quote_words(run.quote)}", ""
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


def render_gate(judged: Judgement) -> Lines:
    """What is to be said about a change that exists already."""
    return list(_gate_lines(judged))


def _gate_lines(judged: Judgement) -> Iterator[tuple[str, str]]:
    if judged.base:
        yield f"judged    {judged.target}, compared with {judged.base[:10]}", ""
    if judged.earlier:
        when = judged.earlier_at[:16].replace("T", " ")
        yield f"          from an earlier run, nothing was run: judgement {judged.earlier} of {when} UTC", ""
    yield judged.change.summary, ""
    yield classifier(judged.risk), ""
    yield from decision_lines(judged.risk, judged.decision)
    yield from ((f"note      {notice}", "yellow") for notice in judged.notices)
    if judged.baseline:
        yield from _baseline(judged.baseline)
    if judged.evidence:
        yield f"checks    {summary(judged.evidence.checks)}{age(judged.evidence.checks)}", ""
        if judged.evidence.pre_existing:
            yield f"          red before as well: {', '.join(judged.evidence.pre_existing[:5])}", "yellow"
        yield from ((f"          {line}", "yellow") for line in noticed(judged.evidence))
    for review in judged.reviews:
        yield verifier_words(review), "" if review.approves else "yellow"
        yield from ((f"          {reason}", "") for reason in review.reasons)
    yield from _gate_ending(judged)


def _gate_ending(judged: Judgement) -> Iterator[tuple[str, str]]:
    ending = ending_words(judged.verdict.name.lower(), judged.grade.value, blocks=judged.blocks)
    style = "bold red" if judged.blocks else "bold yellow" if judged.failure else "bold green"
    yield f"result    {ending}: {judged.reason}", style
    if judged.failure and not judged.blocks:
        yield allowed_words(judged.failure.value, judged.reason), "bold yellow"
    if judged.why_not_fixed:
        yield f"fix       none: {judged.why_not_fixed}", "yellow"
    if judged.fix:
        yield from _fix_lines(judged.fix, judged)
    paid = f"cost_usd_estimate: {spent(judged.cost)}   " if judged.calls or judged.fix else ""
    yield f"{paid}latency_seconds: {judged.seconds:.1f}", ""
    if judged.baseline:
        yield f"isolation: {judged.isolation}", ""


def _fix_lines(fix: Run, judged: Judgement) -> Iterator[tuple[str, str]]:
    """What the fix came to. It is offered: whoever wants it applies it."""
    style = "bold green" if fix.accepted else "bold red"
    yield f"fix       {fix.verdict.value}: {fix.reason.partition(chr(10))[0]}", style
    for number, attempt in enumerate(fix.attempts, 1):
        yield from attempt_lines(number, attempt, verbose=False)
    if fix.next_step:
        on = f"  (on {judged.target})" if judged.target else ""
        yield f"next      {fix.next_step}{on}", "bold"
    yield f"why       route-agent show {fix.id}", ""
