"""`route-agent ledger` and `show`: what was run, and one run again."""

from __future__ import annotations

from route_agent import places
from route_agent.cli.edge import plain_errors, print_json, print_lines, print_table, say
from route_agent.ledger.store import Ledger


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
