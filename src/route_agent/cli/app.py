"""The command line. Every command's body is imported when it is called, so that `--help` stays quick."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from route_agent.cli import gate_commands, ledger_commands, outcome_commands
from route_agent.cli.options import (
    Base,
    ClassOption,
    Directory,
    ForceLane,
    Json,
    LaneOption,
    OnlyLane,
    PhaseOption,
    PolicyOption,
    TaskFile,
    TaskText,
)
from route_agent.cli.policy_commands import policy_app

if TYPE_CHECKING:
    from typer._click import Command

app = typer.Typer(
    name="route-agent",
    help="Route a coding task by risk, prove the patch in a scratch worktree, escalate if it is not.",
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(help="Your own configuration: providers, key names, trust.", rich_markup_mode=None)
patch_app = typer.Typer(
    help="The applier by itself: any reply, the right place or nowhere.", rich_markup_mode=None
)
app.add_typer(config_app, name="config")
app.add_typer(policy_app, name="policy")
app.add_typer(patch_app, name="patch")


@app.callback(invoke_without_command=True)
def task(
    context: typer.Context,
    text: TaskText = None,
    task_file: TaskFile = None,
    base: Base = "",
    policy: PolicyOption = "",
    lane: LaneOption = "",
    only_lane: OnlyLane = "",
    force_lane: ForceLane = False,
    task_class: ClassOption = "",
    phase: PhaseOption = "",
    max_usd: Annotated[float | None, typer.Option(help="Spend at most this many dollars.", min=0.0)] = None,
    max_attempts: Annotated[Optional[int], typer.Option(help="Try at most this many lanes.", min=1)] = None,  # noqa: UP045
    timeout: Annotated[
        float | None, typer.Option(help="Seconds after which no call begins.", min=1.0)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run the checks at start, decide and quote; call nothing.")
    ] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="Apply the accepted patch to the working tree.")
    ] = False,
    branch: Annotated[
        str, typer.Option("--branch", metavar="NAME", help="Commit the accepted patch on a new branch.")
    ] = "",
    commit: Annotated[
        bool, typer.Option("--commit", help="Commit the accepted patch on the current branch.")
    ] = False,
    with_reproduction: Annotated[
        bool,
        typer.Option(
            "--with-reproduction/--without-reproduction",
            help="Deliver the test that was written for the task with the patch, or the patch alone.",
        ),
    ] = True,
    replay: Annotated[
        Path | None,
        typer.Option(
            "--replay", metavar="FILE|FOLDER", help="Answer from recorded replies; no model is called."
        ),
    ] = None,
    as_json: Json = False,
    directory: Directory = Path(),
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show failing output and patches as well.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from route_agent import __version__

        typer.echo(f"route-agent {__version__}")
        return
    if context.invoked_subcommand:
        return
    if text is None and task_file is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)
    from route_agent.cli.run import Arguments, run

    run(
        Arguments(
            text=text,
            task_file=task_file,
            directory=directory,
            base=base,
            policy=policy,
            lane=lane,
            only_lane=only_lane,
            force_lane=force_lane,
            task_class=task_class,
            phase=phase,
            max_usd=max_usd,
            max_attempts=max_attempts,
            timeout=timeout,
            dry_run=dry_run,
            apply=apply,
            branch=branch,
            commit=commit,
            with_reproduction=with_reproduction,
            replay=replay,
            as_json=as_json,
            verbose=verbose,
        )
    )


@app.command()
def explain(
    text: TaskText = None,
    task_file: TaskFile = None,
    base: Base = "",
    policy: PolicyOption = "",
    lane: LaneOption = "",
    only_lane: OnlyLane = "",
    force_lane: ForceLane = False,
    task_class: ClassOption = "",
    phase: PhaseOption = "",
    as_json: Json = False,
    directory: Directory = Path(),
) -> None:
    """Print the signals and the decision; nothing is run and nothing is called."""
    from route_agent.cli.explain import explain as body
    from route_agent.cli.inputs import Wanted

    wanted = Wanted(lane, only_lane, force_lane, task_class, phase)
    body(text, task_file, directory, base, policy, wanted, as_json=as_json)


@app.command()
def init(
    routing_md: Annotated[bool, typer.Option("--routing-md", help="Write a ROUTING.md as well.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing policy.")] = False,
    directory: Directory = Path(),
) -> None:
    """Find the project's own checks and write .route-agent/policy.yaml."""
    from route_agent.cli.edge import plain_errors
    from route_agent.cli.init import init as body

    with plain_errors():
        body(directory, routing_md=routing_md, force=force)


@app.command()
def doctor(as_json: Json = False, directory: Directory = Path()) -> None:
    """Say what is missing: git, keys by name, check commands, isolation, prices."""
    from route_agent.cli.doctor import doctor as body
    from route_agent.cli.edge import plain_errors

    with plain_errors(as_json=as_json):
        raise typer.Exit(body(directory, as_json=as_json))


@app.command()
def show(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's id, its beginning, or `latest`.")
    ] = "latest",
    calls: Annotated[
        bool, typer.Option("--calls", help="Show what was sent to models and what they answered.")
    ] = False,
    as_json: Json = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show failing output and patches as well.")
    ] = False,
) -> None:
    """Print a run's report again."""
    from route_agent.cli.ledger import show as body

    body(run, as_json=as_json, verbose=verbose, calls=calls)


@app.command()
def record(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's id, its beginning, or `latest`.")
    ] = "latest",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Where to; a new folder here by default.")
    ] = None,
) -> None:
    """Write what the models said in a run as a folder for --replay."""
    from route_agent.cli.record import record as body

    body(run, out)


@app.command()
def trust(
    forget: Annotated[bool, typer.Option("--forget", help="Withdraw it.")] = False,
    directory: Directory = Path(),
) -> None:
    """Allow what this repository's policy asks for beyond the walls: network, paths, variables."""
    from route_agent.cli.config import trust as body

    body(directory, forget=forget)


@app.command("shell-init")
def shell_init(
    shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish")],
    directory: Directory = Path(),
) -> None:
    """Print a command per lane, for your shell's start file."""
    from route_agent.cli.shell import shell_init as body

    body(shell, directory)


@patch_app.command("apply")
def patch_apply(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="A reply or patch; - reads standard input.")],
    check: Annotated[bool, typer.Option("--check", help="Only say what would be done.")] = False,
    as_json: Json = False,
    directory: Directory = Path(),
) -> None:
    """Apply a reply to the files of a folder: exit 0 applied, 1 refused, 4 hostile."""
    from route_agent.cli.patch import apply as body

    body(file, directory, check=check, as_json=as_json)


@patch_app.command("show")
def patch_show(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="A reply or patch; - reads standard input.")],
    as_json: Json = False,
) -> None:
    """Print what a reply asks for; no file is looked at."""
    from route_agent.cli.patch import show as body

    body(file, as_json=as_json)


@config_app.command("path")
def config_path() -> None:
    """Print where your configuration lies."""
    from route_agent.places import config_file

    typer.echo(config_file())


@config_app.command("show")
def config_show() -> None:
    """Print the configuration in force; keys are never in it."""
    from route_agent.cli.config import show as body

    body()


@config_app.command("edit")
def config_edit() -> None:
    """Open your configuration in $EDITOR and check it afterwards."""
    from route_agent.cli.config import edit as body

    body()


gate_commands.add_to(app)
ledger_commands.add_to(app)
outcome_commands.add_to(app)


@cache
def command() -> Command:
    """The whole command line, made ready once."""
    return typer.main.get_command(app)
