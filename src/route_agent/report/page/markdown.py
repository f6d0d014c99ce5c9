"""The ledger, or one run, as Markdown for a pull request or a job summary: short and inert."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from route_agent.report.inert import text, visible
from route_agent.report.page.headline import notes, tiles
from route_agent.report.page.overview import no_runs
from route_agent.report.page.telling import estimate, interval, usd
from route_agent.report.page.words import moment, one_line, seconds
from route_agent.report.words import spent, summary, verifier_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from route_agent.ledger.listing import Listed, Word
    from route_agent.records.figures import Group
    from route_agent.records.runs import Attempt, Run
    from route_agent.report.page.overview import Told

RUNS, FAILURES = 20, 10
DIFF_CHARACTERS = 20_000  # a comment on a pull request holds 65,536


def ledger_markdown(told: Told) -> str:
    """The headline, the lanes, why attempts failed, and the latest runs."""
    if not told.latest and not told.judged:
        return f"## {text(told.title)}\n\n{no_runs(told)}.\n"
    return "\n".join((f"## {text(told.title)}", "", text(told.scope), "", *_ledger_lines(told), ""))


def _ledger_lines(told: Told) -> Iterator[str]:
    headline = [(it.name, it.value, it.interval, it.of) for it in tiles(told.figures)]
    yield from _table(("", "", "95 %", "of"), headline)
    for note in notes(told.figures):
        yield f"{'**Alarm:** ' if note.is_alarm else ''}{text(note.text)}\n"
        if note.rule:
            yield fenced(note.rule, "yaml") + "\n"
    lanes = [_lane(it) for it in told.figures.groups]
    heads = ("began at", "runs", "first try", "escalated", "median", "per run", "per accepted patch")
    yield from _titled("### Lanes", heads, lanes)
    yield from _titled("### Failures", ("lane", "failure", "of its attempts"), _failures(told.figures.groups))
    yield from _titled(
        "### Gate", ("verdict", "n", "taken again"), [(it.verdict, it.n, it.reused) for it in told.judged]
    )
    columns = ("began", "run", "task", "class", "lanes", "verdict", "cost", "time")
    yield from _titled("### Latest runs", columns, [_listed(it) for it in told.latest[:RUNS]])


def _lane(it: Group) -> tuple[object, ...]:
    rates = (interval(it.first_try), interval(it.escalated))
    return (
        it.name,
        it.runs,
        *rates,
        seconds(it.latency.median.value),
        estimate(it.per_run),
        estimate(it.per_accepted),
    )


def _failures(groups: Sequence[Group]) -> list[tuple[object, ...]]:
    found = [(it.name, failed) for it in groups for failed in it.failures]
    found.sort(key=lambda pair: -pair[1].share.part)
    return [(lane, it.failure, f"{it.share.part}: {interval(it.share)}") for lane, it in found[:FAILURES]]


def _listed(it: Listed) -> tuple[object, ...]:
    return (
        moment(it.started_at),
        it.id,
        one_line(it.brief, 80),
        it.task_class or "unknown",
        " → ".join(it.lanes) or it.first_lane or "–",
        it.verdict or "unfinished",
        "recorded" if it.replayed else usd(it.cost_micro_usd),
        seconds(it.seconds),
    )


# --- one run ---


def run_markdown(run: Run, said: Sequence[Word]) -> str:
    """One run: the verdict, the decision, every attempt, and the diff that was accepted."""
    return "\n".join((f"## {text(one_line(run.brief))}", "", *_run_lines(run, said), ""))


def _run_lines(run: Run, said: Sequence[Word]) -> Iterator[str]:
    yield f"**{run.verdict.value}**: {text(run.reason)}\n"
    if run.replayed:
        yield "Recorded replies: no model was called.\n"
    paid = spent(run.cost)
    facts = [
        ("run", run.id),
        ("cost", paid if paid.startswith("unknown") else f"${paid}"),
        ("time", seconds(run.seconds)),
        ("isolation", str(run.isolation)),
        ("verification", run.verification),
    ]
    if run.decision and run.risk:
        facts[:0] = [
            ("score", str(run.risk.score)),
            ("class", run.decision.task_class),
            ("began at", f"{run.decision.lane}: {'; '.join(run.decision.reasons)}"),
            ("signals", ", ".join(it.name for it in run.risk.signals if it.raised) or "none holds"),
            ("policy", f"{run.decision.policy_name}@{run.decision.policy_hash[:7]}"),
        ]
    facts += [("people", f"{it.outcome} {it.note}".strip()) for it in said]
    yield from _table(("", ""), facts)
    heads = ("", "lane", "model", "patch", "ended", "checks", "cost", "time")
    rows = [_attempt(number, it) for number, it in enumerate(run.attempts, 1)]
    yield from _titled("### Attempts", heads, rows)
    shown = run.accepted or next((it for it in reversed(run.attempts) if it.patch), None)
    if shown:
        yield from _last(shown)


def _attempt(number: int, it: Attempt) -> tuple[object, ...]:
    ended = it.failure.value if it.failure else f"accepted at {it.grade.value}"
    return (
        number,
        it.lane,
        it.model or it.provider,
        it.change.summary if it.change else "no patch",
        ended,
        summary(it.evidence.checks) if it.evidence else "–",
        usd(None if it.cost.unknown_calls else it.cost.known_micro_usd),
        seconds(it.seconds),
    )


def _last(it: Attempt) -> Iterator[str]:
    """What speaks for the patch that was accepted, or against the last one, and its diff."""
    yield f"- {text(it.reason)}"
    if it.review:
        yield f"- {text(verifier_words(it.review))}"
    if it.confidence is not None:
        yield f"- confidence {it.confidence:.2f}"
    if it.patch:
        shown = visible(it.patch)  # first: what is no letter takes up to ten
        cut = shown[:DIFF_CHARACTERS]
        more = len(shown) - len(cut)
        yield f"\n<details><summary>{'Accepted' if it.accepted else 'Last'} patch</summary>\n"
        yield fenced(cut, "diff")
        yield f"\n{f'… {more} characters more' if more else ''}</details>"


# --- Markdown ---


def _titled(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    told = list(rows)
    if told:
        yield f"{title}\n"
        yield from _table(heads, told)


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield _row(heads)
    yield _row(["---"] * len(heads), plain=True)
    yield from (_row(row) for row in rows)
    yield ""


def _row(cells: Sequence[object], *, plain: bool = False) -> str:
    return f"| {' | '.join(str(it) if plain else text(it) for it in cells)} |"


def fenced(content: str, language: str) -> str:
    """A block of code that its content cannot end."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", content))])
    return f"{fence}{language}\n{visible(content.rstrip())}\n{fence}"
