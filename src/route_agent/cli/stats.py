"""`route-agent stats`: who spent what, where, and what came of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast, get_args

from route_agent import places
from route_agent.cli.edge import plain_errors, print_json, print_lines, print_table, say
from route_agent.config import load_config
from route_agent.errors import UsageError
from route_agent.ledger.agreement import DAYS
from route_agent.ledger.figures import Figuring
from route_agent.ledger.store import Ledger
from route_agent.records.figures import Asked, By, Share
from route_agent.report import stats as report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from route_agent.ledger.agreement import Agreement
    from route_agent.policy import Policy
    from route_agent.records.figures import Figures
    from route_agent.records.receptions import LaneReception
    from route_agent.records.reviews import Track

_AGO = re.compile(r"(\d{1,5})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)  # no ledger is older, and a calendar has an end


def stats(by: str, since: str, until: str, directory: Path, *, as_csv: bool, as_json: bool) -> None:
    """Print the figures, as a table, as CSV or as an object."""
    with plain_errors(as_json=as_json):
        if as_csv and as_json:
            raise UsageError("--csv and --json exclude each other")
        figuring = Figuring(places.ledger_file())
        told = figuring.figures(asked_for(directory, by, since, until))
        if as_csv:
            say(report.csv_text(told.groups, told.asked).rstrip("\n"))
            return
        ledger = Ledger(places.ledger_file())
        window = told.asked.since, told.asked.until
        tracks, agreement = ledger.tracks(*window), ledger.agreement(*window)
        if as_json:
            from route_agent.report.json import track_object

            verifiers = [{"model": model, **track_object(track)} for model, track in tracks.items()]
            more = {"verifiers": verifiers, "shadow": _agreement_object(agreement)}
            print_json({**report.stats_object(told), **more})
            return
        _print(told, _received(told.asked))
        _print_verifiers(tracks)
        _print_agreement(agreement)


def asked_for(directory: Path, by: str, since: str, until: str) -> Asked:
    """What is asked, with the targets of the policy at HEAD and the configuration's prices of minutes.

    Raises:
        UsageError: there is no such grouping, or no such time.
        PolicyError: the policy at HEAD cannot be read.
        ConfigError: the configuration cannot be read.
    """
    if by not in get_args(By):
        raise UsageError(f"unknown --by {by}", hint=f"one of {', '.join(get_args(By))}")
    policy, minutes = _policy(directory), load_config().minutes
    asked = Asked(
        by=cast("By", by),
        since=moment(since) if since else "",
        until=moment(until) if until else "",
        ladder=policy.routing.ladder,
        cheap_least=policy.targets.cheap_least,
        frontier_most=policy.targets.frontier_most,
        check_usd=minutes.check_usd,
        review_usd=minutes.review_usd,
    )
    if asked.until and asked.until <= asked.since:
        raise UsageError("--until is not later than --since")
    return asked


def _policy(directory: Path) -> Policy:
    from route_agent.cli.policies import policy_at_head, repository_around
    from route_agent.policy import parse_policy, presets

    repository = repository_around(directory)
    if repository is None:
        return parse_policy(presets()["default"].read_bytes(), "default")
    found = policy_at_head(repository)
    return parse_policy(found.text, found.name)


def moment(typed: str) -> str:
    """A time as the ledger writes it, from `30d`, `12w`, `6h` ago, a day, or a time as ISO 8601.

    Raises:
        UsageError: it is none of these.
    """
    if ago := _AGO.fullmatch(typed):
        hours = int(ago[1]) * _HOURS[ago[2]]
        at = datetime.now(UTC) - timedelta(hours=hours)
    else:
        try:
            at = datetime.fromisoformat(typed)
            at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        except (ValueError, OverflowError) as error:
            raise UsageError(f"no time: {typed}", hint="such as 30d, 12w or 2026-11-01") from error
    return max(at, _FIRST).isoformat(timespec="milliseconds")


def _received(asked: Asked) -> Mapping[str, LaneReception]:
    """What people made of the patches, where figures are by lane."""
    if asked.by != "lane":
        return {}
    from route_agent.ledger.receptions import Receptions

    found = Receptions(places.ledger_file()).by_lane(asked.since, asked.until)
    return {it.lane: it for it in found}


def _print(told: Figures, received: Mapping[str, LaneReception]) -> None:
    if not told.whole.runs and not told.groups:
        say("no attempts yet; recorded replies are not counted")
        return
    asked = told.asked
    _print_rows(report.headings(asked), [report.row(it, asked, received) for it in told.groups], 1)
    say("")
    print_lines(report.lines(told))
    if told.table:
        say("")
        rows = [report.ledger_row(it) for it in told.table]
        _print_rows(("lane", "n", "median s", "typical use", "common failure"), rows, 1, left=(3, 4))


def _print_rows(
    names: Sequence[str], rows: Iterable[Sequence[str]], texts: int, left: Sequence[int] = ()
) -> None:
    from rich.table import Table
    from rich.text import Text

    from route_agent.cli.edge import visible

    table = Table(box=None, pad_edge=False)
    for place, name in enumerate(names):
        is_text = place < texts or place in left
        table.add_column(name, no_wrap=True, justify="left" if is_text else "right")
    for row in rows:
        table.add_row(*(Text(visible(cell).replace("\n", " ")) for cell in row))
    print_table(table)


def _print_verifiers(tracks: Mapping[str, Track]) -> None:
    """What each verifier made of patches that are known to be bad, and of the ordinary ones."""
    from route_agent.report.words import track_words
    from route_agent.verifying import interval

    for model, track in tracks.items():
        low, high = interval(track.caught, track.shown)
        within = f" [{100 * low:.0f}, {100 * high:.0f}] %" if track.shown else ""
        ordinary = f"refused {track.refused} of {track.reviewed} ordinary ones"
        say(f"verifier {model}: {track_words(track)}{within}; {ordinary}")


def _print_agreement(found: Agreement) -> None:
    """Where the shadow and the rules went the same way, and how often the lane that went first was right."""
    if not found.asked:
        return
    silent = f", {found.unanswered} without an answer" if found.unanswered else ""
    told = f"shadow: {found.asked} decision{'' if found.asked == 1 else 's'} in {found.days:.1f} days{silent}"
    if not found.is_old_enough:
        say(f"\n{told}; its table comes after {DAYS}")
        return
    say(f"\n{told}")
    rows = [
        (
            cell.rules,
            f"{cell.shadow} ({cell.level})",
            str(cell.runs),
            report.share_words(_share(cell.first_accepted, cell.runs)),
        )
        for cell in found.cells
    ]
    _print_rows(("rules", "shadow", "n", "first lane accepted (95 %)"), rows, 2, left=(3,))


def _share(part: int, whole: int) -> Share:
    from route_agent.figuring import share

    return share(part, whole)


def _agreement_object(found: Agreement) -> dict[str, object]:
    from route_agent.verifying import interval

    shown = found.cells if found.is_old_enough else ()
    return {
        "asked": found.asked,
        "unanswered": found.unanswered,
        "days": found.days,
        "cells": [
            {
                "rules": cell.rules,
                "shadow": cell.shadow,
                "level": cell.level,
                "n": cell.runs,
                "first_accepted": cell.first_accepted / cell.runs,
                "interval": list(interval(cell.first_accepted, cell.runs)),
            }
            for cell in shown
        ],
    }
