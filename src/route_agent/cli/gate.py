"""`route-agent gate`: judge a committed change; also what the pre-push hook calls for every pushed ref."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.cli.edge import plain_errors, print_json, print_lines
from route_agent.cli.progress import shown
from route_agent.config import load_config, required_isolation
from route_agent.errors import UsageError
from route_agent.gate import WORKING_TREE, judge
from route_agent.records.grades import Grade
from route_agent.repo.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Asked:
    """What `gate` was asked for, as its options name it; an empty `base` is found out."""

    directory: Path
    base: str
    head: str = "HEAD"
    policy: str = ""
    index: bool = False
    pull_request: int | None = None
    remote: str = "origin"
    fix: bool = False
    max_usd: float | None = None
    sarif: Path | None = None
    junit: Path | None = None
    markdown: Path | None = None
    task: str = ""
    least: Grade = Grade.NONE


def gate(asked: Asked, *, as_json: bool) -> None:
    """Judge a change, and exit with the verdict's code."""
    with plain_errors(as_json=as_json):
        if not asked.base:
            raise UsageError("gate needs a base to compare with", hint="--base origin/main")
        config = load_config()
        required = required_isolation(config)
        repository = Repository.open(asked.directory)
        with shown(quiet=as_json) as on:
            judged = judge(
                repository,
                config,
                asked.base,
                asked.head,
                required=required,
                on=on,
                policy=asked.policy,
                task=asked.task,
                least=asked.least,
            )
        if as_json:
            from route_agent.report.json import gate_object

            print_json(gate_object(judged))
        else:
            from route_agent.report.terminal import render_gate

            print_lines(render_gate(judged))
        sys.exit(judged.verdict.exit_code)


def verify(directory: Path, base: str, task: str, least: str, policy: str, *, as_json: bool) -> None:
    """Grade the working tree against `base`."""
    with plain_errors(as_json=as_json):
        if least not in [grade.value for grade in Grade]:
            raise UsageError(
                f"--least {least!r} is no grade", hint=f"one of {', '.join(grade.value for grade in Grade)}"
            )
    asked = Asked(directory, base, WORKING_TREE, policy, task=task, least=Grade(least))
    gate(asked, as_json=as_json)
