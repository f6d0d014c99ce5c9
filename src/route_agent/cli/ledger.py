"""`route-agent ledger`, `show` and `stats`: what was run, one run again, and what the lanes are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent import places
from route_agent.cli.edge import plain_errors, print_json, print_lines, print_table, say
from route_agent.ledger.agreement import DAYS
from route_agent.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from route_agent.ledger.agreement import Agreement
    from route_agent.ledger.statistics import LaneStatistics
    from route_agent.records.reviews import Track


def _open() -> Ledger:
    return Ledger(places.ledger_file())


def show(run_id: str, *, as_json: bool, verbose: bool, calls: bool = False) -> None:
    """Print a run's report again, from the ledger; or what was said in it."""
    with plain_errors(as_json=as_json):
        from route_agent.records.runs import written_form

        stored = _open().report(run_id)
        run = written_form().validate_python(stored)
        if calls:
            _show_calls(run.id, as_json=as_json)
            return
        if as_json:
            from route_agent.report.json import run_object

            print_json(run_object(run))
            return
        from route_agent.report.terminal import render

        print_lines(render(run, verbose=verbose))


def _show_calls(run_id: str, *, as_json: bool) -> None:
    from route_agent.transcripts import folder_of, read_calls

    said = read_calls(folder_of(run_id))
    if as_json:
        print_json({"schema": 1, "run": run_id, "calls": said})
        return
    from route_agent.report.transcript import render_calls

    print_lines(render_calls(said))


def list_runs(limit: int, *, as_json: bool) -> None:
    """The latest runs, newest first."""
    with plain_errors(as_json=as_json):
        rows = _open().runs(limit)
        if as_json:
            print_json({"schema": 1, "runs": rows})
            return
        if not rows:
            say('no runs yet: route-agent --task "…"')
            return
        from rich.table import Table

        from route_agent.report.words import money

        table = Table(box=None, pad_edge=False)
        for heading in ("run", "started (UTC)", "first", "accepted", "verdict", "cost", "s", "task"):
            table.add_column(heading, no_wrap=True, justify="right" if heading in ("cost", "s") else "left")
        for row in rows:
            cost = money(None if row["unknown_calls"] else row["cost_micro_usd"])
            table.add_row(
                row["id"],
                row["started_at"][:16].replace("T", " "),
                row["first_lane"] or "–",
                row["accepted_lane"] or "–",
                row["verdict"] or "unfinished",
                "recorded" if row["replayed"] else cost,
                f"{row['seconds']:.1f}" if row["seconds"] is not None else "–",
                row["brief"].splitlines()[0][:60],
            )
        print_table(table)


def stats(*, as_json: bool) -> None:
    """Per lane, without recorded replies and without answers of another model than was asked."""
    with plain_errors(as_json=as_json):
        ledger = _open()
        lanes, tracks = ledger.lane_statistics(), ledger.tracks()
        classes = ledger.lane_statistics(by_class=True)
        if as_json:
            from route_agent.report.json import track_object

            verifiers = [{"model": model, **track_object(track)} for model, track in tracks.items()]
            told = {"lanes": list(map(_lane_object, lanes)), "classes": list(map(_lane_object, classes))}
            shadow = _agreement_object(ledger.agreement())
            print_json({"schema": 1, **told, "verifiers": verifiers, "shadow": shadow})
            return
        if not lanes:
            say("no attempts yet; recorded replies are not counted")
            return
        _print_lanes(lanes)
        say("")
        _print_lanes(classes)
        _print_verifiers(tracks)
        _print_agreement(ledger.agreement())


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
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("rules", "shadow", "n", "first lane accepted (95 %)"):
        table.add_column(heading, justify="right" if heading == "n" else "left", no_wrap=True)
    for cell in found.cells:
        table.add_row(
            cell.rules,
            f"{cell.shadow} ({cell.level})",
            str(cell.runs),
            _share(cell.first_accepted, cell.runs),
        )
    print_table(table)


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


def _print_lanes(rows: Sequence[LaneStatistics]) -> None:
    """What lanes did, a row each: with all tasks, or with each class of task."""
    from rich.table import Table

    figures = ("n", "accepted", "escalated", "first try", "p50 s", "cost", "$/accepted")
    names = ("lane", "class") if any(row.task_class for row in rows) else ("lane",)
    table = Table(box=None, pad_edge=False)
    for heading in (*names, *figures):
        table.add_column(heading, justify="left" if heading in names else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(row.lane, row.task_class)[: len(names)], *_lane_row(row))
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


def _share(part: int, whole: int) -> str:
    from route_agent.verifying import interval

    if not whole:
        return "–"
    low, high = interval(part, whole)
    return f"{100 * part / whole:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def _lane_row(lane: LaneStatistics) -> tuple[str, ...]:
    from route_agent.report.words import money

    unknown = bool(lane.unknown_calls)
    per_accepted = None if unknown or not lane.accepted else lane.cost_micro_usd // lane.accepted
    return (
        str(lane.attempts),
        _share(lane.accepted, lane.attempts),
        _share(lane.attempts - lane.accepted, lane.attempts),
        f"{_share(lane.first_tries_accepted, lane.first_tries)} (n={lane.first_tries})",
        f"{lane.median_seconds:.1f}" if lane.median_seconds is not None else "–",
        money(None if unknown else lane.cost_micro_usd),
        money(per_accepted) if lane.accepted else "–",
    )


def _lane_object(lane: LaneStatistics) -> dict[str, object]:
    from route_agent.verifying import interval

    low, high = interval(lane.accepted, lane.attempts)
    return {
        "lane": lane.lane,
        "task_class": lane.task_class or None,
        "n": lane.attempts,
        "pass_rate": lane.accepted / lane.attempts if lane.attempts else None,
        "pass_rate_interval": [round(low, 4), round(high, 4)] if lane.attempts else None,
        "escalation_rate": 1 - lane.accepted / lane.attempts if lane.attempts else None,
        "first_tries": lane.first_tries,
        "first_try_pass_rate": lane.first_tries_accepted / lane.first_tries if lane.first_tries else None,
        "median_seconds": lane.median_seconds,
        "cost_usd": None if lane.unknown_calls else lane.cost_micro_usd / 1_000_000,
        "calls_without_price": lane.unknown_calls,
    }
