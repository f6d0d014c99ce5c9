"""A judged change as Markdown, for a job summary or a pull request. Every foreign word in it is only text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.report.inert import text, write_file
from route_agent.report.remarks import remarks
from route_agent.report.words import spent, verifier_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from route_agent.records.checks import CheckResult
    from route_agent.records.judgements import Judgement

MAX_REMARKS = 20
MAX_FILES = 20


def write_markdown(judged: Judgement, file: Path) -> None:
    """Write the file.

    Raises:
        EnvironmentBroken: it cannot be written.
    """
    write_file(file, gate_markdown(judged))


def gate_markdown(judged: Judgement) -> str:
    """The report: the verdict and why, what it rests on, the checks, and places worth a look."""
    return "\n".join(_lines(judged)) + "\n"


def _lines(judged: Judgement) -> Iterator[str]:
    passed = " (the policy lets it pass)" if judged.verdict.exit_code and not judged.exit_code else ""
    yield f"### route-agent: {text(judged.verdict.value)}{passed}"
    yield ""
    yield text(judged.reason)
    yield ""
    yield from _table(("", ""), _facts(judged))
    if judged.evidence:
        before = {it.name: it for it in judged.baseline.results} if judged.baseline else {}
        rows = ([*_check(it), _outcome(before.get(it.name))] for it in judged.evidence.checks.results)
        yield from _table(("check", "now", "passed", "failed", "seconds", "before"), rows)
    yield from _places(judged)
    for notice in judged.notices:
        yield f"- {text(notice)}"


def _facts(judged: Judgement) -> Iterator[tuple[str, str]]:
    raised = [f"{text(it.name)} +{it.points}" for it in judged.risk.signals if it.points]
    paths = [text(path) for path in judged.change.paths]
    more = f" and {len(paths) - MAX_FILES} more" if len(paths) > MAX_FILES else ""
    decision = judged.decision
    yield "judged", text(f"{judged.target}: {judged.change.summary}")
    if paths:
        yield "files", f"{'<br>'.join(paths[:MAX_FILES])}{more}"
    yield "proved", text(judged.grade.value)
    yield "risk score", f"{judged.risk.score} ({', '.join(raised) or 'no signal'})"
    yield "lane", f"{text(decision.lane)}: {text('; '.join(decision.reasons))}"
    yield "policy", f"{text(decision.policy_name)}, {text(decision.policy_hash)}"
    for review in judged.reviews:
        if not review.is_canary:
            yield "verifier", text(verifier_words(review))
    if judged.fix and judged.fix.patch_path:
        yield "patch", f"{text(judged.fix.verdict.value)}: {text(judged.fix.patch_path)}"
    yield "cost in dollars", text(spent(judged.cost))
    yield "seconds", f"{judged.seconds:.1f}"
    if judged.earlier:
        yield "from an earlier run", f"{text(judged.earlier)}, {text(judged.earlier_at)}"
    yield "isolation", text(judged.isolation)


def _check(result: CheckResult) -> list[str]:
    counts = ["", ""] if result.tests is None else [str(len(result.green)), str(len(result.red))]
    said = f"{_outcome(result)}: {text(result.reason)}" if result.reason else _outcome(result)
    return [text(result.name), said, *counts, f"{result.seconds:.1f}"]


def _outcome(result: CheckResult | None) -> str:
    return "" if result is None else text(result.outcome.value)


def _places(judged: Judgement) -> Iterator[str]:
    found = remarks(judged)
    if not found:
        return
    rows = (
        (it.level, text(f"{it.path}:{it.line}" if it.line else it.path), text(it.what))
        for it in found[:MAX_REMARKS]
    )
    yield from _table(("", "where", "what"), rows)
    if len(found) > MAX_REMARKS:
        yield f"… and {len(found) - MAX_REMARKS} more."
        yield ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "| --- " * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
