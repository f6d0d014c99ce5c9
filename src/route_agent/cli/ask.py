"""`route-agent ask`: parse, ask one lane, write the patch, exit."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from route_agent import places
from route_agent.cli.edge import plain_errors, print_json, print_lines
from route_agent.cli.inputs import Wanted, dollars, read_task, wish
from route_agent.cli.progress import shown
from route_agent.config import load_config
from route_agent.errors import EnvironmentBroken

if TYPE_CHECKING:
    from pathlib import Path

    from route_agent.proposing import Asked


@dataclass(frozen=True, slots=True)
class Arguments:
    """The options, as they were typed."""

    text: str | None
    task_file: Path | None
    out: Path
    directory: Path
    base: str
    head: str
    policy: str
    lane: str
    max_usd: float | None
    replay: Path | None
    as_json: bool


def ask(arguments: Arguments) -> None:
    """Ask, and exit with 0 where a patch was written: that it was, and no more."""
    with plain_errors(as_json=arguments.as_json):
        asked = _asked(arguments)
        written = asked.proposal.failure is None
        if written:
            _write(arguments.out, asked.proposal.patch)
        if arguments.as_json:
            print_json(_object(asked, arguments.out if written else None))
        else:
            print_lines(_lines(asked, arguments.out))
        sys.exit(0 if written else asked.run.verdict.exit_code)


def _asked(arguments: Arguments) -> Asked:
    brief = read_task(arguments.text, arguments.task_file)
    config = load_config()
    from route_agent.decide import opened
    from route_agent.ledger.store import Ledger
    from route_agent.proposing import ask_only
    from route_agent.task import Options

    replies = None
    if arguments.replay:
        from route_agent.lanes.recorded import load_replies

        replies = load_replies(arguments.replay)
    options = Options(
        wish=wish(Wanted(lane=arguments.lane)), max_usd=dollars(arguments.max_usd), replies=replies
    )
    ledger = Ledger(places.ledger_file())
    with (
        shown(quiet=arguments.as_json) as on,
        opened(
            arguments.directory, config, base=arguments.base, policy=arguments.policy, head=arguments.head
        ) as ground,
    ):
        return ask_only(ground, brief, options, ledger, on)


def _write(file: Path, patch: str) -> None:
    try:
        file.write_bytes(patch.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise EnvironmentBroken(
            f"{file} cannot be written: {error.strerror}", hint="name a file in a folder that is there"
        ) from error


def _object(asked: Asked, file: Path | None) -> dict[str, Any]:
    run, proposal = asked.run, asked.proposal
    return {
        "schema": 1,
        "run_id": run.id,
        "verdict": run.verdict.name.lower(),
        "exit_code": 0 if file else run.verdict.exit_code,
        "reason": run.reason,
        "lane": proposal.lane,
        "model": proposal.model,
        "summary": proposal.summary,
        "files": list(proposal.change.paths) if proposal.change else [],
        "patch": str(file) if file else None,
        "score": run.risk.score if run.risk else None,
        "cost_usd": run.cost.usd,
        "notices": [*run.notices, *(run.decision.skipped if run.decision else ())],
    }


def _lines(asked: Asked, file: Path) -> list[tuple[str, str]]:
    from route_agent.report.words import spent

    run, proposal = asked.run, asked.proposal
    skipped = run.decision.skipped if run.decision else ()
    lines = [(f"note      {notice}", "yellow") for notice in (*run.notices, *skipped)]
    lines.append((f"asked     {proposal.lane} {proposal.model}", ""))
    if proposal.failure is None and proposal.change:
        lines.append((f"patch     {file}   {proposal.change.summary}", ""))
    lines += [
        (f"result    {run.verdict.value}: {run.reason}", "bold" if proposal.failure is None else "bold red"),
        (f"cost_usd_estimate: {spent(run.cost)}   latency_seconds: {run.seconds:.1f}", "bold"),
    ]
    return lines
