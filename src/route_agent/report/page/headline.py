"""The headline: what an accepted patch costs and beside what, and what a reader should know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.report.page.telling import ends, estimate, interval, usd, within_usd
from route_agent.report.page.words import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from route_agent.records.figures import Estimate, Figures, Savings, Share


TOO_FEW = "too few strong runs with a price"


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure of the headline: the value, its interval, and of how many it is."""

    name: str
    value: str
    interval: str = ""
    of: str = ""
    is_alarm: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a reader should know; `rule` is what to put into the policy."""

    text: str
    is_alarm: bool = False
    rule: str = ""


def tiles(figures: Figures) -> Iterable[Tile]:
    """The headline: what an accepted patch costs, and beside what."""
    whole, savings = figures.whole, figures.savings
    accepted = f"{count(whole.accepted)} accepted of {_runs(whole.runs)}"
    yield _money_tile("Per accepted patch", whole.per_accepted, accepted)
    compared = f"{count(savings.runs.part)} of {_runs(savings.runs.whole)} compared"
    yield _money_tile("If always strong", savings.strong, compared)
    yield _savings_tile(savings, compared)
    yield _share_tile("First try passed", whole.first_try)
    yield _share_tile("Escalated", whole.escalated)
    tiers = figures.tiers
    yield _share_tile(
        "By the last lane",
        tiers.frontier,
        f", wanted ≤ {percent(tiers.frontier_most)}",
        is_alarm=tiers.frontier_alarm,
    )
    spent = whole.spend
    least = f"at least {usd(spent.calls)}; " if spent.calls else ""
    unknown = f"{least}{count(spent.unknown_calls)} calls without a price"
    yield Tile("Spent", usd(spent.total), "", unknown if spent.unknown_calls else _runs(whole.runs))


def _runs(n: int) -> str:
    return f"{count(n)} run{'' if n == 1 else 's'}"


def _money_tile(name: str, it: Estimate, of: str) -> Tile:
    if it.value is None:
        return Tile(name, "unknown", "", of)
    return Tile(name, usd(it.value), within_usd(it) or "too few for an interval", of)


def _savings_tile(savings: Savings, of: str) -> Tile:
    """What routing changes; unknown where too few runs of known price went to the last lane at once."""
    name, it = "Against that", savings.share
    if it.value is None:
        hardly = savings.runs.part < savings.runs.whole
        return Tile(name, "unknown", TOO_FEW if hardly else "", of)
    within = "too few for an interval"
    if it.low is not None and it.high is not None:
        within = f"[{_signed(-it.high)}, {_signed(-it.low)}] %"
    word = "cheaper" if it.value > 0 else "dearer"
    same = f"{word}: {usd(savings.actual.value)} in the same runs"
    return Tile(name, f"{_signed(-it.value)} %", within, same, is_alarm=it.high is not None and it.high < 0)


def _signed(value: float) -> str:
    return f"{100 * value:+.0f}".replace("-", "−")


def _share_tile(name: str, it: Share, more: str = "", *, is_alarm: bool = False) -> Tile:
    if not it.whole:
        return Tile(name, "unknown", "", "n=0")
    return Tile(name, percent(it.value), f"[{ends(it)}]", f"n={count(it.whole)}{more}", is_alarm)


def notes(figures: Figures) -> Iterable[Note]:
    """Alarms first, then what the figures leave out."""
    tiers = figures.tiers
    if tiers.frontier_alarm:
        wanted = f"the policy wants at most {percent(tiers.frontier_most)}"
        yield Note(f"{interval(tiers.frontier)} of the runs end at the last lane; {wanted}.", is_alarm=True)
    if tiers.cheap_alarm:
        wanted = f"the policy wants at least {percent(tiers.cheap_least)}"
        yield Note(f"{interval(tiers.cheap)} of the runs end below the last lane; {wanted}.", is_alarm=True)
    for it in figures.losing:
        yield Note(
            f"{it.lane} loses money for {it.task_class}: an accepted patch costs {estimate(it.through)}"
            f" through it (n={it.through.n}) and {estimate(it.direct)} from {it.last} at once"
            f" (n={it.direct.n}). What the policy may say:",
            is_alarm=True,
            rule=it.rule,
        )
    if figures.savings.share.value is None:
        runs = figures.savings.runs
        yield Note(
            "What routing saves is unknown: an accepted patch of the last lane alone can be priced for"
            f" {count(runs.part)} of {_runs(runs.whole)}."
        )
    left = ((figures.unfinished, "never finished"), (figures.replayed, "of recorded replies, in no figure"))
    told = [f"{count(n)} {word}" for n, word in (*left, (figures.imported, "from other ledgers")) if n]
    if told:
        yield Note(f"Runs: {'; '.join(told)}.")
