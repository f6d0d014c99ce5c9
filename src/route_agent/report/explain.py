"""A decision as a person reads it: the signals, where the task goes, and what would change that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.report.terminal import decision_lines, show_value
from route_agent.report.words import quote_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from route_agent.records.risk import Decision, Risk, Signal, WhatIf
    from route_agent.records.runs import Quote
    from route_agent.report.terminal import Lines

SHOWN_FILES = 5
SHOWN_EVIDENCE = 3


def explain(
    risk: Risk,
    decision: Decision,
    notices: Sequence[str],
    answers: Sequence[WhatIf],
    quote: Quote | None = None,
) -> Lines:
    """The signal table, the decision, and what would change it."""
    told = [(f"{'signal':21} {'value':>7} {'points':>6}  {'from':7}  evidence (rule)", "bold")]
    told += [(_row(signal), "" if signal.raised else "dim") for signal in risk.signals]
    told += decision_lines(risk, decision)
    told += [(line, "") for line in _answer_lines(answers)]
    if quote is not None:
        told.append((f"quote     {quote_words(quote)}", ""))
    told += [(f"note      {notice}", "yellow") for notice in notices]
    return [(line.replace("\n", "\\n"), style) for line, style in told]  # a file's name may hold one


def _row(signal: Signal) -> str:
    points = f"+{signal.points}" if signal.points else "0"
    evidence = "; ".join(signal.evidence[:SHOWN_EVIDENCE])
    more = len(signal.evidence) - SHOWN_EVIDENCE
    evidence += " …" if more > 0 else ""
    rule = f"({signal.rule})" if signal.rule and (signal.raised or signal.points) else ""
    facts = f"{signal.name:21} {show_value(signal):>7} {points:>6}  {signal.provenance.value:7}"
    return "  ".join(part for part in (facts, evidence, rule) if part).rstrip()


def _answer_lines(answers: Sequence[WhatIf]) -> Iterator[str]:
    """First what would send the task elsewhere, then what each signal and the brief alone make of it."""
    nearby = [it for it in answers if it.changes and it.kind != "signal"]
    for answer in _few_files(nearby):
        yield f"{answer.lane} if {answer.condition}: score {answer.score}"
    for answer in answers:
        if answer.kind == "signal" or (answer.kind == "brief" and not answer.changes):
            same = "" if answer.changes else " as now"
            yield f"          if {answer.condition}: score {answer.score} → {answer.lane}{same}"


def _few_files(answers: Sequence[WhatIf]) -> Iterator[WhatIf]:
    folders = 0
    for answer in answers:
        folders += answer.kind == "untouched"
        if answer.kind != "untouched" or folders <= SHOWN_FILES:
            yield answer
