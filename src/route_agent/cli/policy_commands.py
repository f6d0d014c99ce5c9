"""`route-agent policy …`: the commands' options; each body is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from route_agent.cli.options import Directory, Json, PolicyOption

policy_app = typer.Typer(
    help="The policy: check it, show what is in force, compare two, look for drift.", rich_markup_mode=None
)

Repository = Annotated[
    bool, typer.Option("--all", help="Use every repository's runs of the ledger, not only this one's.")
]


@policy_app.command("check")
def policy_check(
    file: Annotated[
        str, typer.Argument(metavar="[FILE|PRESET]", help="A policy; the one at HEAD by default.")
    ] = "",
    inherited: Annotated[
        bool, typer.Option("--verbose", "-v", help="Look at the built-in policy's own rules as well.")
    ] = False,
    as_json: Json = False,
    directory: Directory = Path(),
) -> None:
    """Say what is wrong with a policy: faults, dead or overlapping rules, lanes without a price."""
    from route_agent.cli.policy_check import check as body

    body(directory, file, inherited=inherited, as_json=as_json)


@policy_app.command("show")
def policy_show(
    effective: Annotated[
        bool, typer.Option("--effective", help="With what the organisation and you yourself ask for.")
    ] = False,
    policy: PolicyOption = "",
    as_json: Json = False,
    directory: Directory = Path(),
) -> None:
    """Print the policy in force, every default filled in."""
    from route_agent.cli.policy_show import show as body

    body(directory, policy, effective=effective, as_json=as_json)


@policy_app.command("schema")
def policy_schema() -> None:
    """Print the JSON Schema of a policy, for editors."""
    from route_agent.cli.policy_check import schema as body

    body()


@policy_app.command("diff")
def policy_diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A file, a preset, or REF:PATH.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The same.")],
    everywhere: Repository = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print it as a comment for a pull request.")
    ] = False,
    as_json: Json = False,
    directory: Directory = Path(),
) -> None:
    """Replay a change of policy over the ledger: which tasks would go elsewhere, at what price."""
    from route_agent.cli.policy_diff import diff as body

    body(directory, old, new, everywhere=everywhere, markdown=markdown, as_json=as_json)


@policy_app.command("drift")
def policy_drift(
    policy: PolicyOption = "",
    as_json: Json = False,
    directory: Directory = Path(),
) -> None:
    """Say where the code base has moved away from the policy's rules."""
    from route_agent.cli.policy_drift import drift as body

    body(directory, policy, as_json=as_json)


@policy_app.command("fuzz")
def policy_fuzz(
    policy: PolicyOption = "",
    rounds: Annotated[int, typer.Option("--rounds", help="How many mutations.", min=1, max=1_000_000)] = 2000,
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds try the same.")] = 0,
    as_json: Json = False,
    directory: Directory = Path(),
) -> None:
    """Try to lower a score, a lane or a check by text alone; exit 1 if that succeeds."""
    from route_agent.cli.fuzz import fuzz as body

    body(directory, policy, rounds=rounds, seed=seed, as_json=as_json)
