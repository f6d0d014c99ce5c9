"""`route-agent replay` and `tune`: the commands' options; each body is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from route_agent.cli.options import Directory, Json, PolicyOption

Strong = Annotated[
    str, typer.Option("--strong", metavar="MODEL", help="What always-strong is: a model, or a lane's name.")
]
Harness = Annotated[str, typer.Option("--harness", metavar="NAME", help="Only rows of this harness.")]
FalseAccept = Annotated[
    float,
    typer.Option("--false-accept", metavar="SHARE", help="Wrong patches that pass.", min=0.0, max=1.0),
]
FalseReject = Annotated[
    float,
    typer.Option("--false-reject", metavar="SHARE", help="Right patches that are refused.", min=0.0, max=1.0),
]


def replay(
    outcomes: Annotated[
        str, typer.Argument(metavar="FILE|ledger", help="A CSV of outcomes, or the ledger.")
    ] = "ledger",
    fast: Annotated[str, typer.Option("--fast", metavar="MODEL", help="The cheap lane.")] = "",
    strong: Strong = "",
    ladder: Annotated[
        str, typer.Option("--ladder", metavar="A,B,C", help="Several lanes, lowest first.")
    ] = "",
    harness: Harness = "",
    false_accept: FalseAccept = 0.0,
    false_reject: FalseReject = 0.0,
    effort_cap: Annotated[
        float | None,
        typer.Option(
            "--effort-cap", metavar="Q", help="Stop the cheap lanes at this quantile (0 to 1) of their costs."
        ),
    ] = None,
    strong_cap: Annotated[
        float | None, typer.Option("--strong-cap", metavar="Q", help="The same for the strong lane.")
    ] = None,
    as_json: Json = False,
    directory: Directory = Path(),
) -> None:
    """What a ladder would have cost and solved on recorded outcomes; no model is called."""
    from route_agent.cli.replay import Arguments
    from route_agent.cli.replay import replay as body

    body(
        Arguments(
            outcomes=outcomes,
            fast=fast,
            strong=strong,
            ladder=ladder,
            harness=harness,
            false_accept=false_accept,
            false_reject=false_reject,
            effort_cap=effort_cap,
            strong_cap=strong_cap,
            directory=directory,
        ),
        as_json=as_json,
    )


def tune(
    outcomes: Annotated[
        str, typer.Argument(metavar="FILE|ledger", help="A CSV of outcomes, or the ledger.")
    ] = "ledger",
    fast: Annotated[
        str, typer.Option("--fast", metavar="MODEL", help="Tune this pair; all models by default.")
    ] = "",
    strong: Strong = "",
    models: Annotated[str, typer.Option("--models", metavar="A,B,…", help="Ladders of these only.")] = "",
    harness: Harness = "",
    train: Annotated[str, typer.Option("--train", metavar="FILE", help="Fit on this file …")] = "",
    test: Annotated[str, typer.Option("--test", metavar="FILE", help="… and report on this one.")] = "",
    tasks: Annotated[
        Path | None, typer.Option("--tasks", metavar="FILE", help="JSON lines with instance_id and repo.")
    ] = None,
    false_accept: FalseAccept = 0.0,
    false_reject: FalseReject = 0.0,
    margin: Annotated[
        float, typer.Option("--margin", metavar="POINTS", help="Solve, at worst, so many points less (95 %).")
    ] = 4.0,
    write: Annotated[
        bool, typer.Option("--write", help="Write the recommendation as a patch of the policy.")
    ] = False,
    policy: PolicyOption = "",
    as_json: Json = False,
    directory: Directory = Path(),
) -> None:
    """Fit ladder, caps and accept rule to outcomes; recommends nothing that is not proved."""
    from route_agent.cli.tune import Arguments
    from route_agent.cli.tune import tune as body

    body(
        Arguments(
            outcomes=outcomes,
            fast=fast,
            strong=strong,
            models=models,
            harness=harness,
            train=train,
            test=test,
            tasks=tasks,
            false_accept=false_accept,
            false_reject=false_reject,
            margin=margin,
            write=write,
            policy=policy,
            directory=directory,
        ),
        as_json=as_json,
    )


def add_to(app: typer.Typer) -> None:
    """Make both commands known."""
    app.command()(replay)
    app.command()(tune)
