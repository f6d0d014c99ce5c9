"""Figures in a few words each, as every part of a page says them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.report.page.words import seconds
from route_agent.report.words import money

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from route_agent.records.figures import Estimate, Share, Spend

_MICRO = 1_000_000


def usd(micro_usd: float | None) -> str:
    """Dollars with three significant digits, zeros among them, `unknown` where unknown."""
    told = axis_usd(micro_usd)
    if micro_usd is None or not 0 < round(micro_usd) < _MICRO:
        return told
    decimals = told.partition(".")[2]
    missing = 3 - len(decimals.lstrip("0")) if decimals else 2
    return f"{told if decimals else f'{told}.'}{'0' * min(missing, 6 - len(decimals))}"


def axis_usd(micro_usd: float | None) -> str:
    """The same without zeros at the end, for a round sum."""
    return money(None if micro_usd is None else round(micro_usd))


def ends(share: Share) -> str:
    """The ends of a share's 95 % interval, in per cent."""
    low, high = (
        f"{100 * it:.1f}" if 0 < share.high < 0.0995 else f"{100 * it:.0f}" for it in (share.low, share.high)
    )
    return f"{low}, {high}"


def interval(share: Share) -> str:
    """A share with its interval and n."""
    if share.value is None:
        return "unknown (n=0)"
    return f"{100 * share.value:.0f} % [{ends(share)}] (n={share.whole:,})"


def within(it: Estimate, words: Callable[[float], str]) -> str:
    """The interval of an estimate; an end that too few values cannot show is a dash. Empty without both."""
    if it.low is None and it.high is None:
        return ""
    low, high = ("–" if end is None else words(end) for end in (it.low, it.high))
    return f"[{low}, {high}]"


def within_usd(it: Estimate) -> str:
    """The interval of a sum of money."""
    return within(it, usd)


def within_seconds(it: Estimate) -> str:
    """The interval of a time."""
    return within(it, seconds)


def within_share(it: Estimate) -> str:
    """The interval of a mean share, in per cent."""
    return within(it, lambda end: f"{100 * end:.0f}")


def estimate(it: Estimate) -> str:
    """A sum of money with its interval."""
    return f"{usd(it.value)} {within(it, usd)}".rstrip()


def total(spend: Spend) -> str:
    """What was spent; where a call has no price, at least how much."""
    if not spend.unknown_calls:
        return usd(spend.total)
    return f"unknown (≥ {usd(spend.calls)})" if spend.calls else "unknown"


def places(found: Sequence[tuple[str, int]], most: int = 5) -> str:
    """A few places as `path:line`, and how many more."""
    told = ", ".join(f"{path}:{line}" for path, line in found[:most])
    return told if len(found) <= most else f"{told} and {len(found) - most} more"


def survivors(found: Sequence[tuple[str, int, str]], most: int = 5) -> str:
    """The mistakes that nobody noticed."""
    told = ", ".join(f"{path}:{line} {operator}" for path, line, operator in found[:most])
    return told if len(found) <= most else f"{told} and {len(found) - most} more"
