"""`route-agent ledger`, `stats`, `review`, `report` and `proof`: options; bodies are imported later."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from route_agent.cli.options import Directory, Json

Since = Annotated[
    str,
    typer.Option("--since", metavar="WHEN", help="Only what began since: 30d, 12w, 2026-11-01."),
]
Until = Annotated[str, typer.Option("--until", metavar="WHEN", help="Only what began before.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, its beginning, or `latest`.")]

ledger_app = typer.Typer(
    help="List the latest runs; check, export or import the ledger.", rich_markup_mode=None
)
proof_app = typer.Typer(
    help="The proof log: what was run, failures first, in a chain that leaves nothing out.",
    rich_markup_mode=None,
)


@ledger_app.callback(invoke_without_command=True)
def ledger(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many runs.", min=1)] = 20,
    as_json: Json = False,
) -> None:
    if context.invoked_subcommand:
        return
    from route_agent.cli.ledger import list_runs

    list_runs(limit, as_json=as_json)


@ledger_app.command("check")
def ledger_check(as_json: Json = False) -> None:
    """Say whether the ledger is whole: the file, its references, its sums and its chain."""
    from route_agent.cli.ledger_files import check as body

    body(as_json=as_json)


@ledger_app.command("export")
def ledger_export(
    out: Annotated[str, typer.Argument(metavar="FILE|-", help="Where to; - is standard output.")] = "-",
    form: Annotated[str, typer.Option("--format", metavar="jsonl|csv", help="csv: attempts only.")] = "jsonl",
    since: Since = "",
) -> None:
    """Write runs with all that belongs to them, for another ledger or a spreadsheet."""
    from route_agent.cli.ledger_files import export as body

    body(out, form, since)


@ledger_app.command("import")
def ledger_import(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="What `ledger export` wrote.")],
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="Where it is from: ci, a team …")
    ] = "",
    as_json: Json = False,
) -> None:
    """Add the runs of other ledgers; what is there already stays as it is."""
    from route_agent.cli.ledger_files import import_ as body

    body(files, source, as_json=as_json)


def stats(
    by: Annotated[
        str,
        typer.Option("--by", metavar="WHAT", help="lane, model, class, repo, author, key, endpoint or week."),
    ] = "lane",
    since: Since = "",
    until: Until = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the table as CSV.")] = False,
    as_json: Json = False,
    directory: Directory = Path(),
) -> None:
    """What was spent and what came of it: pass and escalation rate, latency, cost per accepted patch."""
    from route_agent.cli.stats import stats as body

    body(by, since, until, directory, as_csv=as_csv, as_json=as_json)


def review(
    run: Run = "",
    outcome: Annotated[str, typer.Argument(metavar="accept|reject|amend")] = "",
    minutes: Annotated[
        float | None, typer.Option("--minutes", metavar="N", help="How long reading it took.", min=0.0)
    ] = None,
    note: Annotated[
        str, typer.Option("--note", metavar="TEXT", help="What was wrong with it, or right.")
    ] = "",
    from_git: Annotated[
        bool, typer.Option("--from-git", help="Learn from git's history what became of each patch.")
    ] = False,
    days: Annotated[
        float, typer.Option("--days", metavar="N", help="With --from-git: how old before a look.", min=0.0)
    ] = 7.0,
    as_json: Json = False,
    directory: Directory = Path(),
) -> None:
    """Say what became of a run's patch, or let git's history say it; alone, what is known by lane."""
    from route_agent.cli.receptions import review as body

    body(run, outcome, minutes, note, directory, days=days if from_git else None, as_json=as_json)


def report(
    run: Annotated[str, typer.Option("--run", metavar="RUN", help="One run instead of all.")] = "",
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="One page, whole in itself.")
    ] = None,
    markdown: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--markdown", metavar="FILE|-", help="For a pull request or a job summary."),
    ] = None,
    since: Since = "",
    until: Until = "",
    directory: Directory = Path(),
) -> None:
    """Write the ledger, or one run, as a page or as Markdown."""
    from route_agent.cli.page import report as body

    body(run, html, markdown, since, until, directory)


@proof_app.command("export")
def proof_export(
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Where to; standard output by default.")
    ] = None,
    since: Since = "",
    until: Until = "",
    as_json: Json = False,
) -> None:
    """Write the proof log of a time: task, lane and model, patch, checks, review notes; failures first."""
    from route_agent.cli.proofs import export as body

    body(out, since, until, as_json=as_json)


@proof_app.command("verify")
def proof_verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The JSON that `proof export` wrote.")],
    head: Annotated[
        str,
        typer.Option("--head", metavar="N:LINK", help="A head that was published earlier must be in it."),
    ] = "",
    as_json: Json = False,
) -> None:
    """Check that nothing of a proof log was changed or left out."""
    from route_agent.cli.proofs import verify as body

    body(file, head, as_json=as_json)


@proof_app.command("head")
def proof_head(as_json: Json = False) -> None:
    """Print the chain's last link; published early, it pins everything before it."""
    from route_agent.cli.proofs import head as body

    body(as_json=as_json)


def add_to(app: typer.Typer) -> None:
    """Make the commands known."""
    app.add_typer(ledger_app, name="ledger")
    app.command()(stats)
    app.command()(review)
    app.command()(report)
    app.add_typer(proof_app, name="proof")
