"""A run as a person reads it in a terminal. Every line says where its figure comes from.

A report is lines with a style each; whoever prints them decides whether the styles are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.records.checks import IsolationLevel
from route_agent.records.grades import Grade, Verdict
from route_agent.records.runs import Cost
from route_agent.report.attempt import attempt_lines, details
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
    told = [(judged.change.summary, ""), (classifier(judged.risk), "")]
    told += decision_lines(judged.risk, judged.decision)
    told += [(f"note      {notice}", "yellow") for notice in judged.notices]
    if judged.baseline:
        told += _baseline(judged.baseline)
    if judged.evidence:
        told.append((f"checks    {summary(judged.evidence.checks)}{age(judged.evidence.checks)}", ""))
        if judged.evidence.pre_existing:
            told.append(
                (f"          red before as well: {', '.join(judged.evidence.pre_existing[:5])}", "yellow")
            )
        told += [(f"          {line}", "yellow") for line in noticed(judged.evidence)]
    grade = judged.evidence.grade.value if judged.evidence else "none"
    style = "bold red" if judged.verdict.exit_code else "bold green"
    ending = (
        "not proved" if judged.verdict.exit_code else "passed" if grade == "none" else f"passed at {grade}"
    )
    told.append((f"result    {ending}: {judged.reason}", style))
    told.append((f"latency_seconds: {judged.seconds:.1f}", ""))
    told.append((f"isolation: {judged.isolation}", ""))
    return told
