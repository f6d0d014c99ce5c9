"""`route-agent ledger`, `show` and `stats`: what was run, one run again, and what the lanes are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent import places
from route_agent.cli.edge import plain_errors, print_json, print_lines, print_table, say
from route_agent.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from route_agent.ledger.statistics import LaneStatistics
    from route_agent.records.reviews import Track


def _open() -> Ledger:
    return Ledger(places.ledger_file())


def show(run_id: str, *, as_json: bool, verbose: bool, calls: bool = False) -> None:
    """Print a run's report again, from the ledger; or what was said in it."""
    with plain_errors(as_json=as_json):
        from pydantic import TypeAdapter

        from route_agent.records.runs import Run

        stored = _open().report(run_id)
        run: Run = TypeAdapter(Run).validate_python(stored)
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
        if as_json:
            from route_agent.report.json import track_object

            verifiers = [{"model": model, **track_object(track)} for model, track in tracks.items()]
            print_json({"schema": 1, "lanes": list(map(_lane_object, lanes)), "verifiers": verifiers})
            return
        if not lanes:
            say("no attempts yet; recorded replies are not counted")
            return
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for heading in ("lane", "n", "accepted", "escalated", "first try", "p50 s", "cost", "$/accepted"):
            table.add_column(heading, justify="left" if heading == "lane" else "right")
        for lane in lanes:
            table.add_row(*_lane_row(lane))
        print_table(table)
        _print_verifiers(tracks)


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
    return f"{100 * part / whole:.0f} %" if whole else "–"


def _lane_row(lane: LaneStatistics) -> tuple[str, ...]:
    from route_agent.report.words import money

    unknown = bool(lane.unknown_calls)
    per_accepted = None if unknown or not lane.accepted else lane.cost_micro_usd // lane.accepted
    return (
        lane.lane,
        str(lane.attempts),
        _share(lane.accepted, lane.attempts),
        _share(lane.attempts - lane.accepted, lane.attempts),
        f"{_share(lane.first_tries_accepted, lane.first_tries)} (n={lane.first_tries})",
        f"{lane.median_seconds:.1f}" if lane.median_seconds is not None else "–",
        money(None if unknown else lane.cost_micro_usd),
        money(per_accepted) if lane.accepted else "–",
    )


def _lane_object(lane: LaneStatistics) -> dict[str, object]:
    return {
        "lane": lane.lane,
        "n": lane.attempts,
        "pass_rate": lane.accepted / lane.attempts if lane.attempts else None,
        "escalation_rate": 1 - lane.accepted / lane.attempts if lane.attempts else None,
        "first_tries": lane.first_tries,
        "first_try_pass_rate": lane.first_tries_accepted / lane.first_tries if lane.first_tries else None,
        "median_seconds": lane.median_seconds,
        "cost_usd": None if lane.unknown_calls else lane.cost_micro_usd / 1_000_000,
        "calls_without_price": lane.unknown_calls,
    }
