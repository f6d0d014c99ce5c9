"""The whole ledger as one page: figures as tiles, charts and tables, and a list of runs that is bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from route_agent.report.page.charts import Bin, Line, Plot, Spans, Value, calibration, over_time, spans
from route_agent.report.page.headline import Note, Tile, notes, tiles
from route_agent.report.page.telling import axis_usd, ends
from route_agent.report.page.words import count, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from route_agent.ledger.listing import Earlier, Judged, JudgedOne, Listed
    from route_agent.records.figures import (
        Cell,
        Confident,
        Figures,
        Group,
        LedgerRow,
        Share,
        Tiers,
        WeekOf,
    )
    from route_agent.records.receptions import LaneReception

MOST_WEEKS = 26
MOST_LANES = 6  # in a chart; the tables have them all


@dataclass(frozen=True, slots=True)
class Told:
    """What a page is made of, as it was read."""

    title: str
    scope: str
    figures: Figures
    weeks: Sequence[WeekOf] = ()
    cells: Sequence[Cell] = ()
    confidence: Sequence[Confident] = ()
    latest: Sequence[Listed] = ()
    earlier: Sequence[Earlier] = ()
    judged: Sequence[Judged] = ()
    judgements: Sequence[JudgedOne] = ()
    received: Sequence[LaneReception] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with its words."""

    id: str
    title: str
    lead: str
    desc: str
    chart: Plot | Spans


@dataclass(frozen=True, slots=True)
class Warm:
    """One cell of the heat map and which of five depths it has."""

    cell: Cell
    step: int


@dataclass(frozen=True, slots=True)
class Page:
    """What the template prints, in its order."""

    title: str
    scope: str
    is_empty: bool
    empty: str = ""
    sections: tuple[tuple[str, str], ...] = ()
    tiles: tuple[Tile, ...] = ()
    notes: tuple[Note, ...] = ()
    ledger: tuple[LedgerRow, ...] = ()
    groups: tuple[Group, ...] = ()
    tiers: Tiers | None = None
    over_time: tuple[Chart, ...] = ()
    weeks: tuple[WeekOf, ...] = ()
    rates: tuple[Chart, ...] = ()
    heat: Mapping[str, Any] = field(default_factory=dict)
    failures: Mapping[str, Any] = field(default_factory=dict)
    confidence: tuple[Confident, ...] = ()
    calibration: Plot | None = None
    judged: tuple[Judged, ...] = ()
    judgements: tuple[JudgedOne, ...] = ()
    runs: tuple[Listed, ...] = ()
    lanes: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    listed_words: str = ""
    earlier: tuple[Earlier, ...] = ()
    detailed: frozenset[str] = frozenset()
    details: tuple[Any, ...] = ()
    details_words: str = ""
    received: tuple[LaneReception, ...] = ()


SECTIONS = (
    ("overview", "Overview"),
    ("time", "Over time"),
    ("rates", "Rates"),
    ("classes", "Classes"),
    ("failures", "Failures"),
    ("received", "People"),
    ("confidence", "Confidence"),
    ("gate", "Gate"),
    ("runs", "Runs"),
    ("method", "Method"),
)


def page_of(told: Told, details: Mapping[str, Any]) -> Page:
    """The page's contents.

    Args:
        details: by run, what is shown when it is opened, as HTML; of the runs that have room in the file.
    """
    figures = told.figures
    if not told.latest and not told.judged:
        return Page(told.title, told.scope, is_empty=True, empty=f"{no_runs(told)}.")
    lanes = _lanes(told)
    return Page(
        title=told.title,
        scope=told.scope,
        is_empty=False,
        sections=SECTIONS,
        tiles=tuple(tiles(figures)),
        notes=tuple(notes(figures)),
        ledger=figures.table,
        groups=figures.groups,
        tiers=figures.tiers,
        over_time=tuple(_over_time(told.weeks, lanes)),
        weeks=tuple(_latest_weeks(told.weeks)),
        rates=tuple(_rates(figures, lanes)),
        heat=_heat(told.cells, lanes),
        failures=_failures(figures.groups),
        confidence=tuple(told.confidence),
        calibration=_calibration(told.confidence),
        judged=tuple(told.judged),
        judgements=tuple(told.judgements),
        runs=tuple(told.latest),
        lanes=_distinct(lane for it in told.latest for lane in (*it.lanes, it.first_lane)),
        verdicts=_distinct(it.verdict or "unfinished" for it in told.latest),
        classes=_distinct(it.task_class or "unknown" for it in told.latest),
        listed_words=_listed_words(told),
        earlier=tuple(told.earlier),
        detailed=frozenset(details),
        details=tuple(details.values()),
        details_words=_details_words(told, details),
        received=tuple(it for it in told.received if it.accepted),
    )


def no_runs(told: Told) -> str:
    """Why there is nothing to show."""
    asked = told.figures.asked
    return "No run began in this time" if asked.since or asked.until else "The ledger has no run yet"


def _distinct(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({word for word in words if word}))


def _lanes(told: Told) -> tuple[str, ...]:
    """Every lane, along the ladder, then the others: so that each keeps its mark through the page."""
    seen = {it.lane for it in told.cells} | {it.lane for it in told.weeks}
    seen |= {it.name for it in told.figures.groups}
    ladder = [lane for lane in told.figures.asked.ladder if lane in seen]
    return (*ladder, *sorted(seen.difference(ladder)))


def _listed_words(told: Told) -> str:
    listed, earlier = len(told.latest), sum(it.runs for it in told.earlier)
    if not earlier:
        return f"{count(listed)} run{'' if listed == 1 else 's'}."
    return f"The latest {count(listed)} runs; {count(earlier)} earlier ones are summed up by month below."


def _details_words(told: Told, details: Mapping[str, Any]) -> str:
    if len(details) == len(told.latest):
        return "Choose a run in the list to open it here."
    rest = "the others with route-agent report --run ID --html FILE"
    return f"The latest {len(details)} finished runs open from the list; {rest}."


# --- charts ---


def _latest_weeks(weeks: Sequence[WeekOf]) -> list[WeekOf]:
    kept = sorted({it.begins for it in weeks})[-MOST_WEEKS:]
    return [it for it in weeks if kept and it.begins >= kept[0]]


def _over_time(weeks: Sequence[WeekOf], lanes: Sequence[str]) -> Iterable[Chart]:
    shown = _latest_weeks(weeks)
    steps = _all_weeks(sorted({it.begins for it in shown}))
    of = {(it.begins, it.lane): it for it in shown}
    words = [it[5:] for it in steps]

    def chart(
        id_: str, title: str, lead: str, value: Callable[[WeekOf], float | None], axis: Callable[[float], str]
    ) -> Chart:
        lines = [
            Line(lane, tuple(value(of[it, lane]) if (it, lane) in of else None for it in steps), number)
            for number, lane in enumerate(lanes[:MOST_LANES])
            if any(it.lane == lane for it in shown)
        ]
        desc = f"{title}, {len(steps)} weeks, one line for each lane; the table below has the figures."
        return Chart(id_, title, lead, desc, over_time(words, lines, axis))

    began = "By the lane that a run began with."
    yield chart("week-cost", "Cost per run", began, lambda it: it.per_run.value, axis_usd)
    yield chart(
        "week-time",
        "Median time of an attempt",
        "By lane.",
        lambda it: it.latency.median.value,
        _axis_seconds,
    )
    yield chart("week-first", "Passed at the first try", began, lambda it: it.first_try.value, percent)


def _axis_seconds(value: float) -> str:
    return f"{value:g} s" if value < 600 else f"{value / 60:g} min"


def _all_weeks(begins: Sequence[str]) -> list[str]:
    """Every Monday from the first to the last: a week without a run is a gap and no neighbour."""
    if not begins:
        return []
    at, last = date.fromisoformat(begins[0]), date.fromisoformat(begins[-1])
    weeks = [at + timedelta(days=7 * number) for number in range((last - at).days // 7 + 1)]
    return [it.isoformat() for it in weeks[-MOST_WEEKS:]]


def _rates(figures: Figures, lanes: Sequence[str]) -> Iterable[Chart]:
    groups = [(lanes.index(it.name), it) for it in figures.groups if it.name in lanes]
    groups = sorted(groups, key=lambda pair: pair[0])[:MOST_LANES]
    lead = "By the lane that runs began with."
    first = [_value(it.name, it.first_try, number) for number, it in groups]
    yield _spans("rate-first", "Passed at the first try", lead, first)
    left = [_value(it.name, it.escalated, number) for number, it in groups]
    yield _spans("rate-left", "Escalated", lead, left)
    tiers = figures.tiers
    ended = [
        _value("cheap lanes", tiers.cheap, 0, tiers.cheap_least),
        _value("last lane", tiers.frontier, 1, tiers.frontier_most),
    ]
    wanted = (
        f"dashed: at least {percent(tiers.cheap_least)} and at most {percent(tiers.frontier_most)} wanted"
    )
    yield _spans("rate-tiers", "Which lanes end the runs", f"The policy's targets are {wanted}.", ended)


def _value(name: str, it: Share, number: int, target: float | None = None) -> Value:
    if not it.whole:
        return Value(name, None, None, None, "unknown", "n=0", target, number)
    sub = f"[{ends(it)}] n={count(it.whole)}"
    return Value(name, it.value, it.low, it.high, percent(it.value), sub, target, number)


def _spans(id_: str, title: str, lead: str, values: Sequence[Value]) -> Chart:
    told = "; ".join(f"{it.name} {it.text} {it.sub}" for it in values)
    return Chart(id_, title, lead, f"{title}: {told}.", spans(values, percent, most=1.0))


def _calibration(bins: Sequence[Confident]) -> Plot | None:
    if not bins:
        return None
    lines = [
        ("accepted by the checks", [_bin(it.mean, it.accepted) for it in bins if it.accepted.whole]),
        ("of these not rejected or reverted", [_bin(it.mean, it.kept) for it in bins if it.kept.whole]),
    ]
    return calibration([it for it in lines if it[1]], lambda it: f"{it:.2f}")


def _bin(at: float, it: Share) -> Bin:
    return Bin(at, it.value or 0.0, it.low, it.high)


# --- tables ---


def _heat(cells: Sequence[Cell], lanes: Sequence[str]) -> dict[str, Any]:
    of = {(it.task_class, it.lane): it for it in cells if it.accepted.whole}
    shown = [lane for lane in lanes if any(key[1] == lane for key in of)]
    rows = [
        {"name": name, "cells": [_warm(of.get((name, lane))) for lane in shown]}
        for name in sorted({key[0] for key in of})
    ]
    return {"lanes": shown, "rows": rows}


def _warm(cell: Cell | None) -> Warm | None:
    if cell is None or cell.accepted.value is None:
        return None
    return Warm(cell, min(4, int(5 * cell.accepted.value)))


def _failures(groups: Sequence[Group]) -> dict[str, Any]:
    of = {(failed.failure, it.name): failed.share for it in groups for failed in it.failures}
    totals: dict[str, int] = {}
    for (name, _), share in of.items():
        totals[name] = totals.get(name, 0) + share.part
    lanes = [it.name for it in groups if it.failures]
    rows = [
        {"name": name, "shares": [of.get((name, lane)) for lane in lanes]}
        for name in sorted(totals, key=lambda it: (-totals[it], it))
    ]
    return {"lanes": lanes, "rows": rows}
