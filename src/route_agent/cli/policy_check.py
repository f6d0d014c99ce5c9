"""`route-agent policy check` and `policy schema`: is a policy sound, and what may it say?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from route_agent.cli.edge import plain_errors, print_json, print_lines
from route_agent.cli.policies import files_of, policy_at_head, policy_named, repository_around
from route_agent.config import load_config, prices
from route_agent.errors import PolicyError
from route_agent.pathrules import Finding, Severity, Written, plain
from route_agent.policy import POLICY_PATH
from route_agent.policychecks import faults, findings
from route_agent.repo.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Sequence

    from route_agent.cli.policies import Named

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: ""}


def check(directory: Path, file: str, *, inherited: bool, as_json: bool) -> None:
    """Print what is wrong with a policy; ends with 2 where it cannot be used."""
    with plain_errors(as_json=as_json):
        repository: Repository | None
        if file:
            repository = repository_around(directory)
            named = policy_named(file, repository)
        else:
            repository = Repository.open(directory)
            named = policy_at_head(repository)
        notices = list(_notices(named, repository))
        found = _found(named, repository, inherited=inherited)
        faulty = any(it.severity is Severity.ERROR for it in found)
        if as_json:
            counts = Counter(it.severity.value for it in found)
            print_json(
                {
                    "schema": 1,
                    "policy": named.name,
                    "findings": plain(found),
                    "counts": {it.value: counts[it.value] for it in Severity},
                    "notices": notices,
                    "exit_code": 2 if faulty else 0,
                }
            )
        else:
            print_lines(list(_lines(named.name, found, notices)))
        raise typer.Exit(2 if faulty else 0)


def _found(named: Named, repository: Repository | None, *, inherited: bool) -> list[Finding]:
    try:
        written = Written.of(named.text, named.name)
    except PolicyError as error:
        return faults(error.what)
    return findings(
        written,
        paths=files_of(repository) if repository else None,
        priced=prices(load_config()).known,
        inherited=inherited,
    )


def _notices(named: Named, repository: Repository | None) -> Sequence[str]:
    if repository is None:
        return ("no repository here, so no rule was held against files: pass -C DIR",)
    notices = [f"HEAD has no {POLICY_PATH}: the built-in policy was checked"] if named.stands_in else []
    own = repository.root / POLICY_PATH
    if named.name == POLICY_PATH and own.is_file() and own.read_bytes() != named.text:
        notices.append(
            f"the one at HEAD was checked; yours is changed: route-agent policy check {POLICY_PATH}"
        )
    return notices


def _lines(name: str, found: Sequence[Finding], notices: Sequence[str]) -> Sequence[tuple[str, str]]:
    told = [(f"note: {notice}", "dim") for notice in notices]
    for it in found:
        told.append((f"{it.severity.value:7} {it.where}  {it.what}", _STYLES[it.severity]))
        if it.do:
            told.append((f"        → {it.do}", "dim"))
    counts = Counter(it.severity for it in found)
    words = ", ".join(
        f"{counts[it]} {it.value}{'' if counts[it] == 1 else 's'}" for it in Severity if counts[it]
    )
    return [*told, (f"{name}: {words or 'nothing to say against it'}", "")]


def schema() -> None:
    """Print the JSON Schema of a policy."""
    with plain_errors():
        from route_agent.policyschema import policy_schema

        print_json(policy_schema())
