"""`route-agent policy diff`: what a change of policy would have done to the tasks of the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from route_agent.cli.edge import plain_errors, print_json, say
from route_agent.cli.policies import policy_named, repository_around, tasks_of
from route_agent.config import load_config
from route_agent.policy import NamedPolicy, parse_policy
from route_agent.policydiff import replayed
from route_agent.report import policydiff as report
from route_agent.strictness import tightened

if TYPE_CHECKING:
    from route_agent.config import Config
    from route_agent.repo.repository import Repository


def diff(directory: Path, old: str, new: str, *, everywhere: bool, markdown: bool, as_json: bool) -> None:
    """Print what changes lane, what that may cost, and the two policies key by key."""
    with plain_errors(as_json=as_json):
        repository, config = repository_around(directory), load_config()
        before, after = (_read(name, repository, config) for name in (old, new))
        told = replayed(
            before, after, tasks_of(None if everywhere else repository) if repository or everywhere else ()
        )
        if as_json:
            print_json(report.as_object(before, after, told))
            return
        shown = report.markdown if markdown else report.lines
        say("\n".join(shown(before, after, told)))


def _read(name: str, repository: Repository | None, config: Config) -> NamedPolicy:
    """A policy as it would be in force here: above what the organisation and the user ask for."""
    named = policy_named(name, repository)
    policy, _ = tightened(parse_policy(named.text, named.name), config.floor)
    return NamedPolicy(named.name, policy)
