"""`route-agent gate` and `verify`: judge a change that exists already."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from route_agent.cli.edge import plain_errors, print_json, print_lines
from route_agent.cli.inputs import dollars
from route_agent.cli.progress import shown
from route_agent.config import load_config, required_isolation
from route_agent.errors import UsageError
from route_agent.gate import INDEX, WORKING_TREE, Asking, judge
from route_agent.policyfiles import POLICY_PATH
from route_agent.records.grades import Grade
from route_agent.repo.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path

    from route_agent.ground import Opened
    from route_agent.records.events import Listener
    from route_agent.records.judgements import Judgement


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


@dataclass(frozen=True, slots=True)
class _Range:
    """What is judged, and what it is compared with; `told` says where that was found."""

    base: str
    head: str
    target: str = ""
    told: str = ""


def gate(asked: Asked, *, as_json: bool) -> None:
    """Judge a change, write what was asked for, and exit with the judgement's code."""
    with plain_errors(as_json=as_json):
        _refuse_contradictions(asked)
        repository = Repository.open(asked.directory)
        judged = _judged(asked, repository, _range(asked, repository), source="gate", quiet=as_json)
        _write(asked, judged)
        _print(judged, as_json=as_json)
        sys.exit(judged.exit_code)


def verify(directory: Path, base: str, task: str, least: str, policy: str, *, as_json: bool) -> None:
    """Grade the working tree against `base`."""
    with plain_errors(as_json=as_json):
        if least not in [grade.value for grade in Grade]:
            raise UsageError(
                f"--least {least!r} is no grade", hint=f"one of {', '.join(grade.value for grade in Grade)}"
            )
        asked = Asked(directory, base, WORKING_TREE, policy, task=task, least=Grade(least))
        repository = Repository.open(directory)
        judged = _judged(asked, repository, _Range(base, WORKING_TREE), source="verify", quiet=as_json)
        _print(judged, as_json=as_json)
        sys.exit(judged.exit_code)


def _refuse_contradictions(asked: Asked) -> None:
    """Refuse two things to judge at once, and a limit that is none."""
    named = [
        *(["--index"] if asked.index else []),
        *(["--pull-request"] if asked.pull_request is not None else []),
        *(["--head"] if asked.head != "HEAD" else []),
    ]
    if len(named) > 1:
        raise UsageError(f"{' and '.join(named)} exclude each other: one change is judged")
    dollars(asked.max_usd)


def _range(asked: Asked, repository: Repository) -> _Range:
    """What is judged against what; a base that nobody named is looked for."""
    if asked.index:
        return _Range(asked.base or "HEAD", INDEX)
    if asked.pull_request is not None:
        from route_agent.repo.fetching import pull_request

        found = pull_request(repository, asked.remote, asked.pull_request)
        target = f"pull request {asked.pull_request} of {asked.remote}, {found.head[:10]}"
        if asked.base:
            return _Range(asked.base, found.head, target)
        return _Range(found.base, found.head, target, found.based_on)
    if asked.base:
        return _Range(asked.base, asked.head)
    from route_agent.repo.upstream import base_for

    base, told = base_for(repository, asked.head, asked.remote)
    return _Range(base, asked.head, told=told)


def _judged(asked: Asked, repository: Repository, change: _Range, *, source: str, quiet: bool) -> Judgement:
    config = load_config()
    required = required_isolation(config)
    with shown(quiet=quiet) as on:

        def mend(ground: Opened, judged: Judgement) -> Judgement:
            return _mended(asked, ground, judged, on)

        how = Asking(
            policy=asked.policy,
            task=asked.task,
            least=asked.least,
            source=source,
            target=change.target,
            max_usd=asked.max_usd,
            mend=mend,
        )
        judged = judge(repository, config, change.base, change.head, required=required, on=on, asked=how)
    if asked.fix and not (judged.fix or judged.why_not_fixed):
        from route_agent.mending import NOTHING

        judged = replace(judged, why_not_fixed=NOTHING)
    if not asked.policy and (told := _newer_policy(repository, change.base, judged.base)):
        judged = replace(judged, notices=(told, *judged.notices))
    if change.told:
        told = f"compared with {change.told}, from where the two part at {judged.base[:10]}"
        judged = replace(judged, notices=(told, *judged.notices))
    return judged


def _newer_policy(repository: Repository, base: str, parted: str) -> str:
    """A word where the policy has changed since the two parted: a fork of an old commit brings an old one."""
    tip = repository.commit(base)
    if tip == parted or repository.file_at(tip, POLICY_PATH) == repository.file_at(parted, POLICY_PATH):
        return ""
    return (
        f"{POLICY_PATH} has changed at {tip[:10]} since the two parted: the one at {parted[:10]} counts."
        " Bring the change up to date, or name a file with --policy"
    )


def _mended(asked: Asked, ground: Opened, judged: Judgement, on: Listener) -> Judgement:
    if not asked.fix:
        return judged
    from route_agent.mending import mended

    return mended(ground, judged, asked.max_usd, on)


def _write(asked: Asked, judged: Judgement) -> None:
    """The files that were asked for, whatever the verdict is."""
    if asked.sarif:
        from route_agent.report.sarif import write_sarif

        write_sarif(judged, asked.sarif)
    if asked.junit:
        from route_agent.report.junit import write_junit

        write_junit(judged, asked.junit)
    if asked.markdown:
        from route_agent.report.gate_markdown import write_markdown

        write_markdown(judged, asked.markdown)


def _print(judged: Judgement, *, as_json: bool) -> None:
    if as_json:
        from route_agent.report.json import gate_object

        print_json(gate_object(judged))
    else:
        from route_agent.report.terminal import render_gate

        print_lines(render_gate(judged))
