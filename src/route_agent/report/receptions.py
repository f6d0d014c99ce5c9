"""How people received what the lanes delivered, as lines and as an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from route_agent.records.figures import Estimate, Share
    from route_agent.records.receptions import LaneReception

HEADINGS = (
    "lane",
    "accepted",
    "received",
    "rejected (95 %)",
    "lines standing",
    "minutes",
    "regressed (95 %)",
)


def reception_rows(lanes: Sequence[LaneReception]) -> Iterator[tuple[str, ...]]:
    """One row of cells for each lane; `–` is not known."""
    for it in lanes:
        yield (
            it.lane,
            str(it.accepted),
            str(it.received.part),
            _share(it.rejected),
            _mean(it.survival, 100, " %"),
            _mean(it.minutes, 1, ""),
            _share(it.regressed),
        )


def _share(share: Share) -> str:
    if share.value is None:
        return "–"
    return f"{100 * share.value:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}] (n={share.whole})"


def _mean(estimate: Estimate, factor: int, unit: str) -> str:
    if estimate.value is None:
        return "–"
    within = ""
    if estimate.low is not None and estimate.high is not None:
        within = f" [{factor * estimate.low:.3g}, {factor * estimate.high:.3g}]"
    return f"{factor * estimate.value:.3g}{unit}{within} (n={estimate.n})"


def reception_objects(lanes: Sequence[LaneReception]) -> list[dict[str, Any]]:
    """The lanes of `review --json`."""
    return [
        {
            "lane": it.lane,
            "accepted": it.accepted,
            "received": share_object(it.received),
            "rejected": share_object(it.rejected),
            "counts": dict(it.counts),
            "survival": estimate_object(it.survival),
            "minutes": estimate_object(it.minutes),
            "regressed": share_object(it.regressed),
            "retried": it.retried,
            "overridden": it.overridden,
            "escalated_by_hand": share_object(it.escalated_by_hand),
        }
        for it in lanes
    ]


def share_object(share: Share) -> dict[str, Any]:
    """A share with its 95 % interval; null where it is of nothing."""
    interval = None if share.value is None else [round(share.low, 4), round(share.high, 4)]
    return {"part": share.part, "n": share.whole, "value": share.value, "interval": interval}


def estimate_object(estimate: Estimate) -> dict[str, Any]:
    """A mean with its 95 % interval; null where it is not known, or of too few."""
    interval = None if estimate.low is None or estimate.high is None else [estimate.low, estimate.high]
    return {"n": estimate.n, "value": estimate.value, "interval": interval}
