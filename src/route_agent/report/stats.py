"""What `stats` says, as lines and tables, as an object, and as CSV: nothing is computed here."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from route_agent.report.words import money

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from route_agent.records.figures import (
        Asked,
        Cache,
        Estimate,
        Failed,
        Figures,
        Group,
        Latency,
        LedgerRow,
        Share,
        Spend,
    )
    from route_agent.records.receptions import LaneReception

SCHEMA = 2
METHOD = (
    (
        "runs of recorded replies and dry runs are in no figure; answers of another model than was asked,"
        " stored replies and escalations that the same model answered are in no rate and no latency"
    ),
    (
        "by lane and by model a run belongs where it began; latency and failures are of that lane's attempts,"
        " else of whole runs"
    ),
    (
        "cost per accepted patch: all that the runs cost (calls, and minutes that have a rate),"
        " also those without a patch, divided by the accepted patches"
    ),
    (
        "shares have Wilson's interval; means and ratios one by the delta method on logarithms with"
        " Student's t; quantiles the order statistics of the binomial; all 95 %"
    ),
    (
        "always strong: every class as dear by accepted patch as its own runs that began at the ladder's last"
        " lane; those had the harder tasks, so the saving is rather too high than too low"
    ),
    (
        "a lane loses money for a class where an accepted patch through it costs more than from the last"
        " lane's own attempts, with at least ten on each side and beyond chance over all pairs compared"
    ),
)


def share_words(it: Share) -> str:
    """`71 % [65, 77]`; – where there is nothing to be a share of."""
    if it.value is None:
        return "–"
    return f"{100 * it.value:.0f} % [{100 * it.low:.0f}, {100 * it.high:.0f}]"


def money_words(it: Estimate, *, unknown: bool = False) -> str:
    """Dollars with the interval; – where there is nothing to divide by."""
    if unknown:
        return "unknown"
    if it.value is None:
        return "–"
    ends = f" [{_bare(it.low)}, {_bare(it.high)}]" if it.low is not None else ""
    return f"{_bare(it.value)}{ends}"


def _bare(micro_usd: float | None) -> str:
    return money(None if micro_usd is None else round(micro_usd)).removeprefix("$")


def _seconds(it: Estimate) -> str:
    return "–" if it.value is None else f"{it.value:.1f}"


def headings(asked: Asked) -> tuple[str, ...]:
    """Of the main table's columns."""
    if asked.by in ("key", "endpoint"):
        return (asked.by, "runs", "calls", "p50 s", "p90 s", "$/run", "spent", "from cache")
    rejected = ("rejected later",) if asked.by == "lane" else ()
    return (
        asked.by, "runs", "first try", "escalated", "p50 s", "p90 s", "$/run", "$/accepted", "spent",
        *rejected,
    )  # fmt: skip


def row(it: Group, asked: Asked, received: Mapping[str, LaneReception]) -> tuple[str, ...]:
    """One group as the main table shows it."""
    unknown = bool(it.spend.unknown_calls)
    times = (_seconds(it.latency.median), _seconds(it.latency.p90))
    spent, per_run = money(it.spend.total), money_words(it.per_run, unknown=unknown)
    if asked.by in ("key", "endpoint"):
        cached = it.cache.read_tokens / it.cache.input_tokens if it.cache.input_tokens else None
        read = "–" if cached is None else f"{100 * cached:.0f} %"
        return it.name, str(it.runs), str(it.calls), *times, per_run, spent, read
    cells = (
        it.name,
        str(it.runs),
        share_words(it.first_try),
        share_words(it.escalated),
        *times,
        per_run,
        money_words(it.per_accepted, unknown=unknown),
        spent,
    )
    if asked.by != "lane":
        return cells
    told = received.get(it.name)
    return (*cells, f"{share_words(told.rejected)} (n={told.rejected.whole})" if told else "–")


def ledger_row(it: LedgerRow) -> tuple[str, ...]:
    """One lane of the classic table."""
    use = ", ".join(f"{name} {100 * count / it.n:.0f} %" for name, count in it.uses)
    failure = f"{it.failure.failure} {share_words(it.failure.share)}" if it.failure else "none seen"
    median, p90 = it.latency.median, it.latency.p90
    return it.lane, str(it.n), f"{_seconds(median)} (p90 {_seconds(p90)})", use, failure


def lines(told: Figures) -> list[tuple[str, str]]:
    """What stands below the main table, with styles."""
    found = [(_spend_words(told.whole, told.asked), "")]
    if told.asked.by in ("repo", "author", "key", "endpoint"):
        found += [(f"{it.name}: limits {'; or '.join(it.limits)}", "") for it in told.groups if it.limits]
    found += [(it, "") for it in _saved(told)]
    found += _tiers(told)
    found += [(it, "") for it in _cached(told.whole.cache)]
    if told.judged:
        found.append((f"gate: {told.judged} judgements, {money(told.gate_cost)} in calls of their own", ""))
    if failures := told.whole.failures[:5]:
        common = ", ".join(f"{it.failure} {share_words(it.share)}" for it in failures)
        found.append((f"failures of {told.whole.attempts} attempts: {common}", ""))
    found += _losing(told)
    return [*found, *((it, "dim") for it in _beside(told))]


def _spend_words(whole: Group, asked: Asked) -> str:
    it = whole.spend
    parts = {
        "first lane": it.model,
        "escalation": it.escalation,
        "verifier": it.verifier,
        "tests": it.tests,
        "other": it.other,
    }
    known = " · ".join(f"{name} {money(value)}" for name, value in parts.items() if value)
    if it.unknown_calls:
        calls = f"{it.unknown_calls} call{'' if it.unknown_calls == 1 else 's'} without a known price"
        known = f"unknown: {calls}; known: {known or 'nothing'}"
    minutes = [_minutes("checks", it.check_seconds / 60, it.check, asked.check_usd, "check_usd")]
    if it.reviewed:
        reading = f"review of {it.reviewed} runs"
        minutes.append(_minutes(reading, it.review_minutes, it.review, asked.review_usd, "review_usd"))
    else:
        minutes.append("review minutes: none told")
    per = money_words(whole.per_accepted, unknown=bool(it.unknown_calls))
    runs = f"{whole.runs} runs, {whole.accepted} accepted, {per} USD each"
    return f"{runs}: {known or 'nothing spent'} · {' · '.join(minutes)}"


def _minutes(what: str, minutes: float, priced: int | None, rate: float | None, key: str) -> str:
    if rate is None:
        return f"{what} {minutes:.1f} min, not priced (minutes.{key} in the configuration)"
    return f"{what} {minutes:.1f} min at ${rate:g}: {money(priced)}"


def _saved(told: Figures) -> Iterable[str]:
    it = told.savings
    if it.share.value is None or it.strong.value is None or it.actual.value is None:
        if told.asked.ladder and told.whole.accepted:
            last = told.asked.ladder[-1]
            yield f"saved against always {last}: unknown; fewer than ten runs of a class began at {last}"
        return
    within = ""
    if it.share.low is not None and it.share.high is not None:
        within = f" [{100 * it.share.low:.0f}, {100 * it.share.high:.0f}]"
    yield (
        f"saved against always {told.asked.ladder[-1]}: {100 * it.share.value:.0f} %{within} of"
        f" {money(round(it.strong.value))} an accepted patch (n={it.runs.part} of {it.runs.whole} runs)"
    )


def _tiers(told: Figures) -> Iterable[tuple[str, str]]:
    it = told.tiers
    if not it.lanes or not told.asked.ladder:
        return
    ended = " · ".join(f"{lane} {count}" for lane, count in it.lanes)
    yield (
        (
            f"ended by: {ended}; cheap {share_words(it.cheap)}, target {100 * it.cheap_least:.0f} % at least;"
            f" {told.asked.ladder[-1]} {share_words(it.frontier)},"
            f" target {100 * it.frontier_most:.0f} % at most"
        ),
        "",
    )
    if it.frontier_alarm:
        yield (
            f"alarm: {told.asked.ladder[-1]} ends more runs than its target allows, beyond chance",
            "bold red",
        )
    if it.cheap_alarm:
        yield "alarm: the cheap lanes end fewer runs than their target, beyond chance", "bold red"


def _cached(it: Cache) -> Iterable[str]:
    parts = []
    if it.input_tokens:
        saved = "" if it.saved is None else f", saved {money(it.saved)}"
        parts.append(f"{100 * it.read_tokens / it.input_tokens:.0f} % of input tokens from caches{saved}")
    if it.reused.part:
        parts.append(f"stored replies {share_words(it.reused)} of calls")
    if it.verdicts.part:
        parts.append(f"gate's verdicts taken again {share_words(it.verdicts)}")
    if parts:
        yield f"cache: {'; '.join(parts)}"


def _losing(told: Figures) -> Iterable[tuple[str, str]]:
    for it in told.losing:
        yield (
            (
                f"{it.lane} loses money for class {it.task_class}: {money_words(it.through)} USD an accepted"
                f" patch through it (n={it.through.n}), {money_words(it.direct)} from {it.last} directly"
                f" (n={it.direct.n})"
            ),
            "bold yellow",
        )
    if told.losing:
        classes = sorted({it.task_class for it in told.losing})
        start = ", ".join(f"{name}: {told.losing[0].last}" for name in classes)
        yield f"in the policy that is: routing: {{start: {{{start}}}}}", ""


def _beside(told: Figures) -> Iterable[str]:
    if told.imported:
        yield f"{told.imported} runs came from other ledgers"
    if told.unfinished:
        yield f"{told.unfinished} runs never finished; what they spent is counted"
    if told.replayed:
        yield f"{told.replayed} runs of recorded replies are not counted"


# --- as an object ------------------------------------------------------------------------------------------


def stats_object(told: Figures) -> dict[str, Any]:
    """The figures with money in dollars."""
    asked = told.asked
    return {
        "schema": SCHEMA,
        "by": asked.by,
        "since": asked.since or None,
        "until": asked.until or None,
        "ladder": list(asked.ladder),
        "minutes": {"check_usd": asked.check_usd, "review_usd": asked.review_usd},
        "groups": [group_object(it) for it in told.groups],
        "whole": group_object(told.whole),
        "tiers": {
            "lanes": dict(told.tiers.lanes),
            "cheap": _share(told.tiers.cheap),
            "cheap_least": told.tiers.cheap_least,
            "cheap_alarm": told.tiers.cheap_alarm,
            "frontier": _share(told.tiers.frontier),
            "frontier_most": told.tiers.frontier_most,
            "frontier_alarm": told.tiers.frontier_alarm,
        },
        "savings": {
            "share": _estimate(told.savings.share),
            "actual_usd": _estimate(told.savings.actual, 1e6),
            "strong_usd": _estimate(told.savings.strong, 1e6),
            "runs": _share(told.savings.runs),
        },
        "losing": [
            {
                "lane": it.lane,
                "last": it.last,
                "task_class": it.task_class,
                "through_usd": _estimate(it.through, 1e6),
                "direct_usd": _estimate(it.direct, 1e6),
                "difference_usd": _estimate(it.difference, 1e6),
                "rule": it.rule,
            }
            for it in told.losing
        ],
        "table": [
            {
                "lane": it.lane,
                "n": it.n,
                **_latency(it.latency),
                "uses": dict(it.uses),
                "failure": _failed(it.failure) if it.failure else None,
                "is_verifier": it.is_verifier,
            }
            for it in told.table
        ],
        "gate": {"judged": told.judged, "cost_usd": _usd(told.gate_cost)},
        "runs_replayed": told.replayed,
        "runs_unfinished": told.unfinished,
        "runs_imported": told.imported,
        "method": list(METHOD),
    }


def group_object(it: Group) -> dict[str, Any]:
    """One group with money in dollars."""
    return {
        "name": it.name,
        "runs": it.runs,
        "attempts": it.attempts,
        "calls": it.calls,
        "accepted": it.accepted,
        "first_try": _share(it.first_try),
        "escalated": _share(it.escalated),
        **_latency(it.latency),
        "per_run_usd": _estimate(it.per_run, 1e6),
        "per_accepted_usd": _estimate(it.per_accepted, 1e6),
        "spend": _spend(it.spend),
        "cache": {
            "read_tokens": it.cache.read_tokens,
            "input_tokens": it.cache.input_tokens,
            "saved_usd": _usd(it.cache.saved),
            "reused": _share(it.cache.reused),
            "verdicts": _share(it.cache.verdicts),
        },
        "failures": [_failed(failed) for failed in it.failures],
        "limits": list(it.limits),
    }


def _spend(it: Spend) -> dict[str, Any]:
    return {
        "total_usd": _usd(it.total),
        "known_usd": it.calls / 1_000_000,
        "calls_without_price": it.unknown_calls,
        "model_usd": it.model / 1_000_000,
        "escalation_usd": it.escalation / 1_000_000,
        "verifier_usd": it.verifier / 1_000_000,
        "tests_usd": it.tests / 1_000_000,
        "other_usd": it.other / 1_000_000,
        "check_minutes": it.check_seconds / 60,
        "check_usd": _usd(it.check),
        "review_minutes": it.review_minutes,
        "review_runs": it.reviewed,
        "review_usd": _usd(it.review),
    }


def _usd(micro_usd: int | None) -> float | None:
    return None if micro_usd is None else micro_usd / 1_000_000


def _share(it: Share) -> dict[str, Any]:
    told = it.value is not None
    return {
        "part": it.part,
        "n": it.whole,
        "value": it.value,
        "interval": [it.low, it.high] if told else None,
    }


def _estimate(it: Estimate, by: float = 1) -> dict[str, Any]:
    ends = [None if end is None else end / by for end in (it.low, it.high)]
    return {
        "n": it.n,
        "value": None if it.value is None else it.value / by,
        "interval": None if ends == [None, None] else ends,
    }


def _latency(it: Latency) -> dict[str, Any]:
    return {"median_seconds": _estimate(it.median), "p90_seconds": _estimate(it.p90)}


def _failed(it: Failed) -> dict[str, Any]:
    return {"failure": it.failure, **_share(it.share)}


# --- as CSV ------------------------------------------------------------------------------------------------


def csv_text(groups: Sequence[Group], asked: Asked) -> str:
    """The main table with every figure in a column of its own; what is not known is an empty cell."""
    rows = [_flat(group_object(it)) for it in groups]
    names = list(rows[0]) if rows else [asked.by]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([asked.by if name == "name" else name for name in names])
    writer.writerows([[inert(it[name]) for name in names] for it in rows])
    return out.getvalue()


def _flat(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, it in value.items():
        if isinstance(it, dict):
            found |= _flat(it, f"{before}{name}.")
        elif name == "interval":
            found |= dict(zip((f"{before}low", f"{before}high"), it or (None, None), strict=True))
        elif isinstance(it, list):
            words = (f"{one['failure']} {one['part']}" if isinstance(one, dict) else str(one) for one in it)
            found[f"{before}{name}"] = "; ".join(words)
        else:
            found[f"{before}{name}"] = it
    return found


def inert(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    plain = "".join(letter if letter.isprintable() else " " for letter in value)
    return f"'{plain}" if plain[:1] in tuple("=+-@ ") else plain
