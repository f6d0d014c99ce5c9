"""`route-agent --task`: parse, assemble, run, print, exit."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent import places
from route_agent.cli.edge import plain_errors, print_json, print_lines
from route_agent.cli.inputs import NOTHING_PREFERRED, Wanted, limit, preferring, read_task, wish
from route_agent.cli.progress import shown, warn
from route_agent.config import load_config
from route_agent.preferences import preferences

if TYPE_CHECKING:
    from route_agent.records.runs import Run


@dataclass(frozen=True, slots=True)
class Arguments:
    """The options of the main command, as they were typed."""

    text: str | None
    task_file: Path | None
    directory: Path
    base: str
    policy: str
    lane: str
    only_lane: str
    force_lane: bool
    task_class: str
    phase: str
    max_usd: float | None
    max_attempts: int | None
    timeout: float | None
    dry_run: bool
    apply: bool
    branch: str
    commit: bool
    with_reproduction: bool
    replay: Path | None
    as_json: bool
    verbose: bool


def run(arguments: Arguments) -> None:
    """Do the task and exit with the verdict's code."""
    with plain_errors(as_json=arguments.as_json):
        done = _run(arguments)
        if arguments.as_json:
            from route_agent.report.json import run_object

            print_json(run_object(done))
        else:
            from route_agent.report.terminal import render

            print_lines(render(done, verbose=arguments.verbose))
        sys.exit(done.exit_code)


def _run(arguments: Arguments) -> Run:
    brief = read_task(arguments.text, arguments.task_file)
    config = load_config()
    from route_agent.decide import opened
    from route_agent.ledger.store import Ledger
    from route_agent.repo.delivery import Wanted as Delivered
    from route_agent.task import Options, run_task
    from route_agent.telemetry import traced

    replies = None
    if arguments.replay:
        from route_agent.lanes.recorded import load_replies

        replies = load_replies(arguments.replay)
    preferred = preferences(os.environ)
    max_usd, told = limit(arguments.max_usd, preferred)
    options = Options(
        wish=wish(
            Wanted(
                arguments.lane,
                arguments.only_lane,
                arguments.force_lane,
                arguments.task_class,
                arguments.phase,
            ),
            preferred,
        ),
        wanted=Delivered(
            apply=arguments.apply,
            branch=arguments.branch,
            commit=arguments.commit,
            reproduction=arguments.with_reproduction,
        ),
        max_usd=max_usd,
        max_attempts=arguments.max_attempts,
        deadline_s=arguments.timeout,
        dry_run=arguments.dry_run,
        replies=replies,
    )
    ledger = Ledger(places.ledger_file())
    with (
        shown(quiet=arguments.as_json) as on,
        traced(
            config, on, problem=lambda why: None if arguments.as_json else warn(f"traces: {why}")
        ) as trace,
        opened(arguments.directory, config, base=arguments.base, policy=arguments.policy) as ground,
    ):
        chosen = preferring(ground, NOTHING_PREFERRED if replies else preferred)  # a recording has its models
        ground_in_force = replace(chosen, notices=(*chosen.notices, *told))
        return trace.ended(run_task(ground_in_force, brief, options, ledger, trace.on))
