"""`route-agent verify`, `gate`, `ask` and `hook`: the options; each body is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from route_agent.cli.options import Base, Directory, Json, PolicyOption, TaskFile, TaskText

hook_app = typer.Typer(
    help="The pre-push hook: score and check what is pushed; no model unless the policy says so.",
    rich_markup_mode=None,
)


def verify(
    base: Annotated[str, typer.Option("--base", metavar="REF", help="What the change starts from.")] = "HEAD",
    task: Annotated[str, typer.Option("--task", metavar="TEXT", help="What the change is for.")] = "",
    least: Annotated[
        str, typer.Option("--least", metavar="GRADE", help="Fail below this grade: static, ran, covered …")
    ] = "none",
    policy: PolicyOption = "",
    as_json: Json = False,
    directory: Directory = Path(),
) -> None:
    """Grade your own change, committed or not: what do the checks prove? No model is called."""
    from route_agent.cli.gate import verify as body

    body(directory, base, task, least, policy, as_json=as_json)


def gate(
    base: Annotated[
        str,
        typer.Option("--base", metavar="REF", help="What the change is compared with; HEAD with --index."),
    ] = "",
    policy: PolicyOption = "",
    head: Annotated[str, typer.Option("--head", metavar="REF", help="The commit to judge.")] = "HEAD",
    index: Annotated[bool, typer.Option("--index", help="Judge what is staged instead of a commit.")] = False,
    pull_request: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--pull-request", metavar="NUMBER", help="Judge a pull request of --remote.", min=1),
    ] = None,
    remote: Annotated[str, typer.Option("--remote", metavar="NAME", help="Whose pull request.")] = "origin",
    fix: Annotated[
        bool, typer.Option("--fix", help="Ask for a patch for what failed, and offer it.")
    ] = False,
    max_usd: Annotated[
        float | None, typer.Option(help="With --fix: spend at most this many dollars.", min=0.0)
    ] = None,
    sarif: Annotated[
        Path | None, typer.Option("--sarif", metavar="FILE", help="Write what was found as SARIF 2.1.0.")
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", help="Write the verdict and checks as JUnit XML."),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write the report as Markdown.")
    ] = None,
    as_json: Json = False,
    directory: Directory = Path(),
) -> None:
    """Score and check a committed change; no model is called unless the policy or --fix says so."""
    from route_agent.cli.gate import Asked
    from route_agent.cli.gate import gate as body

    body(
        Asked(
            directory=directory,
            base=base,
            head=head,
            policy=policy,
            index=index,
            pull_request=pull_request,
            remote=remote,
            fix=fix,
            max_usd=max_usd,
            sarif=sarif,
            junit=junit,
            markdown=markdown,
        ),
        as_json=as_json,
    )


def ask(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write the patch.")],
    text: TaskText = None,
    task_file: TaskFile = None,
    base: Base = "",
    head: Annotated[
        str, typer.Option("--head", metavar="REF", help="Start from this commit; it is not checked out.")
    ] = "",
    policy: PolicyOption = "",
    lane: Annotated[
        str, typer.Option("--lane", metavar="NAME", help="Ask this lane, not the one by risk.")
    ] = "",
    max_usd: Annotated[float | None, typer.Option(help="Spend at most this many dollars.", min=0.0)] = None,
    replay: Annotated[
        Path | None, typer.Option("--replay", metavar="FILE|FOLDER", help="Answer from recorded replies.")
    ] = None,
    as_json: Json = False,
    directory: Directory = Path(),
) -> None:
    """Ask one model for a patch and write it down; nothing is run, so nothing is proved."""
    from route_agent.cli.ask import Arguments
    from route_agent.cli.ask import ask as body

    body(
        Arguments(
            text=text,
            task_file=task_file,
            out=out,
            directory=directory,
            base=base,
            head=head,
            policy=policy,
            lane=lane,
            max_usd=max_usd,
            replay=replay,
            as_json=as_json,
        )
    )


@hook_app.command("install")
def hook_install(
    framework: Annotated[
        str, typer.Option("--framework", metavar="pre-commit", help="Write the entry of a hook framework.")
    ] = "",
    directory: Directory = Path(),
) -> None:
    """Install the pre-push hook; an existing hook is kept and run first."""
    from route_agent.cli.hook import install as body

    body(directory, framework)


@hook_app.command("uninstall")
def hook_uninstall(directory: Directory = Path()) -> None:
    """Remove the pre-push hook and give an earlier one back."""
    from route_agent.cli.hook import uninstall as body

    body(directory)


@hook_app.command("run", hidden=True)
def hook_run(
    remote: Annotated[str, typer.Argument()] = "", url: Annotated[str, typer.Argument()] = ""
) -> None:
    """Judge what git is about to push; git calls this with the refs on standard input."""
    from route_agent.cli.pushed import run as body

    body(remote, url)


def add_to(app: typer.Typer) -> None:
    """Make the commands known."""
    app.add_typer(hook_app, name="hook")
    app.command()(verify)
    app.command()(gate)
    app.command()(ask)
